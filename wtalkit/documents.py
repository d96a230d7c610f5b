"""JSON and TOML documents from outside: read with a size limit, nothing but data, errors in a user's words."""

from __future__ import annotations

import gzip
import json
import tomllib
import zlib
from pathlib import Path
from typing import Any, NoReturn

from wtalkit.errors import WtalkitError

SIZE_LIMIT_BYTES = 256 * 2**20
CONTAINER_LIMIT = 24_000_000
"""Lists and objects in a JSON document: two for each of ten million predictions, and some. Empty ones take thirty times
the memory that they take in the file."""
COMMA_LIMIT = 100_000_000
TOML_LIMIT_BYTES = 2**20
TOML_DEPTH = 16
"""Tables within tables; ours have three."""
_CHUNK_BYTES = 2**20


def read_limited(path: Path, *, error: type[WtalkitError], limit_bytes: int = SIZE_LIMIT_BYTES) -> bytes:
    """Bytes of a file, of a ``.gz`` file unpacked; one that has more than ``limit_bytes`` takes no memory.

    Raises:
        error: the file is missing, unreadable, too large or a broken gzip file.
    """
    try:
        # What a file will unpack to is known once it was unpacked, so that is done twice; only then is it held.
        size = _unpacked_size(path, limit_bytes) if path.suffix == ".gz" else path.stat().st_size
        if size <= limit_bytes:
            with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
                content: bytes = stream.read(limit_bytes + 1)
                size = len(content)
    except FileNotFoundError as cause:
        raise error("no such file", file=path) from cause
    except IsADirectoryError as cause:
        raise error("is a folder, not a file", file=path) from cause
    except (OSError, EOFError, zlib.error) as cause:
        raise error(f"cannot be read ({cause})", file=path) from cause
    if size > limit_bytes:
        raise error(f"is larger than {limit_bytes / 2**20:.4g} MiB", file=path, remedy="Split it or check what it is")
    return content


def _unpacked_size(path: Path, limit_bytes: int) -> int:
    """Bytes in a ``.gz`` file; counting ends beyond the limit."""
    size = 0
    with gzip.open(path, "rb") as stream:
        while size <= limit_bytes and (chunk := stream.read(_CHUNK_BYTES)):
            size += len(chunk)
    return size


def read_json(
    path: Path, *, error: type[WtalkitError], allow_nan: bool = False, limit_bytes: int = SIZE_LIMIT_BYTES
) -> tuple[Any, str]:
    """Parse a JSON document; gives the value and the text it came from (to find line numbers in).

    A key that stands twice in one object is an error: which of the two was meant is unknowable.

    Raises:
        error: the file cannot be read, or is not JSON; ``NaN`` and ``Infinity`` only pass with ``allow_nan``.
    """
    content = read_limited(path, error=error, limit_bytes=limit_bytes)
    if content.count(b"[") + content.count(b"{") > CONTAINER_LIMIT or content.count(b",") > COMMA_LIMIT:
        raise error(f"holds more than {CONTAINER_LIMIT:,} lists and objects, or {COMMA_LIMIT:,} values", file=path)
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


def read_toml(path: Path, *, error: type[WtalkitError]) -> dict[str, Any]:
    """The table of a TOML file.

    Raises:
        error: the file cannot be read, or is not TOML, or is nested deeper than anything of ours.
    """
    content = read_limited(path, error=error, limit_bytes=TOML_LIMIT_BYTES)
    try:
        return parse_toml(content.decode("utf-8-sig"))
    except ValueError as cause:
        raise error(f"is not TOML: {cause}", file=path) from cause


def parse_toml(text: str) -> dict[str, Any]:
    """The table of a TOML document.

    Raises:
        ValueError: it is not TOML, or nested too deeply.
    """
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    layer: list[Any] = [table]
    for _ in range(TOML_DEPTH):
        within = (each.values() if isinstance(each, dict) else each for each in layer)
        layer = [value for values in within for value in values if isinstance(value, dict | list)]
        if not layer:
            return table
    raise ValueError(f"it is nested more than {TOML_DEPTH} deep")


def line_of_key(text: str, key: str) -> int | None:
    """Line on which ``"key"`` first stands; None in a document of a single line, where it would say nothing."""
    if "\n" not in text.rstrip():
        return None
    for written in (json.dumps(key), json.dumps(key, ensure_ascii=False)):
        at = text.find(written)
        if at >= 0:
            return text.count("\n", 0, at) + 1
    return None
