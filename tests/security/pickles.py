"""Pickles that would run code where a real unpickler read them, and streams as Python 2 wrote them."""

from __future__ import annotations

import io
import os
import pickle
import runpy
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


class _Calls:
    """Pickled as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def hostile(canary: Path) -> dict[str, tuple[bytes, str]]:
    """Streams that would make ``canary``, or lead there, and the name that has to stand in the refusal."""
    touch = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w')"
    script = canary.with_suffix(".py")
    script.write_text(code)
    objects = canary.with_suffix(".objects.npy")
    holder = np.empty(1, object)
    holder[0] = _Calls(os.system, touch)
    np.save(objects, holder, allow_pickle=True)
    system = os.system.__module__  # posix, on the machines this runs on
    return {
        "os.system": (_protocol_0("os", "system", touch), "os.system"),
        "posix.system": (pickle.dumps(_Calls(os.system, touch), 2), f"{system}.system"),
        "stack global": (pickle.dumps(_Calls(os.system, touch), 4), f"{system}.system"),
        "eval": (pickle.dumps(_Calls(eval, code), 5), "builtins.eval"),
        "Python 2's eval": (_protocol_0("__builtin__", "eval", code), "__builtin__.eval"),
        "getattr": (pickle.dumps(_Calls(getattr, "x", "upper"), 4), "builtins.getattr"),
        "import": (pickle.dumps(_Calls(__import__, "os"), 4), "builtins.__import__"),
        "runpy": (pickle.dumps(_Calls(runpy.run_path, str(script)), 4), "runpy.run_path"),
        "numpy.load": (b"cnumpy\nload\n(S" + repr(str(objects)).encode() + b"\nNNI01\ntR.", "numpy.load"),
        "numpy testing": (_protocol_0("numpy.testing._private.utils", "runstring", code), "runstring"),
        "codecs": (_protocol_0("_codecs", "decode", "x"), "_codecs.decode"),
        "dotted": (b"cnumpy\ncore.multiarray._reconstruct\n.", "numpy.core.multiarray._reconstruct"),
        "dotted module": (_stack_global("numpy.core", "multiarray._reconstruct"), "numpy.core.multiarray._reconstruct"),
        "dotted method": (_stack_global("numpy", "ndarray.tofile"), "numpy.ndarray.tofile"),
        "name in memo": (
            b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93" + _short(touch) + b"\x85R.", "os.system",
        ),
        "inst": (b"(S" + repr(touch).encode() + b"\nios\nsystem\n.", "os.system"),
        "obj": (b"(cos\nsystem\nS" + repr(touch).encode() + b"\no.", "os.system"),
        "new object": (b"\x80\x02csubprocess\nPopen\n(S'x'\nt\x81.", "subprocess.Popen"),
        "build": (b"\x80\x02cnumpy\nndarray\n)\x81}(S'__setstate__'\nNub.", "NEWOBJ"),
        "state of a class": (b"\x80\x02cnumpy\nmatrix\n)R}b.", "numpy.matrix"),
        "masked array": (pickle.dumps(np.ma.array([1]), 4), "numpy.ma"),
        "extension": (b"\x80\x02\x82\x01.", "extension registry"),
        "persistent": (b"Pos\n.", "outside of the file"),
        "persistent of the stack": (b"\x80\x02K\x01Q.", "outside of the file"),
        "buffer": (b"\x80\x05\x97.", "buffer that is not in the file"),
        "set": (pickle.dumps({1, 2}, 4), "set"),
        "old set": (pickle.dumps({1, 2}, 2), "__builtin__.set"),
        "dtype": (b"\x80\x02cnumpy\ndtype\n.", "pickled dtype"),
        "encode": (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x05\x00\x00\x00rot13\x86R.", "encode"),
        "subclass": (
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nrecarray\nK\x00\x85U\x01b\x87R.", "numpy.recarray",
        ),
    }  # fmt: skip


def in_array(stream: bytes) -> bytes:
    """A ``.npy`` file of one object, whose pickle is ``stream``."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    return file.getvalue() + stream


def _protocol_0(module: str, name: str, argument: str) -> bytes:
    return f"c{module}\n{name}\n(S{argument!r}\ntR.".encode()


def _stack_global(module: str, name: str) -> bytes:
    return b"\x80\x04" + _short(module) + _short(name) + b"\x93)R."


def _short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


class Python2:
    """Writes what Python 2 and a numpy of its time wrote, protocol 0 or 2.

    Values are None, bool, int, float, ``bytes`` for its ``str``, ``str`` for its ``unicode``, lists, tuples, dicts and
    arrays.
    """

    def __init__(self, protocol: int) -> None:
        self.protocol = protocol
        self.memo = 0

    def dumps(self, value: Any) -> bytes:
        return (b"\x80\x02" if self.protocol == 2 else b"") + self._save(value) + b"."

    def _put(self) -> bytes:
        self.memo += 1
        if self.protocol == 0:
            return b"p%d\n" % self.memo
        return b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)

    def _save(self, value: Any) -> bytes:
        binary = self.protocol == 2
        match value:
            case None:
                return b"N"
            case bool():
                return (b"\x88" if value else b"\x89") if binary else b"I0%d\n" % value
            case int():
                return b"I%d\n" % value if -(1 << 31) <= value < 1 << 31 else b"L%dL\n" % value
            case float():
                return b"G" + struct.pack(">d", value) if binary else b"F%s\n" % repr(value).encode()
            case bytes():
                return self._string(value) + self._put()
            case str():
                text = value.encode("utf-8")
                if binary:
                    return b"X" + struct.pack("<I", len(text)) + text + self._put()
                return b"V" + value.encode("raw-unicode-escape").replace(b"\n", b"\\u000a") + b"\n" + self._put()
            case list():
                return b"(l" + self._put() + b"".join(self._save(each) + b"a" for each in value)
            case tuple():
                return b"(" + b"".join(map(self._save, value)) + b"t" + self._put()
            case dict():
                pairs = (self._save(key) + self._save(each) + b"s" for key, each in value.items())
                return b"(d" + self._put() + b"".join(pairs)
            case np.ndarray():
                return self._array(value)
        raise TypeError(type(value))

    def _string(self, value: bytes) -> bytes:
        if self.protocol == 2:
            return b"T" + struct.pack("<I", len(value)) + value
        return b"S" + repr(value)[1:].encode() + b"\n"

    def _array(self, array: np.ndarray[Any, Any]) -> bytes:
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        objects = array.dtype.hasobject
        data = list(array.ravel()) if objects else array.tobytes("A")
        order = "|" if array.dtype.byteorder == "|" else "<" if array.dtype.byteorder in "=<" else ">"
        flags = 63 if objects else 0
        kind = array.dtype.str[1:].encode().replace(b"|", b"")
        dtype = (
            b"cnumpy\ndtype\n" + self._save((kind + (b"8" if objects else b""), 0, 1)) + b"R" + self._put()
            + self._save((3, order.encode(), None, None, None, -1, -1, flags)) + b"b"
        )  # fmt: skip
        state = b"(" + self._save(1) + self._save(array.shape) + dtype + self._save(fortran) + self._save(data) + b"t"
        return (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt" + self._save(b"b") + b"tR" + self._put()
            + state + b"b"
        )  # fmt: skip


with tempfile.TemporaryDirectory() as _folder:
    HOSTILE = tuple(hostile(Path(_folder) / "x"))
"""Their names."""
