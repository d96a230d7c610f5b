"""The loops of scoring, compiled: taking instances in turn, and the area under precision and recall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wtalkit.compiled import kernel, part

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Indices = NDArray[np.int64]


@kernel("void(float64[:, ::1], int64[:, ::1], int64[::1], int64[::1], float64[::1], boolean[:, ::1], boolean[:, ::1])")
def take_instances(
    iou: Floats, preference: Indices, rows: Indices, first: Indices, thresholds: Floats, free: Booleans, hit: Booleans
) -> None:
    """Every detection in turn takes the free instance it overlaps most, if that reaches the threshold.

    Args:
        iou: of each detection with the instances of its class and video, [P, G].
        preference: instances by rising IoU, [P, G].
        rows: column of ``hit`` of each detection, [P].
        first: column of ``free`` of each detection's first instance, [P].
        thresholds: [t].
        free: instances that nothing has taken at each threshold, [t, all instances]; written to.
        hit: [t, all detections]; written to.
    """
    for row in range(len(rows)):
        for level in range(len(thresholds)):
            for rank in range(iou.shape[1] - 1, -1, -1):
                instance = preference[row, rank]
                if iou[row, instance] < thresholds[level]:  # NaN is not below anything: it matches
                    break
                if free[level, first[row] + instance]:
                    free[level, first[row] + instance] = False
                    hit[level, rows[row]] = True
                    break


@part
def _pairwise_sum(values: Floats) -> float:
    """The sum as numpy adds up: by halves beyond 128 numbers, and in eight lanes.

    Source: ``numpy/_core/src/umath/loops_utils.h.src: pairwise_sum``. Another order would move the last bit.
    """
    count, result = len(values), 0.0
    if count > 128:
        half = count // 2
        half -= half % 8
        return float(_pairwise_sum(values[:half]) + _pairwise_sum(values[half:]))
    whole = count - count % 8 if count >= 8 else 0
    if whole:
        lanes = values[:8].copy()
        for first in range(8, whole, 8):
            for lane in range(8):
                lanes[lane] += values[first + lane]
        result = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    for place in range(whole, count):
        result += values[place]
    return float(result)


@kernel("void(int64[::1], int64[::1], float64[::1], float64, float64[::1])")
def average_precisions(hits: Indices, bounds: Indices, counts: Floats, positives: float, found: Floats) -> None:
    """Areas under the envelope of precision over recall (PASCAL VOC 2011, all points), a threshold each.

    Only hits raise recall, and between two of them precision only falls, so no other detection is looked at.

    Args:
        hits: places of the true positives among the detections, rising, threshold by threshold.
        bounds: where each threshold's begin, and the end of the last, [t + 1].
        counts: how many times each detection counts, [N].
        positives: instances to be found, above 0.
        found: the areas, [t]; written to.
    """
    shown = np.cumsum(counts)
    steps, heights = np.empty(len(hits) + 1), np.empty(len(hits) + 1)
    for level in range(len(found)):
        true, recall, last = 0.0, 0.0, 0
        for hit in hits[bounds[level] : bounds[level + 1]]:
            if counts[hit] > 0:
                true += counts[hit]
                steps[last], recall = true / positives - recall, true / positives
                heights[last] = true / shown[hit]
                last += 1
        if recall != 1.0:  # the curve goes on to recall 1 at precision 0, which is a number to be added, too
            steps[last], heights[last] = 1.0 - recall, 0.0
            last += 1
        height = 0.0
        for step in range(last - 1, -1, -1):
            height = max(height, heights[step])
            steps[step] *= height
        found[level] = _pairwise_sum(steps[:last])
