from __future__ import annotations

import json
from pathlib import Path

import pytest

from wtalkit.cli import main

SHORT = ["--set", "steps=3", "--set", "batch_size=2", "--set", "log_every=1"]


def test_from_training_to_a_score(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "clasnet", *SHORT]) == 0
    captured = capsys.readouterr()
    assert "step 3 of 3" in captured.err
    lines = captured.out.splitlines()
    assert lines[0].startswith("model in runs/")
    assert lines[-1] == "Next: wtalkit detect VIDEO, or wtalkit evaluate"

    assert main(["evaluate", "--json"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert set(result) >= {"map", "average_map", "per_class", "videos", "excluded"}
    assert result["model"]["chosen_by"] == "newest run in runs/"
    assert result["model"]["plugins"] == ["clasnet"]
    assert "1 video of subset testing, 3 instances. Next: " in captured.err

    assert main(["detect", "feats/c.npy"]) == 0
    assert "newest run in runs/" in capsys.readouterr().err


def test_the_table_of_scores(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--tiou", "0.5,0.75"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["AP", "in", "%", "0.50", "0.75", "mean"]
    assert [line.split()[0] for line in lines[1:5]] == ["bow", "squat", "wave", "mAP"]


def test_several_seeds(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["train", "--method", "acrnet", "--seeds", "3,4", "--without", "mca", "--out", "elsewhere", *SHORT]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("model in elsewhere/") for line in lines) == 2
    assert lines[-1].startswith("Next: wtalkit compare elsewhere/acrnet-")


def test_training_says_what_it_needs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "clasnet"]) == 2
    assert "feats: there is no such features folder. Run wtalkit extract first." in capsys.readouterr().err
