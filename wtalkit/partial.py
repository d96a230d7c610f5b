"""The part of a file that has come so far, kept under a name of its own between runs, one process's at a time."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from wtalkit.atomic import TEMPORARY_SUFFIX, disk_error, is_at, sweep, sync_folder
from wtalkit.errors import DiskFull

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)


class Partial:
    """The part that has come; locked, so that no other process writes to it."""

    def __init__(self, file: BinaryIO, path: Path, final: Path) -> None:
        self.file, self.path, self.final = file, path, final
        self.gone = False

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def clear(self) -> None:
        self.file.truncate(0)

    def append(self, piece: bytes) -> None:
        self.file.seek(0, os.SEEK_END)
        rest = memoryview(piece)
        while rest:
            rest = rest[self.file.write(rest) :]

    def settle(self) -> None:
        """Give it its name."""
        os.fsync(self.file.fileno())
        self.path.replace(self.final)
        self.gone = True
        sync_folder(self.final.parent)

    def drop(self) -> None:
        if not self.gone:
            self.path.unlink(missing_ok=True)
            self.gone = True


@contextmanager
def claimed(final: Path, *, keep: bool = True) -> Iterator[Partial]:
    """The partial file of ``final``, this process's alone; afterwards it is gone if nothing is in it.

    Args:
        final: the file to be.
        keep: whether the next run can go on with what has come; if not, nothing is there at first, nor afterwards.
    """
    path = partial_path(final)
    while True:
        file: BinaryIO = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b", buffering=0)
        with file:
            if not _lock(file, final):
                Partial(file, path, final).drop()
                break
            if not is_at(file.fileno(), path):
                continue  # whoever had it has just given it its name, or dropped it
            yield from _kept(Partial(file, path, final), keep)
            return
    # Without locks two processes could mix: a file of this process's own, which the next run cannot go on with.
    sweep(final.parent)
    path = final.with_name(f".{final.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "r+b", buffering=0) as file:
        partial = Partial(file, path, final)
        try:
            yield partial
        finally:
            partial.drop()


def _kept(partial: Partial, keep: bool) -> Iterator[Partial]:
    if not keep:
        partial.clear()
    try:
        yield partial
    except (OSError, DiskFull) as error:
        if isinstance(error, DiskFull) or isinstance(disk_error(error, partial.final), DiskFull):
            partial.drop()  # others need the room
        raise
    finally:
        if partial.size == 0 or not keep:
            partial.drop()


def _lock(file: BinaryIO, final: Path) -> bool:
    """Wait until no other process holds the file; False where the file system has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("another process is fetching %s; waiting for it", final.name)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def partial_path(path: Path) -> Path:
    """Where a fetch keeps what has come of ``path`` so far."""
    return path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
