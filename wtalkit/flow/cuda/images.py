"""What the iterations start from, on a GPU: the pyramid of a pair, the flow brought to a finer scale, the warp.

Coordinates of resized images are float64 as on the CPU: in float32 they would be off by up to 1e-5 of a pixel.
"""

# mypy: ignore-errors
# The language is Triton's, not Python's: even annotations of arguments would be looked up as types of its own.

from __future__ import annotations

import triton
import triton.language as tl

from wtalkit.flow.cuda.layout import (
    BAND,
    DONE,
    ENLARGE,
    FIELD,
    FIRST,
    FIRST_FRAME,
    HEIGHT,
    LINEARISE,
    MARGIN,
    NEW,
    PAIR,
    PAIRS,
    PHASE,
    RECORD_FIELDS,
    RUNNING,
    SCALE,
    SCALE_FIELDS,
    SECOND,
    SECOND_FRAME,
    SECOND_PITCH,
    SECOND_SIZE,
    STATE_FIELDS,
    TILE_COLUMNS,
    TILE_ROWS,
    WARP_ROWS,
    WIDTH,
    U,
)


@triton.jit
def _places(index, step, last):
    """Where pixels of a resized image lie in the source: the pixel before, the one after, the share of the latter."""
    at = (index.to(tl.float64) + 0.5) * step - 0.5
    at = tl.minimum(tl.maximum(at, 0.0), last.to(tl.float64))
    before = at.to(tl.int32)
    return before, tl.minimum(before + 1, last), (at - before.to(tl.float64)).to(tl.float32)


@triton.jit
def _between(source, pitch, top, bottom, down, left, right, across, mask):
    """Bilinear look-up."""
    top_left = tl.load(source + top * pitch + left, mask=mask, other=0.0)
    top_right = tl.load(source + top * pitch + right, mask=mask, other=0.0)
    bottom_left = tl.load(source + bottom * pitch + left, mask=mask, other=0.0)
    bottom_right = tl.load(source + bottom * pitch + right, mask=mask, other=0.0)
    above = top_left + across * (top_right - top_left)
    below = bottom_left + across * (bottom_right - bottom_left)
    return above + down * (below - above)


@triton.jit
def _corner(table):
    """Of the second frame: from its first margin to its first pixel."""
    return MARGIN * tl.load(table + SECOND_PITCH) + MARGIN


@triton.jit
def read_frames(memory, states, scales, records, slot_floats):
    """The frames of new pairs as float32; grid: (bands, slots)."""
    band, slot = tl.program_id(0), tl.program_id(1)
    state = states + slot * STATE_FIELDS
    if tl.load(state + NEW) == 0:
        return
    height, width = tl.load(scales + HEIGHT), tl.load(scales + WIDTH)
    pitch, second_pitch = 2 * tl.load(scales + PAIRS), tl.load(scales + SECOND_PITCH)
    images = memory + slot.to(tl.int64) * slot_floats
    first = images + tl.load(scales + FIRST) * 16
    second = images + tl.load(scales + SECOND) * 16 + _corner(scales)
    record = records + tl.load(state + PAIR) * RECORD_FIELDS
    gray_a = tl.load(record + FIRST_FRAME).to(tl.pointer_type(tl.uint8))
    gray_b = tl.load(record + SECOND_FRAME).to(tl.pointer_type(tl.uint8))
    for down in range(0, BAND, TILE_ROWS):
        y = (band * BAND + down + tl.arange(0, TILE_ROWS))[:, None]
        for along in range(0, width, TILE_COLUMNS):
            x = (along + tl.arange(0, TILE_COLUMNS))[None, :]
            inside = (y < height) & (x < width)
            a = tl.load(gray_a + y * width + x, mask=inside, other=0)
            b = tl.load(gray_b + y * width + x, mask=inside, other=0)
            tl.store(first + y * pitch + x, a.to(tl.float32), mask=inside)
            tl.store(second + y * second_pitch + x, b.to(tl.float32), mask=inside)


