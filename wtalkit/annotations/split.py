"""Set some videos apart to score with: a split in which every class has its share of both sides.

Iterative stratification for videos of several labels, as described by Sechidis, Tsoumakas and Vlahavas, "On the
Stratification of Multi-Label Data" (ECML PKDD 2011), algorithm 1: the class with the fewest videos left goes first, and
each of its videos to the side that lacks it most. Ours are the unit, which may be several videos that must stay
together; that a class of two videos gets one on either side, where their other classes allow it; and that whatever
cannot be scored is trained on.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from wtalkit.annotations.model import Annotations, VideoAnnotation
from wtalkit.annotations.subsets import resolve_subset
from wtalkit.errors import AnnotationsError, UsageError
from wtalkit.suggest import some_of

Side = Literal["train", "test"]
SIDES: tuple[Side, Side] = ("train", "test")
_USUAL = {"train": "training", "test": "testing"}


@dataclass(frozen=True)
class _Unit:
    """Videos that stay together.

    Attributes:
        keys: the videos.
        labels: of how many of them each class is a label.
        side: where they belong already; None while that is open.
    """

    keys: tuple[str, ...]
    labels: Counter[str]
    side: Side | None


def split_annotations(
    annotations: Annotations, *, test: float = 0.2, seed: int = 0, group: str | None = None, anew: bool = False
) -> Annotations:
    """Put every video into the training or the test subset; the same ones each time.

    Where some videos have segments, only these can be test videos: without segments there is nothing to score against.

    Args:
        annotations: the whole file.
        test: share of the videos that is set apart, above 0 and below 1.
        seed: decides between equals.
        group: a regular expression; videos in whose keys it finds the same text stay on one side.
        anew: split the videos of the training and the test subset again; else whatever has a subset keeps it.

    Returns:
        The same videos with subsets, which are named as in the file, else ``training`` and ``testing``. A warning names
        the classes that have two videos or more, and none to test with.

    Raises:
        AnnotationsError: there is nothing to split.
        UsageError: ``test`` or ``group`` makes no sense.
    """
    if not 0 < test < 1:
        raise UsageError(f"a share of {test:g} cannot be set apart", remedy="Use one between 0 and 1, such as 0.2")
    names = _names(annotations)
    sides = {names[side].casefold(): side for side in SIDES}
    kept = {key: video for key, video in annotations.videos.items() if _stays(video, sides, anew)}
    if len(kept) == len(annotations):
        raise AnnotationsError(
            "has no video without a subset" if kept else "holds no video",
            file=annotations.path,
            remedy="Add --overwrite to split it anew" if kept else None,
        )
    taking_part = {
        key: sides[video.subset.casefold()] if key in kept and video.subset is not None else None
        for key, video in annotations.videos.items()
        if key not in kept or (video.subset or "").casefold() in sides
    }
    units = _units(annotations, taking_part, _grouping(group))
    chosen = _stratify(units, test, random.Random(seed))
    _cover(units, chosen)
    subsets = {key: names[chosen[place]] for place, unit in enumerate(units) for key in unit.keys if key not in kept}
    videos = {key: replace(video, subset=subsets.get(key, video.subset)) for key, video in annotations.videos.items()}
    return replace(annotations, videos=videos, warnings=(*annotations.warnings, *_untested(units, chosen)))


def _names(annotations: Annotations) -> dict[Side, str]:
    """What the two subsets are called."""
    names: dict[Side, str] = {}
    for side in SIDES:
        try:
            names[side] = resolve_subset(side, annotations) or _USUAL[side]
        except AnnotationsError:
            names[side] = _USUAL[side]
    return names if names["train"] != names["test"] else {side: _USUAL[side] for side in SIDES}


def _stays(video: VideoAnnotation, sides: Mapping[str, Side], anew: bool) -> bool:
    return video.subset is not None and not (anew and video.subset.casefold() in sides)


def _grouping(pattern: str | None) -> Callable[[str], str | None]:
    """What a key has in common with those it stays with; None for a video of its own."""
    if pattern is None:
        return lambda key: None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"{pattern!r} is not a regular expression ({error})", remedy="Try --group '^[^/]*/'"
        ) from error

    def found(key: str) -> str | None:
        match = compiled.search(key)
        return match[0] if match else None

    return found


def _units(
    annotations: Annotations, taking_part: Mapping[str, Side | None], grouping: Callable[[str], str | None]
) -> list[_Unit]:
    """The units in file order; one with a video that cannot be scored is trained on, where others can be."""
    together: dict[tuple[str, str], list[str]] = {}
    for key in taking_part:
        common = grouping(key)
        together.setdefault(("video", key) if common is None else ("group", common), []).append(key)
    scored = annotations.has_segments
    units = []
    for keys in together.values():
        videos = [annotations.videos[key] for key in keys]
        decided = {taking_part[key] for key in keys} - {None}
        side: Side | None = "train" if "train" in decided else "test" if decided else None
        if side is None and scored and not all(video.segments for video in videos):
            side = "train"
        units.append(_Unit(tuple(keys), Counter(label for video in videos for label in set(video.labels)), side))
    return units


def _stratify(units: list[_Unit], test: float, generator: random.Random) -> list[Side]:
    """A side for each unit."""
    shares: dict[Side, float] = {"train": 1 - test, "test": test}
    videos = sum(len(unit.keys) for unit in units)
    wanted_videos = {side: videos * share for side, share in shares.items()}
    total: Counter[str] = Counter()
    for unit in units:
        total.update(unit.labels)
    wanted = {side: {label: total[label] * shares[side] for label in total} for side in SIDES}
    chosen: dict[int, Side] = {}

    def put(place: int, side: Side) -> None:
        chosen[place] = side
        wanted_videos[side] -= len(units[place].keys)
        for label, count in units[place].labels.items():
            wanted[side][label] -= count

    for place, unit in enumerate(units):
        if unit.side is not None:
            put(place, unit.side)
    order = [place for place in range(len(units)) if place not in chosen]
    generator.shuffle(order)
    while order:
        left = Counter(label for place in order for label in units[place].labels)
        rarest = min(left, key=lambda label: (left[label], label)) if left else None
        for place in [place for place in order if rarest is None or rarest in units[place].labels]:
            lacks = {side: (wanted[side][rarest] if rarest else 0.0, wanted_videos[side]) for side in SIDES}
            put(place, "train" if lacks["train"] >= lacks["test"] else "test")
        order = [place for place in order if place not in chosen]
    return [chosen[place] for place in range(len(units))]


def _cover(units: list[_Unit], chosen: list[Side]) -> None:
    """Move units until every class is trained on, and then, as far as that stays so, every class is tested."""
    for side in SIDES:
        for label in sorted({label for unit in units for label in unit.labels}):
            counts = _counts(units, chosen)
            if counts[side][label]:
                continue
            movable = [
                place
                for place, unit in enumerate(units)
                if unit.side is None
                and label in unit.labels
                and (side == "train" or all(counts["train"][each] > unit.labels[each] for each in unit.labels))
            ]
            if movable:  # the smallest: what is moved for one class is one too many for others
                chosen[min(movable, key=lambda place: (len(units[place].keys), len(units[place].labels), place))] = side


def _counts(units: Iterable[_Unit], chosen: Iterable[Side]) -> dict[Side, Counter[str]]:
    counts: dict[Side, Counter[str]] = {side: Counter() for side in SIDES}
    for unit, side in zip(units, chosen, strict=True):
        counts[side].update(unit.labels)
    return counts


def _untested(units: list[_Unit], chosen: list[Side]) -> list[str]:
    counts = _counts(units, chosen)
    missing = sorted(label for label, count in counts["train"].items() if count > 1 and not counts["test"][label])
    plural = "es have" if len(missing) > 1 else " has"
    return [f"{len(missing)} class{plural} no test video: {some_of(missing)}"] if missing else []
