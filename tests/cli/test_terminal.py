from __future__ import annotations

import pytest

from wtalkit.cli.terminal import Terminal, clock, count, printable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (3.84, "0:03.8"),
        (59.96, "1:00.0"),
        (75.25, "1:15.2"),
        (3723.4, "1:02:03.4"),
        (36000, "10:00:00.0"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_count() -> None:
    assert (count(1, "video"), count(0, "video"), count(1200, "video")) == ("1 video", "0 videos", "1,200 videos")


def test_control_characters_cannot_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[31m\nb é 日") == "a\\x1b[31m\\nb é 日"
    Terminal().table(("action",), [("\x1b[31mred [bold]x",)])
    assert capsys.readouterr().out == "action\n\\x1b[31mred [bold]x\n"


def test_long_labels_are_not_broken_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().table(("start", "action"), [("0:01.0", "x" * 200)], right=(0,))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [" start    action", "0:01.0    " + "x" * 200]


def test_quiet_keeps_warnings_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.remark("remark")
    terminal.next_step("next")
    terminal.warn("odd")
    terminal.fail("broken")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "warning: odd\nbroken\n")


def test_the_next_step_leaves_stdout_to_json(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(json=True).next_step("Next: rest")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Next: rest\n")
