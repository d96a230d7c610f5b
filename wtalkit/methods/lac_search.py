"""From one labelled frame per action to a label for every snippet: LAC's seeds and its optimal sequence search.

Source: LAC section 3.3 and ``Pilhyeon/Learning-Action-Completeness-from-Points`` (``utils.py``: ``select_seed``,
``search.py``, ``decode.py``), whose results these functions give.

Snippets that are surely action or surely background are *seeds*. Between the last seed of one run and the first seed
of the next lies a window of places where the boundary may be; the windows follow each other in time and do not touch.
A beam search walks through them and keeps the boundaries whose runs stand out best from what surrounds them
(outer-inner contrast, OIC). The authors walk through all snippets and carry each hypothesis's history as a string, over
which they take means anew; here sums from the start of the video give an OIC in constant time, and a hypothesis is a
row of numbers with a pointer to what it continues.

The loops are compiled by numba at their first call, so whoever only detects does not wait for it. They lie in this one
file, because numba sees by the age of the file whether what it has cached is stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

INFLATION = 0.25  # OIC's margin on either side, as a part of the run's length
MOST = 1024  # hypotheses; only equal scores, which are all kept, can make more than the budget


class Seeds(NamedTuple):
    """Snippets of one video that are taken for granted.

    Attributes:
        action: (T, C) surely of the class.
        background: (T,) surely of none.
    """

    action: Bools
    background: Bools


class Sequence(NamedTuple):
    """What the search found for one video.

    Attributes:
        labels: (T, C) whether the class happens.
        score: mean OIC of all runs of action and background of a class, mean over the classes; 0 without any.
    """

    labels: Bools
    score: float


class Elements(NamedTuple):
    """The runs of one class, action and background by turns, and where they may meet.

    Attributes:
        action_first: whether the first run is action.
        earliest: (N - 1,) first snippet at which run 1, 2, ... may start: behind the last seed of the run before it.
        latest: (N - 1,) last such snippet: its own first seed.
    """

    action_first: bool
    earliest: Integers
    latest: Integers


def select_seeds(
    background: ArrayLike, points: ArrayLike, *, action_level: float = 0.1, background_level: float = 0.95
) -> Seeds:
    """Seeds around the labelled snippets of one video.

    Background seeds between two labelled snippets: all from the first to the last that reach ``background_level``; if
    none does, the likeliest one. Before the first labelled snippet and after the last: everything outward of
    the nearest that reaches the level, or of the likeliest. Action seeds: the labelled snippets and, from each one
    outward, all that stay at or below ``action_level``, up to the next background seed.

    Args:
        background: scores of the background, (T,).
        points: which classes a labelled frame of a snippet shows, (T, C), 0 or 1.
        action_level: background score up to which a snippet next to a labelled one is action.
        background_level: background score from which a snippet is background.

    Returns:
        None at all for a video without a labelled snippet.

    Raises:
        ValueError: shapes that do not fit.
    """
    scores, marks = np.ascontiguousarray(background, dtype=np.float64), np.asarray(points) > 0
    if scores.ndim != 1 or marks.ndim != 2 or len(marks) != len(scores):
        raise ValueError(f"expected background scores (T,) and points (T, C), got {scores.shape} and {marks.shape}")
    at = np.flatnonzero(marks.any(axis=1))
    # Levels are single precision, as the scores are: 0.1 in single precision is at or below the level 0.1.
    owner, found = _grow(scores, at, float(np.float32(action_level)), float(np.float32(background_level)))
    action = np.zeros_like(marks)
    grown = owner >= 0
    action[grown] = marks[owner[grown]]
    return Seeds(action, found)


def search_sequence(scores: ArrayLike, seeds: Seeds, *, budget: int = 25, floor: float = 0.1) -> Sequence:
    """Label every snippet of one video, class by class, so that the runs have the highest OIC that a beam finds.

    Args:
        scores: of the classes, in [0, 1], (T, C).
        seeds: which every labelling agrees with; another class's action seeds are background seeds for a class.
        budget: hypotheses kept from snippet to snippet; those that equal the last one kept are kept, too.
        floor: hypotheses whose closed runs have a mean OIC below are given up, except the best.
    """
    curves = np.asarray(scores, dtype=np.float32)
    labels, found = np.zeros(curves.shape, dtype=np.bool_), []
    taken = seeds.action.any(axis=1)
    for label in np.flatnonzero(seeds.action.any(axis=0)):
        action = seeds.action[:, label]
        elements = find_elements(action, seeds.background | (taken & ~action))
        starts, score = search_boundaries(curves[:, label], elements, budget=budget, floor=floor)
        # A boundary turns the label over; counting them up to a snippet says which it is.
        turns = np.bincount(starts, minlength=len(curves))
        labels[:, label] = (np.cumsum(turns) % 2 == 0) == elements.action_first
        found.append(score)
    return Sequence(labels, float(np.mean(found)) if found else 0.0)


def find_elements(action: Bools, background: Bools) -> Elements:
    """Runs of one class from its action and background seeds, (T,) each; at least one action seed.

    Neighbouring seeds of one kind belong to one run. The runs at the ends reach to the video's ends.
    """
    seeded = np.flatnonzero(action | background)
    kinds = action[seeded]
    changes = np.flatnonzero(kinds[1:] != kinds[:-1])
    return Elements(bool(kinds[0]), seeded[changes] + 1, seeded[changes + 1])


def search_boundaries(curve: ArrayLike, elements: Elements, *, budget: int, floor: float) -> tuple[Integers, float]:
    """Starts of all runs but the first, (N - 1,), and the mean OIC of all runs.

    Args:
        curve: score of the class, (T,) in single precision.
        elements: the runs.
        budget: as for :func:`search_sequence`.
        floor: as for :func:`search_sequence`.

    Raises:
        ValueError: a budget of less than one or more than MOST hypotheses.
    """
    if not 1 <= budget <= MOST:
        raise ValueError(f"a search keeps 1 to {MOST} hypotheses, not {budget}")
    action = np.asarray(curve, dtype=np.float32)
    both = np.stack([1 - action, action]).astype(np.float64)
    sums = np.zeros((2, len(action) + 1))
    np.cumsum(both, axis=1, out=sums[:, 1:])
    starts, score = _beam(sums, int(elements.action_first), elements.earliest, elements.latest, budget, floor)
    return starts, float(score)


def _compiled(function: Kernel) -> Kernel:
    """Compile at the first call, or take from numba's cache if there is a folder to keep one in."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return cast(Kernel, numba.njit(cache=True, **options)(function))
    except (RuntimeError, OSError):  # neither the package's folder nor the user's is writable
        return cast(Kernel, numba.njit(**options)(function))


