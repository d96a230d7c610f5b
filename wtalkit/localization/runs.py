"""Where a curve stays above a threshold, and how a curve gets more points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtalkit.localization.curve_kernel import find_runs

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def runs_above(
    curve: ArrayLike,
    thresholds: Sequence[float],
    *,
    strict: bool = False,
    min_points: int = 1,
    lose_lone_first: bool = False,
) -> tuple[Indices, Indices]:
    """Maximal runs of consecutive points at or above each threshold.

    Args:
        curve: [T].
        thresholds: levels; runs are listed level by level, in time within a level.
        strict: above (>) instead of at or above (>=).
        min_points: shorter runs are left out.
        lose_lone_first: a level that the first point alone reaches has no run.

    Returns:
        Starts and half-open ends in points, [N] each. Levels that cut out the same run list it again.
    """
    values = np.ascontiguousarray(curve, dtype=np.float64)
    levels = np.asarray(thresholds, dtype=np.float64)
    return find_runs(values, levels, levels.argsort(), strict, min_points, lose_lone_first)


def upsample_centred(curves: ArrayLike, factor: int) -> Floats:
    """Linear up-sampling of [T] or [T, C] to ``factor * T`` points, each value standing at the middle of its cell.

    Point j of the result lies at ``(j + 0.5) / factor - 0.5`` of the input; the ends are held constant.
    """
    values = np.asarray(curves, dtype=np.float64)
    if factor == 1:
        return values
    places = (np.arange(factor * len(values)) + 0.5) / factor - 0.5
    return _interpolate(values, np.clip(places, 0, len(values) - 1))


def upsample_left(curves: ArrayLike, factor: int) -> Floats:
    """Linear up-sampling of [T] or [T, C] to ``factor * T`` points, each value standing at the start of its cell.

    Point j lies at ``j / factor``; past the last value the last slope goes on. This is ACRNet's rule
    (``utils.py``: ``interp1d(..., fill_value="extrapolate")`` at ``i * T / (16 n)``), which shifts everything half a
    cell towards the start; released weights were tuned with it.
    """
    values = np.asarray(curves, dtype=np.float64)
    if factor == 1:
        return values
    return _interpolate(values, np.arange(factor * len(values)) / factor)


def _interpolate(values: Floats, places: Floats) -> Floats:
    """Values at fractional ``places``; beyond the last one the line through the last two goes on."""
    if len(values) < 2:
        return np.repeat(values, len(places), axis=0)
    below = np.minimum(places.astype(np.intp), len(values) - 2)
    share = places - below
    if values.ndim == 2:
        share = share[:, None]
    rise = values[below + 1] - values[below]
    result: Floats = values[below] + share * rise
    return result
