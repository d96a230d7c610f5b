"""Which detections hit which instances: those of all classes and videos together, at all thresholds.

A detection of a class can only take instances of that class in its own video. Pairs of class and video with the same
number of instances are laid into one matrix; what the official evaluator decides for a detection at a time, numpy
decides for a row of it, and the turns are taken in compiled code (:mod:`wtalkit.evaluation.kernels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wtalkit.evaluation.average_precision import Booleans, ClassMatches, Floats, Indices, temporal_iou
from wtalkit.evaluation.kernels import take_instances

MOST_PAIRS = 2**20
"""Pairs of a detection and an instance that are looked at together; 8 MB a matrix."""


@dataclass(frozen=True)
class Intervals:
    """Segments with their class and video.

    Attributes:
        segments: [N, 2] seconds.
        label: index of the class; below 0 for one without ground truth, [N].
        video: index of the video, [N].
    """

    segments: Floats
    label: Indices
    video: Indices


def match(
    labels: Sequence[str],
    detections: Intervals,
    scores: Floats,
    instances: Intervals,
    *,
    videos: int,
    thresholds: Sequence[float],
) -> list[ClassMatches]:
    """Match the detections of every class to its instances, best score first.

    A detection takes the free instance of highest IoU in its video, if that IoU reaches the threshold (equality does).

    Args:
        labels: the classes.
        detections: in file order.
        scores: of the detections, [N]; equal scores keep the reverse of the order given as far as numpy's sort does, as
            officially.
        instances: in file order.
        videos: number of videos, those of detections without ground truth included.
        thresholds: IoU thresholds.
    """
    order, bounds = _by_class_and_score(len(labels), detections.label, scores)
    detected = Intervals(detections.segments[order], detections.label[order], detections.video[order])
    hit = _hits(detected, instances, videos, np.asarray(thresholds, dtype=np.float64))
    matches = []
    for index, label in enumerate(labels):
        some = slice(bounds[index], bounds[index + 1])
        counts = np.bincount(instances.video[instances.label == index], minlength=videos).astype(np.intp)
        matches.append(ClassMatches(label, detected.video[some], hit[:, some], counts))
    return matches


def _by_class_and_score(classes: int, label: Indices, scores: Floats) -> tuple[Indices, Indices]:
    """Detections class by class, by descending score within one, and where each class begins, [classes + 1]."""
    grouped = label.argsort(kind="stable")
    bounds = np.searchsorted(label[grouped], np.arange(classes + 1))
    parts = [grouped[first:stop] for first, stop in pairwise(bounds)]
    # The official sort of equal scores, numpy's default one, depends on all of a class, so each is sorted by itself.
    order = [rows[scores[rows].argsort()[::-1]] for rows in parts]
    return np.concatenate([np.zeros(0, dtype=np.intp), *order]), bounds - bounds[0]


def _hits(detected: Intervals, instances: Intervals, videos: int, thresholds: Floats) -> Booleans:
    """Whether each detection, in this order, is a true positive at each threshold, [t, N]."""
    hit = np.zeros((len(thresholds), len(detected.label)), dtype=bool)
    free = np.ones((len(thresholds), len(instances.label)), dtype=bool)
    keys = instances.label * videos + instances.video
    by_key = keys.argsort(kind="stable")  # the instances of a class and video, side by side in file order
    pairs, first, count = np.unique(keys[by_key], return_index=True, return_counts=True)
    wanted = detected.label * videos + detected.video
    if not pairs.size or not wanted.size:
        return hit
    pair = np.searchsorted(pairs, wanted).clip(max=len(pairs) - 1)
    number = np.where(pairs[pair] == wanted, count[pair], 0)  # instances that each detection may take
    segments = instances.segments[by_key]
    for size in np.unique(number[number > 0]).tolist():
        rows = np.nonzero(number == size)[0]
        for part in np.array_split(rows, -(-len(rows) * size // MOST_PAIRS)):
            start = first[pair[part]]
            iou = temporal_iou(detected.segments[part], segments[start[:, None] + np.arange(size)])  # (P, G)
            reachable = ~(iou < thresholds.min()).all(axis=1)
            iou = iou[reachable]
            # Ties in IoU are decided by numpy's default (unstable) argsort, reversed: any other order moves THUMOS14's
            # mAP@0.1 by 1e-4. Row by row it is the same sort as the official one on a single row.
            preference = iou.argsort(axis=1)
            take_instances(iou, preference, part[reachable], start[reachable], thresholds, free, hit)
    return hit