@_compiled
def _grow(scores: Floats, at: Integers, action_level: float, background_level: float) -> tuple[Integers, Bools]:
    """The labelled snippet that each snippet's label comes from, -1 for none, (T,); and the background seeds, (T,)."""
    count = len(scores)
    owner, found = np.full(count, -1, np.int64), np.zeros(count, np.bool_)
    for gap in range(len(at) + 1 if len(at) else 0):
        low = at[gap - 1] + 1 if gap > 0 else 0
        high = at[gap] if gap < len(at) else count
        if low == high:
            continue
        first, last, best = high, low, low
        for place in range(low, high):
            if scores[place] >= background_level:
                first, last = min(first, place), place
            if scores[place] > scores[best]:
                best = place
        if first == high:
            first = last = best
        found[(low if gap == 0 else first) : (high if gap == len(at) else last + 1)] = True
    for mark in at:
        owner[mark] = mark
    for mark in at:
        for step in (-1, 1):
            place = mark + step
            while 0 <= place < count and owner[place] < 0 and not found[place] and scores[place] <= action_level:
                owner[place] = mark
                place += step
    return owner, found


@_compiled
def _contrast(sums: Floats, start: int, end: int) -> float:
    """OIC of the run [start, end) of a curve given by its sums, (T + 1,); margins are whole snippets."""
    length = end - start
    low = max(0, int(start - INFLATION * length))
    high = min(len(sums) - 1, int(end - 1 + INFLATION * length) + 1)
    contrast: float = (sums[end] - sums[start]) / length
    width = (start - low) + (high - end)
    if width > 0:
        contrast -= ((sums[start] - sums[low]) + (sums[high] - sums[end])) / width
    return contrast


