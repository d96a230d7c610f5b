"""Predictions files."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from wtalkit.errors import PredictionsError
from wtalkit.evaluation import load_predictions, to_document, write_predictions
from wtalkit.segments import Segment


def test_written_and_read_again(tmp_path: Path) -> None:
    document = to_document(
        {"a/b": [Segment(3.0, 4.0, "wave", 0.5), Segment(1.0, 2.0, "größe <b>", -0.25)], "empty": []},
        {"model": {"name": "samples"}},
    )
    assert [each["segment"] for each in document["results"]["a/b"]] == [[1.0, 2.0], [3.0, 4.0]]
    write_predictions(tmp_path / "p.json", document)
    assert load_predictions(tmp_path / "p.json") == document
    assert list(tmp_path.iterdir()) == [tmp_path / "p.json"]


def test_what_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_predictions(tmp_path / "p.json", {"results": {}, "external_data": {"x": math.nan}})
    assert list(tmp_path.iterdir()) == []


def test_odd_values_pass(tmp_path: Path) -> None:
    path = tmp_path / "p.json.gz"
    first = '{"label": "x", "score": NaN, "segment": [2, 1]}'
    second = '{"label": "", "score": null, "segment": [0, 1e999]}'
    text = f'{{"results": {{"a": [{first}, {second}]}}}}'
    path.write_bytes(gzip.compress(text.encode()))
    assert math.isnan(load_predictions(path)["results"]["a"][0]["score"])


@pytest.mark.parametrize(
    ("entries", "cause"),
    [
        ({}, "'a': its predictions are not a list"),
        ([1], "'a': prediction 1 is not an object"),
        ([{"score": 1, "segment": [0, 1]}], "'a': prediction 1 has no label"),
        ([{"label": "x", "score": "1", "segment": [0, 1]}], "'a': prediction 1 has no score"),
        ([{"label": "x", "score": True, "segment": [0, 1]}], "'a': prediction 1 has no score"),
        ([{"label": "x", "score": 1, "segment": [0]}], "not two numbers"),
        ([{"label": "x", "score": 1, "segment": "01"}], "not two numbers"),
        ([{"label": "x", "score": 1}], "not two numbers"),
    ],
)
def test_a_wrong_kind_does_not(tmp_path: Path, entries: Any, cause: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"results": {"a": entries}}))
    with pytest.raises(PredictionsError, match=cause) as caught:
        load_predictions(path)
    assert caught.value.exit_code == 2


def test_all_problems_are_listed_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"results": {"a": {}, "b": [], "c": [3]}}, indent=1))
    with pytest.raises(PredictionsError, match=r"2 problems:\n  line 3: 'a'.*\n  line 5: 'c'"):
        load_predictions(path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"results": []}', "nonsense"])
def test_other_documents(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(PredictionsError):
        load_predictions(tmp_path / "p.json")
