from __future__ import annotations

import json
from pathlib import Path

import pytest

from wtalkit.cli import main


def test_list_names_models_runs_and_weights(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert ["samples", "model", "bundled"] in rows
    assert ["i3d-mini", "backbone", "bundled"] in rows
    assert ["i3d", "backbone", "not"] in rows


def test_info_shows_the_header(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "info", "samples"]) == 0
    assert "bow, squat, wave" in capsys.readouterr().out
    assert main(["models", "info", "samples", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == ["bow", "squat", "wave"]


def test_verify_finds_what_is_broken(
    project: Path, bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "verify"]) == 0
    assert "2 models verified" in capsys.readouterr().out
    import shutil

    damaged = tmp_path / "damaged"
    shutil.copytree(bundled, damaged)
    weights = damaged / "i3d-mini" / "rgb.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    monkeypatch.setenv("WTALKIT_MODELS", str(damaged))
    assert main(["models", "verify"]) == 2
    captured = capsys.readouterr()
    assert "i3d-mini: " in captured.err
    assert "samples: whole" in captured.out


def test_demo_without_its_video(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wtalkit.zoo.demo_video", lambda: tmp_path / "match.mp4")
    assert main(["demo"]) == 3
    assert "the bundled video is not there" in capsys.readouterr().err


def test_demo_takes_the_bundled_model_whatever_lies_around(
    project: Path, toy_videos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wtalkit.zoo.demo_video", lambda: toy_videos / "a.mp4")
    Path("wtalkit.toml").write_text('model = "elsewhere"')
    assert main(["demo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["external_data"]["model"]["name"] == "samples"
