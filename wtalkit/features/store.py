"""Feature arrays on disk: ``DIR/KEY.npy`` beside ``DIR/KEY.json``.

The record holds a digest of the array's numbers, so it is never taken for that of another array: of one that was cut,
changed or not finished. Files are mapped before they are read: a header that promises more than the file holds costs
nothing.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any

from wtalkit.atomic import atomic_path, disk_error, write_text
from wtalkit.errors import InputError
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import FeatureSpec
from wtalkit.npy import HEADER_LIMIT_BYTES, BadHeader, read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_READABLE = ("float16", "float32", "float64")
_CHECKED_ROWS = 4096
"""Rows looked at together for NaN and infinity, to keep the temporary small."""
_RECORD_BYTES = 16 << 20
"""More than a record ever has, whatever a damaged video's gaps and warnings."""
MAPPED_BYTES = 32 * 2**20
"""Larger arrays (an hour of I3D features is 46 MB) stay mapped: who reads a window at a time needs no more memory."""


@dataclass(frozen=True)
class FeatureFile:
    """Features of one video.

    Attributes:
        array: float32 ``[T, dim]``, finite, T >= 1; a private map of the file where that is large.
        record: what is known about it; None for a file from elsewhere.
        path: where it was read from; None if it was just computed.
    """

    array: Array
    record: FeatureRecord | None
    path: Path | None = None

    def __repr__(self) -> str:
        return f"FeatureFile(array={self.array.shape}, record={self.record and str(self.record.spec)})"

    def require(self, spec: FeatureSpec) -> None:
        """Make sure that these features are of the kind ``spec`` (a model's).

        Raises:
            InputError: they are not; the message says what differs.
        """
        file = self.path or (self.record.video if self.record else None)
        shape = f"(T, {self.array.shape[1]})"
        if self.record is None:
            if self.array.shape[1] != spec.dim:
                raise InputError(f"expects (T, {spec.dim}) at {_pace(spec)}, got {shape}", file=file)
            return
        differences = spec.differences(self.record.spec)
        if differences:
            got = f"{shape} at {_pace(self.record.spec)}"
            cause = f"expects (T, {spec.dim}) at {_pace(spec)}, got {got}: {'; '.join(differences)}"
            raise InputError(cause, file=file, remedy="Extract the features with the model's settings")


def feature_paths(folder: Path, key: str) -> tuple[Path, Path]:
    """Array and record of ``key`` in ``folder``.

    Raises:
        InputError: the key would leave the folder.
    """
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts or "\0" in key:
        raise InputError(f"{key!r} cannot name a features file")
    return folder / f"{key}.npy", folder / f"{key}.json"


