"""Where the files of an export go, and their writing."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.annotations.names import unsafe_key
from wtalkit.atomic import write_error, write_text
from wtalkit.errors import InputError, UsageError
from wtalkit.inputs import Failure
from wtalkit.places import require_folder

if TYPE_CHECKING:
    from wtalkit.export.answer import Answer, VideoAnswer
    from wtalkit.export.footage import Footage
    from wtalkit.export.formats import Format

Look = Callable[["VideoAnswer"], "Footage | None"]


@dataclass(frozen=True)
class Target:
    """One file to be written.

    Attributes:
        path: the file.
        format: of it.
        key: the video that it is of; None for all of them.
    """

    path: Path
    format: Format
    key: str | None


def is_one_file(formats: Sequence[Format], several: bool, out: Path) -> bool:
    """Whether an ``--out`` names a file; else it is a folder.

    Raises:
        UsageError: it ends as a file does that holds one video, and there are several.
    """
    if out.is_dir() or len(formats) != 1:
        return False
    if not several:
        return True
    fits = out.name.lower().endswith("." + formats[0].suffix.rpartition(".")[2])
    if fits and not formats[0].several:
        raise UsageError(
            f"a {formats[0].suffix} file holds one video, and these are several", file=out,
            remedy="Name a folder with --out",
        )  # fmt: skip
    return fits


def place(formats: Sequence[Format], keys: Sequence[str], out: Path) -> tuple[list[Target], list[Failure]]:
    """Decide which files are written; videos whose names cannot be those of files fail.

    Raises:
        UsageError: ``out`` cannot hold them.
    """
    if is_one_file(formats, len(keys) > 1, out):
        return [Target(out, formats[0], None)], []
    require_folder(out, "several files need")
    targets: dict[Path, Target] = {}
    failures = []
    for key in keys:
        if (why := unsafe_key(key)) is not None:
            failures.append(Failure(key, f"cannot be written to a folder: {why}"))
            continue
        for each in formats:
            path = Path(f"{out / key}{each.suffix}")
            if path in targets:
                failures.append(Failure(key, f"its file {path} is that of {targets[path].key}, too"))
            else:
                targets[path] = Target(path, each, key)
    return list(targets.values()), failures


def text_of(answer: Answer, form: Format, look: Look) -> tuple[str, tuple[str, ...]]:
    """An answer in a format, and what the format could not hold.

    Raises:
        InputError: the format needs the video, which is not at hand.
    """
    written = form.write(answer.with_footage(look) if form.sees else answer)
    return written.text, written.remarks


def write_target(answer: Answer, target: Target, look: Look) -> tuple[str, ...]:
    """Write a file, whole or not at all; gives what its format could not hold.

    Raises:
        InputError: the format needs the video, which is not at hand, or the name is too long for a file.
        MachineError: the disk is full or the folder read-only.
    """
    part = answer if target.key is None else answer.only(target.key)
    text, remarks = text_of(part, target.format, look)
    try:
        write_text(target.path, text)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError("the name is too long for a file", file=target.path) from error
        raise write_error(error, target.path) from error
    return remarks


def write_targets(answer: Answer, targets: Iterable[Target], look: Look) -> tuple[list[Path], list[str], list[Failure]]:
    """Write files; one that cannot be never stops the others. Gives them, remarks and failures.

    Raises:
        MachineError: the disk is full or the folder read-only.
    """
    paths, remarks, failures = [], [], []
    for target in targets:
        try:
            remarks += [f"{target.format.name}: {each}" for each in write_target(answer, target, look)]
        except InputError as error:
            failures.append(Failure.of(error.file or target.path, error))
        else:
            paths.append(target.path)
    return paths, remarks, failures
