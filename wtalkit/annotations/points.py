"""Points from segments: what a person who marks one frame of every action might have clicked, for experiments."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from statistics import NormalDist
from typing import Literal, get_args

from wtalkit.annotations.model import Annotations, Instance, Point, VideoAnnotation
from wtalkit.errors import AnnotationsError, UsageError
from wtalkit.suggest import remedy

Distribution = Literal["gaussian", "uniform", "middle"]
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)
_NORMAL = NormalDist()
_DEVIATIONS = 3
"""Standard deviations from the middle of an action to either end; the tails beyond are cut off."""


def points_from_segments(
    annotations: Annotations, *, subset: str | None, distribution: Distribution = "gaussian", seed: int = 0
) -> Annotations:
    """One point inside every instance of a subset, in place of its segments; other subsets stay as they are.

    The points of a video depend on its own segments, its key and the seed, not on the other videos of the file. A video
    with segments loses the points it had; one without keeps them.

    Args:
        annotations: the whole file.
        subset: the subset to mark, resolved already; None is the whole file.
        distribution: where in its instance a point lies: ``gaussian`` around the middle, with a sixth of the length as
            standard deviation and nothing outside; ``uniform``; or ``middle``.
        seed: of the choices.

    Returns:
        The same videos with the same weak labels. A point lies inside its video too, so an instance that reaches beyond
        is marked where it can be seen, and a warning counts those that cannot. Some files (THUMOS14's among them) label
        a video with less than is annotated in it; instances of other labels get no point and are counted, too.

    Raises:
        AnnotationsError: there is no such subset, or it has no segments.
        UsageError: there is no such distribution.
    """
    if distribution not in DISTRIBUTIONS:
        raise UsageError(f"there is no distribution {distribution!r}", remedy=remedy(distribution, DISTRIBUTIONS))
    chosen = annotations.subset(subset)
    if not chosen.has_segments:
        raise AnnotationsError(
            f"{'no video' if subset is None else f'no video of subset {subset!r}'} has segments to take points from",
            file=annotations.path,
            remedy="Training on its points needs no further step"
            if chosen.has_points
            else "Choose another subset, or another file, or mark one frame of every action as its 'point'",
        )
    marked = {key: _mark(key, video, distribution, seed) for key, video in chosen.videos.items()}
    lost = sum(len(video.segments) - len(marked[key].points) for key, video in chosen.videos.items() if video.segments)
    instances = f"{lost} instance{'' if lost == 1 else 's'}"
    warnings = [f"{instances} got no point: outside of the video, or of a label that the video has not"]
    return replace(
        annotations,
        videos={**annotations.videos, **marked},
        warnings=(*annotations.warnings, *(warnings if lost else ())),
    )


def _mark(key: str, video: VideoAnnotation, distribution: Distribution, seed: int) -> VideoAnnotation:
    if not video.segments:
        return video
    generator = random.Random(f"{seed} {key}")
    drawn = [(_draw(each, video.duration_s, distribution, generator), each.label) for each in video.segments]
    kept = [(at, label) for at, label in drawn if at is not None and label in video.labels]
    return replace(video, segments=(), points=tuple(Point(at, label) for at, label in kept))


def _draw(
    instance: Instance, duration_s: float | None, distribution: Distribution, generator: random.Random
) -> float | None:
    """A second inside the instance and its video; None where the two have nothing in common."""
    limit = math.inf if duration_s is None else duration_s
    if instance.start_s == instance.end_s:
        return instance.start_s if 0 <= instance.start_s < limit else None
    start, end = max(instance.start_s, 0.0), min(instance.end_s, limit)
    if start >= end:
        return None
    share = _share(distribution, generator)
    at = start + (end - start) * share
    return min(at, math.nextafter(end, start))  # rounding may reach the end, which is outside


def _share(distribution: Distribution, generator: random.Random) -> float:
    """How far along its instance a point lies, from 0 to 1."""
    match distribution:
        case "middle":
            return 0.5
        case "uniform":
            return generator.random()
        case "gaussian":  # by inversion: of all of Python's draws, only random() is the same in every version
            tail = _NORMAL.cdf(-_DEVIATIONS)
            return 0.5 + _NORMAL.inv_cdf(tail + (1 - 2 * tail) * generator.random()) / (2 * _DEVIATIONS)
