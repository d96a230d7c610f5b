"""Which videos and feature files the INPUTs of a command mean, and the key that names each of them everywhere.

A key is the path relative to the INPUT given (for a file: its name), with ``/`` and without extension.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, TypeVar

from wtalkit.errors import DeviceFull, InputError, WtalkitError

if TYPE_CHECKING:
    from wtalkit.video import DecodeReport

Result = TypeVar("Result")

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
"""What a folder is searched for. A file named outright may end as it likes."""

FEATURES_SUFFIX = ".npy"


@dataclass(frozen=True)
class Input:
    """One video or feature file to work on.

    Attributes:
        key: names its features, annotations and results.
        path: where to read it.
        kind: what it is, by its name.
    """

    key: str
    path: Path
    kind: Literal["video", "features"] = "video"


@dataclass(frozen=True)
class Failure:
    """One input that could not be worked on.

    Attributes:
        path: as given.
        cause: what is wrong and what to do, without the path.
        report: what came out of a decoding that was not complete.
    """

    path: str
    cause: str
    report: DecodeReport | None = None

    @classmethod
    def of(cls, path: str | os.PathLike[str], error: WtalkitError) -> Failure:
        """The failure an exception stands for."""
        cause = f"{error.cause}. {error.remedy}" if error.remedy else error.cause
        return cls(os.fspath(path), cause.rstrip("."), getattr(error, "report", None))


def attempt(path: str | os.PathLike[str], action: Callable[[], Result]) -> Result | Failure:
    """Do something with one input; what is wrong with it is its failure, what is wrong with the machine is raised.

    A defect of ours is a failure of this input, too, and so is a lack of memory on the device, which may suffice for
    smaller pictures: the others go on.

    Raises:
        WtalkitError: not the input's fault.
        MemoryError: likewise.
    """
    try:
        return action()
    except (InputError, DeviceFull) as error:
        return Failure.of(path, error)
    except (WtalkitError, MemoryError):
        raise
    except Exception as error:
        log.debug("%s", path, exc_info=True)
        cause = f"a defect of wtalkit: {type(error).__name__}: {error}. --debug shows where"
        return Failure(os.fspath(path), cause)


def gather(
    given: Iterable[str | os.PathLike[str]], *, features: bool = False
) -> tuple[tuple[Input, ...], tuple[Failure, ...]]:
    """List what the INPUTs mean, in the order given, each file once, folders searched recursively in order of name.

    Args:
        given: files and folders.
        features: also take ``.npy`` feature files; in a folder, only if it holds no video.

    Returns:
        The inputs, and those that are not there (a missing file, a folder without videos).
    """
    found: dict[Path, Input] = {}
    failures: list[Failure] = []
    for path in (Path(item) for item in given):
        try:
            entries = _folder(path, features) if path.is_dir() else [_file(path, features)]
        except InputError as error:
            failures.append(Failure.of(path, error))
            continue
        for entry in entries:
            found.setdefault(entry.path.resolve(), entry)
    return _distinct(tuple(found.values())), tuple(failures)


def _file(path: Path, features: bool) -> Input:
    if not path.exists():
        raise InputError("no such file", file=path)
    if path.suffix.lower() == FEATURES_SUFFIX:
        if not features:
            raise InputError("is a feature file, a video is needed", file=path)
        return Input(path.stem, path, "features")
    return Input(path.stem, path)


def _folder(folder: Path, features: bool) -> list[Input]:
    def entries(suffixes: frozenset[str], kind: Literal["video", "features"]) -> list[Input]:
        paths = _search(folder, suffixes)
        return [Input(path.relative_to(folder).with_suffix("").as_posix(), path, kind) for path in paths]

    found = entries(VIDEO_SUFFIXES, "video")
    if not found and features:
        found = entries(frozenset({FEATURES_SUFFIX}), "features")
    if not found:
        raise InputError("there is no video in this folder", file=folder)
    return found


def _search(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    """Files below ``folder`` by name; hidden ones (half-written files among them) are left out."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                found.append(Path(parent, name))
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _distinct(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """Give clashing keys their extensions, and if that is not enough, the names of their folders one by one."""
    keys = [entry.key for entry in inputs]
    for folders in range(max((len(entry.path.absolute().parts) for entry in inputs), default=0)):
        counts = Counter(keys)
        keys = [_longer(entry, folders) if counts[key] > 1 else key for entry, key in zip(inputs, keys, strict=True)]
    return tuple(replace(entry, key=key) for entry, key in zip(inputs, keys, strict=True))


def _longer(entry: Input, folders: int) -> str:
    """The key with its extension, or the file's name with that many folders before it (never the root)."""
    if folders == 0:
        return entry.key + entry.path.suffix
    return PurePosixPath(*entry.path.absolute().parts[1:][-folders - 1 :]).as_posix()
