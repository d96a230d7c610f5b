"""Small cases whose answers can be worked out on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtalkit.errors import ConfigError
from wtalkit.evaluation.analysis import analyse
from wtalkit.evaluation.analysis.characteristics import buckets_of, characteristics
from wtalkit.evaluation.analysis.curves import corners, envelope
from wtalkit.evaluation.analysis.errors import Kind
from wtalkit.evaluation.analysis.normalised import normalised_ap
from wtalkit.evaluation.rules import PLAIN
from wtalkit.evaluation.tables import GroundTruth, annotations_of


def video(*instances: tuple[str, float, float], duration: float | None = None) -> dict[str, Any]:
    facts: dict[str, Any] = {"annotations": [{"label": label, "segment": [s, e]} for label, s, e in instances]}
    return facts if duration is None else {**facts, "duration": duration}


def found(*rows: tuple[str, float, float, float]) -> list[dict[str, Any]]:
    return [{"label": label, "segment": [s, e], "score": score} for label, s, e, score in rows]


KINDS_TRUTH = {"database": {"v": video(("a", 0, 10), ("a", 50, 60), ("b", 20, 30))}}
KINDS = {
    "results": {
        "v": found(
            ("a", 0, 10, 0.9),  # right
            ("a", 0, 9, 0.8),  # the same once more
            ("a", 20, 29, 0.7),  # that is a b
            ("a", 5, 15, 0.6),  # IoU 1/3
            ("a", 25, 35, 0.5),  # IoU 1/3 with the b
            ("a", 80, 90, 0.4),  # nothing there
            ("b", 20, 30, 0.3),
        )
    }
}


def test_every_kind_of_error() -> None:
    errors = analyse(KINDS, KINDS_TRUTH, [0.5], samples=0).errors
    assert errors.counts == (3, 2, 2)  # slices of two a's and one b, which has one detection only
    shares = [{kind for kind, share in each.items() if share} for each in errors.shares]
    assert shares == [
        {Kind.RIGHT, Kind.DOUBLE},
        {Kind.LABEL, Kind.LOCALIZATION},
        {Kind.CONFUSION, Kind.BACKGROUND},
    ]
    assert errors.shares[0] == {
        **dict.fromkeys(Kind, 0.0),
        Kind.RIGHT: pytest.approx(2 / 3),
        Kind.DOUBLE: pytest.approx(1 / 3),
    }


def test_the_gain_of_removing_errors() -> None:
    """One hit behind an error; N is the mean number of instances, 1 here."""
    truth = {"database": {"v": video(("a", 0, 10)), "w": video(("b", 0, 10))}}
    results = {"results": {"v": found(("a", 50, 60, 0.9), ("a", 0, 10, 0.8)), "w": found(("b", 0, 10, 0.9))}}
    errors = analyse(results, truth, [0.5], samples=0).errors
    assert errors.map_n == pytest.approx((0.5 + 1) / 2)
    assert errors.gains[Kind.BACKGROUND] == pytest.approx(0.25)
    assert {kind for kind, gain in errors.gains.items() if gain} == {Kind.BACKGROUND}


def test_normalised_precision_does_not_know_how_frequent_a_class_is() -> None:
    hit = np.array([True, False])
    assert normalised_ap(hit, 1, typical=1) == 1.0
    late = np.array([False, True, True])
    assert normalised_ap(late, 2, typical=2) == pytest.approx(2 / 3)
    # Recall 1/2 and 1 of four: 2 / (2 + 1) and 4 / (4 + 1), and the envelope raises the first.
    assert normalised_ap(late, 2, typical=4) == pytest.approx(4 / 5)
    assert normalised_ap(np.zeros(0, dtype=bool), 2, typical=4) == 0.0


def test_average_recall_looks_at_the_first_of_each_video_and_at_no_label() -> None:
    truth = {"database": {"v": video(("a", 0, 10), ("b", 20, 30)), "w": video(("b", 0, 10))}}
    results = {
        "results": {"v": found(("a", 50, 60, 0.9), ("a", 20, 30, 0.8), ("b", 0, 6, 0.7)), "x": found(("a", 0, 10, 1))}
    }
    recall = analyse(results, truth, [0.5, 0.7], samples=0).recall
    assert recall.given[:3] == (0.0, pytest.approx(1 / 3), pytest.approx((2 / 3 + 1 / 3) / 2))
    assert recall.given[99] == recall.given[2]
    assert recall.activitynet[2] == pytest.approx(1 / 3 + 3 / 10 / 3)  # 0.6 reaches 0.5, 0.55 and 0.6
    assert recall.proposals == 1.5
    assert recall.area == pytest.approx(
        (sum(recall.activitynet) - (recall.activitynet[0] + recall.activitynet[-1]) / 2) / 100
    )


def test_classification_takes_the_best_detection_of_a_video() -> None:
    truth = {"database": {"v": video(("a", 0, 10)), "w": video(("b", 0, 10)), "x": video(("a", 0, 10))}}
    results = {
        "results": {
            "v": found(("a", 90, 95, 0.1), ("a", 80, 85, 0.9)),
            "w": found(("a", 0, 10, 0.5), ("b", 0, 10, 0.5)),
        }
    }
    # a: v first, then w, and x has nothing: 1/2. b: w first: 1.
    assert analyse(results, truth, [0.5], samples=0).classification_map == pytest.approx(0.75)


def test_what_is_missed_and_what_is_found_by_length() -> None:
    truth = {"database": {"v": video(("a", 0, 2), ("a", 10, 12), ("a", 50, 80))}}
    results = {"results": {"v": found(("a", 50, 80, 0.9), ("a", 0, 2, 0.8))}}
    sensitivity = analyse(results, truth, [0.5], samples=0, buckets="thumos14").sensitivity
    lengths = sensitivity.buckets["length"]
    assert [each.instances for each in lengths] == [2, 0, 0, 0, 1]
    assert [each.missed for each in lengths] == [0.5, None, None, None, 0.0]
    assert [each.map_n for each in lengths] == [0.5, None, None, None, 1.0]
    assert sensitivity.missed == pytest.approx(1 / 3)


def test_an_instance_found_among_too_many_errors_is_missed() -> None:
    truth = {"database": {"v": video(("a", 0, 10))}}
    late = [*(("a", 50, 60, 1 - n / 1000) for n in range(18)), ("a", 0, 10, 0.1)]
    assert analyse({"results": {"v": found(*late)}}, truth, [0.5], samples=0).sensitivity.missed == 0.0  # 1 / 19
    late.insert(0, ("a", 50, 60, 2.0))
    assert analyse({"results": {"v": found(*late)}}, truth, [0.5], samples=0).sensitivity.missed == 1.0  # 1 / 20


def test_buckets_of_detad() -> None:
    truth = GroundTruth.of(
        annotations_of(
            {
                "database": {
                    "v": video(("a", 0, 3), ("a", 0, 3.1), ("b", 0, 18), ("b", 0, 19), duration=50),
                    "w": video(("a", 0, 90), duration=30),
                    "x": video(("a", 0, 1)),
                }
            }
        )
    )
    length, coverage, instances = characteristics(truth, "thumos14")
    assert length.bucket.tolist() == [0, 1, 3, 4, 4, 0]  # what lies on an edge belongs to the lower bucket
    assert coverage.bucket.tolist() == [2, 3, 4, 4, 4, -1]  # longer than its video: all of it; no duration: unknown
    assert instances.bucket.tolist() == [1, 1, 1, 1, 0, 0]
    assert length.ranges == ("0-3 s", "3-6 s", "6-12 s", "12-18 s", "> 18 s")
    assert coverage.ranges == ("0-2 %", "2-4 %", "4-6 %", "6-8 %", "8-100 %")
    assert instances.ranges == ("1", "2-40", "41-80", "> 80")
    assert instances.sizes == ("XS", "S", "M", "L")


def test_data_sets_have_the_buckets_of_detad() -> None:
    names = ("thumos14", "activitynet1.2", "activitynet1.3", None, "mine")
    assert [buckets_of(name) for name in names] == ["thumos14", "activitynet", "activitynet", "relative", "relative"]


def test_buckets_relative_to_the_data_hold_as_many_each() -> None:
    rows = [("a", 0.0, float(length)) for length in range(1, 101)]
    truth = GroundTruth.of(
        annotations_of({"database": {f"v{n}": video(row, duration=200) for n, row in enumerate(rows)}})
    )
    length, coverage, instances = characteristics(truth)
    assert length.edges == (0, 20, 40, 60, 80, float("inf"))
    assert np.bincount(length.bucket).tolist() == [20] * 5
    assert coverage.ranges == ("0-10 %", "10-20 %", "20-30 %", "30-40 %", "> 40 %")
    assert instances.ranges == ("> 0",)  # all alike: one bucket
    beyond = {"database": {f"v{n}": video(("a", 0, 10 + n), duration=1 if n else 100) for n in range(10)}}
    assert characteristics(GroundTruth.of(annotations_of(beyond)))[1].ranges == ("> 0 %",)  # none covers more than all
    with pytest.raises(ConfigError, match="there are no buckets 'thumos'"):
        characteristics(truth, "thumos")  # type: ignore[arg-type]


def test_lengths_are_in_seconds_whatever_the_unit_of_the_rules() -> None:
    truth = {"database": {"v": video(("a", 0, 6.4), ("a", 64, 96), duration=128)}}
    results = {"results": {"v": found(("a", 0, 6.4, 0.9))}}
    seconds, snippets = (
        analyse(results, truth, [0.5], samples=0, buckets="thumos14", rules=PLAIN.changed({"units": unit})).sensitivity
        for unit in ("seconds", "snippets")
    )
    assert seconds.buckets == snippets.buckets


def test_errors_are_looked_at_as_detad_does() -> None:
    assert analyse(KINDS, KINDS_TRUTH, [0.1, 0.3], samples=0).diagnosed == (0.5,)
    assert analyse(KINDS, KINDS_TRUTH, [0.5, 0.75], samples=0).diagnosed == (0.5, 0.75)


def test_a_curve_keeps_the_best_precision_at_each_recall() -> None:
    curve = envelope(np.array([True, False, True, True]), 4)
    assert curve[0] == curve[25] == 1.0
    assert curve[26] == curve[75] == 0.75
    assert curve[76] == curve[100] == 0.0
    assert corners(curve) == ([0.0, 25.0, 25.0, 75.0, 75.0, 100.0], [100.0, 100.0, 75.0, 75.0, 0.0, 0.0])


def test_nothing_found() -> None:
    analysis = analyse({"results": {}}, KINDS_TRUTH, [0.5], samples=10)
    assert analysis.average_map == analysis.classification_map == analysis.recall.area == 0.0
    assert analysis.sensitivity.missed == 1.0
    assert analysis.errors.shares == ()
    assert analysis.low == analysis.high == {"0.50": 0.0, "mean": 0.0}


def test_empty_segments_at_one_place_match_as_officially() -> None:
    truth = {"database": {"v": video(("a", 5, 5), ("a", 0, 10))}}
    analysis = analyse({"results": {"v": found(("a", 5, 5, 0.9), ("a", 0, 10, 0.8))}}, truth, [0.5], samples=0)
    assert analysis.average_map == 1.0
    assert analysis.sensitivity.missed == 0.0
    assert analysis.errors.shares[0][Kind.RIGHT] == 1.0
    assert analysis.recall.given[1] == 1.0
    twice = {"results": {"v": found(*[("a", 5, 5, 0.9), ("a", 5, 5, 0.8)])}}
    assert (
        analyse(twice, {"database": {"v": video(("a", 5, 5))}}, [0.5], samples=0).errors.shares[1][Kind.DOUBLE] == 1.0
    )
