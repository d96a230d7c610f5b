"""mAP over temporal IoU with pandas: data frames, a class at a time, and in it a detection, a row, at a time.

This is how the official ActivityNet evaluator goes about it (``Evaluation/eval_detection.py`` of
activitynet/ActivityNet), written from its description in ``docs/evaluate.md`` and apart from
:mod:`wtalkit.evaluation`, so that the two check each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def frames_average_precision(
    predictions: Mapping[str, Any], ground_truth: Mapping[str, Any], thresholds: Sequence[float], labels: Sequence[str]
) -> dict[str, Floats]:
    """Average precision of some classes at every threshold, [t] each.

    Args:
        predictions: an ActivityNet predictions document.
        ground_truth: an ActivityNet annotations document.
        thresholds: IoU thresholds.
        labels: the classes.
    """
    detected = _frame(
        (video, entry["label"], *entry["segment"], entry["score"])
        for video, entries in predictions["results"].items()
        for entry in entries
    )
    instances = _frame(
        (video, entry["label"], *entry["segment"], np.nan)
        for video, about in ground_truth["database"].items()
        for entry in about["annotations"]
    )
    levels = np.asarray(thresholds, dtype=np.float64)
    found = {}
    for label in labels:
        mine, theirs = (frame.loc[frame["label"] == label].reset_index(drop=True) for frame in (detected, instances))
        found[label] = _one_class(mine, theirs, levels)
    return found


def _frame(rows: Any) -> Any:
    import pandas

    return pandas.DataFrame(rows, columns=["video", "label", "start", "end", "score"])


def _one_class(detected: Any, instances: Any, thresholds: Floats) -> Floats:
    if detected.empty:
        return np.zeros(len(thresholds))
    order = detected["score"].to_numpy().argsort()[::-1]
    detected = detected.loc[order].reset_index(drop=True)
    by_video = instances.groupby("video")
    taken = np.zeros((len(thresholds), len(instances)), dtype=bool)
    true = np.zeros((len(thresholds), len(detected)))
    for place, detection in detected.iterrows():
        try:
            candidates = by_video.get_group(detection["video"]).reset_index()
        except KeyError:  # nothing of the class happens in this video
            continue
        overlaps = _iou(detection[["start", "end"]].to_numpy(dtype=np.float64), candidates[["start", "end"]].to_numpy())
        preference = overlaps.argsort()[::-1]
        for level, threshold in enumerate(thresholds):
            for choice in preference:
                if overlaps[choice] < threshold:
                    break
                instance = candidates.loc[choice]["index"]
                if not taken[level, instance]:
                    taken[level, instance] = True
                    true[level, place] = 1
                    break
    hits = np.cumsum(true, axis=1)
    recall, precision = hits / len(instances), hits / np.arange(1, len(detected) + 1)
    return np.array([_area(*curves) for curves in zip(precision, recall, strict=True)])


def _iou(one: Floats, others: Floats) -> Floats:
    inter = (np.minimum(one[1], others[:, 1]) - np.maximum(one[0], others[:, 0])).clip(0)
    union = (others[:, 1] - others[:, 0]) + (one[1] - one[0]) - inter
    iou: Floats = inter / union
    return iou


def _area(precision: Floats, recall: Floats) -> float:
    """Area under the envelope of the curve."""
    heights, steps = np.hstack([[0.0], precision, [0.0]]), np.hstack([[0.0], recall, [1.0]])
    for place in range(len(heights) - 2, -1, -1):
        heights[place] = max(heights[place], heights[place + 1])
    rises = np.where(steps[1:] != steps[:-1])[0] + 1
    return float(np.sum((steps[rises] - steps[rises - 1]) * heights[rises]))
