"""Draws of the videos, and whether one set of detections is better than another."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.analysis.plain import made
from wtalkit.evaluation import mean_average_precision
from wtalkit.evaluation.average_precision import ClassMatches, mean_over_classes
from wtalkit.evaluation.paired import mean_draws, paired_difference, paired_test
from wtalkit.evaluation.resampling import drawn_counts, resample
from wtalkit.evaluation.tables import GroundTruth, Scored, annotations_of, match_all


def matches(seed: int) -> tuple[list[ClassMatches], int]:
    predictions, truth = made(seed, videos=12)
    instances = GroundTruth.of(annotations_of(truth))
    found = match_all(Scored.of(predictions["results"], instances), instances, [0.3, 0.5, 0.7])
    return found, len(instances.videos)


@pytest.mark.parametrize("seed", range(6))
def test_a_draw_is_scored_as_any_set_of_videos(seed: int) -> None:
    found, videos = matches(seed)
    counts = drawn_counts(videos, 40, seed)
    assert (counts.sum(axis=1) == videos).all()
    assert (counts[:, videos] == 0).all()
    expected = [mean_over_classes(found, row.astype(float)) for row in counts]
    assert np.abs(resample(found, counts) - np.array(expected)).max() < 1e-12


def test_a_draw_without_instances_has_no_score() -> None:
    found, videos = matches(0)
    counts = drawn_counts(videos, 3, 0)
    counts[1] = 0
    draws = resample(found, counts)
    assert np.isnan(draws[1]).all()
    assert not np.isnan(draws[[0, 2]]).any()


def test_the_same_videos_are_drawn_for_all() -> None:
    assert (drawn_counts(20, 5, 0) == drawn_counts(20, 5, 0)).all()
    assert (drawn_counts(20, 5, 0) != drawn_counts(20, 5, 1)).any()


def test_what_makes_videos_hard_for_both_cancels() -> None:
    """A steady gain of one point over draws that vary by ten."""
    random = np.random.default_rng(0)
    base = random.normal(0.4, 0.1, 1000)
    found = paired_difference(0.01, base + 0.01 + random.normal(0, 0.002, 1000), base)
    assert found.value == 0.01
    assert 0.005 < found.low < found.high < 0.015
    assert found.p == pytest.approx(2 / 1001)  # no draw turns the sign


def test_what_repeated_videos_add_is_taken_off_again() -> None:
    draws = np.random.default_rng(0).normal(0.25, 0.01, 1000)
    found = paired_difference(0.05, draws, np.zeros(1000))
    assert (found.low + found.high) / 2 == pytest.approx(0.05, abs=0.002)


def test_a_difference_that_any_draw_may_turn_is_none() -> None:
    random = np.random.default_rng(0)
    found = paired_difference(0.001, random.normal(0.4, 0.1, 2000), random.normal(0.4, 0.1, 2000))
    assert found.low < 0 < found.high
    assert found.p > 0.9


def test_the_interval_leaves_zero_out_where_p_is_small() -> None:
    random = np.random.default_rng(1)
    for value in np.linspace(-0.3, 0.3, 31):
        found = paired_difference(float(value), random.normal(0, 0.1, 1000), np.zeros(1000))
        if abs(found.p - 0.05) > 0.003:
            assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


def test_the_same_detections_differ_by_nothing() -> None:
    draws = np.random.default_rng(0).random(100)
    draws[3] = np.nan  # a draw without instances
    found = paired_difference(0.0, draws, draws)
    assert found.to_dict() == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    assert paired_difference(0.0, draws[3:4], draws[3:4]).p == 1.0


def test_p_is_as_small_by_chance_as_it_says() -> None:
    """Two equally good sets of detections, many times over: p is below 0.1 in about a tenth of them."""
    random = np.random.default_rng(0)
    small = 0
    for _ in range(300):
        gains = random.normal(0, 1, 60)  # of each video
        drawn = gains[random.integers(60, size=(400, 60))].mean(axis=1)
        small += paired_difference(float(gains.mean()), drawn, np.zeros(400)).p < 0.1
    assert 0.06 < small / 300 < 0.16


def test_two_predictions_documents() -> None:
    """One finds what the other finds, a little less exactly."""
    truth = {"database": {f"v{n}": {"annotations": [{"label": "ab"[n % 2], "segment": [0, 10]}]} for n in range(30)}}
    exact, shifted = (
        {f"v{n}": [{"label": "ab"[n % 2], "score": 0.5, "segment": [0, end - n % 5]}] for n in range(30)}
        for end in (12, 8)
    )
    found = paired_test(exact, shifted, truth, [0.3, 0.7], samples=300)
    expected = (mean_average_precision(each, truth, [0.3, 0.7])["map"] for each in (exact, shifted))
    scores, others = expected
    assert {key: each.value for key, each in found.items() if key != "mean"} == {
        key: pytest.approx(scores[key] - others[key]) for key in scores
    }
    assert found["0.30"].p == 1.0
    assert found["0.70"].p < 0.01
    assert found["0.70"].low > 0
    assert found["mean"].value == pytest.approx(found["0.70"].value / 2)
    back = paired_test(shifted, exact, truth, [0.7], samples=300)["0.70"]
    assert (back.low, back.high) == (pytest.approx(-found["0.70"].high), pytest.approx(-found["0.70"].low))


def test_members_of_a_row_are_averaged_draw_by_draw() -> None:
    assert mean_draws([np.array([[0.1], [0.3]]), np.array([[0.3], [0.5]])]).tolist() == [[0.2], [0.4]]
