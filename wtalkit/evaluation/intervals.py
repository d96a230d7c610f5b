"""How sure a score is: intervals from resampling the videos."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from wtalkit.annotations.model import Annotations
from wtalkit.errors import AnnotationsError
from wtalkit.evaluation.average_precision import ClassMatches, Floats, mean_over_classes
from wtalkit.evaluation.scoring import clean
from wtalkit.evaluation.tables import GroundTruth, Scored, annotations_of, match_all, results_of
from wtalkit.evaluation.thresholds import checked, tiou_key


def bootstrap(
    predictions: Mapping[str, Any],
    ground_truth: Annotations | Mapping[str, Any],
    tiou_thresholds: Iterable[float],
    *,
    subset: str | None = None,
    classes: Collection[str] | None = None,
    samples: int = 1000,
    seed: int = 0,
    interval: tuple[float, float] = (0.05, 0.95),
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
        samples: number of draws.
        seed: of the draws; the same seed gives the same intervals.
        interval: quantiles of the interval.

    Returns:
        ``{"map": {"0.50": [low, high]}, "average_map": [low, high], "samples": n, "interval": [0.05, 0.95]}``.

    Raises:
        AnnotationsError: no instance is left to find.
    """
    thresholds = checked(tiou_thresholds)
    annotations = annotations_of(ground_truth).subset(subset)
    truth = GroundTruth.of(annotations)
    scored = clean(Scored.of(results_of(predictions), truth), truth).scored
    matches = [
        match for match in match_all(scored, truth, thresholds) if classes is None or match.label in frozenset(classes)
    ]
    if not matches:
        raise AnnotationsError("holds no instance of the classes to score", file=annotations.path)
    draws = _draws(matches, len(truth.videos), samples, seed)
    draws -= draws.mean(axis=0) - mean_over_classes(matches)
    low, high = np.quantile(draws, interval, axis=0).clip(0, 1)
    average = np.quantile(draws.mean(axis=1), interval).clip(0, 1)
    return {
        "map": {tiou_key(t): [float(a), float(b)] for t, a, b in zip(thresholds, low, high, strict=True)},
        "average_map": average.tolist(),
        "samples": len(draws),
        "interval": list(interval),
    }


def _draws(matches: list[ClassMatches], videos: int, samples: int, seed: int) -> Floats:
    """mAP of every draw, [samples, t]; draws without any instance are left out."""
    random = np.random.default_rng(seed)
    rows: list[Floats] = []
    for _ in range(samples):
        weights = np.zeros(videos + 1)  # the last stands for videos without ground truth, which are never drawn
        weights[:videos] = np.bincount(random.integers(videos, size=videos), minlength=videos)
        values = mean_over_classes(matches, weights)
        if values.size:
            rows.append(values)
    return np.array(rows)
