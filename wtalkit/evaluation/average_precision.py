"""Average precision of detections in time, number for number as the official ActivityNet evaluator computes it.

Source of the semantics: ``Evaluation/eval_detection.py`` of activitynet/ActivityNet
(``compute_average_precision_detection``, ``segment_iou``, ``interpolated_prec_rec``), which works on data frames one
row at a time. Here every (video, class) pair is one matrix of IoUs, and only detections that can match anything enter
a Python loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        thresholds = len(self.hit)
        if weights is None:
            positives = float(self.instances.sum())
            true = np.cumsum(self.hit, axis=1).astype(np.float64)  # [t, N]
            shown = np.arange(1, self.hit.shape[1] + 1, dtype=np.float64)
        else:
            positives = float(self.instances @ weights)
            counts = weights[self.video]
            true = np.cumsum(self.hit * counts, axis=1)
            shown = np.cumsum(counts)
        if positives == 0 or not self.video.size:
            return np.zeros(thresholds)
        recall = true / positives
        precision = np.divide(true, shown, out=np.zeros_like(true), where=shown > 0)
        return np.array([interpolated_area(p, r) for p, r in zip(precision, recall, strict=True)])


def temporal_iou(target: Floats, candidates: Floats) -> Floats:
    """IoU of every target ``[..., P, 2]`` with every candidate ``[G, 2]``, ``[P, G]``.

    Two zero-length segments at one place give 0/0 = NaN, which the official evaluator takes for a match; so do we.
    """
    start = np.maximum(target[:, None, 0], candidates[None, :, 0])
    end = np.minimum(target[:, None, 1], candidates[None, :, 1])
    inter = (end - start).clip(0)
    # The order of these operations is the official one: another order moves the last bit.
    union = (candidates[:, 1] - candidates[:, 0])[None, :] + (target[:, 1] - target[:, 0])[:, None] - inter
    with np.errstate(invalid="ignore", divide="ignore"):
        iou: Floats = inter / union
    return iou


def interpolated_area(precision: Floats, recall: Floats) -> float:
    """Area under the envelope of the precision-recall curve (PASCAL VOC 2011, all points)."""
    envelope = np.hstack([[0.0], precision, [0.0]])
    steps = np.hstack([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(envelope[::-1])[::-1]
    at = np.nonzero(steps[1:] != steps[:-1])[0] + 1
    return float(np.sum((steps[at] - steps[at - 1]) * envelope[at]))


def match_class(
    label: str,
    *,
    detections: Floats,
    detection_video: Indices,
    scores: Floats,
    instances: Floats,
    instance_video: Indices,
    videos: int,
    thresholds: Floats,
) -> ClassMatches:
    """Match the detections of one class to its instances, best score first.

    A detection takes the free instance of highest IoU in its video, if that IoU reaches the threshold (equality does).

    Args:
        label: the class.
        detections: [N, 2]; a video index beyond ``videos`` - 1 stands for a video without ground truth.
        detection_video: [N].
        scores: [N]; equal scores keep the reverse of the order given as far as numpy's sort does, as officially.
        instances: [G, 2], in file order.
        instance_video: [G].
        videos: number of videos.
        thresholds: IoU thresholds, [t].
    """
    order = scores.argsort()[::-1]
    detections, detection_video = detections[order], detection_video[order]
    hit = np.zeros((len(thresholds), len(detections)), dtype=bool)
    by_video = _groups(instance_video)
    for video, rows in _groups(detection_video).items():
        if video in by_video:
            _match_video(detections[rows], rows, instances[by_video[video]], thresholds, hit)
    counts = np.bincount(instance_video, minlength=videos).astype(np.intp)
    return ClassMatches(label, detection_video, hit, counts)


def _match_video(segments: Floats, rows: Indices, instances: Floats, thresholds: Floats, hit: Booleans) -> None:
    """Fill ``hit[:, rows]`` for the detections of one video, given by descending score."""
    iou = temporal_iou(segments, instances)  # [P, G]
    # Ties in IoU are decided by numpy's default (unstable) argsort, reversed: any other order moves THUMOS14's
    # mAP@0.1 by 1e-4. Row by row it is the same sort as the official one on a single row.
    preference = iou.argsort(axis=1)[:, ::-1]
    reachable = np.nonzero(~(iou < thresholds.min()).all(axis=1))[0]
    levels = thresholds.tolist()
    free = [[True] * len(instances) for _ in levels]
    for row in reachable.tolist():
        candidates = preference[row].tolist()
        values = iou[row].tolist()
        for number, level in enumerate(levels):
            for candidate in candidates:
                if values[candidate] < level:  # NaN is not below anything: it matches
                    break
                if free[number][candidate]:
                    free[number][candidate] = False
                    hit[number, rows[row]] = True
                    break


def _groups(keys: Indices) -> dict[int, Indices]:
    """Positions of each key, in order."""
    if not keys.size:
        return {}
    order = keys.argsort(kind="stable")
    cuts = np.nonzero(np.diff(keys[order]))[0] + 1
    return {int(keys[rows[0]]): rows for rows in np.split(order, cuts)}


def mean_over_classes(matches: Sequence[ClassMatches], weights: Floats | None = None) -> Floats:
    """mAP at every threshold, [t]: the mean over the classes that have ground truth."""
    values = [
        match.average_precision(weights) for match in matches if weights is None or float(match.instances @ weights) > 0
    ]
    if not values:
        return np.zeros(0)
    return np.asarray(np.mean(values, axis=0))
