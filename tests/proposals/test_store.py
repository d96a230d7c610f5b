"""Proposals files: ours, P-MIL's, and what is wrong with others."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtalkit.errors import ProposalsError
from wtalkit.localization import Proposals
from wtalkit.proposals import Proposer, load_proposals, write_proposals

CO2NET = Proposer(
    method="co2net", plugins=("clasnet",), supervision="video-level", source="model", path="m", sha256="x"
)
SPEC = {"fps": 25.0}


def proposals(rows: list[list[float]]) -> Proposals:
    return Proposals(
        label=np.arange(len(rows)) % 2,
        points=np.array(rows).reshape(-1, 2) / 0.64,
        seconds=np.array(rows, dtype=np.float64).reshape(-1, 2),
        scores=np.linspace(-1, 1, len(rows)),
    )


def write(path: Path, **videos: list[list[float]]) -> int:
    found = [(key, proposals(rows)) for key, rows in videos.items()]
    return write_proposals(
        path, found, classes=("bow", "wäve"), proposer=CO2NET, model={"path": "m", "sha256": "x"}, spec=SPEC
    )


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    assert write(path, a=[[0.1, 2.3], [1 / 3, 4.0], [0.1, 2.3]], b=[]) == 3
    found = load_proposals(path)
    assert found.seconds["a"].tolist() == [[0.1, 2.3], [1 / 3, 4.0], [0.1, 2.3]]
    assert found.seconds["b"].shape == (0, 2)
    assert json.loads(path.read_text(encoding="utf-8"))["external_data"]["spec"] == SPEC
    assert found.model == {"path": "m", "sha256": "x"}
    assert found.proposer.name == "co2net + clasnet"
    assert found.proposer.supervision == "video-level"
    # Where it is read from is the file, whatever made it.
    assert found.proposer.source == "file"
    assert found.proposer.path == str(path)
    assert found.proposer.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_file_is_of_the_activitynet_results_schema(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    write(path, a=[[0.5, 2.0], [1.0, 3.0]])
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["version"] == "wtalkit proposals 1"
    assert document["results"]["a"][1] == {"label": "wäve", "score": 1.0, "segment": [1.0, 3.0]}
    assert document["external_data"]["supervision"] == "video-level"
    assert path.read_text(encoding="utf-8").count("\n") >= 4  # a line a proposal: people look into it


def test_pmils_shipped_layout(tmp_path: Path) -> None:
    """``{"version", "results", "external_data"}`` with segments in seconds and nothing on who made them."""
    document = {
        "version": "VERSION 1.3",
        "results": {"video_test_1": [{"label": "Diving", "score": 0.4, "segment": [1.28, 5.76]}] * 2},
        "external_data": {"used": True, "details": "Features from I3D Network"},
    }
    path = tmp_path / "detection_result_base_test.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    found = load_proposals(path)
    assert found.of("video_test_1").tolist() == [[1.28, 5.76]] * 2
    assert found.proposer.supervision == "unknown"
    assert found.proposer.name == f"an unnamed proposer ({path})"
    assert found.model == {}


def test_real_files_of_pmil(shared_dir: Path) -> None:
    found = load_proposals(shared_dir / "data" / "thumos14_base_detections_train.json.gz")
    counts = [len(rows) for rows in found.seconds.values()]
    assert (len(counts), min(counts), max(counts), sum(counts)) == (200, 15, 976, 33895)
    assert min(float(np.diff(rows).min()) for rows in found.seconds.values()) == pytest.approx(0.64, abs=0.01)


def test_what_has_no_length_is_counted_and_left_out(tmp_path: Path) -> None:
    rows = [[0.0, 0.0], [3.0, 2.0], [None, 4.0], [1.0, 2.0]]
    document = {"results": {"a": [{"label": "x", "score": 1, "segment": row} for row in rows]}}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document))
    found = load_proposals(path)
    assert found.of("a").tolist() == [[1.0, 2.0]]
    assert found.warnings == (f"{path}: 3 proposals without a length, or with ends that are not numbers, left out",)


def test_a_video_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "p.json", a=[[0.0, 1.0]])
    with pytest.raises(ProposalsError, match=r"holds no proposals of 'b' \(1 other videos\)"):
        load_proposals(tmp_path / "p.json").of("b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no object 'results'"),
        ("{", "is not JSON"),
        ('{"results": {"a": 3}}', "'a': its predictions are not a list"),
        ('{"results": {"a": [{"label": "x", "score": 1, "segment": [1]}]}}', "not two numbers"),
        ('{"version": "wtalkit proposals 2", "results": {}}', "is of the schema 'wtalkit proposals 2'"),
        (
            '{"results": {}, "external_data": {"proposer": {"supervision": "frames"}}}',
            "who made it is not usable .supervision",
        ),
        ('{"results": {}, "external_data": {"proposer": {"path": "/etc", "colour": "red"}}}', "colour"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(ProposalsError, match=message) as caught:
        load_proposals(path)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(str(path))


def test_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "p.json.gz"
    write(path, a=[[0.5, 2.0]])
    assert load_proposals(path).of("a").tolist() == [[0.5, 2.0]]
    assert path.read_bytes()[:2] == b"\x1f\x8b"


def test_predictions_as_proposals_keep_what_is_known(tmp_path: Path) -> None:
    """What ``detect --all --out`` writes says which model made it, and so from which labels."""
    model = {"name": "x", "method": "lac", "plugins": [], "supervision": "point-level", "proposer": None, "path": "m"}
    document = {"version": "wtalkit predictions 1", "results": {"a": []}, "external_data": {"model": model}}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document))
    found = load_proposals(path)
    assert (found.proposer.name, found.proposer.supervision) == ("lac", "point-level")
    assert not found.raw, "suppressed already, so its model makes others"
    write(path, a=[])
    assert load_proposals(path).raw


@pytest.mark.parametrize("external", [[], "x", {"spec": 3, "model": None}, {"proposer": None}])
def test_odd_remarks_are_nobodys_business(tmp_path: Path, external: Any) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"results": {"a": []}, "external_data": external}))
    assert load_proposals(path).proposer.supervision == "unknown"


def test_numbers_that_are_none_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write(tmp_path / "p.json", a=[[0.0, float("nan")]])
    assert not list(tmp_path.iterdir())
