"""The field's object arrays and pickles, read without running anything: numbers, text, lists, tables, plain arrays.

``labels.npy``, ``segments.npy`` and ``*-JOINTFeatures.npy`` of the W-TALC, CO2-Net and DELU packs are numpy arrays of
Python objects, that is, pickles; P-MIL keeps dicts in them. :func:`read_object_array` takes what such files rightly
hold and refuses the rest by name. The opcodes are interpreted by :mod:`wtalkit.pickle_stream`, which can call nothing.
"""

from __future__ import annotations

import math
import mmap
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wtalkit.errors import InputError, WtalkitError
from wtalkit.npy import MAGIC, MOST_DIMENSIONS, BadHeader, read_header
from wtalkit.pickle_stream import Call, Name, Run, Table, Unreadable, damaged, read_pickle, refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]

SIZE_LIMIT_BYTES = 32 << 30
"""Of a file; it is mapped, so its arrays take no memory before they are looked at."""
VALUE_LIMIT = 5_000_000
"""Opcodes in a file, and values in what comes out, counted as often as they stand there."""
DEPTH_LIMIT = 64
_PLAIN = re.compile(r"[biufc](?:1|2|4|8|16|32)|[SU][1-9]\d{0,6}|O[48]?")
_BYTE_ORDERS: dict[str, Literal["<", ">", "|", "="]] = {"<": "<", ">": ">", "|": "|", "=": "="}
_NOTES = frozenset((Run, Name, Call, Table, list, tuple))
_LARGEST_SCALAR = 4096
"""Bytes of a single value; the longest text that packs hold as one is a path."""
_LATIN_1 = frozenset(("latin1", "latin-1"))


