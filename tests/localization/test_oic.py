"""Outer-inner contrast against the slow obvious form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.localization import outer_inner_contrast


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[float], list[int], list[int]]:
    curve = draw(st.lists(st.floats(-3, 3), min_size=1, max_size=20))
    pairs = draw(st.lists(st.tuples(st.integers(0, len(curve) - 1), st.integers(1, len(curve))), max_size=4))
    pairs = [(start, end) for start, end in pairs if start < end]
    return curve, [start for start, _ in pairs], [end for _, end in pairs]


def in_whole_points(curve: list[float], start: int, end: int, inflation: float) -> float:
    """As the authors' codes do it: inclusive last point, int() on the margins."""
    last, length = end - 1, end - start
    inner = curve[start : last + 1]
    outer = curve[max(0, int(start - inflation * length)) : start]
    outer = outer + curve[last + 1 : min(len(curve) - 1, int(last + inflation * length)) + 1]
    return float(np.mean(inner) - (np.mean(outer) if outer else 0.0))


def in_small_steps(curve: list[float], start: int, end: int, inflation: float) -> float:
    """Averages over fine samples of the curve drawn as steps; exact for margins in 1/8 points."""
    fine = np.repeat(curve, 8)
    left, right = round(8 * (start - inflation * (end - start))), round(8 * (end + inflation * (end - start)))
    outer = np.concatenate([fine[max(0, left) : 8 * start], fine[8 * end : right]])
    return float(fine[8 * start : 8 * end].mean() - (outer.mean() if outer.size else 0.0))


@given(cases(), st.sampled_from([0.0, 0.2, 0.25, 1.0]))
def test_whole_margins(case: tuple[list[float], list[int], list[int]], inflation: float) -> None:
    curve, starts, ends = case
    found = outer_inner_contrast(curve, starts, ends, inflation=inflation, whole_margins=True)
    expected = [in_whole_points(curve, s, e, inflation) for s, e in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(cases(), st.sampled_from([0.0, 0.125, 0.25, 1.0]))
def test_continuous_margins(case: tuple[list[float], list[int], list[int]], inflation: float) -> None:
    curve, starts, ends = case
    found = outer_inner_contrast(curve, starts, ends, inflation=inflation)
    expected = [in_small_steps(curve, s, e, inflation) for s, e in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(cases(), st.floats(-5, 5))
def test_a_constant_added_matters_only_without_margins(
    case: tuple[list[float], list[int], list[int]], constant: float
) -> None:
    curve, starts, ends = case
    shifted = outer_inner_contrast(np.add(curve, constant), starts, ends) - outer_inner_contrast(curve, starts, ends)
    whole = [start == 0 and end == len(curve) for start, end in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(shifted, np.where(whole, constant, 0.0), atol=1e-9)


@given(cases(), st.sampled_from([0.0, 0.2, 1.0]), st.booleans())
def test_zero_padding_is_a_curve_with_zeros_around_it(
    case: tuple[list[float], list[int], list[int]], inflation: float, whole: bool
) -> None:
    curve, starts, ends = case
    found = outer_inner_contrast(curve, starts, ends, inflation=inflation, whole_margins=whole, pad="zero")
    room = len(curve) + 1
    longer = [0.0] * room + curve + [0.0] * room
    moved = [start + room for start in starts], [end + room for end in ends]
    expected = outer_inner_contrast(longer, *moved, inflation=inflation, whole_margins=whole)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_zero_padding_by_hand() -> None:
    """[0, 2) of 1, 1, 0.5: margins of 2 on both sides hold 0.5 in all, over the 1 point there is or over all 4."""
    clipped = outer_inner_contrast([1, 1, 0.5], [0], [2], inflation=1.0)
    padded = outer_inner_contrast([1, 1, 0.5], [0], [2], inflation=1.0, pad="zero")
    assert (clipped.tolist(), padded.tolist()) == ([0.5], [0.875])


def test_a_clean_step_scores_its_height() -> None:
    assert outer_inner_contrast([0, 0, 1, 1, 1, 1, 0, 0], [2], [6]).tolist() == [1.0]


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 2), (0, 5)])
def test_refusals(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="leaves the 4 points"):
        outer_inner_contrast([1, 2, 3, 4], [start], [end])
