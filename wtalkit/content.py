"""How it is known that a file is the published one: by a hash of its content, or only by what it holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wtalkit.errors import MachineError

_PIECE_BYTES = 1 << 18
_OTHER = "is not the published file"


class Content(Protocol):
    """What a file is to hold."""

    @property
    def is_certain(self) -> bool:
        """Whether it can be told from any other, so that it does not matter where which part of it came from."""

    def flaw(self, path: Path) -> str | None:
        """Why the file at ``path`` is not it, to stand after a subject; None if it is.

        Raises:
            OSError: it cannot be read.
        """


@dataclass(frozen=True)
class GitBlob:
    """Content known by the id that git gives it.

    Attributes:
        id: hex digits of the SHA-1 over its size and bytes.
    """

    id: str
    is_certain = True

    def flaw(self, path: Path) -> str | None:
        return None if git_blob_id(path) == self.id else _OTHER


@dataclass(frozen=True)
class Sha256:
    """Content known by its SHA-256.

    Attributes:
        start: the first hex digits of it.
    """

    start: str
    is_certain = True

    def flaw(self, path: Path) -> str | None:
        with path.open("rb") as file:
            return None if hashlib.file_digest(file, "sha256").hexdigest().startswith(self.start) else _OTHER


@dataclass(frozen=True)
class Unhashed:
    """Content that nobody published a hash of.

    Attributes:
        check: raises MachineError for what cannot be it; None takes everything.
    """

    check: Callable[[Path], object] | None = None
    is_certain = False

    def flaw(self, path: Path) -> str | None:
        try:
            if self.check is not None:
                self.check(path)
        except MachineError as error:
            return error.cause
        return None


def git_blob_id(path: Path) -> str:
    """The id git gives the file's content."""
    with path.open("rb") as file:
        digest = hashlib.sha1(f"blob {os.fstat(file.fileno()).st_size}\0".encode(), usedforsecurity=False)
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