def read_object_array(
    path: str | PathLike[str],
    *,
    error: type[WtalkitError] = InputError,
    limit_bytes: int = SIZE_LIMIT_BYTES,
    value_limit: int = VALUE_LIMIT,
) -> Any:
    """Read a ``.npy`` file of Python objects, or a plain pickle of lists, dicts and arrays; nothing in it is run.

    Arrays of numbers in it are views of the mapped file, writable without changing it and perhaps not aligned
    (``numpy.require(array, requirements="A")`` mends that). Strings of Python 2 are UTF-8 where they can be, else
    Latin-1.

    Args:
        path: the file; what it is, is told by how it begins, not by its name.
        error: what is raised.
        limit_bytes: of the file, and of its arrays together, each counted as often as it stands there.
        value_limit: of values that are not inside of an array of numbers.

    Returns:
        The array of a ``.npy`` file (an ordinary one is read, too), or the value of a pickle.

    Raises:
        error: missing, damaged, too large, or holding more than numbers, text, bytes, lists, tuples, dicts and arrays.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    except FileNotFoundError as cause:
        raise error("no such file", file=file) from cause
    except IsADirectoryError as cause:
        raise error("is a folder, not a file", file=file) from cause
    except (OSError, ValueError) as cause:  # an empty file cannot be mapped
        empty = isinstance(cause, ValueError)
        raise error("is empty" if empty else f"cannot be read ({cause})", file=file) from cause
    if len(content) > limit_bytes:
        raise error(f"is larger than {limit_bytes / 2**20:.4g} MiB", file=file, remedy="Split it or check what it is")
    try:
        return _read(content, memoryview(content), _Limits(value_limit, limit_bytes))
    except (Unreadable, BadHeader) as cause:
        raise error(str(cause), file=file) from cause
    except (ValueError, OverflowError) as cause:
        raise error(f"is a damaged pickle ({cause})", file=file) from cause


def _read(content: mmap.mmap, view: memoryview, limits: _Limits) -> Any:
    if bytes(view[: len(MAGIC)]) != MAGIC:
        return _Builder(limits).value(read_pickle(content, view, 0, limit=limits.values))
    header = read_header(view)
    if not header.dtype.hasobject:
        return _numbers(view[header.start :], header.dtype, header.shape, "F" if header.fortran else "C", spare=True)
    value = _Builder(limits).value(read_pickle(content, view, header.start, limit=limits.values))
    shape = getattr(value, "shape", type(value).__name__)
    if shape != header.shape or value.dtype != header.dtype:
        raise Unreadable(f"is damaged: its header says objects {header.shape}, its pickle is {shape}")
    return value


@dataclass
class _Limits:
    values: int
    array_bytes: int


@dataclass(frozen=True, slots=True)
class _Built:
    """A value, and what it amounts to when all that is shared in it is counted as often as it stands there."""

    value: Any
    count: int = 1
    array_bytes: int = 0
    height: int = 1


@dataclass
class _Builder:
    """Turns what the stack machine noted into values; what is noted once is built once."""

    limits: _Limits
    built: dict[int, _Built] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    latin: dict[int, bytes] = field(default_factory=dict)
    """Bytes that texts of the file stand for, by the identity of the text: however many arrays are said to be made of
    one text, it is copied once."""

    def value(self, note: Any) -> Any:
        return self.build(note).value

    def build(self, note: Any) -> _Built:
        if type(note) not in _NOTES:
            return _Built(note)
        if isinstance(note, Run):  # referred to a thousand times, it is still one string
            if id(note) not in self.built:
                self.built[id(note)] = _Built(_string(note))
            return self.built[id(note)]
        if isinstance(note, Name):
            raise refused(
                f"a pickled {note.name}, the {'type' if note.name in ('ndarray', 'dtype') else 'function'} itself"
            )
        known = self.built.get(id(note))
        if known is not None:
            return known
        if id(note) in self.open:
            raise Unreadable("holds a value that holds itself")
        if len(self.open) >= DEPTH_LIMIT:
            raise Unreadable(f"is nested more than {DEPTH_LIMIT} deep")
        self.open.add(id(note))
        made = self.built[id(note)] = self._compound(note)
        self.open.remove(id(note))
        return made

    def _compound(self, note: Any) -> _Built:
        if isinstance(note, Call):
            return self._call(note)
        if not isinstance(note, Table):
            parts = self._parts(note)
            return replace(parts, value=parts.value if isinstance(note, list) else tuple(parts.value))
        keys = self._parts([key for key, _ in note.pairs])
        for key in keys.value:  # others can be made to collide, which takes for ever
            if not isinstance(key, str | bytes | bool | int | float) or (isinstance(key, int) and abs(key) >> 64):
                raise Unreadable(f"holds a dict with a key that is a {type(key).__name__}, or a huge number")
        values = self._parts([value for _, value in note.pairs], keys)
        return replace(values, value=dict(zip(keys.value, values.value, strict=True)))

    def _parts(self, notes: Sequence[Any], beside: _Built | None = None) -> _Built:
        """The values of several notes in a list; it amounts to them together, and to what is ``beside`` them."""
        start = _Built([], 0) if beside is None else beside
        values: list[Any] = []
        count, array_bytes, height = start.count, start.array_bytes, start.height - 1
        for note in notes:
            made = self.build(note) if type(note) in _NOTES else None
            values.append(note if made is None else made.value)
            count += 1 if made is None else made.count
            array_bytes += 0 if made is None else made.array_bytes
            height = max(height, 1 if made is None else made.height)
        if count > self.limits.values:
            raise Unreadable(f"holds more than {self.limits.values:,} values")
        if array_bytes > self.limits.array_bytes:
            raise Unreadable(f"holds arrays of more than {self.limits.array_bytes / 2**20:.4g} MiB")
        if height >= DEPTH_LIMIT:
            raise Unreadable(f"is nested more than {DEPTH_LIMIT} deep")
        return _Built(values, count + 1, array_bytes, height + 1)

    def _call(self, note: Call) -> _Built:
        match note.name, note.arguments:
            case "_reconstruct", (Name("ndarray"), *_):
                return self._array(note.state)
            case "_frombuffer", (Run(kind="bytes") as data, Call("dtype") as dtype, tuple(shape), order, *rest):
                if note.state is None and rest in ([], [None]):
                    return self._plain_array(data.view, _dtype(dtype), shape, _word(order))
            case "scalar", (Call("dtype") as dtype, data) if note.state is None:
                kind = _dtype(dtype)
                if kind.itemsize > _LARGEST_SCALAR:
                    raise damaged("a single value of that size")
                array = self._plain_array(self._data(data), kind, (), "C")
                return _Built(array.value[()])
            case "encode", (Run(kind="text") | str() as text, encoding) if note.state is None:
                if _word(encoding) in _LATIN_1:
                    return _Built(self._latin_1(text))
            case "bytes", () if note.state is None:
                return _Built(b"")
            case "dtype", _:
                raise refused("a pickled numpy.dtype outside of an array")
        raise damaged(f"numpy.{note.name} is called as numpy does not")

    def _array(self, state: Any) -> _Built:
        """An array from ``(1, shape, dtype, columns first, data)``, or without the 1 as numpy once wrote it."""
        match state:
            case (1, tuple(shape), Call("dtype") as dtype, bool() | 0 | 1 as fortran, data):
                pass
            case (tuple(shape), Call("dtype") as dtype, bool() | 0 | 1 as fortran, data):
                pass
            case _:
                raise damaged("an array lacks its state")
        kind = _dtype(dtype)
        if not kind.hasobject:
            return self._plain_array(self._data(data), kind, shape, "F" if fortran else "C")
        import numpy as np

        count = _count(shape)
        if not isinstance(data, list) or len(data) != count:
            raise damaged(f"an array of objects {_shape_text(shape)} without as many of them")
        parts = self._parts(data)
        array = np.empty(count, dtype=object)
        for index, value in enumerate(parts.value):
            array[index] = value
        return replace(parts, value=array.reshape(shape))  # numpy lists objects row after row, whatever their order

    def _plain_array(self, data: memoryview, dtype: np.dtype[Any], shape: tuple[Any, ...], order: str) -> _Built:
        if dtype.hasobject:
            raise damaged("an array of objects that are no list")
        array = _numbers(data, dtype, shape, order)
        return _Built(array, 1, array.nbytes)

    def _data(self, note: Any) -> memoryview:
        """The bytes of an array, however a protocol spells them."""
        match note:
            case Run(kind="bytes" | "python2"):
                return note.view
            case Call("encode", (Run(kind="text") | str() as text, encoding), None) if _word(encoding) in _LATIN_1:
                return memoryview(self._latin_1(text))
            case Call("bytes", (), None):
                return memoryview(b"")
        raise damaged("the numbers of an array are no bytes")

    def _latin_1(self, text: Run | str) -> bytes:
        # Arrays of protocol 2 lie in the file as Latin-1 text in UTF-8, so these have to be copied.
        if id(text) not in self.latin:
            decoded = _string(text) if isinstance(text, Run) else text
            self.latin[id(text)] = bytes(decoded, "latin-1")
        return self.latin[id(text)]


def _numbers(
    data: memoryview, dtype: np.dtype[Any], shape: tuple[Any, ...], order: str, *, spare: bool = False
) -> Array:
    """A view of ``data``, which may be longer if ``spare``."""
    import numpy as np

    wanted = _count(shape) * dtype.itemsize
    if wanted > len(data) or (wanted < len(data) and not spare):
        raise Unreadable(f"holds an array {_shape_text(shape)} of {dtype}, but {len(data):,} bytes for it")
    if order not in ("C", "F"):
        raise damaged("an array in no known order")
    if dtype.itemsize == 0:
        raise Unreadable(f"holds an array of {dtype}, which has no size")
    flat = np.frombuffer(data[:wanted], dtype=dtype) if wanted else np.empty(0, dtype)
    array: Array = _shaped(flat, shape, order)
    if dtype.kind == "U" and array.size and int(_code_points(array).max()) > 0x10FFFF:
        raise damaged("text that is no Unicode")
    return array


def _shaped(flat: Array, shape: tuple[int, ...], order: str) -> Array:
    return flat.reshape(shape[::-1]).transpose() if order == "F" else flat.reshape(shape)


def _code_points(text: Array) -> Array:
    import numpy as np

    flat = text.ravel(order="K")
    return flat.view(np.dtype(np.uint32).newbyteorder(text.dtype.byteorder))


def _dtype(note: Call) -> np.dtype[Any]:
    """A type of plain numbers or text, or that of objects."""
    import numpy as np

    code = _word(note.arguments[0]) if note.arguments else ""
    if not _PLAIN.fullmatch(code):
        raise Unreadable(f"holds an array of the type {code[:20]!r}, which wtalkit does not read")
    code = "O" if code[0] == "O" else code
    match note.state:
        case (int(), word, None, None, None, int() as size, int(), int()):
            order = _BYTE_ORDERS.get(_word(word))
            try:
                made: np.dtype[Any] = np.dtype(code)
            except TypeError:  # a long double of another machine
                raise Unreadable(f"holds an array of the type {code!r}, which this machine does not have") from None
            if order is not None and size in (-1, made.itemsize):
                return made.newbyteorder(order)
    raise damaged("a numpy.dtype is described as numpy does not")


def _count(shape: tuple[Any, ...]) -> int:
    if len(shape) > MOST_DIMENSIONS or not all(type(side) is int and 0 <= side < 1 << 62 for side in shape):
        raise damaged("an array whose shape is none")
    return math.prod(shape)


def _shape_text(shape: tuple[Any, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _string(run: Run) -> Any:
    if run.kind == "bytes":
        return bytes(run.view)
    try:
        return str(run.view, "utf-8", "strict" if run.kind == "python2" else "surrogatepass")
    except UnicodeDecodeError:
        if run.kind == "text":
            raise damaged("text that is not UTF-8") from None
        return str(run.view, "latin-1")


def _word(note: Any) -> str:
    """A short word, text or a Python 2 string; empty for anything else."""
    if isinstance(note, Run) and note.kind != "bytes" and len(note.view) <= 32:
        return str(_string(note))
    return note if isinstance(note, str) and len(note) <= 32 else ""
