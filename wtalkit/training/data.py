"""The training videos: their features and which classes happen in each.

Nothing here knows from when to when anything happens. For a method that learns from points, one labelled frame of each
instance is known too, and only if it asks.
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wtalkit.annotations import Annotations, Problem, Problems, VideoAnnotation, resolve_subset, training_problems
from wtalkit.errors import AnnotationsError, FeaturesError
from wtalkit.features import FeatureFolder, FeatureSpec
from wtalkit.suggest import some_of
from wtalkit.training.accounting import Account, LeftOut, note

if TYPE_CHECKING:
    from wtalkit.methods.interface import TrainVideo

Array = NDArray[np.float32]
PointRows = NDArray[np.float64]
MEMORY_LIMIT_BYTES = 8 * 2**30


@dataclass(frozen=True)
class FeatureArrays:
    """The arrays (T_i, 2D) of some videos, in order.

    Attributes:
        folder: where they come from.
        keys: the videos.
        kept: arrays in memory; None stands for one that did not fit and is read again each time.
        lengths: snippets of each video.
    """

    folder: FeatureFolder
    keys: tuple[str, ...]
    kept: tuple[Array | None, ...]
    lengths: tuple[int, ...]

    @classmethod
    def read(cls, folder: FeatureFolder, keys: Sequence[str], limit_bytes: int = MEMORY_LIMIT_BYTES) -> FeatureArrays:
        """Read and check all of them, keep what fits into ``limit_bytes``.

        Raises:
            FeaturesError: files are damaged; all of them are listed.
        """
        kept: list[Array | None] = []
        damaged: list[FeaturesError] = []
        lengths, size = [], 0
        for key in keys:
            try:
                array = folder.read(key).array
            except FeaturesError as error:
                damaged.append(error)
                continue
            size += array.nbytes
            if size > limit_bytes:
                kept.append(None)
            else:  # rows are picked at random and many times, so a large array that was only mapped is read now
                kept.append(np.array(array) if isinstance(array, np.memmap) else array)
            lengths.append(len(array))
        _require_undamaged(folder, damaged)
        return cls(folder, tuple(keys), tuple(kept), tuple(lengths))

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, row: int) -> Array:
        kept = self.kept[row]
        return self.folder.read(self.keys[row]).array if kept is None else kept

    def __iter__(self) -> Iterator[Array]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: Sequence[int]) -> FeatureArrays:
        """Only some of the videos."""
        return FeatureArrays(
            self.folder,
            tuple(self.keys[row] for row in rows),
            tuple(self.kept[row] for row in rows),
            tuple(self.lengths[row] for row in rows),
        )


@dataclass(frozen=True)
class TrainingSet:
    """What a training sees.

    Attributes:
        keys: the videos, sorted.
        arrays: features (T_i, 2D) of each, RGB first.
        labels: (N, C) multi-hot.
        durations: seconds of each video.
        classes: names of the C classes, sorted.
        spec: how the features were made.
        notes: what was left out and why, one sentence each.
        account: what became of each video of the training subset.
        points: a row (second, class) per labelled frame of each video, (K_i, 2), at least one each; None where the
            method learns from labels per video.
    """

    keys: tuple[str, ...]
    arrays: FeatureArrays
    labels: Array
    durations: tuple[float, ...]
    classes: tuple[str, ...]
    spec: FeatureSpec
    notes: tuple[str, ...] = ()
    account: Account = field(default_factory=Account, repr=False)
    points: tuple[PointRows, ...] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[TrainVideo]:
        """What a method's ``prepare`` reads."""
        import torch

        from wtalkit.methods.interface import TrainVideo

        for row, array in enumerate(self.arrays):
            yield TrainVideo(torch.from_numpy(array), torch.from_numpy(self.labels[row]), self.keys[row])

    def label_names(self, row: int) -> frozenset[str]:
        return frozenset(name for name, has in zip(self.classes, self.labels[row], strict=True) if has)

    def point_labels(self, row: int) -> Array:
        """Which snippets of a video hold a labelled frame, (T_i, C).

        A frame in the tail that fills no snippet, or before the middle of the first window, counts for the nearest one.

        Raises:
            ValueError: the set was loaded without points.
        """
        if self.points is None:
            raise ValueError("this training set was loaded without points")
        length = self.arrays.lengths[row]
        marked = np.zeros((length, len(self.classes)), np.float32)
        for second, label in self.points[row].tolist():
            position = math.floor(self.spec.timeline.to_position(second))
            marked[min(max(position, 0), length - 1), int(label)] = 1
        return marked

    @property
    def digest(self) -> str:
        """Changes when videos, labels, points, lengths or the spec do: a training is only resumed on the same data."""
        content = [self.keys, self.classes, self.labels.tolist(), self.arrays.lengths, self.spec.to_dict()]
        if self.points is not None:
            content.append([rows.tolist() for rows in self.points])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def load_training_set(
    annotations: Annotations,
    folder: FeatureFolder,
    *,
    subset: str | None = None,
    min_snippets: int = 1,
    points: bool = False,
    read: Callable[[FeatureFolder, tuple[str, ...]], FeatureArrays] = FeatureArrays.read,
    problems: Problems | None = None,
) -> TrainingSet:
    """Read the features and labels of the training subset.

    Args:
        annotations: the whole file; only its labels are looked at, and its points if asked for.
        folder: the features.
        subset: the subset to train on, resolved already; None is the whole file.
        min_snippets: shorter videos are left out.
        points: whether the method learns from points; videos without one are left out.
        read: reads the features, or remembers them.
        problems: what was found wrong when the annotations were read; listed with the rest.

    Raises:
        AnnotationsError: labels and videos do not fit together (all problems are listed), no labelled video has
            features, a class has none, or points are asked for and there are none.
        FeaturesError: the features have one stream only, or files are damaged (all are listed).
    """
    seen = annotations.pointed() if points else annotations.weak()  # from here on no segment can be seen
    _require_two_streams(folder)
    _require_sound_labels(seen, folder, subset, problems)
    training = seen.subset(subset)
    if points:
        _require_sound_points(training, annotations, subset)
    missing = sorted(set(training.videos) - set(folder.keys))
    keys = sorted(set(training.videos) & set(folder.keys))
    if not keys:
        raise AnnotationsError(
            f"none of its {len(training)} training videos has features in {folder.path}",
            file=annotations.path,
            remedy="Run wtalkit extract on the training videos; features and annotations must use the same names",
        )
    arrays = read(folder, tuple(keys))
    short = [key for key, length in zip(keys, arrays.lengths, strict=True) if length < min_snippets]
    classes = tuple(sorted({label for video in training.videos.values() for label in video.labels}))
    inside = {
        key: _points_inside(training.videos[key], classes, _latest_s(folder, key, length))
        for key, length in zip(keys, arrays.lengths, strict=True)
    }
    beyond = [key for key in keys if len(inside[key]) < len(training.videos[key].points)]
    pointless = [key for key in keys if points and not len(inside[key])]
    kept = [row for row, key in enumerate(keys) if key not in {*short, *pointless}]
    labels = np.array([[name in training.videos[keys[row]].labels for name in classes] for row in kept], np.float32)
    account = Account.of(folder, training.videos, LeftOut(missing, short, pointless, min_snippets))
    notes = account.notes()
    if unnamed := set(folder.keys) - set(annotations.videos):
        notes.append(note("videos with features are not in the annotations", unnamed))
    if beyond:
        notes.insert(0, note("training videos have points after their end, which are ignored", beyond))
    _require_every_class(labels.reshape(-1, len(classes)), classes, annotations, notes)
    return TrainingSet(
        keys=tuple(keys[row] for row in kept),
        arrays=arrays.take(kept),
        labels=labels,
        durations=tuple(_duration_s(folder, keys[row], arrays.lengths[row]) for row in kept),
        classes=classes,
        spec=folder.spec,
        notes=tuple(notes),
        account=account,
        points=tuple(inside[keys[row]] for row in kept) if points else None,
    )


