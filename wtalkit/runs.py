"""Where trainings live: ``runs/<stamp>-<method>/``, and which of them is the newest.

A run that finished holds ``model.safetensors``; one that was stopped holds only what is needed to go on.
``runs/latest`` names the newest run *with* a model: a link, or a text file with the folder's name where links are
impossible.

One process at a time works in a run's folder. It holds a lock on it, which ends with the process, however that one
ends; so whatever a killed process left is known to be nobody's, and is removed by the next one.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wtalkit.atomic import TEMPORARY_SUFFIX, locked_folder, sweep, write_text
from wtalkit.errors import MachineError, UsageError
from wtalkit.status import STATUS_FILE

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LATEST = "latest"
_NAME = re.compile(r"(?P<stamp>\d{8}T\d{6}Z)-(?P<method>.+?)(?:\.(?P<number>\d+))?")


@dataclass(frozen=True)
class Run:
    """One training's folder.

    Attributes:
        folder: the run's own folder.
    """

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def model(self) -> Path:
        """The trained model; exists once the run is finished."""
        return self.folder / "model.safetensors"

    @property
    def config(self) -> Path:
        """Every setting in use, as TOML."""
        return self.folder / "config.toml"

    @property
    def metrics(self) -> Path:
        """One line of JSON per logged step."""
        return self.folder / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """What ``--resume`` goes on from."""
        return self.folder / "resume.safetensors"

    @property
    def status(self) -> Path:
        """What became of each video of the training subset, see :mod:`wtalkit.status`."""
        return self.folder / STATUS_FILE

    @property
    def timing(self) -> Path:
        """How long the training took; apart from the model, so that equal trainings give equal model files."""
        return self.folder / "timing.json"

    @property
    def finished(self) -> bool:
        return self.model.is_file()

    @property
    def order(self) -> tuple[str, int, str]:
        """Sorts runs by when they were started."""
        match = _NAME.fullmatch(self.name)
        if match:
            return match["stamp"], int(match["number"] or 1), self.name
        # A folder somebody renamed: take the time of its newest file that matters.
        known = self.model if self.finished else self.folder
        return utc_stamp(datetime.fromtimestamp(known.stat().st_mtime, UTC)), 1, self.name


def utc_stamp(moment: datetime) -> str:
    """``moment`` as a sortable name, ``20260131T235959Z``."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def create(folder: str | os.PathLike[str], method: str, stamp: str) -> Run:
    """Make a new, empty run folder; a second one of the same second gets ``.2`` at its end.

    Args:
        folder: the folder of all runs, made if absent.
        method: name of the method, part of the run's name.
        stamp: when the run started, see :func:`utc_stamp`.

    Raises:
        UsageError: ``folder`` is a file, or a real folder is named ``latest`` in it.
        MachineError: the folder cannot be written to.
    """
    with _root(folder) as root:
        number = 1
        while True:
            run = Run(root / (f"{stamp}-{method}" if number == 1 else f"{stamp}-{method}.{number}"))
            try:
                run.folder.mkdir()
                return run
            except FileExistsError:
                number += 1


@contextmanager
def begin(folder: str | os.PathLike[str], method: str, stamp: str) -> Iterator[Run]:
    """A new, empty run folder in which no other process works; what killed processes began is removed first.

    Args:
        folder: as for :func:`create`.
        method: likewise.
        stamp: likewise.

    Raises:
        UsageError, MachineError: as :func:`create`.
    """
    with ExitStack() as stack:
        with _root(folder) as root, locked_folder(root):
            _remove_beginnings(root)
            run = create(root, method, stamp)
            # Locked before anybody else may look for beginnings.
            stack.enter_context(alone_in(run))
        yield run


