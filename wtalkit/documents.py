"""JSON documents from outside: read with a size limit, plain JSON only, errors in a user's words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, NoReturn

from wtalkit.errors import UsageError

SIZE_LIMIT_BYTES = 256 * 2**20


def read_limited(path: Path, *, error: type[UsageError], limit_bytes: int = SIZE_LIMIT_BYTES) -> bytes:
    """Bytes of a file, of a ``.gz`` file unpacked; never more than ``limit_bytes`` are held.

    Raises:
        error: the file is missing, unreadable, too large or a broken gzip file.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            content: bytes = stream.read(limit_bytes + 1)
    except FileNotFoundError as cause:
        raise error("no such file", file=path) from cause
    except IsADirectoryError as cause:
        raise error("is a folder, not a file", file=path) from cause
    except (OSError, EOFError) as cause:
        raise error(f"cannot be read ({cause})", file=path) from cause
    if len(content) > limit_bytes:
        raise error(f"is larger than {limit_bytes / 2**20:.4g} MiB", file=path, remedy="Split it or check what it is")
    return content


def read_json(
    path: Path, *, error: type[UsageError], allow_nan: bool = False, limit_bytes: int = SIZE_LIMIT_BYTES
) -> tuple[Any, str]:
    """Parse a JSON document; gives the value and the text it came from (to find line numbers in).

    A key that stands twice in one object is an error: which of the two was meant is unknowable.

    Raises:
        error: the file cannot be read, or is not JSON; ``NaN`` and ``Infinity`` only pass with ``allow_nan``.
    """
    content = read_limited(path, error=error, limit_bytes=limit_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error("is not UTF-8 text", file=path, remedy="Save it as UTF-8") from cause

    def refuse(constant: str) -> NoReturn:
        raise error(f"holds {constant}, which is not a number", file=path)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise error(f"the key {twice!r} stands twice in one object", file=path)
        return result

    try:
        value = json.loads(text, parse_constant=None if allow_nan else refuse, object_pairs_hook=unique)
    except json.JSONDecodeError as cause:
        raise error(f"is not JSON: line {cause.lineno}: {cause.msg}", file=path) from cause
    except RecursionError as cause:
        raise error("is nested too deeply to be read", file=path) from cause
    except ValueError as cause:  # numbers of thousands of digits
        raise error(f"is not JSON that can be read: {cause}", file=path) from cause
    return value, text


def line_of_key(text: str, key: str) -> int | None:
    """Line on which ``"key"`` first stands; None in a document of a single line, where it would say nothing."""
    if "\n" not in text.rstrip():
        return None
    for written in (json.dumps(key), json.dumps(key, ensure_ascii=False)):
        at = text.find(written)
        if at >= 0:
            return text.count("\n", 0, at) + 1
    return None
