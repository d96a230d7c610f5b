"""Acceptance cases of work that is cut off, and of two at once: 17, 18 and 29."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.runs import Cli, bytes_of, temporaries
from tests.faults.videos import write_numbered
from wtalkit.atomic import TEMPORARY_SUFFIX

Start = Callable[..., "subprocess.Popen[str]"]

KEYS = ("good-1", "good-2", "long-1", "long-2", "long-3", "long-4")
COMMAND = ("extract", "videos", "--out", "feats")


@pytest.fixture
def unbroken(extract: Cli) -> dict[str, bytes]:
    """Every file that a run without a fault leaves."""
    write_numbered(Path("videos/long-1.mp4"), range(200))
    for number in (2, 3, 4):
        shutil.copy("videos/long-1.mp4", f"videos/long-{number}.mp4")
    assert extract(out="whole").code == 0
    found = bytes_of(Path("whole"))
    assert sorted(found) == sorted([*(f"{key}.{kind}" for key in KEYS for kind in ("json", "npy")), "status.jsonl"])
    return found


def until(happens: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.01)


def group_lives(process: subprocess.Popen[str]) -> bool:
    """Whether any process of its group is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        return True
    return False


def test_case_17_kill_and_run_again(unbroken: dict[str, bytes], extract: Cli, process: Start) -> None:
    """kill -9 in mid-run: no cut file under a final name; only the rest is done again; bytes as of an unbroken run."""
    feats = Path("feats")
    running = process(*COMMAND)
    until(lambda: list(feats.glob("*.npy")) and temporaries(feats), "a first video")
    running.kill()
    assert running.wait() == -signal.SIGKILL
    finished = {path.name: path.read_bytes() for path in feats.glob("*.npy")}
    assert finished and {name: unbroken[name] for name in finished} == finished
    until(lambda: not group_lives(running), "the end of the decoders", 10)
    (feats / f".record{TEMPORARY_SUFFIX}").write_bytes(b"half")  # as a kill between array and record leaves it
    run = extract()
    assert run.code == 0
    assert run.out.splitlines()[-1].startswith(
        f"{len(KEYS) - len(finished)} video{'s' if len(KEYS) - len(finished) > 1 else ''} extracted to feats, "
        f"{len(finished)} already there."
    )
    assert bytes_of(feats) == unbroken  # so the half-written files of the killed run are gone, too


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a group")
def test_case_18_ctrl_c(unbroken: dict[str, bytes], extract: Cli, process: Start) -> None:
    """Ctrl-C ends it within 5 s: exit 130, what is done and what is left told, no temporaries, no processes left."""
    feats = Path("feats")
    running = process(*COMMAND)
    until(lambda: list(feats.glob("*.npy")) and temporaries(feats), "a first video")
    pressed = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)  # a terminal sends it to all processes of the command
    assert running.wait(30) == 130
    assert time.monotonic() - pressed < 5
    until(lambda: not group_lives(running), "the end of the decoders", 3)
    log = Path("log").read_text()
    done, left = map(
        int, re.findall(r"^stopped: (\d) videos? done, (\d) left\. The same command goes on\.$", log, re.M)[0]
    )
    assert done + left == len(KEYS)
    assert done == log.count(" done in ")
    assert "Traceback" not in log
    assert temporaries(feats) == []
    there = bytes_of(feats)
    assert {name: unbroken[name] for name in there if name != "status.jsonl"} == {
        name: content for name, content in there.items() if name != "status.jsonl"
    }
    assert extract().code == 0
    assert bytes_of(feats) == unbroken


def test_case_29_two_processes_on_one_folder(unbroken: dict[str, bytes], process: Start) -> None:
    """Two at once: both exit 0, every video is extracted by one of them, and the files are those of one alone."""
    both = [process(*COMMAND, log=f"log-{number}") for number in (1, 2)]
    assert [each.wait(120) for each in both] == [0, 0]
    last = [Path(f"log-{number}").read_text().splitlines()[-1] for number in (1, 2)]
    extracted = [int(re.findall(r"^(\d) videos? extracted to feats", line)[0]) for line in last]
    there = [sum(map(int, re.findall(r", (\d) already there", line))) for line in last]
    assert sum(extracted) == len(KEYS)
    assert [a + b for a, b in zip(extracted, there, strict=True)] == [len(KEYS)] * 2
    assert bytes_of(Path("feats")) == unbroken
