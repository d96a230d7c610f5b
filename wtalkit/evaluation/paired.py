"""Is one set of detections better than another, or were the videos kind to it? A paired bootstrap over videos.

Both are scored on the same draws, so what makes a draw easy or hard for both cancels in the difference (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 15: percentile interval and achieved level).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wtalkit.annotations.model import Annotations
from wtalkit.evaluation.average_precision import Floats, mean_over_classes
from wtalkit.evaluation.preparing import prepare
from wtalkit.evaluation.resampling import drawn_counts, resample
from wtalkit.evaluation.rules import PLAIN, Rules
from wtalkit.evaluation.tables import annotations_of
from wtalkit.evaluation.thresholds import checked, tiou_key

SAMPLES = 1000
"""Draws of a comparison."""

INTERVAL = (0.025, 0.975)
"""Quantiles of a difference's interval: it leaves 0 out where p is below 0.05."""


@dataclass(frozen=True)
class Difference:
    """How much better one is than another, as fractions.

    Attributes:
        value: the difference of their scores.
        low: lower end of its interval under resampling of the videos.
        high: upper end.
        p: two-sided: how often a draw would turn the sign of the difference, twice.
    """

    value: float
    low: float
    high: float
    p: float

    def to_dict(self) -> dict[str, Any]:
        return {"value": self.value, "low": self.low, "high": self.high, "p": self.p}


def paired_test(
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    ground_truth: Annotations | Mapping[str, Any],
    tiou_thresholds: Iterable[float],
    *,
    subset: str | None = None,
    rules: Rules = PLAIN,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Difference]:
    """By how much mAP of one predictions document exceeds another's, at every threshold and as their ``mean``.

    Args:
        ours: a predictions document, or its ``results``.
        theirs: the other, of the same videos.
        ground_truth: annotations, an ActivityNet document, or its ``database``.
        tiou_thresholds: as for mAP.
        subset: the subset of the ground truth to score; None takes all of it.
        rules: what is done to all before they are matched.
        samples: number of draws.
        seed: of the draws.

    Raises:
        AnnotationsError: the ground truth is unusable, or holds nothing to find.
        ConfigError: a threshold is unusable.
    """
    thresholds = checked(tiou_thresholds)
    annotations = annotations_of(ground_truth)
    both = [prepare(each, annotations, subset=subset, rules=rules) for each in (ours, theirs)]
    counts = drawn_counts(len(both[0].truth.videos), samples, seed)
    matches = [each.matches(thresholds) for each in both]
    value = mean_over_classes(matches[0]) - mean_over_classes(matches[1])
    own, other = (resample(each, counts) for each in matches)
    found = {
        tiou_key(threshold): paired_difference(float(value[place]), own[:, place], other[:, place])
        for place, threshold in enumerate(thresholds)
    }
    return {**found, "mean": paired_difference(float(value.mean()), own.mean(axis=1), other.mean(axis=1))}


def paired_difference(
    value: float, ours: Floats, theirs: Floats, *, interval: tuple[float, float] = INTERVAL
) -> Difference:
    """The difference of two scores with an interval and a p-value.

    Drawing a video several times raises average precision; as with :func:`wtalkit.evaluation.bootstrap` the draws are
    shifted such that their mean is the difference measured.

    Args:
        value: the difference measured on all videos.
        ours: score of every draw, [samples]; NaN where the draw holds nothing to be found.
        theirs: the other's score of the same draws, [samples].
        interval: quantiles of the interval.
    """
    draws = (ours - theirs)[~np.isnan(ours) & ~np.isnan(theirs)]
    if not draws.size:
        return Difference(value, value, value, 1.0)
    draws = draws - draws.mean() + value
    low, high = np.quantile(draws, interval)
    # Where the two are the same up to rounding, neither sign is rare. One more draw on each side: no p of 0.
    slack = 1e-12
    turned = min(int((draws <= slack).sum()), int((draws >= -slack).sum()))
    return Difference(value, float(low), float(high), min(1.0, 2 * (turned + 1) / (len(draws) + 1)))


def mean_draws(members: Sequence[Floats]) -> Floats:
    """Draws of the mean score of several trainings, from the draws of each, [samples, ...]."""
    mean: Floats = np.mean(np.stack(members), axis=0)
    return mean
