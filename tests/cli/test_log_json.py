"""What people read where no bar can move, and what programs read instead of it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wtalkit.cli import progress as video_progress
from wtalkit.cli import step_progress
from wtalkit.cli.progress import VideoProgress
from wtalkit.cli.step_progress import StepProgress
from wtalkit.cli.terminal import Terminal
from wtalkit.extraction import Progress
from wtalkit.inputs import Input

A, B = Input("a", Path("videos/a.mp4")), Input("b", Path("videos/b\x1b[31m\udcff.mp4"))


def at(video: Input, frames: int, *, finished: bool = False) -> Progress:
    return Progress(
        video.key, video.path, frames, 100, decode_fps=200.0, flow_pairs_per_s=50.0, elapsed_s=frames / 50,
        frames_done=frames, finished=finished,
    )  # fmt: skip


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was written to stderr: one JSON object a line, and nothing else."""
    captured = capsys.readouterr()
    assert captured.out == ""
    found = [json.loads(line) for line in captured.err.splitlines()]
    for each in found:
        assert abs((datetime.now(UTC) - datetime.fromisoformat(each.pop("time"))).total_seconds()) < 60
    return found


def test_each_kind_of_sentence_is_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(log_json=True, verbose=True)
    terminal.remark("read\nthis")
    terminal.detail("or this")
    terminal.warn("odd")
    terminal.fail("broken", "video_failed", key="a")
    with terminal.status("busy"):
        terminal.tell("step", loss=float("nan"), path=Path("x"))
    assert not terminal.live
    assert events(capsys) == [
        {"level": "info", "event": "remark", "message": "read\nthis"},
        {"level": "debug", "event": "remark", "message": "or this"},
        {"level": "warning", "event": "warning", "message": "odd"},
        {"level": "error", "event": "video_failed", "message": "broken", "key": "a"},
        {"level": "info", "event": "step", "loss": None, "path": "x"},
    ]


def test_no_bar_moves_among_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert Terminal().live
    assert not Terminal(log_json=True).live


def test_quiet_leaves_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(log_json=True, quiet=True)
    terminal.remark("no")
    terminal.tell("step")
    terminal.warn("odd")
    terminal.fail("broken")
    assert [each["level"] for each in events(capsys)] == ["warning", "error"]


def test_people_are_not_told_what_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.tell("step", step=1)
    terminal.remark("hello", "video_done", key="a")
    assert capsys.readouterr().err == "hello\n"


def test_videos_as_events(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_progress, "_EVENT_EVERY_S", 0.0)
    with VideoProgress(Terminal(log_json=True), 3) as progress:
        progress.start(A)
        progress.update(at(A, 50))
        progress.update(at(A, 100, finished=True))
        progress.done(A, 4.0)
        progress.skipped(Input("c", Path("c.mp4")), "is there already")
        progress.start(B)
        progress.failed(B, f"{B.path}: no video in it")
    started, moving, done, skipped, _, failed = events(capsys)
    assert started == {"level": "info", "event": "video_started", "key": "a", "path": "videos/a.mp4", "total": 3}
    assert (moving["event"], moving["frames_done"], moving["frames_expected"]) == ("video_progress", 50, 100)
    assert moving["left_s"] > 0
    assert (done["event"], done["duration_s"], done["through"], done["total"]) == ("video_done", 4.0, 1, 3)
    assert (done["decode_fps"], done["flow_pairs_per_s"]) == (200.0, 50.0)
    assert done["message"].startswith("[1/3] videos/a.mp4  0:04.0 · decode 200 fps")
    assert (skipped["event"], skipped["cause"], skipped["through"]) == ("video_skipped", "is there already", 2)
    assert (failed["event"], failed["level"], failed["cause"]) == ("video_failed", "error", "no video in it")
    assert (failed["path"], failed["left_s"]) == (str(B.path), 0.0)


def test_events_of_a_video_come_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    with VideoProgress(Terminal(log_json=True), 1) as progress:
        progress.start(A)
        for frames in range(100):
            progress.update(at(A, frames))
    assert len(events(capsys)) < 4


def test_a_long_video_has_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with VideoProgress(Terminal(), 1) as progress:
        progress.start(A)
        progress.update(at(A, 10))
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(video_progress, "_LINE_EVERY_S", 0.0)
        progress.update(at(A, 25))
    line = capsys.readouterr().err
    assert line.startswith("videos/a.mp4  25% · decode 200 fps · flow 50 pairs/s · about 0:")
    assert line.endswith(" left\n")


def test_a_training_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with StepProgress(Terminal(), "acrnet", ", seed 1") as progress:
        for step in range(1, 101):
            progress.step(step, 100, {"total": 2.0})
        progress.turn_to("seal")
        progress.step(1, 1, {})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "acrnet, seed 1  step 1 of 100  loss 2.000"
    assert len(lines) == 12  # one for each tenth, and for the end
    assert lines[-2].startswith("acrnet, seed 1  step 100 of 100  loss 2.000 · ")
    assert lines[-2].endswith(" steps/s")
    assert lines[-1] == "seal, seed 1  step 1 of 1"


def test_a_training_as_events(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(step_progress.time, "monotonic", lambda: now[0])
    with StepProgress(Terminal(log_json=True), "acrnet") as progress:
        for step in range(1, 41):
            now[0] += 0.25
            progress.step(step, 40, {"total": 2.0, "mil": float("nan")})
        progress.say("decided")
    *steps, last = events(capsys)
    assert [each["step"] for each in steps] == [*range(1, 41, 4), 40]
    assert steps[0]["steps_per_s"] is None
    assert steps[5]["steps_per_s"] == pytest.approx(4.0)
    assert steps[5]["left_s"] == pytest.approx((40 - 21) / 4)
    assert steps[5]["losses"] == {"total": 2.0, "mil": None}
    assert last["message"] == "decided"


def test_a_resumed_training_does_not_count_what_was_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(step_progress.time, "monotonic", lambda: now[0])
    with StepProgress(Terminal(log_json=True), "acrnet") as progress:
        for step in (901, 902):
            now[0] += 2.0
            progress.step(step, 1000, {})
    assert events(capsys)[1]["steps_per_s"] == pytest.approx(0.5)
