"""What a slot does next, decided on the GPU: the loops of ``tvl1_kernels._refine`` as a state machine.

``take_turns`` runs once in a while: it gives free slots the next pairs of the queue. ``decide`` runs after every chunk
of iterations. If a warp's iterations were to end inside the chunk, the slot does the chunk again with just as many
iterations, from the planes that were kept; so they end exactly where the CPU's would. To need that seldom, the chunk is
made shorter when the changes, if they go on to fall as they do, would end the warp in it.

Sums go in a fixed order, and no decision looks at another slot: a pair's flow does not depend on what else is computed.
"""

# mypy: ignore-errors
# The language is Triton's, not Python's: even annotations of arguments would be looked up as types of its own.

from __future__ import annotations

import triton
import triton.language as tl

from wtalkit.flow.cuda.layout import (
    CHUNK,
    COUNT,
    DONE,
    ENDING,
    ENLARGE,
    FRESH,
    IDLE,
    INNER,
    ITERATIONS,
    LINEARISE,
    MEDIAN,
    NEW,
    NEXT,
    OUTER,
    PAIR,
    PHASE,
    RECORD_FIELDS,
    RING,
    RUNNING,
    SCALE,
    SCALE_FIELDS,
    SEGMENTS,
    STATE_FIELDS,
    STEPS,
    STRIPS,
    WARP,
    P,
    U,
)


@triton.jit(do_not_specialize=["slots", "scales", "inner", "median"])
def take_turns(states, queue, done_pairs, slots, scales, inner, median, BLOCK: tl.constexpr):
    """Give pairs of the queue to slots that have none, and tell which are done; one program.

    Args:
        done_pairs: int8 ``[RING]``, set to 1.
        BLOCK: a power of 2, at least ``slots``.
    """
    index = tl.arange(0, BLOCK)
    exists = index < slots
    state = states + index * STATE_FIELDS
    phase = tl.load(state + PHASE, mask=exists, other=RUNNING)
    done = phase == DONE
    free = phase != RUNNING
    first, count = tl.load(queue + NEXT), tl.load(queue + COUNT)
    place = first + tl.cumsum(free.to(tl.int32), 0) - 1
    taken = free & (place < count)
    pair = tl.load(state + PAIR, mask=done, other=0)
    tl.store(done_pairs + pair, (index * 0 + 1).to(tl.int8), mask=done)
    tl.store(queue + NEXT, first + tl.sum(taken.to(tl.int32)))

    tl.store(state + PHASE, tl.where(taken, RUNNING, IDLE), mask=free)
    tl.store(state + NEW, taken.to(tl.int32), mask=exists)
    tl.store(state + PAIR, (place % RING).to(tl.int32), mask=taken)
    tl.store(state + SCALE, index * 0 + scales - 1, mask=taken)
    tl.store(state + WARP, index * 0, mask=taken)
    tl.store(state + OUTER, index * 0, mask=taken)
    tl.store(state + INNER, index * 0, mask=taken)
    tl.store(state + ENLARGE, index * 0 + 1, mask=taken)
    tl.store(state + LINEARISE, index * 0 + 1, mask=taken)
    tl.store(state + MEDIAN, index * 0 + median, mask=taken)
    tl.store(state + FRESH, index * 0 + 1, mask=taken)
    tl.store(state + STEPS, index * 0 + tl.minimum(CHUNK, inner), mask=taken)
    tl.store(state + ENDING, index * 0, mask=taken)


@triton.jit
def _to_come(last, before, enough):
    """How many iterations, at least 1, until changes that fall by a constant factor are small enough."""
    falls = (last < before) & (last > enough) & (enough > 0)
    ratio = tl.where(falls, before / tl.maximum(last, 1e-30), 2.0)
    excess = tl.where(falls, last / tl.maximum(enough, 1e-30), 1e30)
    steps = tl.log2(excess) / tl.maximum(tl.log2(ratio), 1e-6)
    return tl.where(falls & (steps < CHUNK), tl.ceil(steps).to(tl.int32), CHUNK)


