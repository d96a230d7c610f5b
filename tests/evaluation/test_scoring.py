"""mAP: by hand, against a slow obvious evaluator, and what must hold for any input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.annotations import Annotations, Instance, VideoAnnotation
from wtalkit.errors import AnnotationsError, ConfigError, PredictionsError
from wtalkit.evaluation import evaluate_predictions, mean_average_precision

Row = tuple[str, str, float, float]  # video, label, start, end


def truth(*rows: Row, duration: float | None = None, more_videos: tuple[str, ...] = ()) -> dict[str, Any]:
    database: dict[str, Any] = {name: {"annotations": []} for name in more_videos}
    for video, label, start, end in rows:
        entry = database.setdefault(video, {"subset": "test", "annotations": []})
        entry["annotations"].append({"label": label, "segment": [start, end]})
        if duration is not None:
            entry["duration"] = duration
    return {"database": database}


def predicted(*rows: tuple[str, str, float, float, float]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for video, label, start, end, score in rows:
        results.setdefault(video, []).append({"label": label, "score": score, "segment": [start, end]})
    return {"results": results}


GROUND = truth(("a", "wave", 0, 10), ("a", "wave", 20, 30), ("b", "kick", 0, 10))


def test_by_hand() -> None:
    found = predicted(
        ("a", "wave", 0, 10, 0.9),  # hit
        ("a", "wave", 0, 10, 0.8),  # a second detection of the same instance is a miss
        ("a", "wave", 20, 25, 0.7),  # hit at 0.5 (equality counts), not at 0.6
        ("b", "wave", 0, 10, 0.1),
    )
    result = mean_average_precision(found, GROUND, [0.5, 0.6])
    assert result["per_class"] == {
        "kick": {"0.50": 0.0, "0.60": 0.0},
        "wave": {"0.50": pytest.approx(0.5 + 0.5 * 2 / 3), "0.60": pytest.approx(0.5)},
    }
    assert result["map"]["0.50"] == pytest.approx((0.5 + 1 / 3) / 2)
    assert result["average_map"] == pytest.approx((result["map"]["0.50"] + result["map"]["0.60"]) / 2)
    assert result["videos"] == 2


def test_a_taken_instance_leaves_the_next_best() -> None:
    ground = truth(("a", "wave", 0, 10), ("a", "wave", 2, 12))
    found = predicted(("a", "wave", 0, 10, 0.9), ("a", "wave", 0, 10, 0.8))
    assert mean_average_precision(found, ground, [0.5])["map"]["0.50"] == 1.0


def test_perfect_and_empty() -> None:
    perfect = predicted(*((*row, 1.0) for row in [("a", "wave", 0, 10), ("a", "wave", 20, 30), ("b", "kick", 0, 10)]))
    assert mean_average_precision(perfect, GROUND, [0.5, 1.0])["map"] == {"0.50": 1.0, "1.00": 1.0}
    assert mean_average_precision({"results": {}}, GROUND, [0.5])["map"] == {"0.50": 0.0}


def test_two_zero_length_segments_at_one_place_match_as_officially() -> None:
    ground, found = truth(("a", "wave", 5, 5)), predicted(("a", "wave", 5, 5, 1.0))
    assert mean_average_precision(found, ground, [0.5])["map"]["0.50"] == 1.0


def test_only_the_given_subset() -> None:
    ground = truth(("a", "wave", 0, 10))
    ground["database"]["b"] = {"subset": "train", "annotations": [{"label": "wave", "segment": [0, 10]}]}
    found = predicted(("a", "wave", 0, 10, 0.5))
    assert mean_average_precision(found, ground, [0.5], subset="test")["map"]["0.50"] == 1.0
    assert mean_average_precision(found, ground, [0.5])["map"]["0.50"] == 0.5
    with pytest.raises(AnnotationsError, match="no subset 'mine'"):
        mean_average_precision(found, ground, [0.5], subset="mine")


def test_annotations_and_bare_mappings_are_understood() -> None:
    as_object = Annotations({"a": VideoAnnotation(segments=(Instance(0, 10, "wave"),))}, ("wave",))
    found = predicted(("a", "wave", 0, 10, 0.5))
    assert mean_average_precision(found["results"], as_object, [0.5])["map"]["0.50"] == 1.0
    assert mean_average_precision(found, GROUND["database"], [0.5])["map"]["0.50"] > 0


def test_thresholds_are_checked() -> None:
    for wrong in ([], [0.0], [1.1], [math.nan], [0.501, 0.502]):
        with pytest.raises(ConfigError):
            mean_average_precision({"results": {}}, GROUND, wrong)


# --- any input ------------------------------------------------------------------------------------------------------

videos, labels = st.sampled_from(["a", "b", "c"]), st.sampled_from(["wave", "kick"])
bounds = st.tuples(st.integers(0, 10), st.integers(1, 6)).map(lambda pair: (float(pair[0]), float(sum(pair))))
instances = st.lists(st.tuples(videos, labels, bounds), min_size=1, max_size=8)
# Scores all differ, as ties are decided by numpy's sort; IoU ties are avoided by odd fractions of a second.
detections = st.lists(st.tuples(videos, labels, bounds), max_size=12)


def build(truths: list[Any], found: list[Any], order: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    ground = truth(*((v, label, s + 0.013 * n, e + 0.029 * n) for n, (v, label, (s, e)) in enumerate(truths)))
    rows = [(v, label, s, e, (order[n] + 1) / 100) for n, (v, label, (s, e)) in enumerate(found)]
    return predicted(*rows), ground


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    truths, found = draw(instances), draw(detections)
    return build(truths, found, draw(st.permutations(range(len(found)))))


def obvious(found: dict[str, Any], ground: dict[str, Any], threshold: float) -> float:
    """mAP as its definition reads."""
    wanted: dict[str, list[Any]] = {}
    for video, entry in ground["database"].items():
        for each in entry["annotations"]:
            wanted.setdefault(each["label"], []).append((video, each["segment"]))
    scores = []
    for label, targets in wanted.items():
        rows = [
            (each["score"], video, each["segment"])
            for video, entries in found["results"].items()
            for each in entries
            if each["label"] == label
        ]
        taken: set[int] = set()
        outcome = []
        for _, video, segment in sorted(rows, reverse=True):
            options = [
                (iou(segment, target), number)
                for number, (name, target) in enumerate(targets)
                if name == video and number not in taken and iou(segment, target) >= threshold
            ]
            if options:
                taken.add(max(options)[1])
            outcome.append(bool(options))
        scores.append(area(outcome, len(targets)))
    return float(np.mean(scores))


def iou(one: list[float], other: list[float]) -> float:
    inter = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return inter / ((other[1] - other[0]) + (one[1] - one[0]) - inter)


def area(outcome: list[bool], targets: int) -> float:
    """Each hit adds 1/targets of recall at the best precision still to come."""
    precision = [sum(outcome[: n + 1]) / (n + 1) for n in range(len(outcome))]
    return sum(max(precision[n:]) for n, hit in enumerate(outcome) if hit) / targets


@given(problems(), st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_equals_the_obvious_evaluator(problem: tuple[dict[str, Any], dict[str, Any]], threshold: float) -> None:
    found, ground = problem
    result = mean_average_precision(found, ground, [threshold])
    assert result["average_map"] == pytest.approx(obvious(found, ground, threshold), abs=1e-12)


@given(problems())
def test_bounds_and_monotony(problem: tuple[dict[str, Any], dict[str, Any]]) -> None:
    found, ground = problem
    result = mean_average_precision(found, ground, [0.1, 0.3, 0.5, 0.7])
    for values in (result["map"], *result["per_class"].values()):
        assert all(0 <= value <= 1 + 1e-12 for value in values.values())
    assert set(result["per_class"]) == {e["label"] for v in ground["database"].values() for e in v["annotations"]}


@given(problems())
def test_false_positives_below_everything_change_nothing_and_above_never_help(
    problem: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    found, ground = problem
    before = mean_average_precision(found, ground, [0.5])["average_map"]
    for score, lowers in ((-1.0, False), (2.0, True)):
        more = {"results": {**found["results"], "elsewhere": [{"label": "wave", "score": score, "segment": [0, 1]}]}}
        after = mean_average_precision(more, ground, [0.5])["average_map"]
        assert after <= before if lowers else after == pytest.approx(before, abs=1e-15)


# --- odd data -------------------------------------------------------------------------------------------------------


def test_odd_predictions_are_counted_listed_and_left_out() -> None:
    ground = truth(("a", "wave", 0, 10), duration=12)
    found = predicted(
        ("a", "wave", 0, 10, 0.5),
        ("a", "wave", 9, 20, 0.4),
        ("a", "wave", 30, 40, 0.3),
        ("a", "wave", -1, 1, 0.2),
        ("a", "wave", 0, 10, math.nan),
        ("a", "wave", 0, 10, math.inf),
        ("a", "wave", 5, 2, 0.9),
        ("a", "wave", 5, math.inf, 0.9),
        ("a", "bow", 0, 10, 0.9),
        ("stranger", "wave", 0, 10, 0.9),
    )
    result = evaluate_predictions(found, ground, [0.5])
    assert result["excluded"] == {
        "unknown_videos": 1,
        "unknown_labels": 1,
        "nan_scores": 2,
        "bad_segments": 2,
        "clipped": 2,
        "ground_truth_beyond_video": 0,
    }
    assert result["map"]["0.50"] == 1.0
    assert (result["predictions"], result["instances"], result["videos"]) == (4, 1, 1)
    assert any("stranger" in sentence for sentence in result["warnings"])
    assert len(result["warnings"]) == 6


def test_clipping_helps_a_prediction_that_runs_past_the_end() -> None:
    ground = truth(("a", "wave", 5, 10), duration=10)
    found = predicted(("a", "wave", 5, 30, 0.5))
    assert evaluate_predictions(found, ground, [0.5])["map"]["0.50"] == 1.0
    assert mean_average_precision(found, ground, [0.5])["map"]["0.50"] == 0.0, "the plain number takes it as it is"


def test_ground_truth_beyond_the_video_is_counted_and_can_still_be_hit() -> None:
    ground = truth(("a", "wave", 20, 30), duration=10)
    result = evaluate_predictions(predicted(("a", "wave", 20, 30, 0.5)), ground, [0.5])
    assert result["excluded"]["ground_truth_beyond_video"] == 1
    assert result["map"]["0.50"] == 1.0


def test_odd_data_alone_changes_no_clean_number() -> None:
    found = predicted(("a", "wave", 0, 9, 0.9), ("b", "kick", 3, 9, 0.8), ("a", "kick", 0, 1, 0.7))
    clean, plain = evaluate_predictions(found, GROUND), mean_average_precision(found, GROUND, np.linspace(0.1, 0.7, 7))
    assert clean["map"] == plain["map"]
    assert clean["warnings"] == []


def test_exit_2_only_when_nothing_can_be_scored() -> None:
    with pytest.raises(PredictionsError, match="no prediction of 1 can be scored: 1 prediction with a label"):
        evaluate_predictions(predicted(("a", "bow", 0, 1, 0.5)), GROUND)
    assert evaluate_predictions({"results": {"a": []}}, GROUND)["average_map"] == 0.0
    with pytest.raises(AnnotationsError, match="nothing can be scored"):
        evaluate_predictions({"results": {}}, truth(more_videos=("a",)))
