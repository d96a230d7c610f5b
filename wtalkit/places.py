"""Whether what a command writes has a place, looked at before the work and not after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from wtalkit.atomic import first_file
from wtalkit.errors import UsageError


def require_folder(folder: Path, why: str, *, option: str = "--out", error: type[UsageError] = UsageError) -> None:
    """Make sure that no file is in the place of a folder that will be written to; it may not be there yet.

    Args:
        folder: will hold the files.
        why: what needs a folder, as ``"features need"``.
        option: that named it.
        error: the exception to raise.

    Raises:
        UsageError: it or one of its parents is a file.
    """
    if (there := first_file(folder)) is not None:
        raise error(f"is a file, {why} a folder", file=there, remedy=f"Use another {option}")


def require_file(path: Path, *, option: str = "--out") -> None:
    """Make sure that a file can be written there; its folder may not be there yet.

    Raises:
        UsageError: there is a folder of this name, or one of its parents is a file.
    """
    if path.is_dir():
        raise UsageError("is a folder, one file is to be written", file=path, remedy=f"Name a file with {option}")
    require_folder(path.parent, "a file in it needs", option=option)


def require_apart(path: Path, inputs: Iterable[Path], *, option: str = "--out") -> None:
    """Make sure that writing a file replaces nothing that is read.

    Raises:
        UsageError: it is one of the inputs.
    """
    if is_one_of(path, inputs):
        raise UsageError("is an input, and writing there would replace it", file=path, remedy=f"Use another {option}")


def require_different(paths: Mapping[str, Path | None]) -> None:
    """Make sure that no two options name one file to be written.

    Raises:
        UsageError: two do.
    """
    seen: dict[Path, str] = {}
    for option, path in paths.items():
        if path is not None and (other := seen.setdefault(path.absolute(), option)) != option:
            raise UsageError(f"is to be written by {other} and by {option}", file=path, remedy="Name two files")


def is_one_of(path: Path, others: Iterable[Path]) -> bool:
    """Whether a path names one of some files, by whatever name."""
    return any(_is_same(path, each) for each in others)


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there
        return False
