"""Outer-inner contrast: how much higher a curve is inside a segment than just outside of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def outer_inner_contrast(
    curve: ArrayLike,
    starts: ArrayLike,
    ends: ArrayLike,
    *,
    inflation: float = 0.25,
    whole_margins: bool = False,
    pad: Literal["clip", "zero"] = "clip",
) -> Floats:
    """Mean of the curve inside minus mean in the margins, for every segment, [N].

    The margins reach ``inflation`` times the segment's length to both sides; without any margin the outer mean is 0.

    Args:
        curve: one value per point, [T].
        starts: first point of each segment, [N].
        ends: point after the last, [N]; above ``starts``.
        inflation: length of a margin as a part of the segment's.
        whole_margins: cut margins to whole points as the authors' codes do
            (``int(start - inflation * length)`` and ``int(end - 1 + inflation * length)``); otherwise a margin may
            hold a part of a point.
        pad: ``clip`` leaves out what lies beyond the curve's ends; ``zero`` counts it as points of value 0, so that the
            area outside is divided by the same length everywhere.

    Raises:
        ValueError: a segment is empty or leaves the curve.
    """
    values = np.asarray(curve, dtype=np.float64)
    first, stop = np.asarray(starts, dtype=np.float64), np.asarray(ends, dtype=np.float64)
    count = len(values)
    if first.size and not ((first >= 0) & (first < stop) & (stop <= count)).all():
        raise ValueError(f"a segment is empty or leaves the {count} points of the curve")
    length = stop - first
    reach = inflation * length
    # int() of the codes cuts towards zero; after the clipping at 0 that is rounding down.
    low, high = first - reach, stop + reach
    if whole_margins:
        low, high = np.floor(low), np.floor(stop - 1 + reach) + 1
    inside_low, inside_high = np.maximum(low, 0.0), np.minimum(high, float(count))
    if pad == "clip":
        low, high = inside_low, inside_high
    area = _Area(values)
    inner = area.between(first, stop) / length
    width = (first - low) + (high - stop)
    outer = area.between(inside_low, first) + area.between(stop, inside_high)
    return inner - np.divide(outer, width, out=np.zeros_like(outer), where=width > 0)


class _Area:
    """Area under a curve of unit-wide steps between any two places, by cumulative sums."""

    def __init__(self, values: Floats) -> None:
        self._values = np.append(values, 0.0)
        self._sums = np.append(0.0, np.cumsum(values))

    def between(self, left: Floats, right: Floats) -> Floats:
        return self._up_to(right) - self._up_to(left)

    def _up_to(self, place: Floats) -> Floats:
        whole = np.floor(place).astype(np.intp)
        area: Floats = self._sums[whole] + (place - whole) * self._values[whole]
        return area
