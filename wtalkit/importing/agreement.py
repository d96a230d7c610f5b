"""Do a pack's lengths, rates, durations and annotations agree with the ground truth, and with each other?"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from wtalkit.annotations import Annotations, Instance, VideoAnnotation
from wtalkit.annotations.names import unsafe_key
from wtalkit.importing.pack import Pack
from wtalkit.importing.report import Disagreement
from wtalkit.suggest import some_of
from wtalkit.timeline import Timeline

LENGTH_SNIPPETS, LENGTH_SHARE = 2, 0.01
"""A length may differ by the larger of the two: codes treat the tail differently, and containers state durations that
differ from the last frame's time."""
PACE_SHARE = 0.02
"""More than this off, over all videos, and the rate or the stride is another than the preset says."""
_PACE_VIDEOS = 3
DURATION_S = 0.5
TIME_S = 0.05
"""Annotators' times have one decimal."""
RATE_SHARE = 0.005


@dataclass(frozen=True)
class Length:
    """How long a video's array is, and should be.

    Attributes:
        rows: as it is.
        expected: by the duration of the video.
    """

    rows: int
    expected: int

    @classmethod
    def of(cls, rows: int, duration_s: float, timeline: Timeline) -> Length:
        """Of an array of ``rows`` of a video that long."""
        return cls(rows, timeline.snippet_count(timeline.frame_count(duration_s)))

    @property
    def agrees(self) -> bool:
        return abs(self.rows - self.expected) <= max(LENGTH_SNIPPETS, LENGTH_SHARE * self.expected)

    def __str__(self) -> str:
        return f"{self.rows} rows, its duration calls for {self.expected}"


def length_disagreements(lengths: Mapping[str, Length], timeline: Timeline) -> Iterator[Disagreement]:
    """Arrays that are too short or too long; and if most are so by the same factor, what that speaks of."""
    ratios = [each.rows / each.expected for each in lengths.values() if each.expected > 0]
    if len(ratios) >= _PACE_VIDEOS and abs((pace := statistics.median(ratios)) - 1) > PACE_SHARE:
        fps, stride = timeline.fps * pace, timeline.stride / pace
        yield Disagreement(
            "pace",
            f"the lengths speak of {fps:.4g} fps, or a row every {stride:.4g} frames; the preset says {timeline.fps:g} "
            f"fps and {timeline.stride}",
        )
    for key, length in lengths.items():
        if not length.agrees:
            yield Disagreement("length", f"has {length}", key)


def rate_disagreements(stated: Mapping[str, float], truth: Annotations, dataset: str | None) -> Iterator[Disagreement]:
    """Frame rates that a pack states otherwise than the ground truth; ActivityNet 1.2 gives all videos the same one."""
    if dataset == "activitynet1.2":
        return
    for key, fps in stated.items():
        known = truth.videos[key].fps if key in truth.videos else None
        if known is not None and abs(fps / known - 1) > RATE_SHARE:
            yield Disagreement("rate", f"the pack says {fps:.6g} fps, the ground truth {known:.6g}", key)


def annotation_disagreements(own: Annotations, truth: Annotations) -> Iterator[Disagreement]:
    """Videos whose annotations in the pack, by key, differ from the ground truth's."""
    for key, video in own.videos.items():
        known = truth.videos.get(key)
        if known is not None:
            yield from _of_video(key, video, known)


def _of_video(key: str, own: VideoAnnotation, known: VideoAnnotation) -> Iterator[Disagreement]:
    if own.subset is not None and known.subset is not None and own.subset.casefold() != known.subset.casefold():
        yield Disagreement("subset", f"is in {own.subset}, in the ground truth in {known.subset}", key)
    if own.duration_s and known.duration_s and abs(own.duration_s - known.duration_s) > DURATION_S:
        text = f"lasts {own.duration_s:.6g} s, in the ground truth {known.duration_s:.6g} s"
        yield Disagreement("duration", text, key)
    if own.labels != known.labels:
        yield Disagreement("labels", _sets("labels", set(own.labels), set(known.labels)), key)
    if differing := _instances(own.segments, known.segments):
        yield Disagreement("instances", differing, key)
    if own.ambiguous and sorted(own.ambiguous) != sorted(known.ambiguous):
        text = f"has {len(own.ambiguous)} ambiguous intervals, in the ground truth others ({len(known.ambiguous)})"
        yield Disagreement("ambiguous", text, key)


def _sets(what: str, own: set[str], known: set[str]) -> str:
    parts = []
    if own - known:
        parts.append(f"{', '.join(sorted(own - known))} in the pack alone")
    if known - own:
        parts.append(f"{', '.join(sorted(known - own))} in the ground truth alone")
    return f"{what}: {'; '.join(parts)}"


def _instances(own: tuple[Instance, ...], known: tuple[Instance, ...]) -> str | None:
    """How the instances differ, whatever their order; None if they do not."""
    left = list(known)
    alone = []
    for each in own:
        match = next((other for other in left if _same(each, other)), None)
        if match is None:
            alone.append(each)
        else:
            left.remove(match)
    if not alone and not left:
        return None
    parts = [
        f"{count} in the {where} alone ({some_of([_shown(each) for each in found], 2)})"
        for count, found, where in ((len(alone), alone, "pack"), (len(left), left, "ground truth"))
        if count
    ]
    return f"instances: {'; '.join(parts)}"


def _same(one: Instance, other: Instance) -> bool:
    near = abs(one.start_s - other.start_s) <= TIME_S and abs(one.end_s - other.end_s) <= TIME_S
    return one.label == other.label and near


def _shown(each: Instance) -> str:
    return f"{each.label} {each.start_s:g}-{each.end_s:g} s"


def list_disagreements(
    pack: Pack, keys: Mapping[str, str], truth: Annotations | None, subsets: Mapping[str, str | None]
) -> Iterator[Disagreement]:
    """Videos that the pack lists without holding them, holds without listing them, or lists on the other side.

    Args:
        pack: with its lists.
        keys: of its names.
        truth: the ground truth.
        subsets: of it, that is trained on and tested with.
    """
    held = {keys[video.name] for video in pack.videos}
    listed: set[str] = set()
    for side, names in pack.lists.items():
        for name in names:
            key = keys[name]
            listed.add(key)
            if key not in held:
                yield Disagreement("no features", f"is listed to {side} with, and has no features in the pack", key)
            known = truth.videos.get(key) if truth is not None else None
            if known is not None and known.subset is not None and not _is_one(known.subset, subsets.get(side)):
                text = f"is listed to {side} with, in the ground truth it is in {known.subset}"
                yield Disagreement("subset", text, key)
    if pack.lists:
        for key in sorted(held - listed):
            yield Disagreement("not in its list", "has features, and no list of the pack names it", key)


def coverage_disagreements(
    held: Collection[str], truth: Annotations, subsets: Collection[str | None]
) -> Iterator[Disagreement]:
    """Videos of the ground truth without features, and features of videos that it does not know."""
    for key in sorted(held):
        if key not in truth.videos and unsafe_key(key) is None:
            yield Disagreement("unknown video", "has features, and the ground truth does not know it", key)
    names_no_subset = not truth.subsets
    for key, video in truth.videos.items():
        if key not in held and (names_no_subset or any(_is_one(video.subset, name) for name in subsets)):
            where = "" if video.subset is None else f" in {video.subset}"
            yield Disagreement("no features", f"is{where} in the ground truth, and has no features in the pack", key)


def _is_one(subset: str | None, other: str | None) -> bool:
    """Whether two names are of one subset; capitals do not matter."""
    return subset == other if subset is None or other is None else subset.casefold() == other.casefold()
