"""Real processes of the command line that start at once: forked from one that has imported torch and computed nothing.

Run as a script it is that parent; it takes one JSON request a line and answers with one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
STAMP = "20260131T235959Z"
"""When every run of these processes starts; it goes into the model, so equal trainings are equal to the byte."""


class Forks:
    """Starts ``wtalkit`` commands, each in a process of its own."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._read() == "ready"

    def start(self, folder: Path, *words: str, kill_at: int | None = None, log: Path | None = None) -> Command:
        """Start ``wtalkit WORDS`` in ``folder``.

        Args:
            folder: its current folder.
            words: what stands after ``wtalkit``.
            kill_at: number of the change to a file or folder, from 1, before which it is killed.
            log: takes what it says; ``log.txt`` in ``folder`` when None.
        """
        log = log or folder / "log.txt"
        pid = self._ask({"folder": str(folder), "words": words, "log": str(log), "kill_at": kill_at})
        return Command(self, pid, log)

    def code(self, pid: int, timeout_s: float) -> int | None:
        """Exit code of a process once it ended, negative for a signal; None if it goes on for ``timeout_s``."""
        code: int | None = self._ask({"wait": pid, "timeout_s": timeout_s})
        return code

    def close(self) -> None:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(60)
        self._server.stdout.close()

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._server.stdout is not None
        return json.loads(self._server.stdout.readline())


@dataclass(frozen=True)
class Command:
    """A process at work."""

    forks: Forks
    pid: int
    log: Path

    def end(self, timeout_s: float = 60) -> int:
        """Wait for it; gives its exit code, negative for a signal."""
        code = self.forks.code(self.pid, timeout_s)
        assert code is not None, f"it did not end within {timeout_s} s: {self.said}"
        return code

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait_until(self, path: Path, holds: str = "", timeout_s: float = 60) -> None:
        """Wait until a file is there and holds a text."""
        last = time.monotonic() + timeout_s
        while not path.exists() or holds not in path.read_text(errors="replace"):
            assert time.monotonic() < last, f"{path} did not come: {self.said}"
            time.sleep(0.002)

    @property
    def said(self) -> str:
        return self.log.read_text()


@contextmanager
def forks() -> Iterator[Forks]:
    """The parent for the time of the block."""
    found = Forks()
    try:
        yield found
    finally:
        found.close()


def _child(request: dict[str, Any]) -> None:
    """Be the command; never returns."""
    code = 1
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request["folder"])
        sys.argv = ["wtalkit", *request["words"]]
        from wtalkit import runs
        from wtalkit.cli import main

        runs.utc_stamp = lambda moment: STAMP
        if request["kill_at"] is not None:
            _kill_at(request["kill_at"])
        code = main(request["words"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _kill_at(number: int) -> None:
    """Die before the ``number``-th change to a file or folder."""
    left = number
    changes = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.chmod", "os.truncate"}

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in changes or writes:
            left -= 1
            if not left:
                os.kill(os.getpid(), 9)

    sys.addaudithook(watch)


def _serve() -> None:
    import torch._dynamo  # noqa: F401  # what an optimizer imports when it is made

    import wtalkit.cli
    import wtalkit.localizer
    import wtalkit.methods.clasnet
    import wtalkit.modelfile
    import wtalkit.training.fit
    import wtalkit.training.loop
    import wtalkit.training.second_stage
    import wtalkit.training.trainer  # noqa: F401

    ended: dict[int, int] = {}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            last = time.monotonic() + request["timeout_s"]
            while request["wait"] not in ended and time.monotonic() < last:
                pid, status = os.waitpid(request["wait"], os.WNOHANG)
                if pid:
                    ended[pid] = os.waitstatus_to_exitcode(status)
                else:
                    time.sleep(0.002)
            answer = ended.get(request["wait"])
        else:
            answer = os.fork()
            if not answer:
                _child(request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
