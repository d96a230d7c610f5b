"""Predictions that touch an ambiguous interval, by either rule."""

from __future__ import annotations

import numpy as np
import pytest

from wtalkit.evaluation.ambiguous import drop_ambiguous, touches

SNIPPET_S = 16 / 25


@pytest.mark.parametrize(
    ("segment", "interval", "by_snippets", "by_seconds"),
    [
        ((0.0, 1.0), (2.0, 3.0), False, False),
        ((0.0, 2.0), (2.0, 3.0), False, False),  # they meet, and share nothing
        ((2 * SNIPPET_S, 3 * SNIPPET_S), (0.0, 1.4), False, True),  # 1.4 s round to 2 snippets
        ((1 * SNIPPET_S, 2 * SNIPPET_S), (0.0, 1.4), True, True),
        ((0.0, 10.0), (4.0, 4.1), False, True),  # 6.25 to 6.41 snippets round to none
        ((0.0, 10.0), (4.0, 4.2), True, True),  # 6.25 to 6.56 snippets round to one
        ((0.0, 0.5), (0.0, 5.0), False, True),  # less than a snippet is none
        ((5.0, 6.0), (5.0, 5.0), False, False),  # an interval of no length
    ],
)
def test_rules(
    segment: tuple[float, float], interval: tuple[float, float], by_snippets: bool, by_seconds: bool
) -> None:
    assert touches([segment], [interval], rule="snippets").tolist() == [by_snippets]
    assert touches([segment], [interval], rule="seconds").tolist() == [by_seconds]


def test_whole_snippets_survive_seconds() -> None:
    """Every snippet alone, through seconds and back, touches an interval that is just that snippet."""
    bounds = np.arange(3000) * SNIPPET_S
    segments = np.column_stack([bounds[:-1], bounds[1:]])
    for row in range(0, 2999, 7):
        assert np.flatnonzero(touches(segments, segments[row])).tolist() == [row]


def test_half_a_snippet_rounds_to_the_even_one() -> None:
    segments = np.column_stack([np.arange(5), np.arange(1, 6)]) * SNIPPET_S
    assert touches(segments, [[0.5 * SNIPPET_S, 2.5 * SNIPPET_S]]).tolist() == [True, True, False, False, False]
    assert touches(segments, [[1.5 * SNIPPET_S, 3.5 * SNIPPET_S]]).tolist() == [False, False, True, True, False]


def test_only_touching_predictions_of_the_video_go() -> None:
    near, far = {"label": "run", "score": 1.0, "segment": [0, 3]}, {"label": "run", "score": 0.5, "segment": [8, 9]}
    results = {"a": [near, far], "b": [near], "c": []}
    left, dropped = drop_ambiguous(results, {"a": [[1, 2]], "c": [[0, 9]], "elsewhere": [[0, 9]]}, rule="seconds")
    assert (left, dropped) == ({"a": [far], "b": [near], "c": []}, 1)
    assert results["a"] == [near, far]


def test_other_rates_and_nothing() -> None:
    assert touches([[0.0, 0.5]], [[0.0, 0.5]], fps=25, stride=4).tolist() == [True]
    assert touches([[0.0, 0.5]], np.zeros((0, 2))).tolist() == [False]
    assert touches(np.zeros((0, 2)), [[0.0, 1.0]]).shape == (0,)
    assert touches([[float("nan"), 1.0]], [[0.0, 1.0]]).tolist() == [False]
    with pytest.raises(ValueError, match="snippets or seconds"):
        touches([[0, 1]], [[0, 1]], rule="frames")  # type: ignore[arg-type]
