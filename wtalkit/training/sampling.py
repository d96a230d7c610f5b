"""Bring a video of any length to a fixed number of snippets, as the authors' codes do.

A video of ``snippets`` rows is divided into ``length`` slots, slot i starting at row ``floor(i * snippets / length)``;
each slot contributes one row. A video shorter than ``length`` is thus stretched by repetition, never padded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Random = np.random.Generator | np.random.RandomState


def uniform(snippets: int, length: int) -> Positions:
    """The first row of every slot (CO2-Net's ``uniform_sample``), [length]."""
    _check(snippets, length)
    return np.arange(length, dtype=np.int64) * snippets // length


def random_perturb(snippets: int, length: int, random: Random) -> Positions:
    """One row drawn from every slot, the *next slot's first row included*, [length].

    Source: CO2-Net ``utils/wsad_utils.py: random_perturb``. A slot that starts on the same row as the next draws
    nothing; a video of exactly ``length`` rows is taken as it is. With a legacy ``RandomState`` the draws are, one for
    one, those of the official code.
    """
    _check(snippets, length)
    starts = uniform(snippets, length)
    if snippets == length:
        return starts
    ends = np.append(starts[1:], snippets - 1)
    return _draw(starts, ends, random, undecided=np.append(starts[1:] != starts[:-1], True))


def acrnet_slots(snippets: int, length: int, random: Random) -> Positions:
    """One row drawn from every slot, the right end left out, [length].

    Source: ACRNet ``dataset.py``: slot i draws from ``floor(i n / T) ... floor((i + 1) n / T) - 1``.
    """
    _check(snippets, length)
    starts = uniform(snippets, length)
    ends = np.maximum(np.append(starts[1:], snippets) - 1, starts)
    return _draw(starts, ends, random, undecided=ends > starts)


def _draw(starts: Positions, ends: Positions, random: Random, *, undecided: NDArray[np.bool_]) -> Positions:
    """``starts`` where decided, else a row between ``starts`` and ``ends``, both included."""
    rows = starts.copy()
    if isinstance(random, np.random.Generator):
        rows[undecided] = random.integers(starts[undecided], ends[undecided], endpoint=True)
    else:
        # Drawn one by one: only this consumes the legacy stream as the official loop of numpy.random.choice does.
        for slot in np.nonzero(undecided)[0]:
            rows[slot] = random.randint(starts[slot], ends[slot] + 1)
    return rows


def _check(snippets: int, length: int) -> None:
    if snippets < 1 or length < 1:
        raise ValueError(f"cannot take {length} of {snippets} snippets: both must be positive")