@contextmanager
def alone_in(run: Run, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Within it no other process is inside such a block for the same run; what a killed one left half written is gone.

    Where folders cannot be locked (some network file systems, Windows) others are not noticed.

    Args:
        run: its folder exists.
        waiting: called once if another process has to end first.
    """
    handle = _open(run.folder)
    try:
        if handle is not None and _lock(handle) is False:
            if waiting is not None:
                waiting()
            _lock(handle, wait=True)
        sweep(run.folder)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _open(folder: Path) -> int | None:
    """The folder, to be locked; None where folders are not files."""
    return None if fcntl is None else os.open(folder, os.O_RDONLY)


def _lock(handle: int, *, wait: bool = False) -> bool | None:
    """Whether the folder is ours until the handle is closed; None where folders cannot be locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_beginnings(root: Path) -> None:
    """Remove the folders of runs that were killed before their config was written: nothing was done there."""
    for path in root.iterdir():
        if path.is_symlink() or not path.is_dir() or not _NAME.fullmatch(path.name):
            continue
        with suppress(OSError):  # another user's, say
            handle = _open(path)
            if handle is None:
                return
            try:
                if _lock(handle) and _is_beginning(Run(path)):
                    shutil.rmtree(path)
            finally:
                os.close(handle)


def _is_beginning(run: Run) -> bool:
    """Whether there is nothing but half-written files, and perhaps the config of a proposer."""
    if run.config.exists() or run.finished:
        return False
    files = (path.relative_to(run.folder) for path in run.folder.rglob("*") if not path.is_dir())
    return all(
        path.name == run.config.name or any(part.endswith(TEMPORARY_SUFFIX) for part in path.parts) for path in files
    )


@contextmanager
def _root(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """The folder of all runs, made if absent; what goes wrong in the block is told in a user's words."""
    root = Path(folder)
    if (root / LATEST).is_dir() and not (root / LATEST).is_symlink():
        raise UsageError("is a folder, but runs keep a link of this name", file=root / LATEST, remedy="Rename it")
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield root
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError("is not a folder", file=root, remedy="Give another one for the runs") from error
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOSPC, errno.EDQUOT):
            raise MachineError("a run cannot be written here", file=root, remedy=f"{error.strerror}") from error
        raise


def all_runs(folder: str | os.PathLike[str]) -> list[Run]:
    """Every run in ``folder``, oldest first, finished or not; empty when there is no such folder."""
    root = Path(folder)
    if not root.is_dir():
        return []
    found = [Run(path) for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    return sorted((run for run in found if run.finished or run.config.is_file()), key=lambda run: run.order)


def newest(folder: str | os.PathLike[str]) -> Run | None:
    """The newest run with a model, or None."""
    return next((run for run in reversed(all_runs(folder)) if run.finished), None)


def mark_latest(folder: str | os.PathLike[str]) -> None:
    """Point ``latest`` at the newest run with a model; without one, do nothing."""
    root = Path(folder)
    if not root.is_dir():
        return
    link = root / LATEST
    with locked_folder(root):  # of two that finish at once the newer one stays
        for leftover in root.glob(f".{LATEST}-*"):  # of a process that was killed here
            with suppress(OSError):
                leftover.unlink()
        run = newest(root)
        if run is None:
            return
        temporary = link.with_name(f".{LATEST}-{run.name}")
        try:
            temporary.symlink_to(run.name, target_is_directory=True)
            temporary.replace(link)
        except (OSError, NotImplementedError):  # Windows without the privilege, FAT and some network shares
            temporary.unlink(missing_ok=True)
            write_text(link, run.name + "\n")


def is_marked(run: Run) -> bool:
    """Whether ``latest`` names this run."""
    found = resolve(run.folder.parent / LATEST)
    return found is not None and found.folder == run.folder.resolve()


def is_done(run: Run) -> bool:
    """Whether there is nothing to go on with: the model is there, and it was not killed before ``latest`` named it."""
    return run.finished and not (run.config.is_file() and run == newest(run.folder.parent) and not is_marked(run))


def resolve(path: str | os.PathLike[str]) -> Run | None:
    """The run a path means: its folder, or ``latest`` as a link or a text file; None if it is neither."""
    given = Path(path)
    if given.is_file() and given.name == LATEST:
        given = given.parent / given.read_text(encoding="utf-8").strip()
    if not given.is_dir():
        return None
    run = Run(given.resolve())
    return run if run.finished or run.config.is_file() else None
