"""The loop of Soft-NMS, compiled: per segment taken, one pass over what it can overlap.

The authors' loop passes over all that is left for each segment it takes. Here segments lie in the order of their
starts, in blocks that know how far they reach and which of them is best, and a block that the segment taken does not
reach is passed over whole. With the tens of thousands of candidates of a video of hours most blocks are.

The codes *swap* the best one to the front, and that decides which of equal scores is taken first (equal runs of many
levels have equal scores). So every segment here keeps the place it would have there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wtalkit.compiled import kernel, part

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GAUSSIAN, LINEAR, HARD, BSN = range(4)
_BLOCK = 32
_GONE = -1
_REMOVED = -1.0
_START, _END, _SCORE = range(3)  # columns of a table of rows
_NUMBER, _PLACE = range(2)  # columns of their keys


@part
def _taken(
    starts: Floats,
    ends: Floats,
    scores: Floats,
    numbers: Integers,
    kind: int,
    sigma: float,
    tiou: float,
    min_score: float,
    extra: float,
) -> tuple[Integers, Floats]:
    """Numbers of one group's rows in the order in which they are taken, and the scores they have then."""
    count = len(scores)
    table, keys, slot = np.empty((count, 3)), np.empty((count, 2), np.int64), np.empty(count, np.int64)
    for row in range(count):
        table[row, _START], table[row, _END], table[row, _SCORE] = starts[row], ends[row], scores[row]
        keys[row, _NUMBER] = keys[row, _PLACE] = numbers[row]
        slot[numbers[row]] = row  # the row at each place
    blocks = (count + _BLOCK - 1) // _BLOCK
    low, high = np.empty(blocks), np.empty(blocks)  # where a block's segments begin and end
    filled, best = np.empty(blocks, np.int64), np.empty(blocks, np.int64)  # rows left, which stand first in it
    for block in range(blocks):
        first = block * _BLOCK
        filled[block] = min(_BLOCK, count - first)
        low[block], high[block] = table[first, _START], table[first, _END]
        for row in range(first, first + filled[block]):
            high[block] = max(high[block], table[row, _END])
        _, best[block] = _lower(first, filled[block], table, keys, slot, np.inf, -np.inf, GAUSSIAN, sigma, tiou, extra)
    everything = kind == HARD and tiou <= 0.0  # it removes what does not overlap, too
    taken, values, found, front = np.empty(count, np.int64), np.empty(count), 0, 0
    while True:
        top = _best(best, table, keys)
        if top == _GONE or table[top, _SCORE] < min_score:
            return taken[:found], values[:found]
        start, end = table[top, _START], table[top, _END]
        taken[found], values[found] = keys[top, _NUMBER], table[top, _SCORE]
        found += 1
        own = top // _BLOCK
        filled[own] -= 1
        front, swapped = _take(top, own * _BLOCK + filled[own], front, table, keys, slot)
        for block in range(blocks):
            # Rounding is monotonic: where this is not above 0, no segment of the block has an overlap above 0.
            touched = min(end, high[block]) - max(start, low[block]) + extra > 0.0
            if touched or everything or block in (own, swapped):
                filled[block], best[block] = _lower(
                    block * _BLOCK, filled[block], table, keys, slot, start, end, kind, sigma, tiou, extra
                )


@part
def _best(best: Integers, table: Floats, keys: Integers) -> int:
    """The row to be taken next."""
    top = _GONE
    for row in best:
        if row != _GONE and (top == _GONE or _is_better(row, top, table, keys)):
            top = row
    return top


@part
def _is_better(one: int, other: int, table: Floats, keys: Integers) -> bool:
    """Whether row ``one`` is taken before row ``other``."""
    if table[one, _SCORE] == table[other, _SCORE]:
        return bool(keys[one, _PLACE] < keys[other, _PLACE])
    return bool(table[one, _SCORE] > table[other, _SCORE])


