"""Many videos to a folder of features: what exists is skipped, what fails is listed, the rest goes on."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit import atomic
from wtalkit.errors import ConfigError, FeaturesError, InputError
from wtalkit.extraction.featurizer import OnPartial, PartialVideo, VideoFeaturizer
from wtalkit.extraction.lanes import Begun, Done, Lane
from wtalkit.extraction.progress import Progress
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import FeatureWriter, feature_paths, read_features, read_record
from wtalkit.inputs import Failure, Input, attempt, gather

if TYPE_CHECKING:
    import torch

    from wtalkit.backbones.backbone import Backbone

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractionResult:
    """What became of each input.

    Attributes:
        out: the features folder.
        done: keys of the videos extracted now.
        skipped: keys whose features were there already.
        partial: keys of damaged videos left out on request (``on_partial="skip"``).
        failed: inputs that could not be extracted, with the cause.
        spec: the spec of the folder's features.
    """

    out: Path
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    partial: tuple[str, ...]
    failed: tuple[Failure, ...]
    spec: FeatureSpec


def extract(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Input],
    out: str | os.PathLike[str],
    *,
    backbone: str | Backbone = "i3d",
    replicas: Sequence[Backbone] = (),
    flow: str = "tvl1",
    fps: float | None = None,
    stride: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    overwrite: bool = False,
    on_partial: OnPartial = "error",
    offline: bool = False,
    progress: Callable[[Progress], None] | None = None,
    started: Callable[[Input], None] | None = None,
    finished: Callable[[Input, str], None] | None = None,
) -> ExtractionResult:
    """Extract features of many videos into the folder ``out``, ``out/KEY.npy`` beside ``out/KEY.json``.

    A video whose features are there, whole and of the same spec, is skipped, so an interrupted run goes on where it
    stopped. Files appear whole or not at all.

    Args:
        inputs: videos, folders of videos, or a list of them.
        out: the features folder.
        backbone: name of the backbone, or one that is loaded.
        replicas: with one that is loaded: the same on further devices.
        flow: name of the flow algorithm.
        fps: frames per second after resampling; the backbone's own by default.
        stride: frames from one window to the next; the backbone's own by default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``cuda`` means all GPUs.
        precision: numbers that the backbone computes in, as of ``load_backbone``.
        workers: cores that compute on the CPU; all by default.
        overwrite: extract again what is there, of whatever spec.
        on_partial: what to do with damaged videos: ``error``, ``keep`` or ``skip``.
        offline: never fetch weights.
        progress: called while a video is worked on; several are at once.
        started: called before each input.
        finished: called after each input, with ``"done"``, ``"skipped"``, ``"partial"`` or the cause of its failure.

    Raises:
        FeaturesError: ``out`` holds features of another spec; nothing was started.
        ConfigError: an unknown name or a number that makes no sense.
        MachineError: weights, device or disk space are not to be had.
    """
    if isinstance(backbone, str):
        from wtalkit.backbones.backbone import load_backbone

        backbone, *replicas = (
            load_backbone(backbone, flow=flow, device=each, offline=offline, precision=precision)
            for each in devices_for(device)
        )
    featurizer = VideoFeaturizer(
        backbone, flow, fps=fps, stride=stride, workers=workers, on_partial=on_partial, replicas=replicas
    )
    videos, failed = _videos(inputs)
    twice = [key for key, number in Counter(video.key for video in videos).items() if number > 1]
    if twice:
        raise ConfigError(f"two videos have the key {twice[0]!r}", remedy="Give each video a key of its own")
    folder = Path(out)
    spec = featurizer.spec
    if folder.exists() and not folder.is_dir():
        raise FeaturesError("is a file, features need a folder", file=folder, remedy="Use another --out")
    if folder.is_dir():
        atomic.sweep(folder)
        if not overwrite:
            _refuse_another_spec(folder, spec)
    outcomes: dict[str, str | Failure] = {}
    job = _Job(featurizer, folder, overwrite)
    try:
        with closing(featurizer.run(videos, job)) as events:
            for event in events:
                if isinstance(event, Begun) and started is not None:
                    started(event.video)
                elif isinstance(event, Progress) and progress is not None:
                    progress(event)
                elif isinstance(event, Done):
                    outcomes[event.video.key] = event.result
                    if finished is not None:
                        finished(event.video, event.result.cause if isinstance(event.result, Failure) else event.result)
    finally:
        featurizer.close()
    in_order = [(video.key, outcomes[video.key]) for video in videos]  # lanes end in another order than they begin

    def keys(outcome: str) -> tuple[str, ...]:
        return tuple(key for key, found in in_order if found == outcome)

    return ExtractionResult(
        folder,
        done=keys("done"),
        skipped=keys("skipped"),
        partial=keys("partial"),
        failed=(*failed, *(found for _, found in in_order if isinstance(found, Failure))),
        spec=spec,
    )


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
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Input],
) -> tuple[list[Input], tuple[Failure, ...]]:
    """The videos meant, and the inputs that are none. Inputs that have keys keep them."""
    given = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    keyed = [item for item in given if isinstance(item, Input)]
    found, failures = gather([item for item in given if not isinstance(item, Input)])
    videos = [*keyed, *found]
    foreign = [
        Failure(os.fspath(video.path), "is a feature file, a video is needed")
        for video in videos
        if video.kind != "video"
    ]
    return [video for video in videos if video.kind == "video"], (*failures, *foreign)


def _refuse_another_spec(folder: Path, spec: FeatureSpec) -> None:
    """Never mix two kinds of features in one folder without being told to."""
    for path in sorted(folder.rglob("*.json")):
        if not path.with_name(f"{path.name[:-5]}.npy").exists():
            continue
        try:
            there = read_record(path).spec
        except InputError as error:
            log.warning("%s", error)  # damaged: done again if its video is among the inputs
            continue
        if there != spec:
            differing = "; ".join(spec.differences(there)) or "what is not known of them"
            cause = f"holds features of {there}; asked for are features of {spec}: {differing}"
            raise FeaturesError(cause, file=folder, remedy="Use another --out, or --overwrite to extract them again")


@dataclass(frozen=True)
class _Job:
    """What is done with each video: a lane's work.

    Attributes:
        featurizer: makes the features.
        folder: takes them.
        overwrite: also where they are there.
    """

    featurizer: VideoFeaturizer
    folder: Path
    overwrite: bool

    def __call__(self, video: Input, lane: Lane) -> str | Failure:
        """The outcome of one video: ``done``, ``skipped``, ``partial`` or its failure."""
        return attempt(video.path, partial(self._extract, video, lane))

    def _extract(self, video: Input, lane: Lane) -> str:
        if not self.overwrite and _is_there(video, self.folder, self.featurizer):
            return "skipped"
        try:
            with FeatureWriter(self.folder, video.key) as writer:
                writer.finish(self.featurizer.pour(video, lane, writer))
        except PartialVideo as error:
            if self.featurizer.on_partial != "skip":
                raise
            log.info("%s", error)
            return "partial"
        return "done"


def _is_there(video: Input, folder: Path, featurizer: VideoFeaturizer) -> bool:
    """Whether whole features of this very video and spec are in ``folder``."""
    array_path, record_path = feature_paths(folder, video.key)
    if not (array_path.exists() and record_path.exists()):
        return False
    try:
        record = read_features(array_path).record
    except InputError as error:
        log.warning("%s It is extracted again.", error)
        return False
    if record is None or record.spec != featurizer.spec:
        return False
    same_source = video.path.is_file() and record.source_bytes in (None, video.path.stat().st_size)
    return same_source and (record.complete or featurizer.on_partial == "keep")