class FeatureWriter:
    """Writes the features of one video as they come; nothing is to be seen until :meth:`finish`.

    Use it as a context: what is not finished when it ends is dropped. Within it no other process can write the same
    features, where the file system has locks.

    Args:
        folder: the features folder.
        key: the video's.

    Raises:
        InputError: the key cannot be a file name.
        Busy: another process is writing them.
        MachineError: the disk is full or the folder read-only.
    """

    def __init__(self, folder: str | os.PathLike[str], key: str) -> None:
        self.path, self._record_path = feature_paths(Path(folder), key)
        self._key = key
        self._rows = 0
        self._dim: int | None = None
        self._digest = hashlib.sha256()
        self._stack = ExitStack()

    def __enter__(self) -> FeatureWriter:
        with self._translated():
            with suppress(FileNotFoundError, NotADirectoryError):
                self._record_path.lstat()  # its name is the longer one: found too long now, not after all the work
            temporary = self._stack.enter_context(atomic_path(self.path, claim=True))
            self._handle = self._stack.enter_context(temporary.open("wb"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            kind, error = _Unfinished, _Unfinished()
        with suppress(_Unfinished):
            self._stack.__exit__(kind, error, trace)

    def append(self, rows: Array) -> None:
        """Add rows float32 ``[n, dim]``.

        Raises:
            MachineError: the disk is full.
        """
        import numpy as np

        rows = np.ascontiguousarray(rows, np.float32)
        with self._translated():
            if self._dim is None:
                self._dim = rows.shape[1]
                self._handle.write(_header(0, self._dim))
            self._handle.write(rows.data)  # numpy's own tofile() hides "disk full" behind an error without a number
        self._digest.update(rows.data)
        self._rows += len(rows)

    def finish(self, record: FeatureRecord) -> Path:
        """Put array and record in their places; gives the array's path.

        Raises:
            MachineError: the disk is full.
        """
        with self._translated():
            # The number of rows is known only now; numpy leaves room for it to grow in the header.
            self._handle.seek(0)
            self._handle.write(_header(self._rows, self._dim or record.spec.dim))
            self._handle.flush()
            os.fsync(self._handle.fileno())  # the last chance of a full disk, while the old files are still there
            # The array comes last: with its name the claim ends, and whoever claims the video then has to find that it
            # is done. A kill in between leaves a record whose digest is not that of the array beside it.
            record = record.model_copy(update={"array_sha256": self._digest.hexdigest()})
            write_text(self._record_path, record.to_json())
            self._stack.pop_all().__exit__(None, None, None)
        return self.path

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise InputError("its name is too long to name a features file", file=self._key) from error
            if (translated := disk_error(error, self.path)) is not None:
                raise translated from error
            raise


class _Unfinished(Exception):
    """Makes the half-written file go."""


def _header(rows: int, dim: int) -> bytes:
    """Of a ``.npy`` file, of one length whatever the number of rows."""
    import numpy as np

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
    )  # fmt: skip
    return header.getvalue()


def write_features(folder: str | os.PathLike[str], key: str, array: Array, record: FeatureRecord) -> Path:
    """Write the features of one video, each file whole or not at all; gives the array's path.

    Raises:
        InputError: the key cannot be a file name.
        MachineError: the disk is full or the folder read-only.
    """
    with FeatureWriter(folder, key) as writer:
        writer.append(array)
        return writer.finish(record)


def read_features(path: str | os.PathLike[str], *, assume: FeatureSpec | None = None) -> FeatureFile:
    """Read one feature array and, if there is one, its record.

    Args:
        path: the ``.npy`` file.
        assume: spec to take where no record lies beside the array.

    Raises:
        InputError: missing, not an array of finite numbers ``[T, dim]``, or not what its record says.
    """
    array_path = Path(path)
    array, as_written = _read_array(array_path)
    record_path = array_path.with_name(array_path.name.removesuffix(".npy") + ".json")
    record = read_record(record_path) if record_path.exists() else None
    if record is None and assume is not None:
        record = _assumed_record(array_path, array, assume)
    if record is not None:
        _check_record(array, record, array_path, as_written=as_written)
    return FeatureFile(array, record, array_path)


def read_record(path: Path) -> FeatureRecord:
    """Read a side file.

    Raises:
        InputError: it cannot be read or is not one.
    """
    try:
        with path.open("rb") as opened:
            content = opened.read(_RECORD_BYTES + 1)
        if len(content) > _RECORD_BYTES:
            raise InputError(f"is larger than {_RECORD_BYTES >> 20} MiB, a feature record is not", file=path)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", file=path) from error
    return FeatureRecord.from_json(text, path)


def map_array(path: Path) -> NDArray[Any]:
    """The floats ``[T, dim]`` of a ``.npy`` file, mapped for this process alone; none is read yet.

    Raises:
        InputError: missing, damaged, or no such array.
    """
    import numpy as np

    if not path.is_file():
        raise InputError("is not a file" if path.exists() else "does not exist", file=path)
    if not path.stat().st_size:
        raise InputError("is empty", file=path)
    try:
        with path.open("rb") as opened:  # numpy would take a header of any length into memory
            read_header(memoryview(opened.read(HEADER_LIMIT_BYTES + 16)))
        # Numbers only: objects cannot be mapped. Private, not read-only, for torch warns of arrays it could not write.
        mapped = np.lib.format.open_memmap(path, mode="c")
    except (OSError, ValueError, OverflowError, SyntaxError, MemoryError) as error:
        raise InputError(f"is not a readable array of numbers ({_numpy_cause(error)})", file=path) from error
    if mapped.dtype.name not in _READABLE:
        raise InputError(f"holds {mapped.dtype} numbers, features are float32", file=path)
    if mapped.ndim != 2 or not mapped.shape[1]:
        raise InputError(f"has shape {mapped.shape}, features are (T, dim)", file=path)
    if not mapped.shape[0]:
        raise InputError("holds no snippet (T = 0)", file=path)
    return mapped


def _read_array(path: Path) -> tuple[Array, bool]:
    """The array, and whether its numbers are those of the file, not converted."""
    import numpy as np

    mapped = map_array(path)
    array: Array = mapped
    if mapped.dtype != np.float32 or not mapped.flags.c_contiguous or mapped.nbytes <= MAPPED_BYTES:
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is refused below
            array = np.array(mapped, dtype=np.float32, order="C")
    for first in range(0, len(array), _CHECKED_ROWS):
        require_finite(array[first : first + _CHECKED_ROWS], first, path)
    return array, mapped.dtype == np.float32


def require_finite(rows: Array, first: int, file: str | os.PathLike[str]) -> None:
    """Make sure that the rows of an array, from row ``first`` on, hold numbers only.

    Raises:
        InputError: NaN or infinity is among them.
    """
    import numpy as np

    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        row = first + int(finite.argmin())
        raise InputError(f"holds NaN or infinite numbers (first in snippet {row})", file=file)


def _numpy_cause(error: Exception) -> str:
    text = str(error)
    if isinstance(error, BadHeader):
        return f"it {text}"
    if "Python objects" in text:
        return "it holds Python objects, which wtalkit never loads"
    if "magic string" in text:
        return "it is not a .npy file"
    if "greater than file size" in text or isinstance(error, (OverflowError, MemoryError)):
        return "its header promises more than the file holds"
    if "empty file" in text or "EOF" in text:
        return "the file ends early"
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def _check_record(array: Array, record: FeatureRecord, path: Path, *, as_written: bool) -> None:
    snippets, dim = record.spec.timeline.snippet_count(record.frames), record.spec.dim
    if array.shape != (snippets, dim):
        cause = f"has shape {array.shape}, its record says ({snippets}, {dim})"
        raise InputError(cause, file=path, remedy="Extract the video again")
    # Whoever stores a pack in float16 to save space keeps its records.
    if as_written and record.array_sha256 is not None and array_digest(array) != record.array_sha256:
        cause = "does not hold the numbers that its record was written for"
        raise InputError(cause, file=path, remedy="Extract the video again")


def array_digest(array: Array) -> str:
    """What a record notes of the numbers of its array, float32 ``[T, dim]``: their SHA-256, row after row, in hex."""
    digest = hashlib.sha256()
    for first in range(0, len(array), _CHECKED_ROWS):  # a mapped array is never in memory whole
        digest.update(array[first : first + _CHECKED_ROWS].data)
    return digest.hexdigest()


def _assumed_record(path: Path, array: Array, spec: FeatureSpec) -> FeatureRecord:
    if array.shape[1] != spec.dim:
        raise InputError(f"expects (T, {spec.dim}) at {_pace(spec)}, got {array.shape}", file=path)
    frames = (len(array) - 1) * spec.stride + spec.window
    note = "the spec is assumed: the array came without a record"
    return FeatureRecord(spec=spec, video=path.name, duration_s=frames / spec.fps, frames=frames, warnings=(note,))


def _pace(spec: FeatureSpec) -> str:
    return f"{spec.fps:g} fps/{spec.stride}"
