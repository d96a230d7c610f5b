"""The 5x5 median of a flow on a GPU, borders repeated.

As in ``tvl1_kernels._median5``: columns are sorted, then the rows of sorted columns, and the middle is one of 13.
One warp owns 64 columns, two a thread, and walks down two rows at a time. So of five values to be sorted, neighbours
have four in common: these are sorted once, and the fifth is put in its place.
"""

# mypy: ignore-errors
# The language is Triton's, not Python's: even annotations of arguments would be looked up as types of its own.

from __future__ import annotations

import triton
import triton.language as tl

from wtalkit.flow.cuda.layout import (
    ENLARGE,
    HEIGHT,
    MEDIAN,
    MEDIAN_ROWS,
    MEDIAN_STEP,
    PAIRS,
    PHASE,
    RUNNING,
    SCALE,
    SCALE_FIELDS,
    STATE_FIELDS,
    STRIP,
    WIDTH,
    U,
)


@triton.jit
def _order(a, b):
    return tl.minimum(a, b), tl.maximum(a, b)


@triton.jit
def _order4(a, b, c, d):
    a, b = _order(a, b)
    c, d = _order(c, d)
    a, c = _order(a, c)
    b, d = _order(b, d)
    b, c = _order(b, c)
    return a, b, c, d


@triton.jit
def _insert(a, b, c, d, x):
    """``x`` among four values in order."""
    return (
        tl.minimum(a, x),
        tl.maximum(a, tl.minimum(b, x)),
        tl.maximum(b, tl.minimum(c, x)),
        tl.maximum(c, tl.minimum(d, x)),
        tl.maximum(d, x),
    )


@triton.jit
def _median13(a3, a4, b2, b3, b4, c1, c2, c3, d0, d1, d2, e0, e1):
    """The exchanges of ``tvl1_kernels._median13``."""
    b2, d1 = _order(b2, d1)
    d1, a3 = _order(d1, a3)
    c1, a4 = _order(c1, a4)
    c2, d0 = _order(c2, d0)
    b4, b3 = _order(b4, b3)
    e0, c1 = _order(e0, c1)
    d0, b4 = _order(d0, b4)
    c3, d2 = _order(c3, d2)
    a3, e0 = _order(a3, e0)
    e1, c3 = _order(e1, c3)
    a4, c2 = _order(a4, c2)
    b3, e1 = _order(b3, e1)
    c1, a4 = _order(c1, a4)
    c2, d0 = _order(c2, d0)
    b4, b3 = _order(b4, b3)
    e0, c1 = _order(e0, c1)
    a4, c2 = _order(a4, c2)
    d0, b4 = _order(d0, b4)
    c2, d0 = _order(c2, d0)
    c1, a4 = _order(c1, a4)
    b4, b3 = _order(b4, b3)
    a4, c2 = _order(a4, c2)
    d0, b4 = _order(d0, b4)
    c2, d0 = _order(c2, d0)
    return c2


@triton.jit
def _across(even, odd, before, after):
    """Five values side by side in order, around the even columns and around the odd ones."""
    e_left, o_left = tl.gather(even, before, 0), tl.gather(odd, before, 0)
    e_right, o_right = tl.gather(even, after, 0), tl.gather(odd, after, 0)
    a, b, c, d = _order4(o_left, even, odd, e_right)
    return _insert(a, b, c, d, e_left), _insert(a, b, c, d, o_right)


@triton.jit
def _medians(even, odd, before, after):
    """Medians at the even and the odd columns from five rows of sorted columns."""
    ea, oa = _across(even[0], odd[0], before, after)
    eb, ob = _across(even[1], odd[1], before, after)
    ec, oc = _across(even[2], odd[2], before, after)
    ed, od = _across(even[3], odd[3], before, after)
    ee, oe = _across(even[4], odd[4], before, after)
    return (
        _median13(ea[3], ea[4], eb[2], eb[3], eb[4], ec[1], ec[2], ec[3], ed[0], ed[1], ed[2], ee[0], ee[1]),
        _median13(oa[3], oa[4], ob[2], ob[3], ob[4], oc[1], oc[2], oc[3], od[0], od[1], od[2], oe[0], oe[1]),
    )


@triton.jit
def _row(source, y, height, pitch, xe, xo):
    at = tl.minimum(tl.maximum(y, 0), height - 1) * pitch
    return tl.load(source + at + xe), tl.load(source + at + xo)


@triton.jit
def _put(target, at, x, width, even, odd, mask):
    row = tl.reshape(tl.join(even, odd), [STRIP])
    tl.store(target + at + x, tl.where(x < width, row, 0.0), mask=mask)


@triton.jit
def filter_flow(memory, states, scales, slot_floats, plane):
    """Filter the flow of every slot that is to be filtered; grid: (tiles, slots, 2 components)."""
    tile, slot, component = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    state = states + slot * STATE_FIELDS
    if tl.load(state + PHASE) != RUNNING:
        return
    if tl.load(state + MEDIAN) == 0:
        return
    table = scales + tl.load(state + SCALE) * SCALE_FIELDS
    height, width, pairs = tl.load(table + HEIGHT), tl.load(table + WIDTH), tl.load(table + PAIRS)
    strips = (width + MEDIAN_STEP - 1) // MEDIAN_STEP
    strip, start = tile % strips, tile // strips * MEDIAN_ROWS
    if start >= height:
        return
    pitch = 2 * pairs
    which = tl.load(state + U) ^ tl.load(state + ENLARGE)
    planes = memory + slot.to(tl.int64) * slot_floats
    source, target = planes + (2 * which + component) * plane, planes + (2 - 2 * which + component) * plane

    lane = tl.arange(0, STRIP // 2)
    before, after = tl.maximum(lane - 1, 0), tl.minimum(lane + 1, STRIP // 2 - 1)
    left = strip * MEDIAN_STEP - 2
    xe = tl.minimum(tl.maximum(left + 2 * lane, 0), width - 1)
    xo = tl.minimum(tl.maximum(left + 2 * lane + 1, 0), width - 1)
    column = tl.arange(0, STRIP)
    x = left + column
    mine = (column >= 2) & (column < STRIP - 2) & (x < pitch)

    ae, ao = _row(source, start - 2, height, pitch, xe, xo)
    be, bo = _row(source, start - 1, height, pitch, xe, xo)
    ce, co = _row(source, start, height, pitch, xe, xo)
    de, do = _row(source, start + 1, height, pitch, xe, xo)
    for down in range(0, tl.minimum(MEDIAN_ROWS, height - start), 2):
        y = start + down
        ee, eo = _row(source, y + 2, height, pitch, xe, xo)
        fe, fo = _row(source, y + 3, height, pitch, xe, xo)
        e1, e2, e3, e4 = _order4(be, ce, de, ee)
        o1, o2, o3, o4 = _order4(bo, co, do, eo)
        even, odd = _medians(_insert(e1, e2, e3, e4, ae), _insert(o1, o2, o3, o4, ao), before, after)
        _put(target, y * pitch, x, width, even, odd, mine)
        even, odd = _medians(_insert(e1, e2, e3, e4, fe), _insert(o1, o2, o3, o4, fo), before, after)
        _put(target, (y + 1) * pitch, x, width, even, odd, mine & (x < tl.where(y + 1 < height, pitch, 0)))
        ae, ao, be, bo, ce, co, de, do = ce, co, de, do, ee, eo, fe, fo
