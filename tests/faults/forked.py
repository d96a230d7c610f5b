"""Real processes of extract and detect that start at once, each in a session of its own, and what is left of them.

Run as a script it is the process they are forked from: it has imported all they need, and computed nothing, for the
threads of OpenMP do not survive a fork.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.training import forks
from tests.training.forks import REPOSITORY, Command, Forks


class Starter(Forks):
    """Starts ``wtalkit`` commands; ``models`` takes the place of the bundled ones."""

    def __init__(self, models: Path) -> None:
        environment = {
            **os.environ,
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
            "PYTHONPATH": str(REPOSITORY),
            "WTALKIT_MODELS": str(models),
            "WTALKIT_CACHE": str(models / "no cache"),
        }
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._read() == "ready"

    def begin(self, folder: Path, *words: str, log: str = "log", kill_at: int | None = None) -> Command:
        """Start ``wtalkit WORDS`` in ``folder``; what it says goes to a file beside it."""
        command = self.start(folder, *words, kill_at=kill_at, log=folder.with_name(f"{folder.name}-{log}"))
        until(lambda: os.getpgid(command.pid) == command.pid, "a session of its own")
        return command


def group_of(leader: int) -> list[int]:
    """Processes of a group that live: decoders belong to that of the command they decode for."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(group) == leader and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def listens(command: Command) -> bool:
    """Whether a command is so far that it stops in order when it is asked to."""
    status = Path(f"/proc/{command.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> signal.SIGTERM - 1 & 1)


def until(happens: Callable[[], object], what: str, seconds: float = 60) -> float:
    """Wait for something; gives the seconds it took."""
    begun = time.monotonic()
    while not happens():
        assert time.monotonic() - begun < seconds, f"{what} did not happen in {seconds} s"
        time.sleep(0.005)
    return time.monotonic() - begun


def send(command: Command, number: signal.Signals, *, group: bool) -> None:
    """Send a signal to a command, or to all its processes, as a terminal and an out-of-memory killer do."""
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(command.pid, number)


def _serve() -> None:
    import cv2  # noqa: F401
    import safetensors.torch  # noqa: F401

    import wtalkit.answer_folder
    import wtalkit.backbones.backbone
    import wtalkit.cli.progress
    import wtalkit.cli.summary
    import wtalkit.detection
    import wtalkit.extraction.batch
    import wtalkit.extraction.compute
    import wtalkit.localizer
    import wtalkit.methods.acrnet
    import wtalkit.modelfile  # noqa: F401

    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads cannot be forked from"
    os.register_at_fork(after_in_child=os.setsid)
    forks._serve()


if __name__ == "__main__":
    _serve()