@triton.jit(do_not_specialize=["scale"])
def shrink(memory, states, scales, coarser, slot_floats, scale):
    """Both frames of new pairs at ``scale`` from those at the finer one; grid: (bands, slots).

    Args:
        coarser: float64 ``[1]``, finer pixels a pixel.
    """
    band, slot = tl.program_id(0), tl.program_id(1)
    if tl.load(states + slot * STATE_FIELDS + NEW) == 0:
        return
    table, finer = scales + scale * SCALE_FIELDS, scales + (scale - 1) * SCALE_FIELDS
    height, width = tl.load(table + HEIGHT), tl.load(table + WIDTH)
    if band * BAND >= height:
        return
    step = tl.load(coarser)
    images = memory + slot.to(tl.int64) * slot_floats
    last_y, last_x = tl.load(finer + HEIGHT) - 1, tl.load(finer + WIDTH) - 1
    pitch, finer_pitch = 2 * tl.load(table + PAIRS), 2 * tl.load(finer + PAIRS)
    second_pitch, finer_second_pitch = tl.load(table + SECOND_PITCH), tl.load(finer + SECOND_PITCH)
    first, finer_first = images + tl.load(table + FIRST) * 16, images + tl.load(finer + FIRST) * 16
    second = images + tl.load(table + SECOND) * 16 + _corner(table)
    finer_second = images + tl.load(finer + SECOND) * 16 + _corner(finer)
    for down in range(0, BAND, TILE_ROWS):
        y = (band * BAND + down + tl.arange(0, TILE_ROWS))[:, None]
        top, bottom, low = _places(y, step, last_y)
        for along in range(0, width, TILE_COLUMNS):
            x = (along + tl.arange(0, TILE_COLUMNS))[None, :]
            left, right, far = _places(x, step, last_x)
            inside = (y < height) & (x < width)
            a = _between(finer_first, finer_pitch, top, bottom, low, left, right, far, inside)
            b = _between(finer_second, finer_second_pitch, top, bottom, low, left, right, far, inside)
            tl.store(first + y * pitch + x, a, mask=inside)
            tl.store(second + y * second_pitch + x, b, mask=inside)


@triton.jit
def differentiate(memory, states, scales, slot_floats):
    """Centred differences of the second frames of new pairs; grid: (bands, slots, scales)."""
    band, slot, scale = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    if tl.load(states + slot * STATE_FIELDS + NEW) == 0:
        return
    table = scales + scale * SCALE_FIELDS
    height, width = tl.load(table + HEIGHT), tl.load(table + WIDTH)
    if band * BAND >= height:
        return
    pitch, size = tl.load(table + SECOND_PITCH), tl.load(table + SECOND_SIZE)
    image = memory + slot.to(tl.int64) * slot_floats + tl.load(table + SECOND) * 16 + _corner(table)
    for down in range(0, BAND, TILE_ROWS):
        y = (band * BAND + down + tl.arange(0, TILE_ROWS))[:, None]
        above, below = tl.maximum(y - 1, 0), tl.minimum(y + 1, height - 1)
        for along in range(0, width, TILE_COLUMNS):
            x = (along + tl.arange(0, TILE_COLUMNS))[None, :]
            left, right = tl.maximum(x - 1, 0), tl.minimum(x + 1, width - 1)
            inside = (y < height) & (x < width)
            across = tl.load(image + y * pitch + right, mask=inside, other=0.0)
            across -= tl.load(image + y * pitch + left, mask=inside, other=0.0)
            lower = tl.load(image + below * pitch + x, mask=inside, other=0.0)
            lower -= tl.load(image + above * pitch + x, mask=inside, other=0.0)
            tl.store(image + size + y * pitch + x, 0.5 * across, mask=inside)
            tl.store(image + 2 * size + y * pitch + x, 0.5 * lower, mask=inside)


@triton.jit
def _cubic(t):
    """Weights of the pixels at -1, 0, 1, 2 for a place ``t`` in [0, 1) after 0: cubic convolution with a = -0.75."""
    r = 1.0 - t
    first = -0.75 * t * r * r
    second = (1.25 * t - 2.25) * t * t + 1.0
    fourth = -0.75 * r * t * t
    return first, second, 1.0 - first - second - fourth, fourth


@triton.jit
def _look_up(image, at, pitch, wx, wy, mask):
    """Bicubic look-up with ``at`` the first of the 16 pixels."""
    total = tl.zeros_like(wx[0])
    for k in tl.static_range(4):
        column = tl.zeros_like(total)
        for j in tl.static_range(4):
            column += tl.load(image + at + j * pitch + k, mask=mask, other=0.0) * wy[j]
        total += column * wx[k]
    return total


