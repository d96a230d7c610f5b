"""The header of a ``.npy`` file, read with limits before anything else is believed.

numpy's own reader takes headers of any length into memory, and lets the errors of Python's tokenizer out.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MAGIC = b"\x93NUMPY"
HEADER_LIMIT_BYTES = 16 << 10
"""numpy writes 128 bytes."""
MOST_DIMENSIONS = 32
_LENGTH_BYTES = {1: 2, 2: 4}
_LONG = re.compile(r"(?<=\d)L\b")
_DESCR = re.compile(r"[<>|=]?(?:[biufc](?:1|2|4|8|16|32)|[SU][1-9]\d{0,6}|O[48]?)")
_BAD = "has a damaged .npy header"


class BadHeader(ValueError):
    """What is wrong with a header."""


@dataclass(frozen=True)
class NpyHeader:
    """What the data of a ``.npy`` file is.

    Attributes:
        dtype: of plain numbers or text, or of objects.
        shape: sizes, none negative.
        fortran: whether columns come first.
        start: byte at which the data begins.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int


def read_header(content: memoryview) -> NpyHeader:
    """Read the header at the beginning of ``content``.

    Raises:
        BadHeader: it is none, is damaged or very long, or describes records.
    """
    import numpy as np

    beginning = bytes(content[: len(MAGIC) + 2])
    if beginning[:-2] != MAGIC:
        raise BadHeader("is not a .npy file")
    width = _LENGTH_BYTES.get(beginning[-2])
    if width is None:
        raise BadHeader(f"is of the unknown .npy version {beginning[-2]}.{beginning[-1]}")
    start = len(beginning) + width
    length = int.from_bytes(content[len(beginning) : start], "little")
    if length > HEADER_LIMIT_BYTES:
        raise BadHeader(f"has a .npy header of {length:,} bytes, more than {HEADER_LIMIT_BYTES:,}")
    if start + length > len(content):
        raise BadHeader("ends within its .npy header")
    try:
        fields = ast.literal_eval(_LONG.sub("", str(content[start : start + length], "latin-1")).strip())
    except Exception as cause:  # Python's parser fails in many ways: nesting, NUL, digits
        raise BadHeader(_BAD) from cause
    match fields:
        case {"descr": str() as descr, "fortran_order": bool() as fortran, "shape": tuple() as shape}:
            pass
        case {"descr": list()}:
            raise BadHeader("holds records, which wtalkit does not read")
        case _:
            raise BadHeader(_BAD)
    if len(shape) > MOST_DIMENSIONS or not all(type(side) is int and 0 <= side < 1 << 62 for side in shape):
        raise BadHeader(f"{_BAD}: its shape is none")
    if not _DESCR.fullmatch(descr):
        raise BadHeader(f"holds numbers of the type {descr[:20]!r}, which wtalkit does not read")
    try:
        return NpyHeader(np.dtype(descr.replace("O4", "O").replace("O8", "O")), shape, fortran, start + length)
    except TypeError as cause:
        raise BadHeader(f"holds numbers of the type {descr!r}, which this machine does not have") from cause
