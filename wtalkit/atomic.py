"""Files appear whole or not at all: write beside, flush to disk, rename."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from wtalkit.errors import DiskFull, MachineError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_UMASK = os.umask(0o077)
os.umask(_UMASK)  # it can only be read by setting it, which is for the whole process and so not for several threads

TEMPORARY_SUFFIX = ".wtalkit-partial"
_RUST = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust, safetensors for one, end what is no OSError of Python's."""
_ABANDONED_S = 3600.0
"""Where files cannot be locked: seconds without a change after which nobody is writing a temporary any more."""


class Busy(Exception):
    """Another process is writing this very file."""


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, claim: bool = False, apart: bool = False) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path``; rename it to ``path`` when the block ends without an error.

    Args:
        path: the file to be.
        claim: let only one process at a time write it, where the file system has locks. The claim ends with the
            process, however that one ends.
        apart: the temporary lies in a folder of its own, for writers that put files beside the one they are given
            (safetensors does, and names them itself): what a killed one left is then found by :func:`sweep`.

    Raises:
        Busy: another process has claimed ``path``.
        MachineError: the folder is read-only or the disk is full.
    """
    final = Path(path)
    temporary: Path | None = None
    handle: int | None = None
    stack = ExitStack()
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        if apart:
            temporary = stack.enter_context(temporary_folder(final.parent)) / "file"
        else:
            handle, temporary = _claimed(final) if claim else _anonymous(final.parent)
        yield temporary
        with temporary.open("rb") as written:  # not our handle: a writer may have put a new file under the name
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(final)
        temporary = None  # from here on the name belongs to whoever claims the file next
        sync_folder(final.parent)
    except Exception as error:
        if (translated := disk_error(error, final)) is not None:
            raise translated from error
        raise
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                temporary.unlink()
        stack.close()
        if handle is not None:
            os.close(handle)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder in ``parent`` for the time of the block; :func:`sweep` finds what a killed process leaves of it."""
    handle, folder = _anonymous_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _anonymous(folder: Path) -> tuple[int, Path]:
    """A temporary nobody else knows."""
    while True:
        handle, name = tempfile.mkstemp(prefix=".", suffix=TEMPORARY_SUFFIX, dir=folder)
        if _lock(handle) is not False and is_at(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)  # a sweep came between the two


def _anonymous_folder(parent: Path) -> tuple[int, Path]:
    """A temporary folder nobody else knows."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=".", suffix=TEMPORARY_SUFFIX, dir=parent))
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # a sweep came between the two
        if _lock(handle) is not False and is_at(handle, folder):
            return handle, folder
        os.close(handle)


def _claimed(final: Path) -> tuple[int, Path]:
    """The one temporary that all processes use for ``final``; empty."""
    temporary = _claim_name(final)
    while True:
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _lock(handle) is False:
                raise Busy(final)
            if is_at(handle, temporary):
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
        return _lock(handle) is False
    finally:
        os.close(handle)


def _claim_name(final: Path) -> Path:
    # The name itself may be too long to add to, or hold what not every file system takes.
    digest = hashlib.sha256(os.fsencode(final.name)).hexdigest()[:24]
    return final.parent / f".{digest}{TEMPORARY_SUFFIX}"


def is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def disk_error(error: Exception, path: Path) -> MachineError | None:
    """What a failure to write ``path`` means to a person; None for failures of another kind."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (told := _RUST.search(str(error))):
        number = int(told[1])
    if number in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("no space left on the disk", file=path, remedy="Free some and run again")
    if number in (errno.EACCES, errno.EROFS, errno.EPERM):
        return MachineError("the folder cannot be written to", file=path.parent)
    if number in (errno.EEXIST, errno.ENOTDIR) and (in_the_way := first_file(path.parent)) is not None:
        return MachineError("is a file where a folder is needed", file=in_the_way, remedy="Move it, or write elsewhere")
    if number == errno.EISDIR:
        return MachineError(
            "is a folder where a file is to be written", file=path, remedy="Move it, or write elsewhere"
        )
    return None


def write_error(error: OSError, path: Path) -> MachineError:
    """What any failure to write ``path`` means to a person."""
    return disk_error(error, path) or MachineError(f"cannot be written ({error.strerror or error})", file=path)


def first_file(folder: Path) -> Path | None:
    """The file in the place of a folder to be made, or of one of its parents; None if there is none."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return None if there.is_dir() else there


@contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """Within it a failure to write ``path`` for want of space or rights is told in a user's words.

    Raises:
        MachineError: the disk is full or the folder read-only.
    """
    try:
        yield
    except OSError as error:
        if (translated := disk_error(error, path)) is not None:
            raise translated from error
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all; halves of characters, which UTF-8 cannot hold, as their escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def sweep(folder: Path) -> None:
    """Remove temporaries that a killed run left in ``folder`` and below.

    Those of a run that lives are locked; where files cannot be locked, those that changed of late are left alone.
    """
    for parent, folders, files in os.walk(folder):  # which does not mind what goes while it looks
        for name in (*folders, *files):
            if name.startswith(".") and name.endswith(TEMPORARY_SUFFIX):
                _sweep_one(Path(parent, name))


@contextmanager
def swept(folder: Path) -> Iterator[None]:
    """Sweep before the block and after it: another process in ``folder`` may have been killed meanwhile."""
    sweep(folder)
    try:
        yield
    finally:
        sweep(folder)


def _sweep_one(leftover: Path) -> None:
    with suppress(OSError):
        handle = os.open(leftover, os.O_RDONLY | os.O_CLOEXEC)
        try:
            locked = _lock(handle)
            abandoned = locked or (locked is None and time.time() - os.fstat(handle).st_mtime > _ABANDONED_S)
            # Once it is locked nobody else renames it, but until then the name may have gone to another file.
            if abandoned and is_at(handle, leftover):
                _remove(leftover)
        finally:
            os.close(handle)


def _remove(leftover: Path) -> None:
    if leftover.is_dir():
        shutil.rmtree(leftover)
    else:
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


def _lock(handle: int) -> bool | None:
    """Whether the file is ours until the handle is closed, as nobody else holds it; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, too."""
    with suppress(OSError):  # not every file system lets a folder be opened for syncing
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