@triton.jit(do_not_specialize=["tiles", "warps", "inner", "outer", "median"])
def decide(
    states, scales, changes, last_changes, limits, records, tiles,
    warps, inner, outer, median, TILES: tl.constexpr,
):  # fmt: skip
    """Move one slot on after a chunk; grid: (slots,).

    Args:
        last_changes: float32 ``[slots]``, of the last iteration.
        limits: float64 ``[scales]``: the sum of squared changes at which a warp ends.
        TILES: a power of 2, at least ``tiles``.
    """
    slot = tl.program_id(0)
    state = states + slot * STATE_FIELDS
    if tl.load(state + PHASE) != RUNNING:
        return
    scale, warp = tl.load(state + SCALE), tl.load(state + WARP)
    table = scales + scale * SCALE_FIELDS
    steps = tl.load(state + STEPS)
    k, tile = tl.arange(0, CHUNK), tl.arange(0, TILES)
    used = (k[:, None] < steps) & (tile[None, :] < tl.load(table + STRIPS) * tl.load(table + SEGMENTS))
    parts = tl.load(changes + (slot * CHUNK + k[:, None]) * tiles + tile[None, :], mask=used, other=0.0)
    change = tl.sum(parts.to(tl.float64), axis=1)  # [CHUNK]
    enough = tl.load(limits + scale)
    small = (k < steps) & ((change <= enough) | (change != change))
    needed = tl.min(tl.where(small, k + 1, CHUNK + 1), axis=0)  # iterations up to the end of the warp
    ending = tl.load(state + ENDING) != 0

    filtered = tl.load(state + ENLARGE) ^ tl.load(state + MEDIAN)
    which_u = tl.load(state + U) ^ filtered
    tl.store(state + ENLARGE, 0)
    tl.store(state + LINEARISE, 0)
    tl.store(state + MEDIAN, 0)
    if (needed < steps) & (ending == 0):
        tl.store(state + U, which_u)
        tl.store(state + STEPS, needed)
        tl.store(state + ENDING, 1)
    else:
        tl.store(state + U, 1 - which_u)
        tl.store(state + P, 1 - tl.load(state + P))
        tl.store(state + FRESH, 0)
        tl.store(state + ENDING, 0)
        record = records + tl.load(state + PAIR) * RECORD_FIELDS
        counts = tl.load(record + ITERATIONS).to(tl.pointer_type(tl.int32)) + scale * warps + warp
        tl.store(counts, tl.load(counts) + steps)
        done = tl.load(state + INNER) + steps
        rounds = tl.load(state + OUTER) + 1
        ends = ending | (needed <= steps)
        if ends | ((done >= inner) & (rounds >= outer)):
            down = (warp + 1 >= warps).to(tl.int32)
            tl.store(state + WARP, tl.where(down != 0, 0, warp + 1))
            tl.store(state + SCALE, tl.maximum(scale - down, 0))
            tl.store(state + ENLARGE, down)
            tl.store(state + FRESH, down)
            tl.store(state + LINEARISE, 1)
            tl.store(state + MEDIAN, median)
            tl.store(state + OUTER, 0)
            tl.store(state + INNER, 0)
            tl.store(state + STEPS, tl.minimum(CHUNK, inner))
            if scale < down:
                tl.store(state + PHASE, DONE)
        elif done >= inner:
            tl.store(state + MEDIAN, median)
            tl.store(state + OUTER, rounds)
            tl.store(state + INNER, 0)
            tl.store(state + STEPS, tl.minimum(CHUNK, inner))
        else:
            last = tl.sum(tl.where(k == steps - 1, change, 0.0), axis=0).to(tl.float32)
            before = tl.sum(tl.where(k == steps - 2, change, 0.0), axis=0).to(tl.float32)
            before = tl.where(steps > 1, before, tl.load(last_changes + slot))
            tl.store(last_changes + slot, last)
            guess = _to_come(last, before, enough.to(tl.float32))
            tl.store(state + INNER, done)
            tl.store(state + STEPS, tl.minimum(guess, inner - done))
