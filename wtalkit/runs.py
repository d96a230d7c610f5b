"""Where trainings live: ``runs/<stamp>-<method>/``, and which of them is the newest.

A run that finished holds ``model.safetensors``; one that was stopped holds only what is needed to go on.
``runs/latest`` names the newest run *with* a model: a link, or a text file with the folder's name where links are
impossible.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wtalkit.atomic import write_text
from wtalkit.errors import MachineError, UsageError

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
    root = Path(folder)
    if (root / LATEST).is_dir() and not (root / LATEST).is_symlink():
        raise UsageError("is a folder, but runs keep a link of this name", file=root / LATEST, remedy="Rename it")
    try:
        root.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            run = Run(root / (f"{stamp}-{method}" if number == 1 else f"{stamp}-{method}.{number}"))
            try:
                run.folder.mkdir()
                return run
            except FileExistsError:
                number += 1
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError("is not a folder", file=root, remedy="Give another one for the runs") from error
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOSPC):
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
    run = newest(folder)
    if run is None:
        return
    link = Path(folder) / LATEST
    temporary = link.with_name(f".{LATEST}-{run.name}")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(run.name, target_is_directory=True)
        temporary.replace(link)
    except (OSError, NotImplementedError):  # Windows without the privilege, FAT and some network shares
        temporary.unlink(missing_ok=True)
        write_text(link, run.name + "\n")


def resolve(path: str | os.PathLike[str]) -> Run | None:
    """The run a path means: its folder, or ``latest`` as a link or a text file; None if it is neither."""
    given = Path(path)
    if given.is_file() and given.name == LATEST:
        given = given.parent / given.read_text(encoding="utf-8").strip()
    if not given.is_dir():
        return None
    run = Run(given.resolve())
    return run if run.finished or run.config.is_file() else None
