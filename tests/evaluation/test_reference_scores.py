"""The official evaluators' numbers on real detections."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtalkit.annotations import load_annotations
from wtalkit.evaluation import evaluate_predictions, load_predictions, mean_average_precision

SEVEN = np.linspace(0.1, 0.7, 7)


@pytest.fixture(scope="module")
def scores(shared_dir: Path) -> Any:
    return json.loads((shared_dir / "data/reference_scores.json").read_text())


@pytest.mark.parametrize(
    ("name", "detections", "subset"),
    [
        ("anet_seconds_test212", "thumos14_base_detections_test.json.gz", "test"),
        ("anet_seconds_train200", "thumos14_base_detections_train.json.gz", "validation"),
    ],
)
def test_thumos14(shared_dir: Path, scores: Any, name: str, detections: str, subset: str) -> None:
    ground, found = (
        load_annotations(shared_dir / "data/thumos14.json"),
        load_predictions(shared_dir / "data" / detections),
    )
    begun = time.process_time()
    result = mean_average_precision(found, ground, SEVEN, subset=subset)
    assert time.process_time() - begun < 2, "the official evaluator needs 45 to 60 s"
    reference = scores["thumos14"][name]
    # At 0.1 instances tie in IoU, and numpy's sort, which differs by build and processor, decides.
    np.testing.assert_allclose(result["map"]["0.10"], reference["mAP"][0], atol=5e-4)
    np.testing.assert_allclose(list(result["map"].values())[1:], reference["mAP"][1:], atol=5e-5)
    official = reference["per_class_ap"]
    assert set(result["per_class"]) == set(official)
    for label, values in result["per_class"].items():
        np.testing.assert_allclose(list(values.values()), official[label], atol=2e-3, err_msg=label)
    assert evaluate_predictions(found, ground, SEVEN, subset=subset)["map"] == result["map"]


def test_activitynet_sample(shared_dir: Path, scores: Any) -> None:
    ground = load_annotations(shared_dir / "data/activitynet_v1.3.json.gz")
    found = load_predictions(shared_dir / "data/activitynet_sample_detections.json.gz")
    result = evaluate_predictions(found, ground, np.linspace(0.5, 0.95, 10), subset="validation")
    expected = scores["activitynet_v1.3_sample"]["anet13_sample_known_videos"]
    assert list(result["map"].values()) == expected["mAP"]
    assert (result["videos"], result["predictions"]) == (expected["videos"], expected["predictions"])
