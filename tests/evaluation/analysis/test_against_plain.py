"""The arrays against loops that can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.analysis.plain import Plain, made
from wtalkit.evaluation import load_predictions, mean_average_precision
from wtalkit.evaluation.analysis import Analysis, analyse
from wtalkit.evaluation.analysis.characteristics import characteristics
from wtalkit.evaluation.analysis.errors import Kind
from wtalkit.evaluation.tables import GroundTruth, annotations_of

SEEDS = range(12)


def mean(values: Any) -> float:
    values = list(values)
    return float(sum(values) / len(values))


def require_same(found: Analysis, predictions: dict[str, Any], truth: dict[str, Any]) -> None:
    """Everything but mAP itself, which has tests of its own."""
    plains = [Plain(predictions, truth, threshold) for threshold in found.diagnosed]
    for number, (count, shares) in enumerate(zip(found.errors.counts, found.errors.shares, strict=True)):
        slices = [[plain.kind(each) for each in plain.slice(number)] for plain in plains]
        assert {len(each) for each in slices} == {count}
        for kind in Kind:
            expected = mean(each.count(kind.title) / count for each in slices)
            assert shares[kind] == pytest.approx(expected, abs=1e-12), (number, kind)
    for kind, gain in found.errors.gains.items():
        assert gain == pytest.approx(mean(plain.gain(kind.title) for plain in plains), abs=1e-12), kind
    everything = mean(plain.map_n(plain.ranked, plain.instances) for plain in plains)
    assert found.sensitivity.map_n == pytest.approx(everything)
    assert found.sensitivity.missed == pytest.approx(mean(plain.missed(plain.instances) for plain in plains))
    for each in characteristics(GroundTruth.of(annotations_of(truth)), found.buckets):
        for number, bucket in enumerate(found.sensitivity.buckets[each.name]):
            inside = [place for place, value in enumerate(each.bucket.tolist()) if value == number]
            assert bucket.instances == len(inside)
            if inside:
                some = [[plain.instances[place] for place in inside] for plain in plains]
                pairs = list(zip(plains, some, strict=True))
                assert bucket.map_n == pytest.approx(mean(plain.map_n_of(rows) for plain, rows in pairs))
                assert bucket.missed == pytest.approx(mean(plain.missed(rows) for plain, rows in pairs))


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_and_sensitivity(seed: int) -> None:
    predictions, truth = made(seed, unknown=seed % 2 == 1)
    require_same(analyse(predictions, truth, [0.3, 0.5, 0.7], samples=0), predictions, truth)
    require_same(analyse(predictions, truth, [0.5, 0.6, 0.8], samples=0, buckets="activitynet"), predictions, truth)


@pytest.mark.parametrize("seed", SEEDS)
def test_average_recall(seed: int) -> None:
    predictions, truth = made(seed)
    found = analyse(predictions, truth, [0.3, 0.5], samples=0).recall
    given = [Plain(predictions, truth, threshold) for threshold in (0.3, 0.5)]
    official = [Plain(predictions, truth, 0.5 + 0.05 * step) for step in range(10)]
    for number in (1, 2, 5, 10, 100):
        assert found.given[number - 1] == pytest.approx(mean(plain.recall(number) for plain in given))
        assert found.activitynet[number - 1] == pytest.approx(mean(plain.recall(number) for plain in official))


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_of_classes_are_those_of_evaluate(seed: int) -> None:
    predictions, truth = made(seed)
    found = analyse(predictions, truth, [0.3, 0.5], samples=0)
    result = mean_average_precision(predictions, truth, [0.3, 0.5])
    assert found.map == result["map"]
    assert found.average_map == result["average_map"]
    assert {each.label: each.ap for each in found.classes} == result["per_class"]
    assert {each.label: each.curve_ap for each in found.classes} == {
        label: values["0.50"] for label, values in result["per_class"].items()
    }
    for each in found.classes:  # a curve of 101 steps has the area to within one step at each end
        assert sum(each.precision[1:]) / 100 == pytest.approx(each.curve_ap, abs=0.02 + 1 / each.instances / 10)


@pytest.mark.slow
def test_real_detections(shared_dir: Path) -> None:
    """Twenty test videos of THUMOS14, whose instances overlap and whose detections repeat each other."""
    document = json.loads((shared_dir / "data/thumos14.json").read_text())["database"]
    keys = sorted(key for key, facts in document.items() if facts["subset"] == "test")[::10]
    truth = {"database": {key: {**document[key], "duration": 1e4} for key in keys}}
    results = load_predictions(shared_dir / "data/thumos14_base_detections_test.json.gz")["results"]
    predictions = {"results": {key: results[key] for key in keys if key in results}}
    require_same(analyse(predictions, truth, [0.5], samples=0, buckets="thumos14"), predictions, truth)
