"""The display threshold from video-level labels: the rule, its ties, its degenerate cases."""

from __future__ import annotations

import numpy as np
import pytest

from wtalkit.segments import Segment
from wtalkit.training.calibrate import calibrate
from wtalkit.training.settings import CalibrationSettings


def found(**scores: float | list[float]) -> list[Segment]:
    pairs = [(label, value) for label, given in scores.items() for value in np.atleast_1d(given)]
    return [Segment(float(2 * i), float(2 * i + 1), label, float(score)) for i, (label, score) in enumerate(pairs)]


def slow_f1(threshold: float, segments: list[list[Segment]], labels: list[set[str]]) -> float:
    shown = [{s.label for s in video if s.score >= threshold} for video in segments]
    right = sum(len(a & b) for a, b in zip(shown, labels, strict=True))
    total = sum(len(a) + len(b) for a, b in zip(shown, labels, strict=True))
    return 2 * right / total if total else 0.0


def test_wrong_classes_are_kept_out() -> None:
    segments = [found(jump=[0.9, 0.6], sit=0.2), found(sit=0.8, jump=0.3), found(jump=0.7)]
    result = calibrate(segments, [{"jump"}, {"sit"}, {"jump"}])
    assert result.f1 == result.best_f1 == 1.0
    assert result.threshold == pytest.approx(
        0.65
    )  # the highest that still shows every label, halfway to the next score
    assert result.displayed == 3


def test_scraps_of_the_right_class_are_kept_out() -> None:
    scraps = [0.05 + 0.002 * i for i in range(40)]
    segments = [found(jump=[0.6, 0.55, 0.5, *scraps]), found(sit=[0.7, 0.45, *scraps])]
    result = calibrate(segments, [{"jump"}, {"sit"}])
    assert result.threshold == pytest.approx((0.55 + 0.6) / 2)
    assert result.displayed == 2


def test_some_labels_are_given_up() -> None:
    segments = [found(jump=0.9)] * 99 + [found(jump=0.1)]
    labels = [{"jump"}] * 100
    assert calibrate(segments, labels).threshold == pytest.approx(0.5)
    strict = calibrate(segments, labels, CalibrationSettings(tolerance=0.0))
    assert strict.threshold == pytest.approx(0.1)
    assert strict.displayed == 100


def test_equal_scores_are_shown_together() -> None:
    result = calibrate([found(jump=[0.5] * 20)], [{"jump"}])
    assert result.threshold == 0.5
    assert result.displayed == 20


def test_nothing_found_gives_zero() -> None:
    assert calibrate([[], []], [{"jump"}, {"sit"}]).threshold == 0.0
    assert calibrate([], []).threshold == 0.0


def test_only_wrong_classes_show_as_little_as_possible() -> None:
    result = calibrate([found(sit=[0.3, 0.2])], [{"jump"}])
    assert result.f1 == 0.0
    assert result.threshold == pytest.approx(0.25)
    assert result.displayed == 1


def test_negative_scores_are_scores() -> None:
    result = calibrate([found(jump=-0.5, sit=-2.0)], [{"jump"}])
    assert -2.0 < result.threshold < -0.5


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_the_slow_version(seed: int) -> None:
    generator = np.random.default_rng(seed)
    classes = ["a", "b", "c"]
    segments = [
        found(**{c: generator.random(generator.integers(1, 5)).tolist() for c in classes if generator.random() < 0.8})
        for _ in range(12)
    ]
    labels = [{c for c in classes if generator.random() < 0.4} for _ in range(12)]
    result = calibrate(segments, labels, CalibrationSettings(tolerance=0.1))
    scores = sorted({s.score for video in segments for s in video})
    curve = [slow_f1(score, segments, labels) for score in scores]
    assert result.best_f1 == pytest.approx(max(curve))
    assert result.f1 == pytest.approx(slow_f1(result.threshold, segments, labels))

    assert result.f1 >= 0.9 * max(curve) - 1e-12
    higher = [f1 for score, f1 in zip(scores, curve, strict=True) if score > result.threshold]
    assert all(f1 < 0.9 * max(curve) + 1e-12 for f1 in higher[1:])