@part
def _take(top: int, last: int, front: int, table: Floats, keys: Integers, slot: Integers) -> tuple[int, int]:
    """Take row ``top`` out: what stands in front goes to its place, and row ``last`` of its block into its slot.

    Gives the place in front, and the block of the row that stood there.
    """
    while slot[front] == _GONE:
        front += 1
    moved, place = slot[front], keys[top, _PLACE]
    keys[moved, _PLACE] = place
    slot[place] = moved
    slot[front] = _GONE  # after the line above: it may have been the one taken
    _fill(top, last, table, keys, slot)
    return front, moved // _BLOCK


@part
def _fill(row: int, last: int, table: Floats, keys: Integers, slot: Integers) -> None:
    """Move row ``last`` to where ``row`` was."""
    if row != last:
        for column in range(3):
            table[row, column] = table[last, column]
        keys[row, _NUMBER], keys[row, _PLACE] = keys[last, _NUMBER], keys[last, _PLACE]
        slot[keys[row, _PLACE]] = row


@part
def _lower(
    first: int,
    filled: int,
    table: Floats,
    keys: Integers,
    slot: Integers,
    start: float,
    end: float,
    kind: int,
    sigma: float,
    tiou: float,
    extra: float,
) -> tuple[int, int]:
    """Lower, or remove, what overlaps a segment in the block that begins at row ``first``.

    Gives the number of rows that are left in the block, and the best of them.
    """
    length, best, row = end - start + extra, _GONE, first
    last_start, last_end, weight = np.nan, np.nan, 1.0
    while row < first + filled:
        if table[row, _START] != last_start or table[row, _END] != last_end:  # many levels cut out the same run
            last_start, last_end = table[row, _START], table[row, _END]
            weight = _weight(start, end, length, last_start, last_end, kind, sigma, tiou, extra)
        if weight == _REMOVED:
            filled -= 1
            slot[keys[row, _PLACE]] = _GONE
            _fill(row, first + filled, table, keys, slot)
            continue
        table[row, _SCORE] *= weight
        if best == _GONE or _is_better(row, best, table, keys):
            best = row
        row += 1
    return filled, best


@part
def _weight(
    start: float,
    end: float,
    length: float,
    other_start: float,
    other_end: float,
    kind: int,
    sigma: float,
    tiou: float,
    extra: float,
) -> float:
    """What the score of another segment is multiplied by."""
    inter = min(end, other_end) - max(start, other_start) + extra
    iou = inter / (length + (other_end - other_start + extra) - inter) if inter > 0.0 else 0.0
    if kind == HARD:
        return _REMOVED if iou >= tiou else 1.0
    if kind == LINEAR:
        return 1.0 - iou if iou > tiou else 1.0
    if iou > 0.0 and (kind == GAUSSIAN or iou > tiou):
        return math.exp(-(iou * iou) / sigma)
    return 1.0


@kernel(
    "int64[::1](float64[::1], float64[::1], float64[::1], int64[::1], int64[::1], int64, float64, float64, float64, "
    "float64)"
)
def suppress(
    starts: Floats,
    ends: Floats,
    scores: Floats,
    numbers: Integers,
    bounds: Integers,
    kind: int,
    sigma: float,
    tiou: float,
    min_score: float,
    extra: float,
) -> Integers:
    """Soft-NMS in each group of rows on its own; gives the number of rows taken of each group.

    They then stand first in their group, in the order taken: in ``numbers`` and, with their new scores, in ``scores``.

    Args:
        starts: rising within a group, [N].
        ends: [N].
        scores: [N].
        numbers: which of its group's rows each was before they were sorted by start, [N].
        bounds: first row of every group, and the end of the last, [G + 1].
        kind: GAUSSIAN, LINEAR, HARD or BSN.
        sigma: width of the weight.
        tiou: IoU from which a row is touched.
        min_score: stop when no score left reaches it.
        extra: added to all lengths.
    """
    counts = np.zeros(len(bounds) - 1, np.int64)
    for group in range(len(counts)):
        first, stop = bounds[group], bounds[group + 1]
        rows, values = _taken(
            starts[first:stop], ends[first:stop], scores[first:stop], numbers[first:stop], kind, sigma, tiou,
            min_score, extra,
        )  # fmt: skip
        counts[group] = len(rows)
        for row in range(len(rows)):
            numbers[first + row], scores[first + row] = rows[row], values[row]
    return counts
