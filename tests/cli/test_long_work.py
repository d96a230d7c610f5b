"""``--log-json``, ``--dry-run`` and ``completion`` of the commands themselves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wtalkit.cli import main

EXTRACT = ["extract", "videos", "--out", "feats", "--backbone", "i3d-mini", "--flow", "dis"]


def events(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[dict[str, Any]]]:
    """What went to stdout, and the events on stderr, which has nothing else."""
    captured = capsys.readouterr()
    return captured.out, [json.loads(line) for line in captured.err.splitlines()]


def test_extract_tells_a_program(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("videos/b.mp4").write_bytes(b"no video")
    assert main([*EXTRACT, "--log-json"]) == 1
    out, found = events(capsys)
    assert {(e["event"], e["key"]) for e in found if "key" in e and e["event"] != "video_progress"} == {
        *(("video_started", key) for key in "abc"),
        *(("video_done", key) for key in "ac"),
        ("video_failed", "b"),
    }
    assert (found[-1]["event"], found[-1]["exit_code"]) == ("finished", 1)
    assert "2 videos extracted to feats" in out
    assert main([*EXTRACT, "--log-json", "--quiet"]) == 1
    assert [e["event"] for e in events(capsys)[1]] == ["video_failed", "finished"]


def test_so_do_errors(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "videos", "--out", "feats", "--backbone", "i3d-mni", "--log-json"]) == 2
    assert main(["extract", "videos", "--out", "feats", "--no-such-option", "--log-json"]) == 2
    assert main(["train", "--method", "acrnet", "--features", "gone", "--log-json"]) == 2
    _, found = events(capsys)
    assert [e["event"] for e in found] == ["error", "finished"] * 3
    assert found[0]["message"].startswith("unknown backbone 'i3d-mni'")


def test_detect_keeps_stdout_for_the_document(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos", "--json", "--log-json"]) == 0
    out, found = events(capsys)
    assert set(json.loads(out)["results"]) == {"a", "b", "c"}
    assert sum(e["event"] == "video_done" for e in found) == 3
    assert all(e["duration_s"] == 3.0 for e in found if e["event"] == "video_done")


def test_train_tells_its_steps(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--method", "acrnet", "--set", "steps=3", "--set", "batch_size=2", "--set", "max_length=16"]
    assert main(["train", *options, "--log-json"]) == 0
    _, found = events(capsys)
    steps = [e for e in found if e["event"] == "step"]
    assert (steps[-1]["step"], steps[-1]["steps"], steps[-1]["title"]) == (3, 3, "acrnet")
    assert steps[-1]["losses"]["total"] > 0


def test_ctrl_c_is_an_event_too(project: Path) -> None:
    command = [sys.executable, "-m", "wtalkit", *EXTRACT, "--log-json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while "video_started" not in lines[-1]:
            lines.append(process.stderr.readline())
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        lines += process.stderr.readlines()
    last = json.loads(lines[-1])
    assert (last["event"], last["exit_code"]) == ("finished", process.returncode)
    assert process.returncode in (130, 0)  # three short videos may have been quicker


def test_extract_dry_run_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EXTRACT, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "work    3 videos, 0:09.0 of video, 114 frames after resampling" in out
    assert "frames/s, measured in" in out
    assert "disk    about 39 kB of features in feats" in out
    assert not Path("feats").exists()
    assert main(["extract", "gone.mp4", *EXTRACT[1:], "--dry-run"]) == 1


def test_detect_dry_run(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos/a.mp4", "feats/b.npy", "--dry-run", "--out", "found.json"]) == 0
    out = capsys.readouterr().out
    assert "work    1 video, 0:03.0 of video, 38 frames after resampling; 1 feature file besides" in out
    assert not Path("found.json").exists()
    assert main(["detect", "feats", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == 0.0


def test_completion_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "detect" in capsys.readouterr().out
    assert main(["completion", "tcsh"]) == 2
