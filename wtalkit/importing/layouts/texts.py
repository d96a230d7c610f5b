"""Text as packs hold it: bytes of Python 2, numpy's strings, one name a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wtalkit.documents import read_limited
from wtalkit.errors import AnnotationsError, WtalkitError


def text_of(value: Any, file: Path, error: type[WtalkitError] = AnnotationsError) -> str:
    """A name, of bytes or of text.

    Raises:
        error: it is neither.
    """
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8").strip()
        except UnicodeDecodeError:
            return value.decode("latin-1").strip()
    if isinstance(value, str):
        return value.strip()
    raise error(f"holds a {type(value).__name__} where a name is expected", file=file)


def lines_of(path: Path) -> tuple[str, ...]:
    """The lines of a list that hold something; BOM and CRLF are fine.

    Raises:
        AnnotationsError: it cannot be read, or is no UTF-8.
    """
    try:
        content = read_limited(path, error=AnnotationsError).decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise AnnotationsError("is not UTF-8 text", file=path, remedy="Save it as UTF-8") from cause
    return tuple(line.strip() for line in content.splitlines() if line.strip())
