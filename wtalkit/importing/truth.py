"""The ground truth of a pack: built in where it is of a public data set, else a file's that is named, else its own.

What a pack says of a public data set is never taken over: some packs state no licence, and they differ from each other.
It is compared, and every difference is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wtalkit.annotations import Annotations, VideoAnnotation, load_annotations, resolve_subset
from wtalkit.annotations.names import unsafe_key
from wtalkit.datasets import dataset as built_in
from wtalkit.datasets import load_dataset
from wtalkit.errors import AnnotationsError
from wtalkit.importing.names import key_of, keys_of, recognised_dataset, renamed, require_of_dataset
from wtalkit.importing.pack import Pack, PackVideo
from wtalkit.importing.report import Disagreement


@dataclass(frozen=True)
class Truth:
    """What is known of a pack's videos, by key.

    Attributes:
        annotations: the ground truth; None if nothing is known.
        dataset: built-in data set that it is of.
        source: where it is from, for people.
        own: what the pack itself says; None if it says nothing.
        keys: key of every name that the pack uses.
        odd: what could not be taken over from the pack.
    """

    annotations: Annotations | None
    dataset: str | None
    source: str | None
    own: Annotations | None
    keys: Mapping[str, str]
    odd: tuple[Disagreement, ...] = ()

    @property
    def subsets(self) -> dict[str, str | None]:
        """Name of the subset to train on, and of the one to test with, where they can be told."""
        found: dict[str, str | None] = {}
        for role in ("train", "test"):
            try:
                if self.annotations is not None:
                    found[role] = resolve_subset(role, self.annotations, dataset=self.dataset)
            except AnnotationsError:
                continue
        return found

    def duration_s(self, key: str) -> float | None:
        """Seconds of a video, by the ground truth, else by the pack."""
        for known in (self.annotations, self.own):
            video = None if known is None else known.videos.get(key)
            if video is not None and video.duration_s:
                return video.duration_s
        return None

    def fps(self, key: str) -> float | None:
        """Own frame rate of a video, by the ground truth."""
        video = None if self.annotations is None else self.annotations.videos.get(key)
        return None if video is None else video.fps


def truth_of(packs: Sequence[Pack], videos: Sequence[PackVideo], dataset: str | None, file: Path | None) -> Truth:
    """Find the ground truth.

    Args:
        packs: for their annotations.
        videos: of all of them.
        dataset: built-in data set that they are of; recognised by their videos' names when None.
        file: annotations to take instead.

    Raises:
        ConfigError: there is no such data set.
        AnnotationsError: the file cannot be read, or the data set knows none of the videos.
    """
    given = [pack.annotations for pack in packs if pack.annotations is not None]
    truth: Annotations | None = None
    if file is not None:
        truth, source = load_annotations(file), str(file)
    elif dataset is not None:
        dataset = built_in(dataset).name
        truth, source = load_dataset(dataset), f"built-in {dataset}"
        require_of_dataset(videos, truth, dataset)
    elif (found := recognised_dataset(videos, {label for each in given for label in each.classes})) is not None:
        dataset, truth = found
        source = f"built-in {dataset}"
    known = {name: video for each in (given if truth is None else [truth]) for name, video in each.videos.items()}
    keys = keys_of(videos, known)
    for pack in packs:
        listed = [name for names in pack.lists.values() for name in names]
        for name in (*(pack.annotations.videos if pack.annotations else ()), *listed, *pack.fps):
            keys.setdefault(name, key_of(name, known))
    own = _joined([renamed(each, keys, known) for each in given])
    own = None if own is None else _in_subsets(own, packs, keys)
    if truth is None:
        return Truth(own, None, None if own is None else f"the pack's own, {own.path}", own, keys)
    truth, odd = _with_points(truth, own)
    return Truth(truth, dataset, source, own, keys, odd)


def _joined(given: Sequence[Annotations]) -> Annotations | None:
    """Annotations of several packs; of a video that two know the first counts."""
    if not given:
        return None
    videos: dict[str, VideoAnnotation] = {}
    for each in given:
        for key, video in each.videos.items():
            videos.setdefault(key, video)
    safe = {key: video for key, video in videos.items() if unsafe_key(key) is None}
    classes = tuple(sorted({label for each in given for label in each.classes}))
    return replace(given[0], videos=safe, classes=classes)


def _in_subsets(own: Annotations, packs: Sequence[Pack], keys: Mapping[str, str]) -> Annotations:
    """The same; a video without a subset is in the one that its pack's list is of."""
    listed = {keys[name]: side for pack in packs for side, names in pack.lists.items() for name in names}
    videos = {
        key: video if video.subset is not None or key not in listed else replace(video, subset=listed[key])
        for key, video in own.videos.items()
    }
    return replace(own, videos=videos)


def _with_points(truth: Annotations, own: Annotations | None) -> tuple[Annotations, tuple[Disagreement, ...]]:
    """The ground truth with the labelled frames that the pack has: nobody else marked any."""
    if own is None or not own.has_points or truth.has_points:
        return truth, ()
    videos, odd = dict(truth.videos), []
    for key, video in own.videos.items():
        known = truth.videos.get(key)
        if known is None or not video.points:
            continue
        strangers = sorted({point.label for point in video.points} - set(known.labels))
        if strangers:
            text = f"has points of {', '.join(strangers)}, which is not among its labels; they are left out"
            odd.append(Disagreement("points", text, key))
        points = tuple(point for point in video.points if point.label in known.labels)
        videos[key] = replace(known, points=points)
    return replace(truth, videos=videos), tuple(odd)
