"""Published rows beside a result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wtalkit.against import all_keys, beside, cells, published_rows
from wtalkit.errors import ConfigError
from wtalkit.published import load_published

SEVEN = {f"0.{tenth}0": tenth / 10 for tenth in range(1, 8)}


def result(rows: list[dict[str, Any]], supervision: str | None = "video-level", **model: Any) -> dict[str, Any]:
    scored: dict[str, Any] = {"map": SEVEN, "model": {"supervision": supervision, **model} if supervision else {}}
    return {**scored, "against": beside(scored, rows)}


def test_a_papers_tables_for_a_data_set() -> None:
    rows = published_rows("paper:SEAL", "thumos14")
    assert [row["name"] for row in rows][:2] == ["S-CNN", "TAL-Net"]
    seal = [row for row in rows if row["name"] == "SEAL"]
    assert [(row["printed_as"], row["supervision"], row["proposals"]) for row in seal] == [
        ("Table 1", "point-level", {"method": "lac", "supervision": "point-level"}),
        ("Table 6", "video-level", {"method": "co2net", "supervision": "video-level"}),
    ]
    assert seal[0]["map"]["0.10"] == 0.784 and seal[0]["averages"]["0.1:0.7"] == 0.528
    assert len(rows) == 18
    other = published_rows("paper:seal", "activitynet1.3")
    assert {row["printed_as"] for row in other} == {"Table 2"}
    assert other[-1]["proposals"] == "unknown", "the paper does not say whose"


@pytest.mark.parametrize("name", ["CO2-Net", "co2net", "Co2Net"])
def test_a_method_wherever_it_is_printed(name: str) -> None:
    rows = published_rows(name, "thumos14")
    assert [row["map"]["0.50"] for row in rows] == [0.383, 0.383]
    assert len({row["document"] for row in rows}) == 2
    assert published_rows("S-CNN", "thumos14")[0]["supervision"] == "full"


def test_dashes_are_not_numbers() -> None:
    found = result(published_rows("paper:TSSAM", "thumos14"))
    bsn = next(row for row in found["against"] if row["name"] == "BSN")
    assert bsn["map"] == {"0.10": None, "0.20": None, "0.30": 0.535, "0.40": 0.45, "0.50": 0.369, "0.60": 0.284,
                          "0.70": 0.2}  # fmt: skip
    header, lines, _ = cells(found)
    line = dict(zip(header, next(line for line in lines if line[0] == "BSN"), strict=True))
    assert (line["0.10"], line["0.30"], line["0.1:0.7"]) == ("-", "53.5", "-")
    assert json.loads(json.dumps(found["against"])) == found["against"]


def test_other_supervision_is_never_silent() -> None:
    rows = published_rows("paper:SEAL", "thumos14")
    header, lines, footnotes = cells(result(rows))
    assert header[:2] == ["mAP in %", "learnt from"]
    assert lines[0][:2] == ["this result", "video-level labels"]
    told = [line[1] for line in lines if line[0] == "SEAL"]
    assert told == ["≠ proposals of lac (point-level labels)", "proposals of co2net (video-level labels)"]
    assert next(line[1] for line in lines if line[0] == "S-CNN") == "≠ segments"
    assert footnotes[-1].startswith("≠ learnt from other labels")
    points = cells(result(rows, "point-level", proposer={"method": "lac"}))
    assert points[1][0][1] == "proposals of lac (point-level labels)"
    assert next(line[1] for line in points[1] if line[0] == "CO2-Net") == "≠ video-level labels"


def test_unknown_supervision_says_so() -> None:
    for supervision in (None, "unknown"):
        found = result(published_rows("CO2-Net", "thumos14"), supervision)
        _, lines, footnotes = cells(found)
        assert [line[1] for line in lines] == ["not known", "? video-level labels", "? video-level labels"]
        assert footnotes[-1].startswith("? compare only where both learnt from the same labels")
        assert found["against"][0]["same_supervision"] is None
    seal = published_rows("SEAL", "activitynet1.3")
    assert beside({"map": SEVEN, "model": {"supervision": "video-level"}}, seal)[0]["same_supervision"] is None
    _, lines, _ = cells(result(seal))
    assert lines[1][1] == "? video-level labels, proposals of a method not named"


def test_gains_are_told_where_a_paper_has_no_table() -> None:
    rows = published_rows("paper:CLASNet", "thumos14")
    assert [row["gain"]["over"] for row in rows] == ["co2net", "delu", "acrnet"]
    _, lines, footnotes = cells(result(rows))
    assert lines[1][0] == "clasnet on co2net" and lines[1][2] == "-"
    assert "clasnet on co2net: +1.6 points over co2net at 0.50" in footnotes
    assert [row["name"] for row in published_rows("CLASNet", "activitynet1.3")] == ["clasnet on acrnet"]


def test_what_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"by the name of 'paper:SEEL'\. Did you mean paper:SEAL\? Valid: paper:ACRN"):
        published_rows("paper:SEEL", "thumos14")
    with pytest.raises(ConfigError, match=r"by the name of 'C02-Net'\. Did you mean CO2-Net\?"):
        published_rows("C02-Net", "thumos14")
    with pytest.raises(ConfigError, match=r"there are no figures of FE-Net: only the abstract is public"):
        published_rows("FE-Net", "thumos14")
    with pytest.raises(ConfigError, match=r"prints no figures for ActivityNet 1\.2\. It does for ActivityNet 1\.3, TH"):
        published_rows("paper:SEAL", "activitynet1.2")


def test_columns_are_the_results_own() -> None:
    rows = published_rows("CO2-Net", "thumos14")
    scored: dict[str, Any] = {"map": {"0.50": 0.4, "0.75": 0.1}}
    found = {**scored, "against": beside(scored, rows)}
    assert all_keys(found) == ["0.50", "0.75"]
    assert cells(found)[1][1][2:] == ["38.3", "-", "[1]"]


def test_every_row_of_the_transcript_is_there(shared_dir: Path) -> None:
    transcript = json.loads((shared_dir / "methods/published_results.json").read_text())
    published = load_published()
    for table in (each for each in transcript["tables"] if each["kind"] == "comparison"):
        rows = [row for row in published.rows if row.source == table["id"]]
        assert len(rows) == len(table["rows"])
        for row, printed in zip(rows, table["rows"], strict=True):
            values = {key: value for key, value in printed["values"].items() if value is not None}
            assert sorted([*row.map.values(), *row.averages.values()]) == sorted(values.values()), row.name
            assert row.dataset.replace(" ", "") == table["dataset"].replace(" ", "")
            if row.method not in ("lac", "seal"):
                assert row.supervision == printed["supervision"], row.name
