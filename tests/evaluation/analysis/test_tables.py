from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.analysis.plain import made
from wtalkit.evaluation import evaluate_predictions, load_predictions, parse_tiou
from wtalkit.evaluation.analysis import Analysis, analyse, tables, to_csv, to_markdown

Both = tuple[dict[str, Any], Analysis]


@pytest.fixture(scope="module")
def both() -> Both:
    predictions, truth = made(3)
    return evaluate_predictions(predictions, truth, [0.3, 0.5]), analyse(predictions, truth, [0.3, 0.5], samples=50)


def test_every_table_says_what_the_analysis_does(both: Both) -> None:
    result, analysis = both
    found = {table.name: table for table in tables(result, analysis)}
    assert list(found) == ["map", "scores", "classes", "recall", "profile", "gains", "sensitivity"]
    assert [row[0] for row in found["map"].rows] == ["mAP", "low (5 %)", "high (95 %)"]
    assert found["map"].rows[1][1:] == (analysis.low["0.30"], analysis.low["0.50"], analysis.low["mean"])
    assert found["classes"].columns == ("AP in %", "instances", "predictions", "0.30", "0.50", "mean")
    first = analysis.classes[0]
    assert found["classes"].rows[0] == ("c0", first.instances, first.predictions, *first.ap.values(), first.mean)
    assert found["recall"].rows[0][-1] == analysis.recall.activitynet[99]
    assert found["recall"].rows[1][0] == "0.30:0.50"
    assert sum(cell for cell in found["profile"].rows[0][2:] if isinstance(cell, float)) == pytest.approx(1)
    assert found["gains"].rows[-1] == ("background", list(analysis.errors.gains.values())[-1])
    total = sum(each.instances for each in analysis.classes)
    assert found["sensitivity"].rows[0][2:] == (total, analysis.sensitivity.map_n, analysis.sensitivity.missed)
    assert all(len(row) == len(table.columns) for table in found.values() for row in table.rows)


def test_without_an_analysis_there_are_the_scores(both: Both) -> None:
    result, _ = both
    scores, classes = tables(result)
    assert scores.text == [
        ["mAP", *(f"{100 * value:.1f}" for value in (*result["map"].values(), result["average_map"]))]
    ]
    assert classes.columns == ("AP in %", "0.30", "0.50", "mean")


def test_csv_is_a_line_per_number(both: Both) -> None:
    result, analysis = both
    rows = list(csv.DictReader(io.StringIO(to_csv(result, analysis))))
    values = {(row["table"], row["row"], row["column"]): row["value"] for row in rows}
    assert len(values) == len(rows)  # nothing is said twice
    assert float(values["map", "mAP", "0.50"]) == pytest.approx(100 * result["map"]["0.50"], abs=1e-3)
    assert values["classes", "c1", "instances"] == str(analysis.classes[1].instances)
    assert values["sensitivity", "length XL", "range"].startswith("> ")


def test_markdown_is_tables(both: Both) -> None:
    result, analysis = both
    text = to_markdown(result, analysis)
    assert text.count("## ") == 7
    for part in text.split("## ")[1:]:
        lines = [line for line in part.splitlines()[1:] if line]
        assert len({line.count(" | ") for line in lines}) == 1


def test_names_from_outside_break_no_table() -> None:
    truth = {"database": {"v": {"annotations": [{"label": "=1+1|\n", "segment": [0, 5]}]}}}
    result, analysis = evaluate_predictions({"results": {}}, truth, [0.5]), analyse({"results": {}}, truth, [0.5])
    assert "| =1+1\\| | 1 |" in to_markdown(result, analysis)
    rows = list(csv.DictReader(io.StringIO(to_csv(result, analysis))))
    assert {row["row"] for row in rows if row["table"] == "classes"} == {"'=1+1|\n"}


def test_the_document_is_json(both: Both) -> None:
    document = json.loads(json.dumps(both[1].to_dict(), allow_nan=False))
    assert document["errors"]["slices"][0]["shares"].keys() == document["errors"]["gains"].keys() | {"true positive"}
    assert document["intervals"]["samples"] == 50
    assert document["sensitivity"]["buckets"]["coverage"][0]["size"] == "XS"
    assert analyse(*made(3), [0.5], samples=0).to_dict()["intervals"]["quantiles"] is None


def test_real_detections_are_quick(shared_dir: Path) -> None:
    """31,587 detections, a thousand draws: half a second on a quiet core."""
    predictions = load_predictions(shared_dir / "data/thumos14_base_detections_test.json.gz")
    truth = json.loads((shared_dir / "data/thumos14.json").read_text())
    analyse(predictions, truth, [0.5], subset="test", samples=1)  # reads the compiled code
    start = time.process_time()
    analysis = analyse(predictions, truth, parse_tiou("0.1:0.7:0.1"), subset="test", buckets="thumos14")
    assert time.process_time() - start < 3
    assert sum(each.instances for each in analysis.classes) == 3358
    assert analysis.low["mean"] < analysis.average_map < analysis.high["mean"]
