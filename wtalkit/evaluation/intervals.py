"""How sure a score is: intervals from resampling the videos."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wtalkit.annotations.model import Annotations
from wtalkit.errors import AnnotationsError
from wtalkit.evaluation.average_precision import ClassMatches, mean_over_classes
from wtalkit.evaluation.preparing import prepare
from wtalkit.evaluation.resampling import drawn_counts, resample
from wtalkit.evaluation.rules import PLAIN, Rules
from wtalkit.evaluation.tables import annotations_of
from wtalkit.evaluation.thresholds import checked, tiou_key

INTERVAL = (0.05, 0.95)
"""Quantiles between which a score lies, if nothing else is said."""


def bootstrap(
    predictions: Mapping[str, Any],
    ground_truth: Annotations | Mapping[str, Any],
    tiou_thresholds: Iterable[float],
    *,
    subset: str | None = None,
    classes: Collection[str] | None = None,
    rules: Rules = PLAIN,
    samples: int = 1000,
    seed: int = 0,
    interval: tuple[float, float] = INTERVAL,
) -> dict[str, Any]:
    """Intervals of mAP under resampling of the videos with replacement.

    Matching does not depend on which videos are drawn, so it is done once and each draw only re-weights the videos. A
    class without an instance in a draw does not count in that draw's mean. Drawing a video several times repeats its
    hits, which raises average precision; the intervals are shifted back by the mean of that rise.

    Args:
        predictions: a predictions document, or its ``results``.
        ground_truth: annotations, an ActivityNet document, or its ``database``.
        tiou_thresholds: as for mAP.
        subset: the subset of the ground truth to score; None takes all of it.
        classes: score only these classes; None takes all.
        rules: what is done to both before they are matched.
        samples: number of draws.
        seed: of the draws; the same seed gives the same intervals.
        interval: quantiles of the interval.

    Returns:
        ``{"map": {"0.50": [low, high]}, "average_map": [low, high], "samples": n, "interval": [0.05, 0.95]}``.

    Raises:
        AnnotationsError: no instance is left to find.
    """
    thresholds = checked(tiou_thresholds)
    annotations = annotations_of(ground_truth)
    prepared = prepare(predictions, annotations, subset=subset, rules=rules)
    matches = [match for match in prepared.matches(thresholds) if classes is None or match.label in frozenset(classes)]
    if not matches:
        raise AnnotationsError("holds no instance of the classes to score", file=annotations.path)
    return intervals_of(
        matches, thresholds, videos=len(prepared.truth.videos), samples=samples, seed=seed, interval=interval
    )


def intervals_of(
    matches: Sequence[ClassMatches],
    thresholds: Sequence[float],
    *,
    videos: int,
    samples: int = 1000,
    seed: int = 0,
    interval: tuple[float, float] = INTERVAL,
) -> dict[str, Any]:
    """What :func:`bootstrap` says of detections that were matched before; ``videos`` is how many can be drawn."""
    draws = resample(matches, drawn_counts(videos, samples, seed))
    draws = draws[~np.isnan(draws).any(axis=1)]
    usable, value = len(draws), mean_over_classes(matches)
    if not usable:  # instances in so few of the videos that no draw has one: nothing is known but the score
        draws = value[None]
    draws += value - draws.mean(axis=0)
    low, high = np.quantile(draws, interval, axis=0).clip(0, 1)
    average = np.quantile(draws.mean(axis=1), interval).clip(0, 1)
    return {
        "map": {tiou_key(t): [float(a), float(b)] for t, a, b in zip(thresholds, low, high, strict=True)},
        "average_map": average.tolist(),
        "samples": usable,
        "interval": list(interval),
    }
