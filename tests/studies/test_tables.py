from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path

import pytest

from wtalkit.cli import main
from wtalkit.studies import Comparison, compare, to_csv, to_markdown
from wtalkit.studies.tables import short

SHORT = ["--set", "steps=3", "--set", "batch_size=2"]


@pytest.fixture
def comparison(features: Path) -> Comparison:
    assert main(["train", "--method", "acrnet", "--seeds", "0,1", *SHORT]) == 0
    assert main(["train", "--method", "acrnet", "--without", "mca", *SHORT]) == 0
    return compare(["runs"], base="acrnet")


def test_markdown(comparison: Comparison) -> None:
    lines = to_markdown(comparison).splitlines()
    header = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert header[:3] == ["mAP in %", "seeds", "0.10"]
    assert header[-4:] == ["0.1:0.5", "0.3:0.7", "0.1:0.7", "training"]
    assert lines[1].replace(" ", "").startswith("|---|---:|")
    assert {line.count("|") for line in lines} == {len(header) + 1}
    assert re.match(r"\| acrnet \| 2 \| \d+\.\d ± \d+\.\d \|", lines[2])
    assert re.match(r"\| acrnet without mca \| 1 \| \d+\.\d \|", lines[3])
    assert re.match(r"\| to acrnet \|  \| [+-]\d+\.\d p=\d?\.\d+ \|", lines[4])
    assert re.match(r"\| 95 % \|  \| \[-?\d+\.\d, -?\d+\.\d\] \|", lines[5])
    assert len(lines) == 6


def test_csv(comparison: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(comparison))))
    assert [row["name"] for row in rows] == ["acrnet", "acrnet without mca"]
    assert [row["n"] for row in rows] == ["2", "1"]
    assert rows[0]["seeds"] == "0 1"
    assert rows[0]["0.10 difference"] == rows[1]["0.10 std"] == ""
    means = [float(row["0.1:0.7 mean"]) for row in rows]
    assert float(rows[1]["0.1:0.7 difference"]) == pytest.approx(means[1] - means[0], abs=2e-3)
    assert float(rows[0]["training_seconds"]) >= 0
    difference, low, high, p = (float(rows[1][f"0.10 {kind}"]) for kind in ("difference", "low", "high", "p"))
    assert low <= difference <= high
    assert 0 < p <= 1
    assert {rows[0][f"0.10 {kind}"] for kind in ("low", "high", "p")} == {""}


def test_p_values_are_short() -> None:
    assert [short(p) for p in (1.0, 0.354, 0.0204, 0.01, 0.00998, 0.00249, 2 / 1001)] == [
        "1.00",
        ".35",
        ".02",
        ".01",
        ".01",
        ".002",
        ".002",
    ]


def test_no_cell_is_a_formula(comparison: Comparison) -> None:
    row = comparison.rows[0]
    named = dataclasses.replace(row, group=dataclasses.replace(row.group, name='=HYPERLINK("http://x","y")'))
    rows = list(csv.DictReader(io.StringIO(to_csv(dataclasses.replace(comparison, rows=(named,))))))
    assert rows[0]["name"] == '\'=HYPERLINK("http://x","y")'
