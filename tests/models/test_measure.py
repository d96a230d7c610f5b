"""``models/measure.py``: the rows it names, and the scoring of the CO2-Net and DELU codes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wtalkit.catalogue import Measured
from wtalkit.evaluation import load_predictions
from wtalkit.methods import create

SCRIPT = Path(__file__).parents[2] / "models" / "measure.py"


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_row_is_a_composition(measure: ModuleType) -> None:
    row = measure.Row.parse("fenet+clasnet+acrnet-brm-cem", "thumos14-sim")
    assert (row.base, row.plugins, row.without) == ("acrnet", ("fenet", "clasnet"), ("brm", "cem"))
    assert row.changes == {"acrnet.even_attention": True}
    assert measure.Row.parse("acrnet~", "thumos14-sim").changes == {}
    assert measure.Row.parse("acrnet", "samples").changes == {}


def test_every_row_can_be_built(measure: ModuleType) -> None:
    for name in measure.ROWS:
        row = measure.Row.parse(name, "samples")
        model = create(row.base, num_classes=2, feature_dim=16, plugins=row.plugins, without=row.without)
        assert list(model.parts) == [row.base, *row.plugins]


def test_snippet_scoring_is_the_official_evaluators(measure: ModuleType, shared_dir: Path) -> None:
    truth = json.loads((shared_dir / "data/thumos14.json").read_text())["database"]
    found = load_predictions(shared_dir / "data/thumos14_base_detections_test.json.gz")["results"]
    test = {key: video for key, video in truth.items() if video["subset"] == "test" and key in found}
    scored = measure.figures(*measure.in_snippets(found, test))
    reference = json.loads((shared_dir / "data/reference_scores.json").read_text())["thumos14"]
    expected = reference["snippet_test212_ambfilter"]["mAP"][:7]
    # That evaluator rounds detections to hundredths of a snippet.
    assert list(scored["map"].values()) == pytest.approx(expected, abs=5e-4)


def test_seeds_become_one_row(measure: ModuleType) -> None:
    def run(seed: int, value: float) -> dict[str, Any]:
        scores = {"map": {f"0.{i}0": value for i in range(1, 8)}, "average": value}
        return {
            "base": "acrnet", "plugins": ["clasnet"], "without": [], "seed": seed, "recipe": "samples", "steps": 5,
            "settings": {}, "changes": {}, "train_cpu_seconds": 10.0, "seconds": scores,
        }  # fmt: skip

    lines = list(measure.lines("samples", "clasnet+acrnet", [run(0, 0.5), run(1, 0.7)]))
    (row,) = Measured.model_validate({"rows": lines}).rows
    assert (row.method, row.seeds) == ("clasnet", (0, 1))
    assert row.averages["0.1:0.7"].mean == pytest.approx(0.6)
    assert row.averages["0.1:0.7"].std == pytest.approx(0.02**0.5)
