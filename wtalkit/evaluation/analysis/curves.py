"""Precision over recall of a class, as its average precision sees it: the envelope."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wtalkit.evaluation.average_precision import Booleans

RECALLS = 101
"""Levels of recall at which a curve is kept: 0, 0.01 ... 1."""


def envelope(hit: Booleans, positives: int) -> tuple[float, ...]:
    """Best precision among all places of the ranking whose recall is at least 0, 0.01 ... 1; 0 beyond the last.

    Args:
        hit: whether each detection of the class is right, by descending score, [N].
        positives: instances of the class.
    """
    places = np.nonzero(hit)[0]
    true = np.arange(1, len(places) + 1)
    best = np.append(np.maximum.accumulate((true / (places + 1))[::-1])[::-1], 0.0)
    # The first hit that reaches a level: recall k / positives >= i / 100, in whole numbers.
    needed = -(-np.arange(RECALLS) * positives // (RECALLS - 1))
    reaching = (needed - 1).clip(0, len(places))
    return tuple(best[reaching].tolist())


def corners(precision: Sequence[float]) -> tuple[list[float], list[float]]:
    """The steps of a curve as recall and precision in percent, where one of them changes."""
    at, values = [0.0], [100 * precision[0]]
    for level in range(1, len(precision)):
        value = 100 * precision[level]
        if value != values[-1]:
            at += [float(level - 1)] * 2
            values += [values[-1], value]
    return [*at, 100.0], [*values, values[-1]]
