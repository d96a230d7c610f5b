"""Average precision of video-level scores: does the method know *what* happens?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def classification_map(scores: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Mean over the classes of the average precision of video scores, a fraction.

    Source: CO2-Net ``eval/classificationMAP.py``: plain average precision, no interpolation. Classes without a
    positive video have none and are left out of the mean; without any such class the result is NaN.

    Args:
        scores: [videos, classes].
        labels: 1 where the class happens in the video, else 0, [videos, classes].
    """
    order = np.argsort(-scores, axis=0)
    true = np.take_along_axis(labels, order, axis=0) == 1
    precision = np.cumsum(true, axis=0) / np.arange(1, len(true) + 1)[:, None]
    positives = true.sum(axis=0)
    present = positives > 0
    if not present.any():
        return float("nan")
    return float(np.mean((true * precision).sum(axis=0)[present] / positives[present]))
