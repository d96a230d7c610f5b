"""From curves to runs and their outer-inner contrast, compiled: one sweep over a curve for all levels.

What is computed stands in :mod:`wtalkit.localization.runs` and :mod:`wtalkit.localization.oic`. Only one class's curve
at a time has all its points, so that six hours at frame resolution, half a million points, need a few MB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wtalkit.compiled import kernel, part

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CURVE, _INDICES = "float64[::1]", "int64[::1]"


@part
def _grow(curve: Floats, factor: int, centred: bool, clip: bool, fine: Floats) -> None:
    """Up-sample linearly into ``fine``: ``runs.upsample_centred`` or ``runs.upsample_left``."""
    count = len(curve)
    for point in range(factor * count):
        if factor == 1:
            fine[point] = curve[point]
            continue
        if count < 2:
            value = curve[0]
        else:
            place = min(max((point + 0.5) / factor - 0.5, 0.0), count - 1.0) if centred else point / factor
            below = min(int(place), count - 2)
            value = curve[below] + (place - below) * (curve[below + 1] - curve[below])
        fine[point] = min(max(value, 0.0), 1.0) if clip else value


@part
def _runs(
    curve: Floats, levels: Floats, ladder: Integers, strict: bool, min_points: int, lose_lone_first: bool
) -> tuple[Integers, Integers, Integers]:
    """Starts and ends of the runs, level by level, and where each level's begin, [L + 1].

    ``ladder`` are the levels' numbers from the lowest up. A curve that climbs past levels opens a run of each, one that
    falls below closes them, so the work is that of the points and the runs, however many levels there are.
    """
    count, steps = len(curve), len(levels)
    height = np.zeros(count + 1, np.int64)  # levels below each point; none beyond the end
    opened = np.zeros(steps, np.int64)
    now = 0
    for point in range(count):
        before, value = now, curve[point]
        while now < steps and (value > levels[ladder[now]] if strict else value >= levels[ladder[now]]):
            opened[ladder[now]] += 1
            now += 1
        if now == before:
            while now > 0 and not (value > levels[ladder[now - 1]] if strict else value >= levels[ladder[now - 1]]):
                now -= 1
        height[point] = now
    bounds, free = np.zeros(steps + 1, np.int64), np.zeros(steps, np.int64)
    for level in range(steps):
        free[level] = bounds[level]
        bounds[level + 1] = bounds[level] + opened[level]
    starts, ends = np.empty(bounds[steps], np.int64), np.empty(bounds[steps], np.int64)
    now = 0
    for point in range(count + 1):
        while now < height[point]:
            starts[free[ladder[now]]] = point
            now += 1
        while now > height[point]:
            now -= 1
            ends[free[ladder[now]]] = point
            free[ladder[now]] += 1
    kept = 0
    for level in range(steps):
        first, stop = bounds[level], bounds[level + 1]
        bounds[level] = kept
        # `np.where(...)[0].any()` in the codes is False when index 0 is the only one above the level.
        if lose_lone_first and stop == first + 1 and ends[first] == 1:
            continue
        for run in range(first, stop):
            if ends[run] - starts[run] >= min_points:
                starts[kept], ends[kept] = starts[run], ends[run]
                kept += 1
    bounds[steps] = kept
    return starts[:kept], ends[:kept], bounds


@part
def _up_to(place: float, curve: Floats, sums: Floats) -> float:
    """Area under a curve of unit-wide steps up to ``place``."""
    whole = int(place)
    return float(sums[whole] + (place - whole) * curve[whole])


@part
def _contrast(
    curve: Floats, sums: Floats, start: float, end: float, inflation: float, whole_margins: bool, zero_pad: bool
) -> float:
    """Outer-inner contrast of one run; ``curve`` has a 0 beyond its last point."""
    count = len(curve) - 1
    length = end - start
    reach = inflation * length
    low, high = start - reach, end + reach
    if whole_margins:
        # int() of the codes cuts towards zero; after the clipping at 0 that is rounding down.
        low, high = np.floor(low), np.floor(end - 1 + reach) + 1
    inside_low, inside_high = max(low, 0.0), min(high, float(count))
    if not zero_pad:
        low, high = inside_low, inside_high
    inner = (_up_to(end, curve, sums) - _up_to(start, curve, sums)) / length
    width = (start - low) + (high - end)
    if not width > 0:
        return inner
    outer = _up_to(start, curve, sums) - _up_to(inside_low, curve, sums)
    outer += _up_to(inside_high, curve, sums) - _up_to(end, curve, sums)
    return float(inner - outer / width)


@part
def _add_up(curve: Floats, sums: Floats) -> None:
    """Cumulative sums of all but the last point, from 0."""
    sums[0] = 0.0
    if len(curve) > 1:
        sums[1] = curve[0]
    for point in range(1, len(curve) - 1):
        sums[point + 1] = sums[point] + curve[point]


@part
def _resized(values: Floats, size: int) -> Floats:
    """The first ``size`` rows, or the rows there are with room for so many."""
    found = np.empty((size, 3))
    for row in range(min(size, len(values))):
        for column in range(3):
            found[row, column] = values[row, column]
    return found


@part
def _drop_whole(rows: Floats, first: int, stop: int, points: int) -> int:
    """Leave out runs over the whole curve if there are others; gives the new end."""
    kept = first
    for row in range(first, stop):
        if rows[row, 0] > 0 or rows[row, 1] < points:
            for column in range(3):
                rows[kept, column] = rows[row, column]
            kept += 1
    return kept if kept > first else stop


@part
def _score(
    rows: Floats,
    first: int,
    starts: Integers,
    ends: Integers,
    curve: Floats,
    sums: Floats,
    inflation: float,
    whole_margins: bool,
    zero_pad: bool,
) -> None:
    """Write runs and their outer-inner contrast into ``rows`` from ``first`` on."""
    for run in range(len(starts)):
        start, end = float(starts[run]), float(ends[run])
        rows[first + run, 0], rows[first + run, 1] = start, end
        rows[first + run, 2] = _contrast(curve, sums, start, end, inflation, whole_margins, zero_pad)


@kernel(f"Tuple(({_INDICES}, {_INDICES}))({_CURVE}, {_CURVE}, {_INDICES}, boolean, int64, boolean)")
def find_runs(
    curve: Floats, levels: Floats, ladder: Integers, strict: bool, min_points: int, lose_lone_first: bool
) -> tuple[Integers, Integers]:
    """Starts and ends of the runs of one curve at all levels, level by level."""
    starts, ends, _ = _runs(curve, levels, ladder, strict, min_points, lose_lone_first)
    return starts, ends


@kernel(f"{_CURVE}({_CURVE}, {_CURVE}, {_CURVE}, float64, boolean, boolean)")
def contrasts(
    values: Floats, starts: Floats, ends: Floats, inflation: float, whole_margins: bool, zero_pad: bool
) -> Floats:
    """Outer-inner contrast of segments on one curve."""
    curve, sums, found = np.zeros(len(values) + 1), np.empty(len(values) + 1), np.empty(len(starts))
    for point in range(len(values)):
        curve[point] = values[point]
    _add_up(curve, sums)
    for row in range(len(found)):
        found[row] = _contrast(curve, sums, starts[row], ends[row], inflation, whole_margins, zero_pad)
    return found


@kernel(
    f"Tuple((float64[:, ::1], {_INDICES}))(float64[:, ::1], float64[:, ::1], boolean, {_CURVE}, {_INDICES}, "
    f"{_INDICES}, {_INDICES}, int64, boolean, boolean, boolean, int64, boolean, boolean, float64, boolean, boolean, "
    "boolean)"
)
def cut_out(
    curves: Floats,
    seen: Floats,
    same: bool,
    levels: Floats,
    ladder: Integers,
    shared_starts: Integers,
    shared_ends: Integers,
    factor: int,
    centred: bool,
    clip: bool,
    strict: bool,
    min_points: int,
    lose_lone_first: bool,
    below_zero: bool,
    inflation: float,
    whole_margins: bool,
    zero_pad: bool,
    keep_whole: bool,
) -> tuple[Floats, Integers]:
    """Candidates of all classes: rows of start, end and outer-inner contrast, class by class, and how many of each.

    Args:
        curves: the curves that runs are cut out of, a class a row, [K, T].
        seen: those that outer-inner contrast looks at, [K, T].
        same: whether these are the same.
        levels: of the runs.
        ladder: the levels' numbers from the lowest up.
        shared_starts: runs that every class gets.
        shared_ends: their ends.
        factor: points per snippet.
        centred: how curves are up-sampled.
        clip: whether ``curves`` are kept from 0 to 1 then.
        strict: runs lie above their level instead of at or above it.
        min_points: shorter runs are left out.
        lose_lone_first: leave out a level that the first point alone reaches.
        below_zero: the contrast of a run sees 0 wherever the curve is below the run's own level.
        inflation: margins as a part of the length.
        whole_margins: cut margins to whole points.
        zero_pad: what lies beyond the ends counts as 0.
        keep_whole: keep runs over the whole curve although there are others.
    """
    classes, points = len(curves), factor * curves.shape[1]
    rows, stop = np.empty((256, 3)), 0
    counts = np.zeros(classes, np.int64)
    fine, sums = np.zeros(points + 1), np.empty(points + 1)  # beyond the last point is a 0
    contrast = fine if same and not below_zero else np.zeros(points + 1)
    for label in range(classes):
        first = stop
        _grow(curves[label], factor, centred, clip, fine)
        starts, ends, bounds = _runs(fine[:points], levels, ladder, strict, min_points, lose_lone_first)
        stop += len(starts) + len(shared_starts)
        if stop > len(rows):
            rows = _resized(rows, 2 * stop)
        if below_zero:
            for level in range(len(levels)):
                _grow(seen[label], factor, centred, clip and same, contrast)
                for point in range(points):
                    if fine[point] < levels[level]:
                        contrast[point] = 0.0
                _add_up(contrast, sums)
                begin, end = bounds[level], bounds[level + 1]
                _score(
                    rows, first + begin, starts[begin:end], ends[begin:end], contrast, sums, inflation, whole_margins,
                    zero_pad,
                )  # fmt: skip
        if below_zero or not same:
            _grow(seen[label], factor, centred, clip and same, contrast)
        _add_up(contrast, sums)
        if not below_zero:
            _score(rows, first, starts, ends, contrast, sums, inflation, whole_margins, zero_pad)
        _score(
            rows, first + len(starts), shared_starts, shared_ends, contrast, sums, inflation, whole_margins, zero_pad
        )
        if not keep_whole:
            stop = _drop_whole(rows, first, stop, points)
        counts[label] = stop - first
    return _resized(rows, stop), counts