@_compiled
def _beam(
    sums: Floats, kind: int, earliest: Integers, latest: Integers, budget: int, floor: float
) -> tuple[Integers, float]:
    """Walk through the windows; gives the boundaries and the mean OIC of all runs.

    Args:
        sums: sums of the background's curve and of the action's, (2, T + 1).
        kind: row of the first run.
        earliest: of each boundary, (N - 1,).
        latest: of each boundary, (N - 1,).
        budget: hypotheses kept, ties at the cut not counted; at most MOST.
        floor: mean OIC below which a hypothesis is given up.
    """
    length, boundaries = sums.shape[1] - 1, len(latest)
    # A hypothesis: summed OIC of its closed runs; start of its open run, number of closed ones, and the row of its last
    # boundary in the pool, where every boundary points to the one before it.
    total, state = np.zeros(2 * MOST), np.zeros((2 * MOST, 3), np.int64)
    new_total, new_state = np.zeros(2 * MOST), np.zeros((2 * MOST, 3), np.int64)
    score, kept = np.zeros(2 * MOST), np.zeros(2 * MOST, np.int64)
    pool = np.zeros((1024, 2), np.int64)  # place of a boundary, row of the one before
    state[0, 2] = -1
    count, used = 1, 0
    for window in range(boundaries):
        curve = sums[(kind + window) % 2]
        for place in range(earliest[window], latest[window] + 1):
            # Those that wait either go on waiting or close their run here; at the window's end they must close it.
            made = 0
            for row in range(count):
                waits = state[row, 1] == window
                if not waits or place < latest[window]:
                    new_total[made] = total[row]
                    for field in range(3):
                        new_state[made, field] = state[row, field]
                    made += 1
                if waits:
                    if used == len(pool):
                        pool = np.concatenate((pool, np.zeros_like(pool)))
                    pool[used, 0] = place
                    pool[used, 1] = state[row, 2]
                    new_total[made] = total[row] + _contrast(curve, state[row, 0], place)
                    new_state[made, 0] = place
                    new_state[made, 1] = window + 1
                    new_state[made, 2] = used
                    used += 1
                    made += 1
            for row in range(made):
                score[row] = new_total[row] / new_state[row, 1] if new_state[row, 1] > 0 else np.inf
            count = _survivors(score, made, budget, floor, kept)
            for row in range(count):
                total[row] = new_total[kept[row]]
                for field in range(3):
                    state[row, field] = new_state[kept[row], field]
    curve = sums[(kind + boundaries) % 2]
    best, chosen = -np.inf, 0
    for row in range(count):
        mean = (total[row] + _contrast(curve, state[row, 0], length)) / (boundaries + 1)
        if mean >= best:  # of equals, the last
            best = mean
            chosen = row
    found = np.zeros(boundaries, np.int64)
    node = state[chosen, 2]
    for window in range(boundaries - 1, -1, -1):
        found[window] = pool[node, 0]
        node = pool[node, 1]
    return found, best


@_compiled
def _survivors(score: Floats, made: int, budget: int, floor: float, kept: Integers) -> int:
    """Write the rows that stay in the beam to ``kept``, in their order, and give their number.

    Those of the first ``made`` that reach ``floor``, or the best one alone (of equals, the first, which has waited
    longest: the authors' order of keys); of these the ``budget`` best and all that equal the last of them, up to MOST.
    """
    best, count = 0, 0
    for row in range(made):
        if score[row] > score[best]:
            best = row
        if score[row] >= floor:
            kept[count] = row
            count += 1
    if count == 0:  # also where nothing can be compared, with NaN
        kept[0] = best
        return 1
    if count <= budget:
        return count
    top = np.full(budget, -np.inf)  # the best so far, the least of them first
    for index in range(count):
        value, slot = score[kept[index]], 0
        while slot < budget and value > top[slot]:
            if slot > 0:
                top[slot - 1] = top[slot]
            top[slot] = value
            slot += 1
    above = ties = 0
    for index in range(count):
        above += score[kept[index]] > top[0]
        ties += score[kept[index]] == top[0]
    # The authors' beam grows without bound here. The final choice takes the last of equals, so the first ones go.
    spare, stay = max(0, above + ties - MOST), 0
    for index in range(count):
        row = kept[index]
        if score[row] > top[0]:
            kept[stay] = row
            stay += 1
        elif score[row] == top[0]:
            spare -= 1
            if spare < 0:
                kept[stay] = row
                stay += 1
    return stay
