"""Average precision of detections in time, number for number as the official ActivityNet evaluator computes it.

Source of the semantics: ``Evaluation/eval_detection.py`` of activitynet/ActivityNet
(``compute_average_precision_detection``, ``segment_iou``, ``interpolated_prec_rec``), which works on data frames one
row at a time. Here the detections of all classes are matched together (:mod:`wtalkit.evaluation.matching`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wtalkit.evaluation.kernels import average_precisions

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class ClassMatches:
    """The detections of one class, by descending score, and which instances they hit.

    Attributes:
        label: the class.
        video: index of each detection's video, [N].
        hit: whether detection n is a true positive at threshold t, [t, N].
        instances: number of ground-truth instances per video, [videos].
    """

    label: str
    video: Indices
    hit: Booleans
    instances: Indices

    def average_precision(self, weights: Floats | None = None) -> Floats:
        """AP at every threshold, [t]; ``weights`` counts each video so many times (for resampling), [videos]."""
        positives = float(self.instances.sum() if weights is None else self.instances @ weights)
        found = np.zeros(len(self.hit))
        if positives > 0 and self.video.size:
            counts = np.ones(len(self.video)) if weights is None else weights[self.video]
            average_precisions(*self._hits, counts, positives, found)
        return found

    @cached_property
    def _hits(self) -> tuple[Indices, Indices]:
        """Places of the hits, threshold by threshold, and where each threshold's begin."""
        places = np.ascontiguousarray(np.nonzero(self.hit)[1], dtype=np.int64)
        return places, np.append(0, np.cumsum(np.count_nonzero(self.hit, axis=1)))


def temporal_iou(target: Floats, candidates: Floats) -> Floats:
    """IoU of every target ``[P, 2]`` with every candidate of its own, ``[P, G, 2]``, or of all, ``[G, 2]``: ``[P, G]``.

    Two zero-length segments at one place give 0/0 = NaN, which the official evaluator takes for a match; so do we.
    """
    start = np.maximum(target[:, None, 0], candidates[..., 0])
    end = np.minimum(target[:, None, 1], candidates[..., 1])
    inter = (end - start).clip(0)
    # The order of these operations is the official one: another order moves the last bit.
    union = (candidates[..., 1] - candidates[..., 0]) + (target[:, 1] - target[:, 0])[:, None] - inter
    with np.errstate(invalid="ignore", divide="ignore"):
        iou: Floats = inter / union
    return iou


def mean_over_classes(matches: Sequence[ClassMatches], weights: Floats | None = None) -> Floats:
    """mAP at every threshold, [t]: the mean over the classes that have ground truth."""
    values = [
        match.average_precision(weights) for match in matches if weights is None or float(match.instances @ weights) > 0
    ]
    if not values:
        return np.zeros(0)
    return np.asarray(np.mean(values, axis=0))
