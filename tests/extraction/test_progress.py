"""The estimate of the time left."""

from __future__ import annotations

import numpy as np
import pytest

from wtalkit.extraction import Estimate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("known", [1.0, 0.5])
def test_it_is_right_within_a_fifth_after_the_first_minute(known: float) -> None:
    """A hundred videos of very different lengths at a pace that varies by a third; of some the length is unknown."""
    random = np.random.default_rng(0)
    frames = random.lognormal(6, 0.8, 100).astype(int)
    clock = Clock()
    estimate = Estimate(len(frames), clock)
    for number in np.flatnonzero(random.random(len(frames)) < known):
        estimate.expect(str(number), int(frames[number]))
    guesses = []
    for number, length in enumerate(frames):
        for done in range(0, length, 16):
            clock.now += 16 / 60 * random.uniform(0.67, 1.33)
            estimate.update(str(number), min(done + 16, length))
            guesses.append((clock.now, estimate.left_s))
        estimate.finish(str(number))
    errors = [
        abs(left_s - (clock.now - then)) / (clock.now - then)
        for then, left_s in guesses
        if then > 60 and clock.now - then > 60 and left_s is not None
    ]
    assert len(errors) > 1000
    assert max(errors) < (0.2 if known == 1.0 else 0.6)  # nobody can know what is not known


def test_what_needs_no_work_does_not_count() -> None:
    clock = Clock()
    estimate = Estimate(4, clock)
    for key in "abcd":
        estimate.expect(key, 100)
    assert estimate.left_s is None
    estimate.finish("a", worked=False)
    estimate.finish("b", worked=False)
    assert estimate.left_s is None
    clock.now = 10
    estimate.update("c", 50)
    assert estimate.left_s == pytest.approx(150 / 5)
    estimate.finish("c")
    assert estimate.left_s == pytest.approx(100 / 5)


def test_what_was_there_says_nothing_of_the_unknown() -> None:
    """Videos of unknown length count as the ones that are worked on do."""
    clock = Clock()
    estimate = Estimate(3, clock)
    estimate.expect("there", 100_000)
    estimate.finish("there", worked=False)
    estimate.expect("a", 100)
    clock.now = 10
    estimate.update("a", 100)
    estimate.finish("a")
    assert estimate.left_s == pytest.approx(100 / 10)


def test_a_change_of_pace_shows_within_two_minutes() -> None:
    clock = Clock()
    estimate = Estimate(1, clock)
    estimate.expect("a", 100_000)
    for second in range(1, 301):
        clock.now = second
        estimate.update("a", second * 10)
    for second in range(301, 421):
        clock.now = second
        estimate.update("a", 3000 + (second - 300) * 100)
    assert estimate.left_s == pytest.approx((100_000 - 15_000) / 100, rel=0.05)
