from __future__ import annotations

import pytest

from wtalkit.studies.groups import Figure, named_averages


def test_mean_and_sample_standard_deviation() -> None:
    assert Figure.of([0.1, 0.2, 0.6]) == Figure(pytest.approx(0.3), pytest.approx(0.07**0.5), 3)
    assert Figure.of([0.4]) == Figure(0.4, None, 1)


def test_averages_of_thumos() -> None:
    scores = {f"0.{tenth}0": float(tenth) for tenth in range(1, 8)}
    assert named_averages(scores) == {"0.1:0.5": 3.0, "0.3:0.7": 5.0, "0.1:0.7": 4.0}


def test_averages_of_activitynet() -> None:
    scores = {f"{0.5 + 0.05 * step:.2f}": float(step) for step in range(10)}
    assert named_averages(scores) == {"0.5:0.95": 4.5}


def test_other_thresholds_have_a_mean() -> None:
    assert named_averages({"0.50": 1.0, "0.75": 2.0}) == {"mean": 1.5}
    assert named_averages({"0.50": 1.0}) == {}
