"""The inner iterations of TV-L1 on a GPU: several of them in one pass over the image, all of it in registers.

One warp of 32 threads owns a strip of 64 columns, two a thread, and walks down the rows. Iteration k works k rows
behind the row that is being read: by then iteration k - 1 has left there all that it needs. So what lies above is in
registers from the row before, what lies aside is in the same thread or one shuffle away, and neither shared memory nor
a barrier is needed. Tiles that stay in place would need a halo on four sides; this one needs it left and right (4 of 64
columns each), and above and below only where an image is cut into segments.

Arithmetic is that of ``tvl1_kernels._iterate``, but for rounding: the dual variables are kept times theta, which saves
two multiplications; sqrt(s) = s rsqrt(s) with s + 1e-30, and 1 / d = rsqrt(d d), each one instruction of the GPU.
"""

# mypy: ignore-errors
# The language is Triton's, not Python's: even annotations of arguments would be looked up as types of its own.

from __future__ import annotations

import triton
import triton.language as tl

from wtalkit.flow.cuda.layout import (
    CHUNK,
    ENLARGE,
    FRESH,
    HEIGHT,
    MEDIAN,
    PAIRS,
    PHASE,
    ROWS,
    RUNNING,
    SCALE,
    SCALE_FIELDS,
    SEGMENTS,
    STATE_FIELDS,
    STEPS,
    STRIP,
    STRIPS,
    WIDTH,
    P,
    U,
)

REGISTERS = 168
"""Of a thread of ``advance``, so that a multiprocessor holds 12 programs instead of 9; a few pointers are spilled."""


