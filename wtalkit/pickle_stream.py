"""The opcodes of a pickle, read as data: a stack machine that makes lists, tuples, tables and notes, and calls nothing.

Python's own unpickler runs whatever a file names. This one has no way to: a name stands for itself, a call is noted as
a :class:`Call` with its arguments, and only the names of :data:`NAMES` may be asked for at all. What a note means,
:mod:`wtalkit.object_arrays` says. All protocols from 0 to 5 are read, of Python 2 and 3. Strings and bytes stay views
of the file, so the arrays in it are not copied.
"""

from __future__ import annotations

import codecs
import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Protocol

NAMES: dict[tuple[str, str], str] = {
    **{
        (f"{package}.multiarray", name): name
        for package in ("numpy.core", "numpy._core")
        for name in ("_reconstruct", "scalar")
    },
    **{(f"{package}.numeric", "_frombuffer"): "_frombuffer" for package in ("numpy.core", "numpy._core")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",  # how protocols before 3 spell bytes
    ("__builtin__", "bytes"): "bytes",  # and empty bytes
    ("builtins", "bytes"): "bytes",
}
"""Module and name as written in files, and what they are called here."""

LONGEST_LINE = 4096
"""Bytes of a number or a name; only strings may be longer."""
LONGEST_NUMBER = 256
"""Bytes of a whole number."""
_ESCAPED = re.compile(rb"""(?:[^\\]++|\\[\\'"abfnrtv]|\\x[0-9a-fA-F]{2})*+""")
"""What stands between the quotes of a string of protocol 0."""
SHOWN = 80
"""Characters of a name that a message repeats."""


class Unreadable(ValueError):
    """Why a pickle is not read: it is damaged, too large, or asks for something that is never loaded."""


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """A string as it lies in the file: bytes, text in UTF-8, or a Python 2 ``str``, which may be either."""

    view: memoryview
    kind: Literal["bytes", "text", "python2"]


@dataclass(frozen=True, slots=True)
class Name:
    """One of :data:`NAMES`."""

    name: str


@dataclass(eq=False, slots=True)
class Call:
    """A call that the file asks for; nobody makes it."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(eq=False, slots=True)
class Table:
    """A dict: its keys and values in the order written."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)


class Mapped(Protocol):
    """What is asked of a mapped file, and what bytes have, too."""

    def find(self, what: bytes, start: int, end: int, /) -> int: ...


def read_pickle(content: Mapped, view: memoryview, start: int, *, limit: int) -> Any:
    """The value of the pickle that begins at ``start``, made of Python's values, :class:`Run` and the notes above.

    Args:
        content: the file, to look for line ends in.
        view: the same bytes.
        start: where the pickle begins.
        limit: opcodes that are read at most.

    Raises:
        Unreadable: damaged, too long, or asking for what is never loaded.
    """
    return _Machine(_Source(content, view, start)).run(limit)


def refused(what: str) -> Unreadable:
    """Of something that only a real unpickler could make."""
    return Unreadable(f"holds {what}, which wtalkit never loads")


def damaged(why: str) -> Unreadable:
    """Of something that no pickler writes."""
    return Unreadable(f"is a damaged pickle ({why})")


@dataclass
class _Source:
    """Bytes and a place in them."""

    content: Mapped
    view: memoryview
    at: int

    def take(self, count: int) -> memoryview:
        end = self.at + count
        if end > len(self.view):
            raise damaged("the file ends early")
        taken = self.view[self.at : end]
        self.at = end
        return taken

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self, limit: int | None = LONGEST_LINE) -> bytes:
        """Up to the next line end, without it."""
        end = len(self.view) if limit is None else min(len(self.view), self.at + limit)
        found = self.content.find(b"\n", self.at, end)
        if found < 0:
            raise damaged("a line has no end")
        line = bytes(self.view[self.at : found])
        self.at = found + 1
        return line


