"""Extraction from files to rows: the stages at once, against the same stages one after the other.

The slower way is what a script does that calls the same functions in turn: decode a video whole, compute its flow, then
its features, then go on to the next video. Both ways give the same rows.

How fast the stages could be is measured with each of them alone: decoding into nothing, flow of frames in memory, the
network on windows in memory. On a GPU they use different parts of the machine, and the slowest alone is the limit. On a
CPU all of them want the same cores; the limit is what their work takes with every core busy all the time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wtalkit.backbones import BACKBONES, Backbone, InceptionI3D
from wtalkit.backbones.preprocess import to_gray
from wtalkit.backbones.specs import Stream
from wtalkit.bench.clips import write_clip
from wtalkit.bench.pairs import interleaved, ratio
from wtalkit.bench.stages import Case, Row
from wtalkit.extraction import VideoFeaturizer
from wtalkit.extraction.compute import Compute, Later, compute_for
from wtalkit.extraction.lanes import Done, Lane, lanes_for
from wtalkit.flow import tvl1
from wtalkit.inputs import Input
from wtalkit.video import FrameStream

if TYPE_CHECKING:
    from concurrent.futures import Future

    Rows = NDArray[np.float32]

_CHANNELS: dict[Stream, int] = {"rgb": 3, "flow": 2}
_AHEAD = 3
"""Batches under way in the network alone, as in the pipeline."""


@dataclass(frozen=True)
class Setting:
    """What is extracted: so many copies of one video, fewer in the slower way."""

    backbone: str
    width: int
    height: int
    frames: int
    videos: int
    repeats: int
    their_videos: int


CPU = Setting("i3d-mini", 128, 96, 160, 3, 2, 3)
GPU = Setting("i3d", 340, 256, 1500, 16, 2, 2)


def measure(case: Case) -> Iterator[Row]:
    """End to end, each stage alone, and ``wtalkit detect`` against the clock."""
    setting = GPU if case.device.type == "cuda" else CPU
    with tempfile.TemporaryDirectory(prefix="wtalkit-bench-") as folder:
        yield from measure_setting(setting, Path(folder), case)
    if case.device.type == "cpu":
        yield detect_row(case)


def measure_setting(setting: Setting, folder: Path, case: Case) -> Iterator[Row]:
    """End to end and each stage alone."""
    job = Job(setting, folder, case)
    try:
        alone = {name: median(job.timed(stage, setting.repeats)) for name, stage in job.stages().items()}
        times = interleaved({"theirs": job.one_after_the_other, "ours": job.at_once}, setting.repeats, case.wait)
    finally:
        job.close()
    total, fewer = setting.frames * setting.videos, setting.frames * setting.their_videos
    on_gpu = case.device.type == "cuda"
    bound_s = max(alone.values()) if on_gpu else sum(alone.values())
    difference = max(float(np.abs(one - two).max()) for one, two in zip(job.ours, job.theirs, strict=False))
    what = f"{setting.videos} H.264 videos {setting.width}x{setting.height}, {setting.backbone}, tvl1"
    device = torch.cuda.get_device_name(case.device) if on_gpu else "cpu"
    yield Row(
        stage="extraction",
        case=f"{what}, from file to rows",
        unit="frames",
        ours=f"all stages at once, {job.lanes} videos at a time",
        theirs="the same stages one after the other",
        ours_per_s=total / median(times["ours"]),
        theirs_per_s=fewer / median(times["theirs"]),
        ratio=ratio(times["theirs"], times["ours"]) * total / fewer,
        limit="slowest stage alone" if on_gpu else "work of all stages with no core idle",
        share=bound_s / median(times["ours"]),
        agreement=f"rows differ by {difference:.1e} at most",
        device=device,
    )
    for name, seconds in alone.items():
        yield Row("extraction", f"{what}, {name} alone", "frames", name, "", total / seconds, device=device)


class Job:
    """The videos, and the ways to go through them."""

    def __init__(self, setting: Setting, folder: Path, case: Case) -> None:
        self.setting, self.case = setting, case
        spec = BACKBONES[setting.backbone]
        torch.manual_seed(0)
        models = {name: InceptionI3D(channels, 5, width=spec.width) for name, channels in _CHANNELS.items()}
        self.backbone = Backbone(spec, models, weights_hash="random", device=case.device)
        self.videos = self._videos(folder, Fraction(spec.fps))
        self.featurizer = VideoFeaturizer(self.backbone, "tvl1", workers=case.threads)
        self.lanes = lanes_for(setting.videos, case.device.type)
        self.images = np.stack(list(FrameStream(self.videos[0].path, spec.fps, short_side=spec.resize)))
        self.ours: list[Rows] = []
        self.theirs: list[Rows] = []

    def _videos(self, folder: Path, fps: Fraction) -> list[Input]:
        size = {"width": self.setting.width, "height": self.setting.height}
        write_clip(folder / "0.mp4", frames=self.setting.frames, fps=fps, **size)
        for number in range(1, self.setting.videos):
            shutil.copyfile(folder / "0.mp4", folder / f"{number}.mp4")
        return [Input(str(number), folder / f"{number}.mp4") for number in range(self.setting.videos)]

    def close(self) -> None:
        """End the decoders."""
        self.featurizer.close()

    def at_once(self) -> None:
        """Ours."""
        events = self.featurizer.run(self.videos, self.featurizer.collect)
        found = {event.video.key: event.result.array for event in events if isinstance(event, Done)}
        self.ours = [found[video.key] for video in self.videos]

    def one_after_the_other(self) -> None:
        """A script's way."""
        self.theirs = [self._script(video.path) for video in self.videos[: self.setting.their_videos]]

    def _script(self, path: Path) -> Rows:
        spec, timeline = self.backbone.spec, self.featurizer.timeline
        images = np.stack(list(FrameStream(path, spec.fps, short_side=spec.resize)))
        found = tvl1(np.stack([to_gray(image) for image in images]), device=str(self.case.device))
        fields: NDArray[np.float32] = np.concatenate([found, found[-1:]]).astype(np.float32, copy=False)
        starts = [number * timeline.stride for number in range(timeline.snippet_count(len(images)))]
        rows = []
        for first in range(0, len(starts), self.backbone.batch_windows):
            batch = starts[first : first + self.backbone.batch_windows]
            rgb = np.stack([images[at : at + timeline.window] for at in batch])
            flow = np.stack([fields[at : at + timeline.window] for at in batch])
            rows.append(self.backbone.extract(rgb, flow))
        return np.concatenate(rows)

    def stages(self) -> dict[str, Callable[[Compute], None]]:
        """Each stage alone, for as many frames as all videos have."""
        return {"decoding": self._decoding, "flow": self._flow, "network": self._network}

    def timed(self, stage: Callable[[Compute], None], repeats: int) -> Sequence[float]:
        """Seconds of a stage."""
        compute = compute_for(self.backbone, self.featurizer.flow, self.case.threads)
        try:
            return interleaved({"stage": lambda: stage(compute)}, repeats, self.case.wait)["stage"]
        finally:
            compute.close()

    def _decoding(self, compute: Compute) -> None:
        def drain(video: Input, lane: Lane) -> None:
            spec = self.backbone.spec
            frames = compute.chunk_frames
            with lane.decoder.decode(video.path, spec.fps, short_side=spec.resize, chunk_frames=frames) as decoding:
                for _ in decoding:
                    pass

        for _ in self.featurizer.run(self.videos, drain):
            pass

    def _flow(self, compute: Compute) -> None:
        with compute.here():
            frames = compute.load(self.images)
            grays = compute.gray(frames)
            size = compute.chunk_frames
            chunks = [grays[at : at + size + 1] for at in range(0, len(grays) - 1, size)]
            running: deque[Later] = deque()
            for chunk in chunks * self.setting.videos:
                running.append(compute.flow(chunk))
                if len(running) > self.lanes * compute.chunks_ahead:
                    running.popleft().result()
            for each in running:
                each.result()

    def _network(self, compute: Compute) -> None:
        timeline = self.featurizer.timeline
        count = timeline.snippet_count(len(self.images)) * self.setting.videos
        with compute.here():
            rgb = compute.load(self.images[: timeline.window])[None]
            flow = torch.zeros(1, timeline.window, 2, *rgb.shape[2:4], device=rgb.device)
            running: deque[Future[Rows]] = deque()
            for first in range(0, count, compute.batch_windows):
                size = min(compute.batch_windows, count - first)
                running.append(compute.features(_repeated(rgb, size), _repeated(flow, size)))
                if len(running) > _AHEAD:
                    running.popleft().result()
            for each in running:
                each.result()


def _repeated(windows: Tensor, size: int) -> Tensor:
    return windows.expand(size, *windows.shape[1:]).contiguous()


def detect_row(case: Case) -> Row:
    """``wtalkit detect`` on the demo video, from the start of the process to its end."""
    from wtalkit.video import probe
    from wtalkit.zoo import DEMO_MODEL, demo_video

    path = demo_video()
    duration_s = probe(path).container_duration_s or 0.0
    command = [sys.executable, "-m", "wtalkit", "detect", str(path), "--json", "--device", "cpu", "--model", DEMO_MODEL]

    def run() -> None:
        subprocess.run([*command, "--quiet"], check=True, capture_output=True)

    seconds = median(interleaved({"detect": run}, case.repeats, case.wait)["detect"])
    return Row(
        stage="extraction",
        case=f"wtalkit detect {path.name} ({duration_s:g} s of video), start of the process included",
        unit="seconds of video",
        ours="detect",
        theirs="",
        ours_per_s=duration_s / seconds,
    )