def _require_two_streams(folder: FeatureFolder) -> None:
    spec = folder.spec
    if spec.streams != ("rgb", "flow"):
        raise FeaturesError(
            f"holds features of {'+'.join(spec.streams)} alone, (T, {spec.dim}); the method needs RGB and flow",
            file=folder.path,
            remedy="Extract again with --flow tvl1 or --flow dis",
        )


def _require_sound_labels(
    annotations: Annotations, folder: FeatureFolder, subset: str | None, known: Problems | None
) -> None:
    """Stop on anything that looks like a slip in a table typed by hand.

    A row of ``labels.csv`` that names no video is an error. The published JSON files name videos that the published
    features lack, which is a note only.
    """
    try:
        test_subset = resolve_subset("test", annotations)
    except AnnotationsError:
        test_subset = None
    named = set(annotations.videos)
    taken_on_trust = {key for key, video in annotations.videos.items() if video.line is None}
    found = training_problems(
        annotations, (set(folder.keys) & named) | taken_on_trust, train_subset=subset, test_subset=test_subset
    )
    earlier = known.found if known is not None else []
    lines = {problem.line for problem in earlier}  # a row that is wrong in itself is not judged again
    more = [problem for problem in found if problem.line is None or problem.line not in lines]
    unnamed = sorted(set(folder.keys) - named)
    unknown = (
        not earlier and any(problem.line is not None for problem in found) and unnamed
    )  # the one may be a slip for the other
    Problems(annotations.path, found=[*earlier, *more]).raise_if_any(
        f"No row names {some_of(unnamed)}, of which there are features" if unknown else None
    )