@triton.jit
def _read(pointer, at, mask):
    """The even and the odd columns of a row of a strip."""
    return tl.split(tl.reshape(tl.load(pointer + at, mask=mask, other=0.0), [STRIP // 2, 2]))


@triton.jit
def _write(pointer, at, even, odd, mask):
    tl.store(pointer + at, tl.reshape(tl.join(even, odd), [STRIP]), mask=mask)


@triton.jit
def _flow(
    u1, u2, p11, left11, p12, above12, p21, left21, p22, above22,
    rho, gx, gy, inverse, limit,
):  # fmt: skip
    """New flow and its squared change, from thresholding and divergence."""
    along = (rho + gx * u1 + gy * u2) * inverse
    along = tl.minimum(tl.maximum(along, -limit), limit)
    by1 = along * gx + (p11 - left11 + p12 - above12)
    by2 = along * gy + (p21 - left21 + p22 - above22)
    return u1 + by1, u2 + by2, by1 * by1 + by2 * by2


@triton.jit
def _dual(p, q, across, down, tau, step):
    """New dual variables of one component, from its gradient; ``step``: tau / theta."""
    square = across * across + (down * down + 1e-30)
    length = 1.0 + step * (square * tl.math.rsqrt(square))
    shrink = tl.math.rsqrt(length * length)
    return (p + tau * across) * shrink, (q + tau * down) * shrink


@triton.jit
def _stream(
    old_u, old_p, data, new_u, new_p, plane, pairs, height, width,
    strip, last_strip, start, stop, fresh, limit, tau, step, changes,
    tiles, LEVELS: tl.constexpr, UNROLL: tl.constexpr,
):  # fmt: skip
    """``LEVELS`` iterations on the rows from ``start`` to ``stop`` of a strip.

    Beyond the image everything is 0 and stays so: there is nothing to be read there, and tau is 0.
    """
    pitch = 2 * pairs
    lane = tl.arange(0, STRIP // 2)
    after, before = tl.minimum(lane + 1, STRIP // 2 - 1), tl.maximum(lane - 1, 0)
    left = strip * (STRIP - 2 * CHUNK) - 2
    xe = left + 2 * lane
    xo = xe + 1
    tau_e = tl.where((xe >= 0) & (xe < width), tau, 0.0)
    tau_o = tl.where((xo >= 0) & (xo < width), tau, 0.0)
    right_e, right_o = xe == width - 1, xo == width - 1  # no gradient across the right border

    column = tl.arange(0, STRIP)
    x = left + column
    inside = (x >= 0) & (x < pitch)
    low = tl.where(strip == 0, 0, CHUNK)
    high = tl.where(last_strip, STRIP, STRIP - CHUNK)
    mine = inside & (column >= low) & (column < high)
    pitch_p = tl.where(fresh == 0, pitch, 0)  # zeros are not read, but known

    zero = tl.zeros([STRIP // 2], tl.float32)
    # of each iteration, from its last row: flow, dual variables, data term; and the squared changes
    above_u, above_p, waiting, total = (), (), (), ()
    for _ in tl.static_range(LEVELS):
        above_u += (zero, zero, zero, zero)
        above_p += (zero, zero, zero, zero, zero, zero, zero, zero)
        waiting += (zero, zero, zero, zero, zero, zero, zero, zero)
        total += (zero,)

    top = tl.maximum(start - CHUNK, 0)
    for down in range(0, stop + LEVELS - top, UNROLL):
        for extra in tl.static_range(UNROLL):
            y = top + down + extra
            at = y * pitch + x
            here = (x >= 0) & (x < tl.where(y < height, pitch, 0))
            here_p = (x >= 0) & (x < tl.where(y < height, pitch_p, 0))
            u1e, u1o = _read(old_u, at, here)
            u2e, u2o = _read(old_u + plane, at, here)
            p11e, p11o = _read(old_p, at, here_p)
            p12e, p12o = _read(old_p + plane, at, here_p)
            p21e, p21o = _read(old_p + 2 * plane, at, here_p)
            p22e, p22o = _read(old_p + 3 * plane, at, here_p)
            rho_e, rho_o = _read(data, at, here)
            gx_e, gx_o = _read(data + plane, at, here)
            gy_e, gy_o = _read(data + 2 * plane, at, here)
            inverse_e, inverse_o = _read(data + 3 * plane, at, here)
            term = (rho_e, rho_o, gx_e, gx_o, gy_e, gy_o, inverse_e, inverse_o)

            next_u, next_p, next_waiting, next_total = (), (), (), ()
            for k in tl.static_range(LEVELS):
                row = y - k
                counts = tl.where((row - start).to(tl.uint32) < (stop - start).to(tl.uint32), 1.0, 0.0)
                inner = (row - 1).to(tl.uint32) < (height - 1).to(tl.uint32)  # none from above nor to below the image
                a1e, a1o, a2e, a2o = above_u[4 * k], above_u[4 * k + 1], above_u[4 * k + 2], above_u[4 * k + 3]
                q11e, q11o, q12e, q12o = above_p[8 * k], above_p[8 * k + 1], above_p[8 * k + 2], above_p[8 * k + 3]
                q21e, q21o, q22e, q22o = above_p[8 * k + 4], above_p[8 * k + 5], above_p[8 * k + 6], above_p[8 * k + 7]
                left11, left21 = tl.gather(p11o, before, 0), tl.gather(p21o, before, 0)
                n1e, n2e, change_e = _flow(
                    u1e, u2e, p11e, left11, p12e, q12e, p21e, left21, p22e, q22e,
                    term[0], term[2], term[4], term[6], limit,
                )  # fmt: skip
                n1o, n2o, change_o = _flow(
                    u1o, u2o, p11o, p11e, p12o, q12o, p21o, p21e, p22o, q22o,
                    term[1], term[3], term[5], term[7], limit,
                )  # fmt: skip
                next_total += (total[k] + counts * (change_e + change_o),)

                # the row above now has its new flow on all sides: on to its dual variables
                across1e = tl.where(right_e, 0.0, a1o - a1e)
                across1o = tl.where(right_o, 0.0, tl.gather(a1e, after, 0) - a1o)
                across2e = tl.where(right_e, 0.0, a2o - a2e)
                across2o = tl.where(right_o, 0.0, tl.gather(a2e, after, 0) - a2o)
                r11e, r12e = _dual(q11e, q12e, across1e, tl.where(inner, n1e - a1e, 0.0), tau_e, step)
                r11o, r12o = _dual(q11o, q12o, across1o, tl.where(inner, n1o - a1o, 0.0), tau_o, step)
                r21e, r22e = _dual(q21e, q22e, across2e, tl.where(inner, n2e - a2e, 0.0), tau_e, step)
                r21o, r22o = _dual(q21o, q22o, across2o, tl.where(inner, n2o - a2o, 0.0), tau_o, step)

                next_u += (n1e, n1o, n2e, n2o)
                next_p += (p11e, p11o, p12e, p12o, p21e, p21o, p22e, p22o)
                next_waiting += term
                u1e, u1o, u2e, u2o = a1e, a1o, a2e, a2o
                p11e, p11o, p12e, p12o = r11e, r11o, r12e, r12o
                p21e, p21o, p22e, p22o = r21e, r21o, r22e, r22o
                term = (
                    waiting[8 * k], waiting[8 * k + 1], waiting[8 * k + 2], waiting[8 * k + 3],
                    waiting[8 * k + 4], waiting[8 * k + 5], waiting[8 * k + 6], waiting[8 * k + 7],
                )  # fmt: skip
            above_u, above_p, waiting, total = next_u, next_p, next_waiting, next_total

            done = y - LEVELS
            if (done >= start) & (done < stop):
                at = done * pitch + x
                _write(new_u, at, u1e, u1o, mine)
                _write(new_u + plane, at, u2e, u2o, mine)
                _write(new_p, at, p11e, p11o, mine)
                _write(new_p + plane, at, p12e, p12o, mine)
                _write(new_p + 2 * plane, at, p21e, p21o, mine)
                _write(new_p + 3 * plane, at, p22e, p22o, mine)

    counted = (2 * lane >= low) & (2 * lane < high)
    for k in tl.static_range(LEVELS):
        tl.store(changes + k * tiles, tl.sum(tl.where(counted, total[k], 0.0)))


@triton.jit(do_not_specialize=["tiles"])
def advance(
    memory, states, scales, changes, slot_floats, plane, tiles,
    limit, tau, step,
):  # fmt: skip
    """The next chunk of iterations of every slot; grid: (tiles, slots).

    Args:
        changes: float32 ``[slots, CHUNK, tiles]``, squared changes summed over a tile, for each iteration.
        limit: lambda * theta.
        tau: of the dual update.
        step: tau / theta.
    """
    tile, slot = tl.program_id(0), tl.program_id(1)
    state = states + slot * STATE_FIELDS
    if tl.load(state + PHASE) != RUNNING:
        return
    table = scales + tl.load(state + SCALE) * SCALE_FIELDS
    strips = tl.load(table + STRIPS)
    if tile >= strips * tl.load(table + SEGMENTS):
        return
    height, width, pairs, rows = (
        tl.load(table + HEIGHT),
        tl.load(table + WIDTH),
        tl.load(table + PAIRS),
        tl.load(table + ROWS),
    )
    strip, start = tile % strips, tile // strips * rows
    stop = tl.minimum(start + rows, height)
    fresh, steps = tl.load(state + FRESH), tl.load(state + STEPS)
    which_u = tl.load(state + U) ^ tl.load(state + ENLARGE) ^ tl.load(state + MEDIAN)
    which_p = tl.load(state + P)
    planes = memory + slot.to(tl.int64) * slot_floats
    old_u, new_u = planes + which_u * 2 * plane, planes + (1 - which_u) * 2 * plane
    old_p, new_p = planes + (1 + which_p) * 4 * plane, planes + (2 - which_p) * 4 * plane
    data = planes + 12 * plane
    sums = changes + slot * CHUNK * tiles + tile
    for levels in tl.static_range(1, CHUNK + 1):
        if steps == levels:
            _stream(
                old_u, old_p, data, new_u, new_p, plane, pairs, height, width, strip, strip == strips - 1,
                start, stop, fresh, limit, tau, step, sums, tiles, levels, 2 if levels == CHUNK else 1,
            )  # fmt: skip
