"""The four commands with a method on proposals, and files of proposals between them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wtalkit.cli import main

SHORT = ["--set", "steps=3", "--set", "batch_size=2", "--set", "log_every=1"]
FIRST = ["--base", "acrnet", "--set", "proposer.steps=3", "--set", "proposer.batch_size=2"]
SEAL = "seal on proposals of acrnet (video-level labels)"


def test_four_commands(features: Path, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "seal", *FIRST, *SHORT]) == 0
    captured = capsys.readouterr()
    assert "no proposals were given: acrnet is trained first, in runs/" in captured.err
    assert "acrnet, to make proposals  step 3 of 3" in captured.err
    assert "seal  step 3 of 3" in captured.err
    assert "made by acrnet (video-level labels)" in captured.err
    assert captured.out.splitlines()[-1] == "Next: wtalkit detect VIDEO, or wtalkit evaluate"

    assert main(["evaluate"]) == 0
    assert SEAL in capsys.readouterr().out.splitlines()
    assert main(["evaluate", "--json"]) == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert (model["method"], model["supervision"], model["proposer"]["method"]) == ("seal", "video-level", "acrnet")

    assert main(["detect", "videos/c.mp4", "--threshold", "-10"]) == 0
    assert SEAL in capsys.readouterr().out.splitlines()
    assert main(["detect", "videos/c.mp4", "--json", "--all", "--out", "found.json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["results"]["c"], "a video goes through both stages"
    assert document["external_data"]["model"]["proposer"]["supervision"] == "video-level"

    # A predictions file carries the proposer on to whoever scores it.
    assert main(["evaluate", "--predictions", "found.json"]) == 0
    captured = capsys.readouterr()
    assert SEAL in captured.out.splitlines()
    assert "model " not in captured.err

    assert main(["models", "info", "latest"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split(maxsplit=1) == ["method", SEAL] for line in lines)
    assert any(line.startswith("proposals") and "from this file" in line for line in lines)
    assert main(["compare"]) == 0
    assert "seal on acrnet (video-level labels)" in capsys.readouterr().out


def test_proposals_go_through_a_file(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "acrnet", *SHORT]) == 0
    capsys.readouterr()
    assert main(["detect", "feats/", "--raw-proposals", "p.json", "--json"]) == 0
    captured = capsys.readouterr()
    assert set(json.loads(captured.out)["results"]) == {"a", "b", "c"}
    assert "raw proposals of 3 videos in p.json. Next: wtalkit train --method seal --proposals p.json" in captured.err
    stored = json.loads(Path("p.json").read_text())
    assert stored["version"] == "wtalkit proposals 1"
    assert stored["external_data"]["supervision"] == "video-level"
    assert stored["external_data"]["proposer"]["method"] == "acrnet"
    shown = json.loads(captured.out)["results"]
    assert len(stored["results"]["c"]) > len(shown["c"]), "before any suppression"

    assert main(["train", "--method", "pmil", "--proposals", "p.json", *SHORT]) == 0
    assert "which goes into the model, too" in capsys.readouterr().err
    assert main(["evaluate", "--proposals", "p.json"]) == 0
    from_file = capsys.readouterr()
    assert "pmil on proposals of acrnet (video-level labels)" in from_file.out.splitlines()
    assert main(["evaluate"]) == 0
    assert capsys.readouterr().out == from_file.out

    # A model on proposals lends the proposer inside it.
    assert main(["detect", "feats/", "--raw-proposals", "again.json", "--json"]) == 0
    assert json.loads(Path("again.json").read_text())["results"] == stored["results"]


def test_studies(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "pmil", "--seeds", "0,1", *FIRST, *SHORT]) == 0
    captured = capsys.readouterr()
    assert "acrnet, to make proposals, seed 1  step 3 of 3" in captured.err
    assert "pmil, seed 1  step 3 of 3" in captured.err
    again = ["train", "--method", "pmil", "--base", "acrnet", "--seeds", "0,1,2", "--resume"]
    assert main(again) == 0
    captured = capsys.readouterr()
    assert captured.err.count(" is finished") == 2
    assert "pmil, seed 2  step 3 of 3" in captured.err
    assert main(["compare", "--format", "csv"]) == 0
    header, row = (line.split(",") for line in capsys.readouterr().out.splitlines())
    found = dict(zip(header, row, strict=True))
    assert (found["n"], found["proposer"], found["supervision"]) == ("3", "acrnet", "video-level")
    assert main(["compare", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["rows"]
    assert listed["proposer"]["method"] == "acrnet"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "--method", "seal", "--proposals", "nowhere.json"], 2, "nowhere.json: no such file"),
        (
            ["train", "--method", "acrnet", "--proposals", "p.json"],
            2,
            "acrnet works on snippets and takes no proposals",
        ),
        (["train", "--method", "seal", "--base", "acrnet", "--proposer", "x"], 2, "each name a proposer"),
        (["detect", "feats/c.npy", "--proposals", "p.json"], 2, "works on snippets and takes no --proposals"),
        (["evaluate", "--proposals", "p.json"], 2, "works on snippets and takes no --proposals"),
    ],
)
def test_refusals(
    features: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert message in capsys.readouterr().err


def test_a_video_that_the_file_does_not_name(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "seal", *FIRST, *SHORT]) == 0
    Path("p.json").write_text(json.dumps({"results": {"a": [{"label": "x", "score": 1, "segment": [0, 2]}]}}))
    capsys.readouterr()
    assert main(["detect", "feats/a.npy", "feats/c.npy", "--proposals", "p.json", "--json", "--all"]) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert set(document["results"]) == {"a"}
    assert document["external_data"]["model"]["supervision"] == "unknown"
    assert "holds no proposals of 'c'" in document["external_data"]["failures"][0]["cause"]
    warning = "trained on proposals of acrnet (video-level labels), these are of an unnamed proposer (p.json)"
    assert any(warning in each for each in document["external_data"]["videos"]["a"]["warnings"])