def _require_sound_points(training: Annotations, annotations: Annotations, subset: str | None) -> None:
    """Stop where there is nothing to learn from, or a point says what the labels do not."""
    if not training.has_points:
        of_subset = "" if subset is None else f" --subset {shlex.quote(subset)}"
        command = f"wtalkit annotations points {shlex.quote(str(annotations.path or 'FILE'))} --out points.json"
        raise AnnotationsError(
            "the method learns from points, one labelled frame of every action, and no training video has any",
            file=annotations.path,
            remedy=f"Draw some from its segments: {command}{of_subset}"
            if annotations.subset(subset).has_segments
            else 'Add "point", the second of one frame of every action, to the annotations',
        )
    problems = [
        Problem(
            f"{key!r}: its point at {point.at_s:g} s is of {point.label!r}, which is not among its labels", video.line
        )
        for key, video in training.videos.items()
        for point in video.points
        if point.label not in video.labels
    ]
    Problems(annotations.path, found=problems).raise_if_any()


def _points_inside(video: VideoAnnotation, classes: Sequence[str], latest_s: float) -> PointRows:
    """Second and class of the points up to ``latest_s``, (K, 2)."""
    rows = [(point.at_s, classes.index(point.label)) for point in video.points if point.at_s <= latest_s]
    return np.array(rows, np.float64).reshape(-1, 2)


def _require_every_class(labels: Array, classes: Sequence[str], annotations: Annotations, notes: Sequence[str]) -> None:
    absent = [name for name, count in zip(classes, labels.sum(axis=0), strict=True) if not count]
    problems = [Problem(f"no training video with usable features has the class {name!r}") for name in absent]
    Problems(annotations.path, found=problems).raise_if_any(remedy="; ".join(notes) or None)


def _require_undamaged(folder: FeatureFolder, damaged: Sequence[FeaturesError]) -> None:
    """Stop if there is a damaged file; of several all are listed, to be mended in one go."""
    if len(damaged) == 1:
        raise damaged[0]
    problems = Problems(folder.path, FeaturesError)
    for error in damaged:
        problems.add(f"{error.file}: {error.cause}")
    problems.raise_if_any("Run wtalkit extract again on these videos")


def _duration_s(folder: FeatureFolder, key: str, length: int) -> float:
    record = folder.records.get(key)
    timeline = folder.spec.timeline
    return record.duration_s if record else ((length - 1) * timeline.stride + timeline.window) / timeline.fps


def _latest_s(folder: FeatureFolder, key: str, length: int) -> float:
    """When the video ends at the latest: without a record, a tail shorter than a stride may follow the last window."""
    timeline = folder.spec.timeline
    tail = 0.0 if key in folder.records else timeline.stride / timeline.fps
    return _duration_s(folder, key, length) + tail
