from __future__ import annotations

import json
from pathlib import Path

import pytest

import wtalkit
from tests import toys
from wtalkit.errors import AnnotationsError, FeaturesError


def test_a_model_is_scored_by_every_candidate_of_the_test_subset(features: Path) -> None:
    result = wtalkit.evaluate()
    assert list(result["map"]) == [f"{tenths / 10:.2f}" for tenths in range(1, 8)]
    assert set(result["per_class"]) == set(toys.CLASSES)
    assert (result["videos"], result["subset"], result["instances"]) == (1, "testing", 3)
    assert result["excluded"]["missing_features"] == 0
    candidates = wtalkit.detect("feats/c.npy", everything=True)
    assert result["predictions"] == len(candidates)
    segments = [
        {"label": each.label, "score": each.score, "segment": [each.start_s, each.end_s]} for each in candidates
    ]
    assert wtalkit.evaluate({"results": {"c": segments}})["map"] == result["map"]


def test_videos_without_features_are_counted_and_named(features: Path) -> None:
    annotations = json.loads(Path("annotations.json").read_text())
    annotations["database"]["d"] = annotations["database"]["c"]
    Path("annotations.json").write_text(json.dumps(annotations))
    result = wtalkit.evaluate(tiou=(0.5,))
    assert result["excluded"]["missing_features"] == 1
    assert result["videos"] == 1
    assert "1 test video has no features, left out: d" in result["warnings"]


def test_no_features_at_all_for_the_test_videos(features: Path) -> None:
    (features / "c.npy").unlink()
    (features / "c.json").unlink()
    with pytest.raises(AnnotationsError, match="none of its 1 test videos has features in feats"):
        wtalkit.evaluate()


def test_features_of_another_spec_are_refused(project: Path, bundled: Path) -> None:
    toys.write_random_features(Path("feats"), "c", bundled, stride=8)
    with pytest.raises(FeaturesError, match="stride 4 and 8"):
        wtalkit.evaluate()


def test_the_subset_comes_from_wtalkit_toml(features: Path) -> None:
    with Path("wtalkit.toml").open("a") as settings:
        settings.write('test_subset = "training"\n')
    assert wtalkit.evaluate(tiou="0.5")["videos"] == 2
    assert wtalkit.evaluate(tiou="0.5", subset="testing")["videos"] == 1
