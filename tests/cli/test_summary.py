"""The table at the end of a long job."""

from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.cli.summary import summarize
from wtalkit.cli.terminal import Terminal
from wtalkit.status import VideoStatus

STATUSES = [
    VideoStatus("a", "a.mp4", "done"),
    VideoStatus("b", "b.mp4", "failed", "empty file"),
    VideoStatus("c", "c.mp4", "partial", "decoded 1.00 of 2.00 s"),
    VideoStatus("d", "d.mp4", "skipped", "decoded 1.00 of 2.00 s"),
    VideoStatus("e", "e.mp4", "failed", None),
]


def shown(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    captured = capsys.readouterr()
    assert captured.err == ""
    return [line.split(maxsplit=2) for line in captured.out.splitlines()]


def test_a_row_for_each_video_that_is_not_simply_done(capsys: pytest.CaptureFixture[str]) -> None:
    summarize(Terminal(), STATUSES, Path("feats/status.jsonl"))
    assert shown(capsys) == [
        [],
        ["video", "state", "cause"],
        ["b", "failed", "empty file"],
        ["c", "partial", "decoded 1.00 of 2.00 s"],
        ["d", "skipped", "decoded 1.00 of 2.00 s"],
        ["e", "failed"],
    ]


def test_nothing_where_all_is_well_or_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    summarize(Terminal(), STATUSES[:1] * 100, Path("feats/status.jsonl"))
    summarize(Terminal(), [], None)
    summarize(Terminal(quiet=True), STATUSES, Path("feats/status.jsonl"))
    assert shown(capsys) == []


@pytest.mark.parametrize(
    ("file", "last"), [(Path("feats/status.jsonl"), "and 20 more, all in feats/status.jsonl"), (None, "and 20 more")]
)
def test_of_very_many_the_rest_is_counted(file: Path | None, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    odd = [VideoStatus(f"{number:02}", "x", "failed", "empty file") for number in range(50)]
    summarize(Terminal(), odd, file)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 30 + 1
    assert lines[-1] == last
    assert lines[-2].startswith("29 ")


def test_names_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    odd = VideoStatus("one\ntwo\x1b[31m [bold]x", "x", "failed", "broken\r\x1b[2J")
    summarize(Terminal(), [odd], None)
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 3
    assert "one\\ntwo\\x1b[31m [bold]x" in out
    assert "\x1b" not in out and "\r" not in out
