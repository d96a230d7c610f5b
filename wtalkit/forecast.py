"""What a job would take before it is begun: time, measured on the first seconds of its first videos, and disk space."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.inputs import Failure, Input, attempt, gather

if TYPE_CHECKING:
    from wtalkit.extraction import VideoFeaturizer
    from wtalkit.features import FeatureFile
    from wtalkit.video import Limits

TRIAL_S = 5.0
"""Seconds of work that the speed is measured over."""
_RECORD_BYTES = 700
"""The record beside each features file, and that file's head."""


@dataclass(frozen=True)
class VideoForecast:
    """What is known of one video without decoding it.

    Attributes:
        key: the video's.
        path: its file.
        duration_s: as its container states it; None where it does not.
        frames: after resampling.
        snippets: rows of its features.
        there: its features are there already.
    """

    key: str
    path: str
    duration_s: float | None
    frames: int | None
    snippets: int | None
    there: bool = False


@dataclass(frozen=True)
class Forecast:
    """What a job would take.

    Attributes:
        videos: those that would be worked on, and those that are done.
        failures: inputs that are not there.
        frames_per_s: at all videos together, as measured; None where nothing could be.
        trial_s: seconds that the measurement took.
        row_bytes: of the features of one snippet.
        free_bytes: on the disk of the features; None where none are written.
        device: where the work was measured.
    """

    videos: tuple[VideoForecast, ...]
    failures: tuple[Failure, ...]
    frames_per_s: float | None
    trial_s: float
    row_bytes: int
    free_bytes: int | None
    device: str

    @property
    def to_do(self) -> tuple[VideoForecast, ...]:
        """Videos that need work."""
        return tuple(each for each in self.videos if not each.there)

    @property
    def unknown(self) -> int:
        """Videos to do of unknown length; each counts as long as the others on average."""
        return sum(each.frames is None for each in self.to_do)

    @property
    def duration_s(self) -> float | None:
        """Seconds of video to work on."""
        return _total([each.duration_s for each in self.to_do])

    @property
    def frames(self) -> int | None:
        """Frames to work on, after resampling."""
        total = _total([each.frames for each in self.to_do])
        return None if total is None else round(total)

    @property
    def seconds(self) -> float | None:
        """How long the work would take; None where that cannot be known."""
        if not self.to_do:
            return 0.0
        return None if self.frames is None or self.frames_per_s is None else self.frames / self.frames_per_s

    @property
    def bytes(self) -> int | None:
        """Bytes of the features."""
        snippets = _total([each.snippets for each in self.to_do])
        return None if snippets is None else round(snippets * self.row_bytes) + _RECORD_BYTES * len(self.to_do)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the sums included."""
        sums = {
            "seconds": self.seconds, "bytes": self.bytes, "duration_s": self.duration_s, "frames": self.frames,
            "unknown": self.unknown,
        }  # fmt: skip
        return {**sums, **asdict(self), "failures": [{"path": e.path, "cause": e.cause} for e in self.failures]}


def estimate(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
    backbone: str | None = None,
    flow: str | None = None,
    fps: float | None = None,
    stride: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    limits: Limits | None = None,
    offline: bool = False,
    trial_s: float = TRIAL_S,
) -> Forecast:
    """Say how long the extraction of features would take here, and how large they would be; nothing is written.

    Args:
        inputs: videos and folders.
        out: the features folder: what is there already needs no work.
        backbone: name of the backbone; by default the one that ``wtalkit extract`` would take.
        flow: name of the flow algorithm; by default likewise.
        fps: frames per second after resampling; the backbone's own by default.
        stride: frames from one window to the next; the backbone's own by default.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: numbers that the backbone computes in.
        workers: cores that compute on the CPU; all by default.
        limits: what a video may claim.
        offline: never fetch weights.
        trial_s: seconds of work that the speed is measured over; 0 measures nothing.

    Raises:
        ConfigError: an unknown name or a number that makes no sense.
        MachineError: weights or device are not to be had.
    """
    from wtalkit.backbones import load_backbone
    from wtalkit.extraction import VideoFeaturizer
    from wtalkit.flow import check_flow, get_flow
    from wtalkit.project import Project
    from wtalkit.zoo import choose_backbone

    project = Project.load()
    given = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    found, missing = gather(given)
    flow = flow or project.settings.flow or "tvl1"
    check_flow(flow)
    chosen = choose_backbone(backbone, project, offline=offline).name
    loaded = load_backbone(chosen, flow=flow, device=device, offline=offline, precision=precision)
    algorithm = get_flow(flow if "flow" in loaded.streams else "none", offline=offline)
    featurizer = VideoFeaturizer(loaded, algorithm, fps=fps, stride=stride, workers=workers, limits=limits)
    try:
        return forecast(found, featurizer, failures=missing, out=None if out is None else Path(out), trial_s=trial_s)
    finally:
        featurizer.close()


def forecast(
    found: Sequence[Input],
    featurizer: VideoFeaturizer,
    *,
    failures: Sequence[Failure] = (),
    out: Path | None = None,
    overwrite: bool = False,
    trial_s: float = TRIAL_S,
) -> Forecast:
    """The same for what was found, with a featurizer that is ready.

    Args:
        found: inputs; feature files need no work.
        featurizer: with the backbone, on its device.
        failures: inputs that are not there.
        out: the features folder; None where no features are written.
        overwrite: work on what is there, too.
        trial_s: seconds of work that the speed is measured over; 0 measures nothing.
    """
    there = out if out is not None and not overwrite else None
    videos = _lengths([each for each in found if each.kind == "video"], featurizer, there)
    to_do = [each for each, video in zip(_videos(found), videos, strict=True) if not video.there]
    began_s = time.perf_counter()
    rate = _measured(to_do, featurizer, trial_s) if to_do and trial_s > 0 else None
    return Forecast(
        videos=tuple(videos),
        failures=tuple(failures),
        frames_per_s=rate,
        trial_s=time.perf_counter() - began_s,
        row_bytes=featurizer.backbone.dim * 4,
        free_bytes=None if out is None else shutil.disk_usage(_existing(out)).free,
        device=str(featurizer.backbone.device),
    )


def _videos(found: Sequence[Input]) -> list[Input]:
    return [each for each in found if each.kind == "video"]


def _lengths(videos: Sequence[Input], featurizer: VideoFeaturizer, there: Path | None) -> list[VideoForecast]:
    """What the containers say."""
    from wtalkit.features.store import feature_paths
    from wtalkit.video import Decoder

    timeline, answers = featurizer.timeline, []
    with closing(Decoder()) as decoder:
        for each in videos:
            length_s = decoder.length_s(each.path)
            frames = None if length_s is None else timeline.frame_count(length_s)
            snippets = None if frames is None else timeline.snippet_count(frames)
            done = there is not None and all(path.is_file() for path in feature_paths(there, each.key))
            answers.append(VideoForecast(each.key, os.fspath(each.path), length_s, frames, snippets, done))
    return answers


def _measured(videos: Sequence[Input], featurizer: VideoFeaturizer, trial_s: float) -> float | None:
    """Frames a second, several videos at once as in the job itself; the start of the first one does not count."""
    from wtalkit.extraction import Progress
    from wtalkit.extraction.lanes import Lane

    def work(video: Input, lane: Lane) -> FeatureFile | Failure:
        return attempt(video.path, partial(featurizer.collect, video, lane))

    done: dict[str, int] = {}
    began_s = time.perf_counter()
    moments: list[tuple[float, int]] = []
    with closing(featurizer.run(videos, work)) as events:
        for event in events:
            if not isinstance(event, Progress) or event.frames_done == 0:
                continue
            done[event.key] = event.frames_done
            moments.append((time.perf_counter(), sum(done.values())))
            if moments[-1][0] - moments[0][0] >= trial_s:
                break
    if not moments:
        return None
    (first_s, first), (last_s, last) = moments[0], moments[-1]
    if last - first >= first:  # else what came at once with the start is most of what there is
        return (last - first) / (last_s - first_s)
    return last / (last_s - began_s)


def _total(values: Sequence[float | None]) -> float | None:
    """Sum, with the mean of the known ones for each unknown one; None where none is known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) * len(values) if known else None


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
