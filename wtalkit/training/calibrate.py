"""The display threshold: which candidates a person gets to see, learned from the training videos' labels alone.

Nobody told the training *when* anything happens, so no threshold can be fitted to segments. What is known is *what*
happens in each video. A threshold answers that question too: a class is said to happen in a video when at least one of
its segments is displayed. The rule, in order:

1. For every threshold take the F1 of "class c is displayed in video v" against "v has the label c".
2. Keep the thresholds whose F1 is at most ``tolerance`` (a share) below the best.
3. Of those take the highest: equally right about the videos, it shows the fewest and surest segments.
4. While more than ``most_per_label`` segments a displayed video and class are shown on average, raise it further.

The threshold lies halfway between two neighbouring scores, so that the last digit of a score decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from wtalkit.segments import Segment
from wtalkit.training.settings import CalibrationSettings


@dataclass(frozen=True)
class Calibration:
    """What the rule came to.

    Attributes:
        threshold: scores from here on are displayed.
        f1: of displayed classes against labels at that threshold, over all training videos; 0 without candidates.
        best_f1: the highest of any threshold.
        displayed: segments displayed in the training videos.
    """

    threshold: float
    f1: float
    best_f1: float
    displayed: int


def calibrate(
    segments: Sequence[Sequence[Segment]],
    labels: Sequence[Collection[str]],
    settings: CalibrationSettings | None = None,
) -> Calibration:
    """Choose the display threshold.

    Args:
        segments: by training video, what is left of its candidates after the display rule's NMS.
        labels: by training video, the classes that happen in it.
        settings: the rule's two numbers.

    Returns:
        The threshold and what it was judged by. Without any candidate, or when no candidate's class is a label of its
        video, the data says nothing: the threshold is the highest score, or 0, so that little or nothing is shown.
    """
    rule = settings or CalibrationSettings()
    scores = np.array([segment.score for video in segments for segment in video])
    if not scores.size:
        return Calibration(0.0, 0.0, 0.0, 0)
    best, truth = _best_by_class(segments, labels)
    levels = np.unique(best)  # between two of them the displayed classes do not change
    f1 = _f1(levels, best, truth, sum(len(set(names)) for names in labels))
    chosen = int(np.flatnonzero(f1 >= f1.max() * (1 - rule.tolerance))[-1])
    level = float(levels[chosen])
    limit = rule.most_per_label
    if (scores >= level).sum() > limit * (best >= level).sum():
        level = _first_level_below_limit(level, scores, best, limit)
    return Calibration(
        threshold=_halfway_below(level, scores),
        f1=float(f1[np.searchsorted(levels, level)]) if level <= levels[-1] else 0.0,
        best_f1=float(f1.max()),
        displayed=int((scores >= level).sum()),
    )


def _best_by_class(
    segments: Sequence[Sequence[Segment]], labels: Sequence[Collection[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Best score of each video and class that has a segment, and whether the class is a label of the video."""
    best: dict[tuple[int, str], float] = {}
    for video, found in enumerate(segments):
        for segment in found:
            key = video, segment.label
            best[key] = max(segment.score, best.get(key, -np.inf))
    return np.array([*best.values()]), np.array([label in labels[video] for video, label in best])


def _f1(levels: np.ndarray, best: np.ndarray, truth: np.ndarray, positives: int) -> np.ndarray:
    """F1 at each level; ``positives`` counts labels, also those without any segment."""
    order = np.sort(best)
    shown = order.size - np.searchsorted(order, levels)
    right_scores = np.sort(best[truth])
    right = right_scores.size - np.searchsorted(right_scores, levels)
    return 2 * right / np.maximum(shown + positives, 1)


def _first_level_below_limit(level: float, scores: np.ndarray, best: np.ndarray, limit: float) -> float:
    """The lowest score from ``level`` up that shows at most ``limit`` segments a displayed video and class."""
    higher = np.unique(scores[scores >= level])
    ordered, ordered_best = np.sort(scores), np.sort(best)
    shown = ordered.size - np.searchsorted(ordered, higher)
    classes = ordered_best.size - np.searchsorted(ordered_best, higher)
    fits = np.flatnonzero(shown <= limit * classes)
    return float(higher[fits[0] if fits.size else -1])


def _halfway_below(level: float, scores: np.ndarray) -> float:
    lower = scores[scores < level]
    return (level + float(lower.max())) / 2 if lower.size else level
