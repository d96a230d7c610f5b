from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from wtalkit import atomic
from wtalkit.atomic import TEMPORARY_SUFFIX, Busy, atomic_path, is_claimed, locked_folder, sweep, write_text
from wtalkit.errors import MachineError

REPOSITORY = Path(__file__).resolve().parent.parent
PRELUDE = "import sys; from pathlib import Path; from wtalkit.atomic import *; folder = Path(sys.argv[1])\n"
WAYS = {"anonymous": "", "claimed": "claim=True", "apart": "apart=True"}

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts another process that runs some code on ``folder``, which is ``tmp_path``."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", f"{PRELUDE}\n{code}", str(tmp_path)], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def writer(start: Start, way: str) -> subprocess.Popen[str]:
    """Another process in the middle of writing ``x``; a line on its stdin lets it finish."""
    process = start(
        f"""
with atomic_path(folder / "x", {WAYS[way]}) as temporary:
    temporary.write_text("half")
    print("half", flush=True)
    sys.stdin.readline()
    temporary.write_text("whole")
"""
    )
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    return process


def go_on(process: subprocess.Popen[str]) -> None:
    process.communicate("\n")
    assert process.returncode == 0


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(f".*{TEMPORARY_SUFFIX}"))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("way", WAYS)
class TestTwoProcesses:
    def test_what_is_written_is_not_swept(self, way: str, start: Start, tmp_path: Path) -> None:
        other = writer(start, way)
        sweep(tmp_path)
        assert len(leftovers(tmp_path)) == 1 and not (tmp_path / "x").exists()
        go_on(other)
        assert (tmp_path / "x").read_text() == "whole"
        assert names(tmp_path) == ["x"]

    def test_what_a_killed_one_left_is_swept(self, way: str, start: Start, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("before")
        kill(writer(start, way))
        assert len(leftovers(tmp_path)) == 1
        sweep(tmp_path)
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x").read_text() == "before"

    def test_a_sweep_before_the_lock_takes_nothing_away(
        self, way: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between making a temporary and locking it there is a moment in which it looks abandoned."""
        whole, swept = atomic._lock, 0

        def late(handle: int) -> bool | None:
            nonlocal swept
            if not swept:
                swept += 1
                process = start("sweep(folder)")
                process.communicate()
                assert process.returncode == 0 and not leftovers(tmp_path)
            return whole(handle)

        monkeypatch.setattr(atomic, "_lock", late)
        with atomic_path(tmp_path / "x", claim=way == "claimed", apart=way == "apart") as temporary:
            temporary.write_text("whole")
        assert swept and (tmp_path / "x").read_text() == "whole"
        assert not leftovers(tmp_path)

    def test_where_files_cannot_be_locked_only_old_ones_are_swept(
        self, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_locks(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", no_locks)
        with atomic_path(tmp_path / "x", claim=way == "claimed", apart=way == "apart") as temporary:
            temporary.write_text("whole")
            sweep(tmp_path)
        assert (tmp_path / "x").read_text() == "whole"
        (old := tmp_path / f".old{TEMPORARY_SUFFIX}").write_text("half")
        os.utime(old, (time.time() - 7200,) * 2)
        sweep(tmp_path)
        assert not old.exists()


class TestClaims:
    def test_one_at_a_time(self, start: Start, tmp_path: Path) -> None:
        assert not is_claimed(tmp_path / "x")
        other = writer(start, "claimed")
        assert is_claimed(tmp_path / "x") and not is_claimed(tmp_path / "y")
        with pytest.raises(Busy), atomic_path(tmp_path / "x", claim=True):
            pass
        with atomic_path(tmp_path / "y", claim=True) as temporary:
            temporary.write_text("another")
        go_on(other)
        assert (tmp_path / "x").read_text() == "whole"
        assert not is_claimed(tmp_path / "x")
        with atomic_path(tmp_path / "x", claim=True) as temporary:
            assert temporary.read_text() == ""
            temporary.write_text("again")
        assert (tmp_path / "x").read_text() == "again"

    def test_a_claim_dies_with_its_process(self, start: Start, tmp_path: Path) -> None:
        other = writer(start, "claimed")
        kill(other)
        assert not is_claimed(tmp_path / "x")
        with atomic_path(tmp_path / "x", claim=True) as temporary:
            assert temporary.read_text() == ""  # nothing of what the dead one wrote
            temporary.write_text("whole")
        assert (tmp_path / "x").read_text() == "whole"
        assert not leftovers(tmp_path)

    def test_a_claim_that_was_given_up_is_free(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "x", claim=True):
            raise ZeroDivisionError
        assert not is_claimed(tmp_path / "x") and not leftovers(tmp_path)

    def test_a_sweep_spares_who_claims_the_name_next(
        self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The one that was found puts its file in place, another begins: under the name lies another file by now."""
        first = writer(start, "claimed")
        whole, others = atomic._lock, []

        def late(handle: int) -> bool | None:
            if not others:
                go_on(first)
                others.append(writer(start, "claimed"))
            return whole(handle)

        monkeypatch.setattr(atomic, "_lock", late)
        sweep(tmp_path)
        assert len(leftovers(tmp_path)) == 1
        go_on(others[0])
        assert (tmp_path / "x").read_text() == "whole"

    def test_many_claim_one_file(self, start: Start, tmp_path: Path) -> None:
        """Each time one of them is alone with an empty temporary."""
        code = """
import random, time
won, until = 0, time.monotonic() + 20
while won < 10 and time.monotonic() < until:
    try:
        with atomic_path(folder / "x", claim=True) as temporary:
            assert temporary.read_text() == ""
            temporary.write_text("1" * 10)
            assert temporary.read_text() == "1" * 10
            temporary.write_text("2" * 10)
        won += 1
    except Busy:
        pass
    sweep(folder)
    is_claimed(folder / "x")
    time.sleep(random.random() / 50)  # whoever looks holds the lock for a moment: without a pause nobody gets anywhere
assert won
"""
        processes = [start(code) for _ in range(4)]
        for process in processes:
            process.communicate()
        assert [process.returncode for process in processes] == [0] * 4
        assert (tmp_path / "x").read_text() == "2" * 10
        assert names(tmp_path) == ["x"]


def test_many_write_one_text(start: Start, tmp_path: Path) -> None:
    """Whoever reads finds one of the texts, whole; a sweep in between harms none of them."""
    code = 'for number in range(60): write_text(folder / "x", str(number) * 5000); sweep(folder)'
    processes = [start(code) for _ in range(4)]
    seen = set()
    while any(process.poll() is None for process in processes):
        with suppress(FileNotFoundError):
            text = (tmp_path / "x").read_text()
            seen.add(text)
            assert text in {str(number) * 5000 for number in range(60)}
    assert [process.returncode for process in processes] == [0] * 4
    assert seen and (tmp_path / "x").read_text() == "59" * 5000
    assert names(tmp_path) == ["x"]


def test_a_locked_folder_is_for_one(start: Start, tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    code = """
for _ in range(50):
    with locked_folder(folder):
        count = int((folder / "count").read_text())
        (folder / "count").write_text(str(count + 1))
"""
    processes = [start(code) for _ in range(4)]
    for process in processes:
        process.communicate()
    assert (tmp_path / "count").read_text() == "200"
    assert names(tmp_path) == ["count"]


def test_the_lock_of_a_folder_dies_with_its_process(start: Start, tmp_path: Path) -> None:
    other = start('with locked_folder(folder): print("in", flush=True); sys.stdin.readline()')
    assert other.stdout is not None and other.stdout.readline() == "in\n"
    waiting = start('with locked_folder(folder): print("in", flush=True)')
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1)
    kill(other)
    assert waiting.communicate()[0] == "in\n"


def test_nothing_of_safetensors_stays_when_it_is_killed(start: Start, tmp_path: Path) -> None:
    """It writes to a file that it names itself, beside the one it is given, and puts it in the place of that."""
    code = """
import numpy as np
from safetensors.numpy import save_file
tensors = {"a": np.zeros(30_000_000, np.float32)}
print("ready", flush=True)
with atomic_path(folder / "x", apart=True) as temporary:
    save_file(tensors, temporary)
"""
    for _ in range(10):
        process = start(code)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        while process.poll() is None and not list(tmp_path.rglob(".tmp*")):
            pass
        process.kill()
        process.wait()
        halves = list(tmp_path.rglob(".tmp*"))
        sweep(tmp_path)
        assert not list(tmp_path.rglob(".*"))
        if halves:
            return
    raise AssertionError("it was never killed in the middle")


def test_a_writer_may_put_another_file_under_the_temporary_name(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("whole")
    with atomic_path(tmp_path / "x") as temporary:
        (tmp_path / "other").replace(temporary)
    assert (tmp_path / "x").read_text() == "whole"


@pytest.mark.parametrize("way", WAYS)
def test_files_have_the_usual_rights(way: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_path(tmp_path / "x", claim=way == "claimed", apart=way == "apart") as temporary:
        temporary.write_text("")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_other_hidden_files_are_not_ours(tmp_path: Path) -> None:
    for name in (".notes", f"notes{TEMPORARY_SUFFIX}"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / f".left{TEMPORARY_SUFFIX}").write_text("half")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".notes", "below", f"notes{TEMPORARY_SUFFIX}"]


def test_a_sweep_of_no_folder_does_nothing(tmp_path: Path) -> None:
    sweep(tmp_path / "none")


def broken(_: int) -> None:
    raise OSError(errno.EIO, "the disk broke")


def test_text_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a" / "b" / "x", "whole")
    assert (tmp_path / "a" / "b" / "x").read_text() == "whole"
    with monkeypatch.context() as patched, pytest.raises(OSError, match="the disk broke"):
        patched.setattr(os, "fsync", broken)
        write_text(tmp_path / "a" / "b" / "x", "half")
    assert (tmp_path / "a" / "b" / "x").read_text() == "whole"
    assert not leftovers(tmp_path)
    with locked_folder(tmp_path):
        write_text(tmp_path / "y", "inside a lock")


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(MachineError, match=r"file: is a file where a folder is needed\. Move it"):
        write_text(tmp_path / "file" / "below" / "x", "x")
    with pytest.raises(MachineError, match=r"folder: is a folder where a file is to be written\. Move it"):
        write_text(tmp_path / "folder", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_halves_of_characters_are_written_as_escapes(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "label \ud801")
    assert (tmp_path / "x").read_bytes() == b"label \\ud801"
