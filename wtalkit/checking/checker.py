"""The whole check: what is there is read, what is written of it is held against it, and everything is said at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wtalkit.annotations import Annotations, Problems, class_counts, load_annotations
from wtalkit.checking.arrays import check_arrays, spec_findings
from wtalkit.checking.duplicates import duplicate_findings, find_duplicates
from wtalkit.checking.labels import Labels
from wtalkit.checking.report import CheckedFeatures, CheckedVideo, Finding, Report
from wtalkit.errors import AnnotationsError, ConfigError, UsageError
from wtalkit.extraction.lanes import Begun, Done
from wtalkit.extraction.progress import Progress
from wtalkit.features.spec import FeatureSpec
from wtalkit.inputs import Failure, Input, gather
from wtalkit.suggest import some_of
from wtalkit.timeline import Timeline
from wtalkit.video import PATIENCE_S, Limits

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
I3D = Timeline(25.0, 16, 16)


@dataclass(frozen=True)
class Files:
    """What is to be read.

    Attributes:
        videos: of which every frame is decoded.
        arrays: of features.
        missing: inputs that are not there.
        folder: of the arrays, how it is named in findings.
    """

    videos: tuple[Input, ...] = ()
    arrays: tuple[Input, ...] = ()
    missing: tuple[Failure, ...] = ()
    folder: str = "features"

    @classmethod
    def of(
        cls,
        paths: Paths = (),
        *,
        videos: str | os.PathLike[str] | None = None,
        features: str | os.PathLike[str] | None = None,
    ) -> Files:
        """Videos and arrays below ``paths``, and of the two folders; each file once."""
        given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        found, missing = gather([*given, *([] if videos is None else [videos])], features=True)
        more = () if features is None else _arrays(Path(features))
        if features is not None and not more:
            missing = (*missing, Failure(os.fspath(features), "there are no features (*.npy) in this folder"))
        known = {entry.path.resolve() for entry in found}
        arrays = [entry for entry in found if entry.kind == "features"]
        arrays += [entry for entry in more if entry.path.resolve() not in known]
        return cls(
            tuple(entry for entry in found if entry.kind == "video"),
            tuple(arrays),
            missing,
            "features" if features is None else os.fspath(features),
        )


def check(
    paths: Paths | Files = (),
    *,
    videos: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    annotations: str | os.PathLike[str] | None = None,
    dataset: str | None = None,
    train_subset: str | None = None,
    test_subset: str | None = None,
    assume: FeatureSpec | None = None,
    fast: bool = False,
    workers: int | None = None,
    timeline: Timeline = I3D,
    limits: Limits | None = None,
    timeout_s: float = PATIENCE_S,
    started: Callable[[Input], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    finished: Callable[[Input, CheckedVideo], None] | None = None,
    read: Callable[[int], None] | None = None,
) -> Report:
    """Check videos, features and labels, and whether they fit together; nothing is written.

    Args:
        paths: videos, feature files, and folders of either; or what :meth:`Files.of` made of them.
        videos: a folder of videos besides.
        features: a folder of features besides.
        annotations: what happens in the videos; without it, and without ``dataset``, only files are checked.
        dataset: a data set that the package knows, whose labels are taken instead.
        train_subset: the subset that is trained on; by its usual names when None.
        test_subset: the subset that is scored; likewise.
        assume: spec of arrays that come without records.
        fast: read heads only: no video is decoded, no array's numbers are looked at.
        workers: videos, and arrays, at once; as many as there are cores by default.
        timeline: of the features to be; a video shorter than one window is of no use.
        limits: what a video may claim.
        timeout_s: seconds without a sign of life after which a decoder counts as hung.
        started: called before each video.
        progress: called while a video is decoded; several are at once.
        finished: called after each video.
        read: told how many arrays are through.

    Raises:
        UsageError: there is nothing to check, or both annotations and a data set are named.
        MachineError: no decoder can be started.
    """
    if annotations is not None and dataset is not None:
        raise ConfigError("annotations and a data set exclude each other", remedy="Name one of them")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers is {workers}", remedy="Use 1 or more")
    files = paths if isinstance(paths, Files) else Files.of(paths, videos=videos, features=features)
    labels, broken = _labels(annotations, dataset, train_subset, test_subset)
    if not (files.videos or files.arrays or files.missing or labels or broken):
        raise UsageError(
            "there is nothing to check here",
            remedy="Name videos, features or --annotations, or go to a folder with videos/ and labels.csv",
        )
    checked = {}
    if files.videos:
        from wtalkit.checking.videos import check_videos

        events = check_videos(files.videos, timeline, fast=fast, workers=workers, limits=limits, patience_s=timeout_s)
        with closing(events):
            for event in events:
                if isinstance(event, Begun) and started is not None:
                    started(event.video)
                elif isinstance(event, Progress) and progress is not None:
                    progress(event)
                elif isinstance(event, Done):
                    checked[event.video.key] = event.result
                    if finished is not None:
                        finished(event.video, event.result)
    looked_at = [checked[video.key] for video in files.videos]
    arrays = check_arrays(files.arrays, assume=assume, fast=fast, workers=workers, told=read)
    return _report(files, looked_at, arrays, labels, broken)


def _report(
    files: Files,
    videos: Sequence[CheckedVideo],
    arrays: Sequence[CheckedFeatures],
    labels: Labels | None,
    broken: Finding | None,
) -> Report:
    duplicates = find_duplicates(videos, arrays)
    findings = [] if broken is None else [broken]
    if labels is not None:
        findings += labels.findings(_existing(files), not files.videos, _durations_s(videos, arrays))
    findings += spec_findings(arrays, files.folder)
    findings += _unpaired(videos, arrays, files.folder)
    whole, train, test = _subsets(labels)
    findings += duplicate_findings(duplicates, whole, train_subset=train, test_subset=test)
    return Report(
        tuple(videos),
        tuple(arrays),
        files.missing,
        None if labels is None else labels.facts(),
        {} if labels is None else class_counts(labels.annotations),
        tuple(keys for keys, _ in duplicates),
        tuple(sorted(findings, key=lambda finding: not finding.is_problem)),
    )


def _labels(
    annotations: str | os.PathLike[str] | None, dataset: str | None, train_subset: str | None, test_subset: str | None
) -> tuple[Labels | None, Finding | None]:
    """The labels, or why there are none."""
    if annotations is None and dataset is None:
        return None, None
    if dataset is not None:
        from wtalkit.datasets import dataset as known

        path, source = known(dataset).path, dataset
    else:
        path = Path(annotations or "")
        source = os.fspath(path)
    problems = Problems(path)
    try:
        loaded = load_annotations(path, problems=problems)
    except AnnotationsError as error:
        text = error.cause if error.remedy is None else f"{error.cause}. {error.remedy}"
        return None, Finding("annotations", text, source, is_problem=True)
    return Labels(loaded, problems, source, train_subset, test_subset, dataset), None


def _existing(files: Files) -> set[str] | None:
    """Keys that labels are held against: the videos', else the features'; None where there are neither."""
    keys = {entry.key for entry in files.videos or files.arrays}
    return keys or None


def _durations_s(videos: Sequence[CheckedVideo], arrays: Sequence[CheckedFeatures]) -> dict[str, float]:
    """Seconds by key; what was decoded now counts more than what was noted then."""
    noted = {array.key: array.duration_s for array in arrays if array.duration_s is not None}
    return noted | {video.key: video.duration_s for video in videos if video.duration_s and video.state != "partial"}


def _subsets(labels: Labels | None) -> tuple[Annotations | None, str | None, str | None]:
    """All annotations, and the subsets that are trained on and scored, as far as there are any."""
    if labels is None:
        return None, None, None
    try:
        return labels.annotations, labels.train, labels.test
    except AnnotationsError:
        return labels.annotations, None, None


def _unpaired(videos: Sequence[CheckedVideo], arrays: Sequence[CheckedFeatures], folder: str) -> Iterator[Finding]:
    """Where both videos and features were looked at: which lack the other, and which are of another file."""
    if not (videos and arrays):
        return
    by_key = {array.key: array for array in arrays}
    missing = [video.key for video in videos if video.key not in by_key and video.state != "failed"]
    if missing:
        yield Finding("features", f"no features yet of {_count(missing)}: {some_of(missing)}", folder)
    orphans = sorted(set(by_key) - {video.key for video in videos})
    if orphans:
        yield Finding("features", f"holds features of {_count(orphans)} not there: {some_of(orphans)}", folder)
    for video in videos:
        array = by_key.get(video.key)
        if array is None or array.source_bytes is None:
            continue
        size = Path(video.path).stat().st_size
        if size != array.source_bytes:
            text = f"{video.key!r} was made of a video of {array.source_bytes} bytes, and the one here has {size}"
            yield Finding("features", f"{text}; wtalkit extract makes it anew", folder)


def _count(keys: Sequence[str]) -> str:
    return f"{len(keys)} video{'' if len(keys) == 1 else 's'}"


def _arrays(folder: Path) -> list[Input]:
    """The arrays below a features folder, with the keys that a training knows them by."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.npy"))
    return [Input(path.removesuffix(".npy"), folder / path, "features") for path in paths]
