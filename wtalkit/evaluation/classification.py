"""Average precision of video-level scores: does the method know *what* happens?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wtalkit.evaluation.tables import GroundTruth, Scored


def classification_map(scores: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Mean over the classes of the average precision of video scores, a fraction.

    Source: CO2-Net ``eval/classificationMAP.py``: plain average precision, no interpolation. Classes without a
    positive video have none and are left out of the mean; without any such class the result is NaN.

    Args:
        scores: minus infinity for a class that was not found in the video at all, which no place in the order makes
            right, [videos, classes].
        labels: 1 where the class happens in the video, else 0, [videos, classes].
    """
    order = np.argsort(-scores, axis=0)
    found = np.take_along_axis(scores, order, axis=0) > -np.inf
    true = (np.take_along_axis(labels, order, axis=0) == 1) & found
    precision = np.cumsum(true, axis=0) / np.arange(1, len(true) + 1)[:, None]
    positives = (labels == 1).sum(axis=0)
    present = positives > 0
    if not present.any():
        return float("nan")
    return float(np.mean((true * precision).sum(axis=0)[present] / positives[present]))


def video_scores(scored: Scored, truth: GroundTruth) -> NDArray[np.float64]:
    """Score of each class in each video: that of its best detection there, [videos, classes].

    Minus infinity where the class was not found. Detections in other videos or of unknown classes play no part.
    """
    scores = np.full((len(truth.videos), len(truth.labels)), -np.inf)
    known = (scored.video < len(truth.videos)) & (scored.label >= 0)
    np.maximum.at(scores, (scored.video[known], scored.label[known]), scored.scores[known])
    return scores


def video_labels(truth: GroundTruth) -> NDArray[np.float64]:
    """1 where a class has an instance in a video, else 0, [videos, classes]."""
    labels = np.zeros((len(truth.videos), len(truth.labels)))
    labels[truth.video, truth.label] = 1
    return labels
