"""Runs above thresholds, and up-sampling."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.localization import runs_above
from wtalkit.localization.runs import upsample_centred, upsample_left

levels = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=3)
curves = st.lists(st.sampled_from([0.0, 0.25, 0.4, 0.5, 0.9, 1.0]), max_size=15)


@given(curves, levels, st.booleans(), st.integers(1, 3))
def test_equals_the_obvious_form(curve: list[float], thresholds: list[float], strict: bool, min_points: int) -> None:
    expected = []
    for level in thresholds:
        above = [value > level if strict else value >= level for value in curve]
        for inside, points in groupby(range(len(curve)), key=lambda point: above[point]):
            run = list(points)
            if inside and len(run) >= min_points:
                expected.append((run[0], run[-1] + 1))
    starts, ends = runs_above(curve, thresholds, strict=strict, min_points=min_points)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == expected


def test_centred_keeps_the_middle_and_holds_the_ends() -> None:
    assert upsample_centred([0.0, 1.0], 2).tolist() == [0.0, 0.25, 0.75, 1.0]
    odd = upsample_centred([0.0, 3.0, 9.0], 3)
    assert odd[1::3].tolist() == [0.0, 3.0, 9.0], "the middle point of a cell is the snippet's value"
    np.testing.assert_allclose(upsample_centred(np.array([4.0, 1.0])[::-1], 4), upsample_centred([4.0, 1.0], 4)[::-1])


def test_left_starts_at_the_value_and_extrapolates() -> None:
    np.testing.assert_allclose(upsample_left([0.0, 1.0, 3.0], 2), [0.0, 0.5, 1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize("grow", [upsample_centred, upsample_left])
def test_columns_one_snippet_and_no_change(grow: object) -> None:
    assert callable(grow)
    curves = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    np.testing.assert_array_equal(grow(curves, 4)[:, 1], grow(curves[:, 1], 4))
    assert grow([0.7], 16).tolist() == [0.7] * 16
    assert grow(curves, 1) is not None
    np.testing.assert_array_equal(grow(curves, 1), curves)
