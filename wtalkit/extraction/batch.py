"""Many videos to a folder of features: what exists is skipped, what fails is listed, the rest goes on."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit import atomic
from wtalkit.errors import ConfigError, DiskFull, FeaturesError, MachineError
from wtalkit.extraction.engine import EngineName, engine_for
from wtalkit.extraction.featurizer import OnPartial, VideoFeaturizer
from wtalkit.extraction.job import Extracted, ExtractionJob
from wtalkit.extraction.lanes import Begun, Done, Event
from wtalkit.extraction.progress import Progress
from wtalkit.extraction.sharding import parse_shard
from wtalkit.extraction.sharding import shard as take_shard
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import feature_paths
from wtalkit.flow import check_flow, get_flow
from wtalkit.inputs import Failure, Input, gather
from wtalkit.places import require_folder
from wtalkit.status import StatusFile, VideoStatus, read_status
from wtalkit.video import PATIENCE_S, Decoder, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from wtalkit.backbones.backbone import MakesFeatures

_LOOK_AGAIN_S = 0.5
"""Seconds between looks at videos that another process is at."""
_LENGTHS_ASKED = 200
"""Videos whose length is looked up to say how much space is missing."""


@dataclass(frozen=True)
class ExtractionResult:
    """What became of each input; the folder's ``status.jsonl`` says more of each.

    Attributes:
        out: the features folder.
        done: keys of the videos extracted now.
        skipped: keys whose features were there already.
        partial: keys of damaged videos left out on request (``on_partial="skip"``).
        failed: inputs that could not be extracted, with the cause.
        spec: the spec of the folder's features.
        statuses: of every input, in order.
    """

    out: Path
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    partial: tuple[str, ...]
    failed: tuple[Failure, ...]
    spec: FeatureSpec
    statuses: tuple[VideoStatus, ...] = ()


def extract(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Input | Failure],
    out: str | os.PathLike[str],
    *,
    backbone: str | MakesFeatures = "i3d",
    replicas: Sequence[MakesFeatures] = (),
    flow: str = "tvl1",
    fps: float | None = None,
    stride: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    overwrite: bool = False,
    on_partial: OnPartial = "error",
    limits: Limits | None = None,
    timeout_s: float = PATIENCE_S,
    offline: bool = False,
    engine: EngineName = "local",
    address: str | None = None,
    shard: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    started: Callable[[Input], None] | None = None,
    finished: Callable[[Input, str], None] | None = None,
) -> ExtractionResult:
    """Extract features of many videos into the folder ``out``, ``out/KEY.npy`` beside ``out/KEY.json``.

    A video whose features are there, whole and of the same spec, is skipped, so an interrupted run goes on where it
    stopped. Files appear whole or not at all. Several processes may work on one folder: each video is done by one of
    them. What became of each video is in ``out/status.jsonl``, see :mod:`wtalkit.status`.

    Args:
        inputs: videos, folders of videos, or a list of them; also what :func:`wtalkit.inputs.gather` found and missed.
        out: the features folder.
        backbone: name of the backbone, or one that is loaded.
        replicas: with one that is loaded: the same on further devices.
        flow: name of the flow algorithm.
        fps: frames per second after resampling; the backbone's own by default.
        stride: frames from one window to the next; the backbone's own by default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``cuda`` means all GPUs.
        precision: numbers that the backbone computes in, as of ``load_backbone``.
        workers: cores that compute on the CPU; all by default. With ``engine="ray"`` cores of a video.
        overwrite: extract again what is there, of whatever spec.
        on_partial: what to do with damaged videos: ``error``, ``keep`` or ``skip``.
        limits: what a video may claim.
        timeout_s: seconds without a sign of life after which a decoder counts as hung.
        offline: never fetch weights.
        engine: ``local``, or ``ray`` for a Ray cluster, one task a video.
        address: of the cluster; None starts one on this machine.
        shard: ``"I/N"``: only the Ith of N parts of the videos.
        progress: called while a video is worked on; several are at once.
        started: called before each input.
        finished: called after each input, with ``"done"``, ``"skipped"``, ``"partial"`` or the cause of its failure;
            with ``"busy"`` for one that another process is at, which comes up again.

    Raises:
        FeaturesError: ``out`` holds features of another spec; nothing was started. If another process put them there
            meanwhile, nothing was written.
        ConfigError: an unknown name or a number that makes no sense.
        MachineError: weights, device or disk space are not to be had.
    """
    check_flow(flow)
    if isinstance(backbone, str):
        from wtalkit.backbones.backbone import load_backbone

        backbone, *replicas = (
            load_backbone(backbone, flow=flow, device=each, offline=offline, precision=precision)
            for each in devices_for(device if engine == "local" else "cpu")
        )
    videos, missing = _videos(inputs)
    twice = [key for key, number in Counter(video.key for video in videos).items() if number > 1]
    if twice:
        raise ConfigError(f"two videos have the key {twice[0]!r}", remedy="Give each video a key of its own")
    if shard is not None:
        videos = take_shard(videos, *parse_shard(shard))
    folder = Path(out)
    require_folder(folder, "features need", error=FeaturesError)
    algorithm = get_flow(flow if "flow" in backbone.streams else "none", offline=offline)
    featurizer = VideoFeaturizer(
        backbone, algorithm, fps=fps, stride=stride, workers=workers, on_partial=on_partial, limits=limits,
        patience_s=timeout_s, replicas=replicas,
    )  # fmt: skip
    spec = featurizer.spec
    job = ExtractionJob(folder, spec, on_partial, overwrite=overwrite)
    if folder.is_dir():
        job.refuse_another_spec()
    ledger = _Ledger(folder, missing)
    with (
        atomic.swept(folder),
        closing(job),
        ledger.closing(),
        closing(
            engine_for(engine, featurizer, address=address, device=device, precision=precision, offline=offline)
        ) as chosen,
        _saying_how_much_is_missing(videos, ledger, featurizer),
        closing(_turns(videos, lambda some: chosen.run(some, job), folder)) as events,
    ):
        for event in events:
            if isinstance(event, Begun) and started is not None:
                started(event.video)
            elif isinstance(event, Progress) and progress is not None:
                progress(event)
            elif isinstance(event, Done):
                ledger.enter(event.video, event.result)
                if finished is not None:
                    outcome = event.result.outcome
                    finished(event.video, outcome.cause if isinstance(outcome, Failure) else outcome)
    return ledger.result(videos, spec)


def _turns(
    videos: Sequence[Input], run: Callable[[Sequence[Input]], Generator[Event[Extracted], None, None]], folder: Path
) -> Generator[Event[Extracted], None, None]:
    """All videos, and again those that another process is at, once it has finished or died."""
    waiting = list(videos)
    while waiting:
        busy: list[Input] = []
        with closing(run(waiting)) as events:
            for event in events:
                if isinstance(event, Done) and event.result.outcome == "busy":
                    busy.append(event.video)
                yield event
        waiting = []
        while busy and not waiting:
            time.sleep(_LOOK_AGAIN_S)
            waiting = [video for video in busy if not atomic.is_claimed(feature_paths(folder, video.key)[0])]
        waiting += [video for video in busy if video not in waiting]


class _Ledger:
    """Keeps what became of each video, in memory and in the folder's status file."""

    def __init__(self, folder: Path, missing: Sequence[Failure]) -> None:
        self._file = StatusFile(folder)
        self._known = read_status(folder)
        self.outcomes: dict[str, Extracted] = {}
        self._missing = missing
        self._missing_statuses = tuple(VideoStatus.of_failure(Path(each.path).stem, each, None) for each in missing)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Within it the file is written to, at its end it is put in order."""
        try:
            for status in self._missing_statuses:
                self._write(status)
            yield
        except BaseException:
            with suppress(MachineError):  # what was wrong first is what counts
                self._file.tidy()
            raise
        self._file.tidy()

    def enter(self, video: Input, extracted: Extracted) -> None:
        """Note the outcome of one video."""
        if extracted.status is not None:
            self.outcomes[video.key] = extracted
            self._write(extracted.status)

    def _write(self, status: VideoStatus) -> None:
        if self._known.get(status.video) != status:
            self._file.add(status)

    def result(self, videos: Sequence[Input], spec: FeatureSpec) -> ExtractionResult:
        """All of it, in the order of the inputs: lanes end in another order than they begin."""
        in_order = [(video.key, self.outcomes[video.key]) for video in videos]

        def keys(outcome: str) -> tuple[str, ...]:
            return tuple(key for key, found in in_order if found.outcome == outcome)

        failed = [found.outcome for _, found in in_order if isinstance(found.outcome, Failure)]
        statuses = [found.status for _, found in in_order if found.status is not None]
        return ExtractionResult(
            self._file.folder,
            done=keys("done"),
            skipped=keys("skipped"),
            partial=keys("partial"),
            failed=(*self._missing, *failed),
            spec=spec,
            statuses=(*self._missing_statuses, *statuses),
        )


@contextmanager
def _saying_how_much_is_missing(
    videos: Sequence[Input], ledger: _Ledger, featurizer: VideoFeaturizer
) -> Iterator[None]:
    """A full disk is told with what the rest of the job needs."""
    try:
        yield
    except DiskFull as error:
        left = [video for video in videos if video.key not in ledger.outcomes]
        need = _bytes_needed(left, featurizer)
        raise DiskFull(
            f"no space left on the disk: the {len(left)} videos left need about {need / 1e9:.2g} GB",
            file=error.file,
            remedy="Free as much and run the same command again, it goes on where it stopped",
        ) from error


def _bytes_needed(videos: Sequence[Input], featurizer: VideoFeaturizer) -> float:
    """Of features, by the lengths that the containers state; an average stands for those that are not asked."""
    asked = videos[:: max(1, len(videos) // _LENGTHS_ASKED)]
    decoder = Decoder()
    try:
        lengths = [length for video in asked if (length := decoder.length_s(video.path)) is not None]
    except MachineError:
        lengths = []
    finally:
        decoder.close()
    timeline = featurizer.timeline
    rows = sum(max(1, timeline.snippet_count(timeline.frame_count(length))) for length in lengths)
    return rows / max(1, len(lengths)) * len(videos) * featurizer.spec.dim * 4


def devices_for(device: str) -> list[torch.device]:
    """The devices that ``--device`` means for many videos: all GPUs where none is named by its number.

    Raises:
        MachineError: CUDA was asked for and is not there.
        ConfigError: not a device.
    """
    import torch

    from wtalkit.backbones.device import resolve_device

    first = resolve_device(device)
    if first.type != "cuda" or first.index is not None:
        return [first]
    return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]


def _videos(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Input | Failure],
) -> tuple[list[Input], tuple[Failure, ...]]:
    """The videos meant, and the inputs that are none. Inputs that have keys keep them."""
    given = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    keyed = [item for item in given if isinstance(item, Input)]
    missed = [item for item in given if isinstance(item, Failure)]
    found, failures = gather([item for item in given if not isinstance(item, (Input, Failure))])
    videos = [*keyed, *found]
    foreign = [
        Failure(os.fspath(video.path), "is a feature file, a video is needed")
        for video in videos
        if video.kind != "video"
    ]
    return [video for video in videos if video.kind == "video"], (*missed, *failures, *foreign)
