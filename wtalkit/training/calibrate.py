"""The display threshold: which candidates a person gets to see, learned from the training videos' labels alone.

Nobody told the training *when* anything happens, so no threshold can be fitted to segments. What is known is *what*
happens in each video. A threshold answers that question too: a class is said to happen in a video when at least one of
its segments is displayed. The rule:

1. For every threshold take the F1 of "class c is displayed in video v" against "v has the label c".
2. Of the thresholds whose F1 is at most ``tolerance`` (a share) below the best, take the highest.

The best F1 alone would keep wrong classes out, but not the scraps a right class leaves between its actions: labels
cannot tell those from actions. Raising the threshold until it costs some labels removes most of them, for they score
below a video's best segment. On the sample project the F1 is flat over half of the range of scores; a tolerance of a
tenth shows seven right segments in ten, the best F1 itself four in ten.

The threshold lies halfway between two neighbouring scores, so that the last digit of a score decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wtalkit.segments import Segment
from wtalkit.training.settings import CalibrationSettings

Floats = NDArray[np.float64]


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
        settings: the rule's tolerance.

    Returns:
        The threshold and what it was judged by. Without any candidate it is 0; when no candidate's class is a label of
        its video, the labels say nothing and only the best is shown.
    """
    rule = settings or CalibrationSettings()
    scores = np.array([segment.score for video in segments for segment in video])
    if not scores.size:
        return Calibration(0.0, 0.0, 0.0, 0)
    levels = np.unique(scores)
    f1 = _f1(levels, segments, labels)
    chosen = int(np.flatnonzero(f1 >= f1.max() * (1 - rule.tolerance))[-1])
    threshold = (levels[chosen - 1] + levels[chosen]) / 2 if chosen else levels[0]
    return Calibration(float(threshold), float(f1[chosen]), float(f1.max()), int((scores >= levels[chosen]).sum()))


def _f1(levels: Floats, segments: Sequence[Sequence[Segment]], labels: Sequence[Collection[str]]) -> Floats:
    """F1 of displayed classes at each level; labels without any segment count as missed."""
    best: dict[tuple[int, str], float] = {}
    for video, found in enumerate(segments):
        for segment in found:
            key = video, segment.label
            best[key] = max(segment.score, best.get(key, -np.inf))
    displayed = _count_from(levels, np.array([*best.values()]))
    right = _count_from(levels, np.array([score for (video, label), score in best.items() if label in labels[video]]))
    return 2 * right / (displayed + sum(len(set(names)) for names in labels))


def _count_from(levels: Floats, scores: Floats) -> NDArray[np.int64]:
    """How many scores are at or above each level."""
    counts: NDArray[np.int64] = scores.size - np.searchsorted(np.sort(scores), levels).astype(np.int64)
    return counts
