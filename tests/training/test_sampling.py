"""Sampling snippets: what the slots allow; the draws themselves are held to the official ones in tests/parity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.training.sampling import acrnet_slots, random_perturb, uniform

sizes = st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(0, 1000))


@given(sizes)
def test_every_slot_gives_a_row_of_its_own(case: tuple[int, int, int]) -> None:
    snippets, length, seed = case
    for draw, last in ((random_perturb, 0), (acrnet_slots, -1)):
        rows = draw(snippets, length, np.random.default_rng(seed))
        assert rows.shape == (length,)
        for slot, row in enumerate(rows):
            low, high = slot * snippets // length, (slot + 1) * snippets // length + last
            assert low <= row <= min(max(low, high), snippets - 1)
        assert (rows == draw(snippets, length, np.random.default_rng(seed))).all()


@given(sizes)
def test_both_generators_draw_from_the_same_rows(case: tuple[int, int, int]) -> None:
    snippets, length, seed = case
    decided = uniform(snippets, length)
    for random in (np.random.default_rng(seed), np.random.RandomState(seed)):
        rows = acrnet_slots(snippets, length, random)
        assert ((rows == decided) | (rows > decided)).all()
        if snippets <= length:
            assert (rows == decided).all()


def test_the_right_end_is_what_tells_the_two_apart() -> None:
    draws = [np.random.default_rng(seed) for seed in range(200)]
    assert {int(random_perturb(4, 2, random)[0]) for random in draws} == {0, 1, 2}
    assert {int(acrnet_slots(4, 2, random)[0]) for random in draws} == {0, 1}


def test_as_many_snippets_as_asked_for_are_taken_as_they_are() -> None:
    for draw in (random_perturb, acrnet_slots):
        assert draw(7, 7, np.random.default_rng(0)).tolist() == list(range(7))
    assert uniform(3, 6).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(("snippets", "length"), [(0, 5), (5, 0)])
def test_refusals(snippets: int, length: int) -> None:
    with pytest.raises(ValueError, match="both must be positive"):
        uniform(snippets, length)
