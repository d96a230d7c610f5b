"""Outer-inner contrast: how much higher a curve is inside a segment than just outside of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtalkit.localization.curve_kernel import contrasts

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
    values = np.ascontiguousarray(curve, dtype=np.float64)
    first, stop = (np.ascontiguousarray(places, dtype=np.float64) for places in (starts, ends))
    if first.size and not ((first >= 0) & (first < stop) & (stop <= len(values))).all():
        raise ValueError(f"a segment is empty or leaves the {len(values)} points of the curve")
    return contrasts(values, first, stop, inflation, whole_margins, pad == "zero")
