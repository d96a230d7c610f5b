"""Files appear whole or not at all: write beside, flush to disk, rename."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wtalkit.errors import DiskFull, MachineError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_UMASK = os.umask(0o077)
os.umask(_UMASK)  # it can only be read by setting it, which is for the whole process and so not for several threads

TEMPORARY_SUFFIX = ".wtalkit-partial"


class Busy(Exception):
    """Another process is writing this very file."""


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, claim: bool = False) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path``; rename it to ``path`` when the block ends without an error.

    Args:
        path: the file to be.
        claim: let only one process at a time write it, where the file system has locks. The claim ends with the
            process, however that one ends.

    Raises:
        Busy: another process has claimed ``path``.
        MachineError: the folder is read-only or the disk is full.
    """
    final = Path(path)
    temporary: Path | None = None
    handle: int | None = None
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _claimed(final) if claim else _anonymous(final.parent)
        yield temporary
        with temporary.open("rb") as written:  # not our handle: a writer may have put a new file under the name
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(final)
        temporary = None  # from here on the name belongs to whoever claims the file next
        _sync_folder(final.parent)
    except OSError as error:
        if (translated := disk_error(error, final)) is not None:
            raise translated from error
        raise
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                temporary.unlink()
        if handle is not None:
            os.close(handle)


def _anonymous(folder: Path) -> tuple[int, Path]:
    """A temporary nobody else knows."""
    while True:
        handle, name = tempfile.mkstemp(prefix=".", suffix=TEMPORARY_SUFFIX, dir=folder)
        if _lock(handle) and _is_at(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)  # a sweep came between the two


def _claimed(final: Path) -> tuple[int, Path]:
    """The one temporary that all processes use for ``final``; empty."""
    temporary = _claim_name(final)
    while True:
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _lock(handle):
                raise Busy(final)
            if _is_at(handle, temporary):
                os.ftruncate(handle, 0)  # what a killed process left
                return handle, temporary
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever held it has just put it in its place, or dropped it


def is_claimed(path: Path) -> bool:
    """Whether another process is writing ``path`` at this moment."""
    try:
        handle = os.open(_claim_name(path), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock(handle)
    finally:
        os.close(handle)


def _claim_name(final: Path) -> Path:
    # The name itself may be too long to add to, or hold what not every file system takes.
    digest = hashlib.sha256(os.fsencode(final.name)).hexdigest()[:24]
    return final.parent / f".{digest}{TEMPORARY_SUFFIX}"


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def disk_error(error: OSError, path: Path) -> MachineError | None:
    """What a failure to write ``path`` means to a person; None for failures of another kind."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("no space left on the disk", file=path, remedy="Free some and run again")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return MachineError("the folder cannot be written to", file=path.parent)
    return None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sweep(folder: Path) -> None:
    """Remove temporaries that a killed run left in ``folder`` and below; those of a run that lives are locked."""
    for leftover in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(OSError), leftover.open("rb") as handle:
            if _lock(handle.fileno()):
                leftover.unlink()


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Within it no other process is inside such a block for the same folder; it leaves no file behind.

    Where folders cannot be locked (some network file systems, Windows) it does nothing.

    Raises:
        OSError: there is no such folder.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Whether nobody else holds the file, which then is ours until the handle is closed."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system lets a folder be opened for syncing
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
