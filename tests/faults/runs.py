"""What a command left behind: its exit code, its words, its files, its processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wtalkit.atomic import TEMPORARY_SUFFIX
from wtalkit.status import VideoStatus

GOOD = ("good-1", "good-2")


@dataclass(frozen=True)
class Run:
    """What a command left behind.

    Attributes:
        code: its exit code.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
        status: of the folder it wrote to.
    """

    code: int
    out: str
    err: str
    status: dict[str, VideoStatus]

    def failed(self, path: str, cause: str, *, out: str = "feats") -> VideoStatus:
        """The status of the video at ``path``, once it is sure that it failed in public and left nothing behind."""
        assert self.code == 1
        said = [line for line in self.err.splitlines() if line.startswith(f"{path}: ")]
        assert [line for line in said if cause in line], self.err
        assert "Traceback" not in self.err and "defect" not in self.err
        key = Path(path).with_suffix("").name
        status = self.status[key]
        assert status.state == "failed"
        assert cause in str(status.cause)
        assert not {f"{key}.npy", f"{key}.json"} & {path.name for path in Path(out).rglob("*")}
        self.others_done(out=out)
        return status

    def others_done(self, *, out: str = "feats") -> None:
        """Make sure that the good videos of the batch are whole, and no half-written file is there."""
        for key in GOOD:
            assert self.status[key].state == "done"
            assert self.status[key].cause is None
            assert Path(out, f"{key}.json").is_file()
        assert temporaries(Path(out)) == []


def temporaries(folder: Path) -> list[Path]:
    """Half-written files below a folder."""
    return list(folder.rglob(f".*{TEMPORARY_SUFFIX}"))


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


Cli = Callable[..., Run]


def decoder_of(video: Path) -> int:
    """The child of this process that has ``video`` open."""
    for child in children():
        with suppress(OSError):
            if any(handle.resolve() == video.resolve() for handle in Path(f"/proc/{child}/fd").iterdir()):
                return child
    raise AssertionError(f"no process decodes {video}")


BEFORE: set[int] = set()
"""Processes that other tests of this process keep, since the test began."""


def children() -> list[int]:
    """Processes that this test has started."""
    return [each for each in all_children() if each not in BEFORE]


def all_children() -> list[int]:
    """Processes started by this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.append(int(stat.parent.name))
    return found


def peak_bytes(process: int) -> int:
    """The most memory that a process has held at once; 0 of one that has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0