class _Machine:
    """The stack, the marks on it, the memo."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, limit: int) -> Any:
        source, view = self.source, self.source.view
        for _ in range(limit):
            if source.at >= len(view):
                raise damaged("the file ends early")
            code = view[source.at]
            source.at += 1
            if code == _STOP:
                if self.below or len(self.stack) != 1:
                    raise damaged("values are left over")
                return self.pop()
            action = _ACTIONS.get(code)
            if action is None:
                self.refuse_opcode(code)
            action(self)
        raise Unreadable(f"holds more than {limit:,} values")

    def refuse_opcode(self, code: int) -> NoReturn:
        known = _OPCODES.get(code)
        if known is None:
            raise damaged(f"there is no opcode {code}")
        if known == "INST":
            raise refused(f"a pickled {_shown(self.source.line())}.{_shown(self.source.line())}")
        raise refused(f"a pickled {_NEVER.get(known, f'object ({known})')}")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            raise damaged("a value is missing")
        return self.stack.pop()

    def top(self, kind: type[Any]) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise damaged(f"there is no {kind.__name__.lower()} to add to")
        return self.stack[-1]

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        if not self.below:
            raise damaged("a mark is missing")
        items, self.stack = self.stack, self.below.pop()
        return items

    def pop_one(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def take_many(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise damaged("a value is missing")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        return items

    def append(self) -> None:
        value = self.pop()
        self.top(list).append(value)

    def extend(self) -> None:
        items = self.pop_mark()
        self.top(list).extend(items)

    def set_item(self) -> None:
        pair = self.take_many(2)
        self.top(Table).pairs.append(pair)

    def set_items(self) -> None:
        pairs = _pairs(self.pop_mark())
        self.top(Table).pairs.extend(pairs)

    def put(self, index: int) -> None:
        if not self.stack:
            raise damaged("a value is missing")
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise damaged("it refers to a value that is not there")
        self.push(self.memo[index])

    def name(self, module: str, name: str) -> None:
        known = NAMES.get((module, name))
        if known is None:
            raise refused(f"a pickled {_shown(module)}.{_shown(name)}")
        self.push(Name(known))

    def global_lines(self) -> None:
        self.name(_decoded(self.source.line()), _decoded(self.source.line()))

    def global_of_stack(self) -> None:
        module, name = (_text_of(value) for value in self.take_many(2))
        self.name(module, name)

    def reduce(self) -> None:
        name, arguments = self.take_many(2)
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise damaged("it calls what is no name")
        self.push(Call(name.name, arguments))

    def build(self) -> None:
        state = self.pop()
        target = self.top(Call)
        if target.state is not None or state is None:
            raise damaged("an object has two states, or none")
        target.state = state

    def string_line(self) -> None:
        line = self.source.line(None).strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise damaged("a string has no quotes")
        if _ESCAPED.fullmatch(line, 1, len(line) - 1) is None:
            raise damaged("a string holds escapes that Python 2 does not write")
        self.push(Run(memoryview(codecs.escape_decode(line[1:-1])[0]), "python2"))

    def counted(self, size: int, kind: Literal["bytes", "text", "python2"]) -> None:
        self.push(Run(self.source.take(self.source.number(size)), kind))

    def long(self, size: int) -> None:
        count = self.source.number(size)
        if count > LONGEST_NUMBER:
            raise damaged(f"a number of {count} bytes")
        self.push(self.source.number(count, signed=True))

    def whole_line(self) -> None:
        line = self.source.line()
        if line in (b"00", b"01"):  # how protocols before 2 spell False and True
            self.push(line == b"01")
        elif len(line) > LONGEST_NUMBER:
            raise damaged(f"a number of {len(line)} digits")
        else:
            self.push(int(line.removesuffix(b"L")))


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise damaged("a key has no value")
    return list(zip(items[::2], items[1::2], strict=True))


def _text_of(value: Any) -> str:
    if isinstance(value, Run) and value.kind != "bytes" and len(value.view) <= LONGEST_LINE:
        return _decoded(bytes(value.view))
    if isinstance(value, str):
        return value
    raise damaged("a name is not text")


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _shown(name: str | bytes) -> str:
    text = _decoded(name) if isinstance(name, bytes) else name
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


_NEVER = {
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), "object of the extension registry"),
    **dict.fromkeys(("PERSID", "BINPERSID"), "reference to something outside of the file"),
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), "buffer that is not in the file"),
    **dict.fromkeys(("EMPTY_SET", "FROZENSET", "ADDITEMS"), "set"),
}
"""What an opcode that is refused stands for."""

_BY_NAME: dict[str, Callable[[_Machine], Any]] = {
    "PROTO": lambda machine: machine.source.take(1),
    "FRAME": lambda machine: machine.source.take(8),
    "MARK": _Machine.mark,
    "POP": _Machine.pop_one,
    "POP_MARK": _Machine.pop_mark,
    "DUP": lambda machine: machine.push(machine.top(object)),
    "NONE": lambda machine: machine.push(None),
    "NEWTRUE": lambda machine: machine.push(True),
    "NEWFALSE": lambda machine: machine.push(False),
    "INT": _Machine.whole_line,
    "LONG": _Machine.whole_line,
    "BININT": lambda machine: machine.push(machine.source.number(4, signed=True)),
    "BININT1": lambda machine: machine.push(machine.source.number(1)),
    "BININT2": lambda machine: machine.push(machine.source.number(2)),
    "LONG1": lambda machine: machine.long(1),
    "LONG4": lambda machine: machine.long(4),
    "FLOAT": lambda machine: machine.push(float(machine.source.line())),
    "BINFLOAT": lambda machine: machine.push(struct.unpack(">d", machine.source.take(8))[0]),
    "STRING": _Machine.string_line,
    "BINSTRING": lambda machine: machine.counted(4, "python2"),
    "SHORT_BINSTRING": lambda machine: machine.counted(1, "python2"),
    "BINBYTES": lambda machine: machine.counted(4, "bytes"),
    "SHORT_BINBYTES": lambda machine: machine.counted(1, "bytes"),
    "BINBYTES8": lambda machine: machine.counted(8, "bytes"),
    "BYTEARRAY8": lambda machine: machine.counted(8, "bytes"),
    "UNICODE": lambda machine: machine.push(machine.source.line(None).decode("raw-unicode-escape")),
    "BINUNICODE": lambda machine: machine.counted(4, "text"),
    "SHORT_BINUNICODE": lambda machine: machine.counted(1, "text"),
    "BINUNICODE8": lambda machine: machine.counted(8, "text"),
    "EMPTY_LIST": lambda machine: machine.push([]),
    "EMPTY_TUPLE": lambda machine: machine.push(()),
    "EMPTY_DICT": lambda machine: machine.push(Table()),
    "LIST": lambda machine: machine.push(machine.pop_mark()),
    "TUPLE": lambda machine: machine.push(tuple(machine.pop_mark())),
    "DICT": lambda machine: machine.push(Table(_pairs(machine.pop_mark()))),
    "TUPLE1": lambda machine: machine.push(machine.take_many(1)),
    "TUPLE2": lambda machine: machine.push(machine.take_many(2)),
    "TUPLE3": lambda machine: machine.push(machine.take_many(3)),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "PUT": lambda machine: machine.put(int(machine.source.line(32))),
    "BINPUT": lambda machine: machine.put(machine.source.number(1)),
    "LONG_BINPUT": lambda machine: machine.put(machine.source.number(4)),
    "MEMOIZE": lambda machine: machine.put(len(machine.memo)),
    "GET": lambda machine: machine.get(int(machine.source.line(32))),
    "BINGET": lambda machine: machine.get(machine.source.number(1)),
    "LONG_BINGET": lambda machine: machine.get(machine.source.number(4)),
    "GLOBAL": _Machine.global_lines,
    "STACK_GLOBAL": _Machine.global_of_stack,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
_OPCODES = {ord(known.code): known.name for known in pickletools.opcodes}
_CODES = {name: code for code, name in _OPCODES.items()}
_ACTIONS = {_CODES[name]: action for name, action in _BY_NAME.items()}
_STOP = _CODES["STOP"]
