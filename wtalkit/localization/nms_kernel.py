"""The loop of Soft-NMS, compiled by numba: one pass over what is left per segment taken.

The authors' loop is quadratic in Python; so is this one, at about a nanosecond a pair, which is what makes a video of
hours (tens of thousands of candidates a class) a matter of a second. It lies in a file of its own because numba sees
by the age of the file whether what it has cached is stale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Floats = NDArray[np.float64]

GAUSSIAN, LINEAR, HARD, BSN = range(4)


def _compiled(function: Kernel) -> Kernel:
    """Compile, or take from numba's cache if there is a folder to keep one in."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    signature = "int64(float64[::1], float64[::1], float64[::1], int64[::1], int64, float64, float64, float64, float64)"
    try:
        return cast(Kernel, numba.njit(signature, cache=True, **options)(function))
    except (RuntimeError, OSError):  # neither the package's folder nor the user's is writable
        return cast(Kernel, numba.njit(signature, **options)(function))


@_compiled
def suppress(
    starts: Floats,
    ends: Floats,
    scores: Floats,
    order: NDArray[np.int64],
    kind: int,
    sigma: float,
    tiou: float,
    min_score: float,
    extra: float,
) -> int:
    """Soft-NMS in place; gives the number of segments taken, which then stand first, in the order taken.

    The best row is *swapped* to the front, which decides which of equal scores comes first: the codes do so.
    """
    stop = len(scores)
    best = 0
    for row in range(1, stop):
        if scores[row] > scores[best]:
            best = row
    taken = 0
    while taken < stop and scores[best] >= min_score:
        starts[taken], starts[best] = starts[best], starts[taken]
        ends[taken], ends[best] = ends[best], ends[taken]
        scores[taken], scores[best] = scores[best], scores[taken]
        order[taken], order[best] = order[best], order[taken]
        start, end, length = starts[taken], ends[taken], ends[taken] - starts[taken] + extra
        taken += 1
        kept = best = taken
        for row in range(taken, stop):
            inter = min(end, ends[row]) - max(start, starts[row]) + extra
            iou = inter / (length + (ends[row] - starts[row] + extra) - inter) if inter > 0.0 else 0.0
            if kind == HARD:
                if iou >= tiou:
                    continue
            elif kind == LINEAR:
                if iou > tiou:
                    scores[row] *= 1.0 - iou
            elif iou > 0.0 and (kind == GAUSSIAN or iou > tiou):
                scores[row] *= math.exp(-(iou * iou) / sigma)
            if kind == HARD:  # rows move up into the gaps that removed ones leave
                starts[kept], ends[kept], scores[kept], order[kept] = starts[row], ends[row], scores[row], order[row]
                if scores[kept] > scores[best]:
                    best = kept
                kept += 1
            elif scores[row] > scores[best]:
                best = row
        if kind == HARD:
            stop = kept
    return taken
