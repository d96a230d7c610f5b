"""Many videos to a folder of features: what exists is skipped, what fails is listed, the rest goes on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit import atomic
from wtalkit.errors import FeaturesError, InputError, WtalkitError
from wtalkit.extraction.featurizer import OnPartial, PartialVideo, Progress, VideoFeaturizer
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import feature_paths, read_features, read_record, write_features
from wtalkit.inputs import Failure, Input, gather

if TYPE_CHECKING:
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
    flow: str = "tvl1",
    fps: float | None = None,
    stride: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    overwrite: bool = False,
    on_partial: OnPartial = "error",
    offline: bool = False,
    progress: Callable[[Progress], None] | None = None,
    finished: Callable[[Input, str], None] | None = None,
) -> ExtractionResult:
    """Extract features of many videos into the folder ``out``, ``out/KEY.npy`` beside ``out/KEY.json``.

    A video whose features are there, whole and of the same spec, is skipped, so an interrupted run goes on where it
    stopped. Files appear whole or not at all.

    Args:
        inputs: videos, folders of videos, or a list of them.
        out: the features folder.
        backbone: name of the backbone, or one that is loaded.
        flow: name of the flow algorithm.
        fps: frames per second after resampling; the backbone's own by default.
        stride: frames from one window to the next; the backbone's own by default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: threads that compute flow.
        overwrite: extract again what is there, of whatever spec.
        on_partial: what to do with damaged videos: ``error``, ``keep`` or ``skip``.
        offline: never fetch weights.
        progress: called while a video is worked on.
        finished: called after each input, with ``"done"``, ``"skipped"``, ``"partial"`` or the cause of its failure.

    Raises:
        FeaturesError: ``out`` holds features of another spec; nothing was started.
        ConfigError: an unknown name or a number that makes no sense.
        MachineError: weights, device or disk space are not to be had.
    """
    if isinstance(backbone, str):
        from wtalkit.backbones.backbone import load_backbone

        backbone = load_backbone(backbone, flow=flow, device=device, offline=offline)
    featurizer = VideoFeaturizer(
        backbone, flow, fps=fps, stride=stride, workers=workers, on_partial=on_partial, progress=progress
    )
    videos, failed = _videos(inputs)
    folder = Path(out)
    spec = featurizer.spec
    if folder.is_dir():
        atomic.sweep(folder)
        if not overwrite:
            _refuse_another_spec(folder, spec)
    outcomes: dict[str, list[str]] = {"done": [], "skipped": [], "partial": []}
    failures = list(failed)
    for video in videos:
        outcome = _extract_one(video, folder, featurizer, overwrite=overwrite)
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            outcomes[outcome].append(video.key)
        if finished is not None:
            finished(video, outcome.cause if isinstance(outcome, Failure) else outcome)
    return ExtractionResult(
        folder,
        done=tuple(outcomes["done"]),
        skipped=tuple(outcomes["skipped"]),
        partial=tuple(outcomes["partial"]),
        failed=tuple(failures),
        spec=spec,
    )


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


def _extract_one(video: Input, folder: Path, featurizer: VideoFeaturizer, *, overwrite: bool) -> str | Failure:
    try:
        if not overwrite and _is_there(video, folder, featurizer):
            return "skipped"
        features = featurizer.features(video.path, video.key)
        assert features.record is not None  # the featurizer always gives one
        write_features(folder, video.key, features.array, features.record)
    except PartialVideo as error:
        if featurizer.on_partial == "skip":
            log.warning("%s", error)
            return "partial"
        return Failure.of(video.path, error)
    except InputError as error:
        return Failure.of(video.path, error)
    except (WtalkitError, MemoryError):
        raise
    except Exception as error:
        log.debug("%s", video.path, exc_info=True)
        cause = f"a defect of wtalkit: {type(error).__name__}: {error}. --debug shows where"
        return Failure(os.fspath(video.path), cause)
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