@triton.jit(do_not_specialize=["count"])
def linearise(memory, states, scales, coarser, slot_floats, plane, count):
    """Bring the flow to this scale where it is new, then linearise the data term around it; grid: (tiles, slots)."""
    tile, slot = tl.program_id(0), tl.program_id(1)
    state = states + slot * STATE_FIELDS
    if tl.load(state + PHASE) != RUNNING:
        return
    if tl.load(state + LINEARISE) == 0:
        return
    scale = tl.load(state + SCALE)
    table = scales + scale * SCALE_FIELDS
    height, width = tl.load(table + HEIGHT), tl.load(table + WIDTH)
    across = (width + TILE_COLUMNS - 1) // TILE_COLUMNS
    start = tile // across * WARP_ROWS
    if start >= height:
        return
    x = (tile % across * TILE_COLUMNS + tl.arange(0, TILE_COLUMNS))[None, :]
    pitch, second_pitch = 2 * tl.load(table + PAIRS), tl.load(table + SECOND_PITCH)
    size = tl.load(table + SECOND_SIZE)
    planes = memory + slot.to(tl.int64) * slot_floats
    first, second = planes + tl.load(table + FIRST) * 16, planes + tl.load(table + SECOND) * 16
    enlarge, which = tl.load(state + ENLARGE), tl.load(state + U)
    flow, enlarged = planes + 2 * which * plane, planes + (2 - 2 * which) * plane
    coarse = scales + tl.minimum(scale + 1, count - 1) * SCALE_FIELDS
    coarse_height, coarse_width = tl.load(coarse + HEIGHT), tl.load(coarse + WIDTH)
    step_y = coarse_height.to(tl.float64) / height.to(tl.float64)
    step_x = coarse_width.to(tl.float64) / width.to(tl.float64)
    left, right, far = _places(x, step_x, coarse_width - 1)
    gain = tl.load(coarser).to(tl.float32)
    for down in range(0, WARP_ROWS, TILE_ROWS):
        y = (start + down + tl.arange(0, TILE_ROWS))[:, None]
        inside = (y < height) & (x < width)
        written = (y < height) & (x < pitch)
        at = y * pitch + x
        if enlarge != 0:
            top, bottom, low = _places(y, step_y, coarse_height - 1)
            known = inside & (x < tl.where(scale + 1 < count, width, 0))  # the coarsest scale starts from zeros
            coarse_pitch = 2 * tl.load(coarse + PAIRS)
            u1 = _between(flow, coarse_pitch, top, bottom, low, left, right, far, known) * gain
            u2 = _between(flow + plane, coarse_pitch, top, bottom, low, left, right, far, known) * gain
            tl.store(enlarged + at, u1, mask=written)
            tl.store(enlarged + plane + at, u2, mask=written)
        else:
            u1 = tl.load(flow + at, mask=inside, other=0.0)
            u2 = tl.load(flow + plane + at, mask=inside, other=0.0)
        px, py = x.to(tl.float32) + u1, y.to(tl.float32) + u2
        # beyond these bounds all 16 pixels are zeros anyway; written so that NaN ends inside
        px = tl.where(px > -3.0, px, -3.0)
        py = tl.where(py > -3.0, py, -3.0)
        px = tl.where(px < width + 1, px, (width + 1).to(tl.float32))
        py = tl.where(py < height + 1, py, (height + 1).to(tl.float32))
        before, above = tl.floor(px), tl.floor(py)
        corner = (above.to(tl.int32) + MARGIN - 1) * second_pitch + before.to(tl.int32) + MARGIN - 1
        wx, wy = _cubic(px - before), _cubic(py - above)
        moved = _look_up(second, corner, second_pitch, wx, wy, inside)
        gx = _look_up(second + size, corner, second_pitch, wx, wy, inside)
        gy = _look_up(second + 2 * size, corner, second_pitch, wx, wy, inside)
        square = gx * gx + gy * gy
        rho = moved - (gx * u1 + gy * u2) - tl.load(first + at, mask=inside, other=0.0)
        large = square > 1.1920929e-07
        inverse = tl.where(large, -1.0 / tl.where(large, square, 1.0), 0.0)
        tl.store(planes + 12 * plane + at, rho, mask=written)
        tl.store(planes + 13 * plane + at, gx, mask=written)
        tl.store(planes + 14 * plane + at, gy, mask=written)
        tl.store(planes + 15 * plane + at, inverse, mask=written)


@triton.jit
def write_fields(memory, states, scales, records, slot_floats, plane):
    """The flow of pairs that are done, to where the queue says; grid: (bands, slots)."""
    band, slot = tl.program_id(0), tl.program_id(1)
    state = states + slot * STATE_FIELDS
    if tl.load(state + PHASE) != DONE:
        return
    height, width, pitch = tl.load(scales + HEIGHT), tl.load(scales + WIDTH), 2 * tl.load(scales + PAIRS)
    flow = memory + slot.to(tl.int64) * slot_floats + tl.load(state + U) * 2 * plane
    size = height * width
    record = records + tl.load(state + PAIR) * RECORD_FIELDS
    field = tl.load(record + FIELD).to(tl.pointer_type(tl.float32))
    for down in range(0, BAND, TILE_ROWS):
        y = (band * BAND + down + tl.arange(0, TILE_ROWS))[:, None]
        for along in range(0, width, TILE_COLUMNS):
            x = (along + tl.arange(0, TILE_COLUMNS))[None, :]
            inside = (y < height) & (x < width)
            u1 = tl.load(flow + y * pitch + x, mask=inside, other=0.0)
            u2 = tl.load(flow + plane + y * pitch + x, mask=inside, other=0.0)
            tl.store(field + y * width + x, u1, mask=inside)
            tl.store(field + size + y * width + x, u2, mask=inside)
