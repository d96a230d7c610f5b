from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.conftest import REPOSITORY
from tests.security.pickles import HOSTILE, Python2, hostile, in_array
from tests.security.targets import npy
from wtalkit.errors import InputError, ModelError
from wtalkit.object_arrays import read_object_array

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(1 << 63), 1 << 64), st.floats(allow_nan=False), TEXTS,
    st.binary(max_size=12),
)  # fmt: skip
DTYPES = st.one_of(
    arrays.integer_dtypes(endianness="?"), arrays.unsigned_integer_dtypes(endianness="?"), arrays.boolean_dtypes(),
    arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)), arrays.complex_number_dtypes(endianness="?"),
    arrays.unicode_string_dtypes(min_len=1, max_len=5), arrays.byte_string_dtypes(min_len=1, max_len=5),
)  # fmt: skip
PLAIN = arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
NUMBERS = PLAIN.filter(lambda array: array.dtype.kind not in "US" and array.size).map(lambda array: array.ravel()[0])
ARRAYS = st.one_of(PLAIN, PLAIN.map(np.asfortranarray), PLAIN.map(np.transpose))
VALUES = st.recursive(
    st.one_of(SCALARS, ARRAYS, NUMBERS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(TEXTS, st.binary(max_size=3), st.integers(-9, 1 << 62)), inner, max_size=3),
    ),
    max_leaves=8,
)
OLD = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS.filter(lambda text: text.isascii()),
        st.binary(max_size=8), ARRAYS.filter(lambda array: array.dtype.kind in "biufc"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.binary(max_size=3), inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip


def read(folder: Path, content: bytes, **options: Any) -> Any:
    path = folder / "given.npy"
    path.write_bytes(content)
    return read_object_array(path, **options)


def objects(values: list[Any], shape: tuple[int, ...], order: str) -> Any:
    array = np.empty(len(values), object)
    for index, value in enumerate(values):
        array[index] = value
    return array.reshape(shape, order=order)  # type: ignore[call-overload]


def same(found: Any, meant: Any) -> bool:
    """Equal in value and in kind, arrays included."""
    if isinstance(meant, np.ndarray | np.generic):
        if type(found) is not type(meant) or (found.dtype, found.shape) != (meant.dtype, meant.shape):
            return False
        if not meant.dtype.hasobject:
            return found.tobytes() == meant.tobytes()
        return all(map(same, found.ravel(), meant.ravel()))
    if type(found) is not type(meant):
        return False
    if isinstance(meant, list | tuple):
        return len(found) == len(meant) and all(map(same, found, meant))
    if isinstance(meant, dict):
        return list(found) == list(meant) and all(same(found[key], meant[key]) for key in meant)
    return bool(found == meant)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@settings(max_examples=150)
@given(values=st.lists(VALUES, max_size=4), protocol=st.integers(0, 5), order=st.sampled_from("CF"))
def test_what_numpy_saves_reads_back(folder: Path, values: list[Any], protocol: int, order: str) -> None:
    shape = (2, 2) if len(values) == 4 else (len(values),)
    array = objects(values, shape, order)
    assert same(read(folder, npy(array, protocol)), array)


@settings(max_examples=60)
@given(value=VALUES, protocol=st.integers(0, 5))
def test_plain_pickles_read_back(folder: Path, value: Any, protocol: int) -> None:
    assert same(read(folder, pickle.dumps(value, protocol)), value)


@settings(max_examples=60)
@given(array=PLAIN)
def test_plain_arrays_read_back(folder: Path, array: Any) -> None:
    assert same(read(folder, npy(array)), array)


def decoded(value: Any) -> Any:
    """What a value of Python 2 is in Python 3."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")
    if isinstance(value, dict):
        return {decoded(key): decoded(each) for key, each in value.items()}
    return type(value)(map(decoded, value)) if isinstance(value, list | tuple) else value


@settings(max_examples=150)
@given(value=OLD, protocol=st.sampled_from((0, 2)))
def test_what_python_2_wrote_reads_back(folder: Path, value: Any, protocol: int) -> None:
    stream = Python2(protocol).dumps(value)
    assert same(read(folder, stream), decoded(value))
    if b"numpy" not in stream:  # Python 3 finds the same in it, where it needs no numpy of that time
        assert same(pickle.loads(stream, encoding="latin-1"), _latin(value))


def _latin(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {_latin(key): _latin(each) for key, each in value.items()}
    return type(value)(map(_latin, value)) if isinstance(value, list | tuple) else value


def test_the_packs_of_the_field(folder: Path) -> None:
    """``labels.npy`` is an array of lists of byte strings, the features an array of arrays."""
    rows = objects([[b"Billiards"], [b"CliffDiving", b"Diving"], [b"caf\xe9"]], (3,), "C")
    header = npy(np.empty(3, object)).partition(b"\n")[0] + b"\n"
    for protocol in (0, 2):
        found = read(folder, header + Python2(protocol).dumps(rows))
        assert found.tolist() == [["Billiards"], ["CliffDiving", "Diving"], ["café"]]
    features = objects([np.ones((2, 4), np.float32), np.zeros((1, 4), np.float32)], (2,), "C")
    found = read(folder, npy(np.empty(2, object)).partition(b"\n")[0] + b"\n" + Python2(2).dumps(features))
    assert [each.shape for each in found] == [(2, 4), (1, 4)]
    assert found[0].dtype == np.float32
    found[0][0, 0] = 7  # writable, and the file stays as it is
    assert read_object_array(folder / "given.npy")[0][0, 0] == 1


def test_shapes_python_2_wrote_with_an_l(folder: Path) -> None:
    content = npy(np.arange(6, dtype=np.float32).reshape(2, 3)).replace(b"(2, 3), }  ", b"(2L, 3L), }")
    assert read(folder, content).shape == (2, 3)


@pytest.mark.parametrize("wrapped", [False, True], ids=["pickle", "npy"])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_run_and_the_name_is_told(tmp_path: Path, name: str, wrapped: bool) -> None:
    canary = tmp_path / "canary"
    stream, told = hostile(canary)[name]
    path = tmp_path / "labels.npy"
    path.write_bytes(in_array(stream) if wrapped else stream)
    with pytest.raises(ModelError) as caught:
        read_object_array(path, error=ModelError)
    assert caught.value.file == str(path)
    assert told in caught.value.cause
    assert not canary.exists()


def test_the_sentence(tmp_path: Path) -> None:
    path = tmp_path / "labels.npy"
    path.write_bytes(in_array(hostile(tmp_path / "canary")["os.system"][0]))
    with pytest.raises(InputError, match=r"labels\.npy: holds a pickled os\.system, which wtalkit never loads\.$"):
        read_object_array(path)


def test_the_canary_can_sing(tmp_path: Path) -> None:
    """The streams are as dangerous as they are meant to be: a real unpickler runs them."""
    canary = tmp_path / "canary"
    stream, _ = hostile(canary)["os.system"]
    pickle.loads(stream)
    assert canary.exists()


def deep(levels: int) -> bytes:
    return b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."


def laughs(levels: int, arms: int = 10) -> bytes:
    """Lists of the same list, ten times each: small in the file, 10^levels values for whoever walks through it."""
    stream = b"\x80\x02]q\x00"
    for level in range(levels):
        stream += b"]q" + bytes([level + 1]) + b"(" + b"h" + bytes([level])
        stream += (b"h" + bytes([level])) * (arms - 1) + b"e"
    return stream + b"."


def chain(levels: int) -> bytes:
    """Lists each of which holds the one before, all of them in one list: none is met far down."""
    stream = b"\x80\x02(]r" + struct.pack("<I", 0)
    for level in range(1, levels):
        stream += b"]r" + struct.pack("<I", level) + b"j" + struct.pack("<I", level - 1) + b"a"
    return stream + b"l."


BOMBS = {
    "rows": (npy(np.ones((2, 4), np.float32)).replace(b"(2, 4), }          ", b"(99999999999, 4), }"), "bytes for it"),
    "objects": (npy(np.empty(1, object)).replace(b"(1,), }          ", b"(99999999999,), }"), "its header says"),
    "array": (Python2(2).dumps(np.ones((2, 4), "f4")).replace(b"(I2\nI4\nt", b"(I9999999\nI999\nt"), "bytes for it"),
    "header": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31), "npy header of"),
    "deep": (deep(100_000), "nested more than"),
    "chain": (chain(2_000), "nested more than"),
    "laughs": (laughs(12), "values"),
    "cycle": (b"\x80\x02]q\x00h\x00a.", "holds itself"),
    "string": (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.", "ends early"),
    "number": (b"\x8b\xff\xff\xff\x7f.", "number of"),
    "digits": (b"I" + b"9" * 100_000 + b"\n.", "line"),
    "keys": (pickle.dumps({i << 61: 0 for i in range(1, 50)}), "huge number"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(folder: Path, name: str) -> None:
    content, told = BOMBS[name]
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        read(folder, content)
    assert told in caught.value.cause
    assert time.monotonic() - began < 20


def test_a_shared_array_counts_as_often_as_it_stands_there(folder: Path) -> None:
    content = pickle.dumps([np.ones(1000)] * 1, 4)
    assert len(read(folder, content, limit_bytes=9000)) == 1
    shared = np.ones(1000)
    with pytest.raises(InputError, match="arrays of more than"):
        read(folder, pickle.dumps([shared] * 2, 4), limit_bytes=9000)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\x80\x04\x85.", "value is missing"),
        (b"]](.", "left over"),
        (b"\x80\x02K\x01b.", "no call to add to"),
        (b"Ix\n.", "damaged pickle"),
        (b"S'\\q'\n.", "escapes"),
        (b"h\x00.", "not there"),
        (b"\xfe", "no opcode"),
        (npy(np.zeros(2, dtype=[("a", "f4")])), "holds records"),
        (npy(np.zeros(2, dtype="M8[s]")), "type '<M8"),
    ],
)
def test_damaged_ones_say_why(folder: Path, content: bytes, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read(folder, content)
    assert told in caught.value.cause


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_object_array(tmp_path / "x.npy")
    with pytest.raises(InputError, match="is a folder"):
        read_object_array(tmp_path)
    (tmp_path / "large.npy").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="larger than"):
        read_object_array(tmp_path / "large.npy", limit_bytes=99)


MEASURED = """
import resource, sys
from wtalkit.object_arrays import read_object_array
import numpy
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
found = read_object_array(sys.argv[1])
print(peak() - before, len(found), found[0].shape[1])
"""


@pytest.mark.parametrize("protocol", [4, 5, "Python 2"])
def test_a_pack_takes_no_memory(tmp_path: Path, protocol: int | str) -> None:
    pack = objects([np.full((160, 2048), index, np.float32) for index in range(50)], (50,), "C")  # 64 MB
    path = tmp_path / "pack.npy"
    if isinstance(protocol, int):
        path.write_bytes(npy(pack, protocol))
    else:
        path.write_bytes(npy(np.empty(50, object)).partition(b"\n")[0] + b"\n" + Python2(2).dumps(pack))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    grown, rows, width = done.stdout.split()
    assert (rows, width) == ("50", "2048")
    assert float(grown) < 16  # MiB


def test_memory_is_not_taken_for_a_stream_of_lists(tmp_path: Path) -> None:
    stream = io.BytesIO()
    stream.write(b"]" * 6_000_000)
    with pytest.raises(InputError, match="more than"):
        read(tmp_path, stream.getvalue(), value_limit=1000)


def of_objects(pickled: bytes, count: int) -> bytes:
    """An ``.npy`` file whose object array of ``count`` values a pickle of a list gives."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (count,)})
    return file.getvalue() + pickled


@pytest.mark.parametrize(
    "each",
    [b"h\x01", b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R"],
    ids=["one string", "one string, encoded each time"],
)
def test_what_is_referred_to_often_is_held_once(tmp_path: Path, each: bytes) -> None:
    size, count = 1 << 20, 2000
    text = (b"B" if each == b"h\x01" else b"X") + struct.pack("<I", size) + b"x" * size
    many = b"\x80\x03](" + text + b"q\x01" + each * count + b"e."
    tracemalloc.start()
    try:
        with suppress(InputError, ModelError):  # it may be refused; what it takes is what counts
            read(tmp_path, of_objects(many, count + 1))
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
