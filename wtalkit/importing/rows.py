"""The rows of one video's array, wherever they lie in a pack; a few at a time are read, so none is in memory whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wtalkit.errors import InputError
from wtalkit.features.store import map_array
from wtalkit.timeline import Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

ROWS_AT_ONCE = 1024
"""8 MiB of I3D features."""
MOST_ROWS = 1 << 22
"""Of one video: a month of it at the closest stride."""


class Rows(Protocol):
    """Floats ``[T, dim]`` of one video."""

    @property
    def shape(self) -> tuple[int, int]:
        """T and dim; :class:`InputError` if there is no such array."""

    @property
    def origin(self) -> Origin:
        """The pack's file or files that hold them."""

    @property
    def linkable(self) -> Path | None:
        """The file that already is what a features folder holds; None if there is none."""

    def read(self, first: int, last: int) -> Array:
        """Rows ``first`` to ``last``, the latter excluded."""


@dataclass(frozen=True)
class Origin:
    """Files of a pack.

    Attributes:
        name: of the file, or of several.
        path: where it is, or the first of several.
        bytes: how large, together.
        others: where the further ones are.
    """

    name: str
    path: Path
    bytes: int
    others: tuple[Path, ...] = ()


def pieces(rows: Rows) -> Iterator[tuple[int, Array]]:
    """All of it, piece by piece, each with the number of its first row."""
    for first in range(0, rows.shape[0], ROWS_AT_ONCE):
        yield first, rows.read(first, min(first + ROWS_AT_ONCE, rows.shape[0]))


@dataclass(frozen=True)
class NpyRows:
    """A ``.npy`` file of one video."""

    path: Path

    @cached_property
    def _facts(self) -> tuple[tuple[int, int], bool]:
        """Its shape, and whether it is as a features folder has it; the file does not stay mapped, there are many."""
        mapped = map_array(self.path)
        is_ours = mapped.dtype.str == "<f4" and mapped.flags.c_contiguous
        return _checked_shape(mapped.shape, self.path), is_ours

    @property
    def shape(self) -> tuple[int, int]:
        return self._facts[0]

    @property
    def origin(self) -> Origin:
        # Asked for also of a file that is not there, to say so.
        return Origin(self.path.name, self.path, self.path.stat().st_size if self.path.is_file() else 0)

    @property
    def linkable(self) -> Path | None:
        return self.path if self._facts[1] else None

    def read(self, first: int, last: int) -> Array:
        return as_float32(map_array(self.path)[first:last])


@dataclass(frozen=True)
class ArrayRows:
    """An array inside a file that holds those of many videos: of an object array, or of an HDF5 file.

    Attributes:
        array: what lies there, whatever it is.
        file: which holds it.
        bytes: size of the file.
    """

    array: Any = field(repr=False)
    file: Path
    bytes: int

    @property
    def shape(self) -> tuple[int, int]:
        shape, dtype = getattr(self.array, "shape", None), getattr(self.array, "dtype", None)
        if shape is None or dtype is None:
            raise InputError(f"holds a {type(self.array).__name__} in place of an array", file=self.file)
        if dtype.name not in ("float16", "float32", "float64"):
            raise InputError(f"holds {dtype.name} numbers, features are float32", file=self.file)
        return _checked_shape(shape, self.file)

    @property
    def origin(self) -> Origin:
        return Origin(self.file.name, self.file, self.bytes)

    @property
    def linkable(self) -> None:
        return None

    def read(self, first: int, last: int) -> Array:
        try:
            return as_float32(self.array[first:last])
        except OSError as error:  # HDF5 finds damage only where it is
            raise InputError(f"is damaged ({error})", file=self.file) from error


@dataclass(frozen=True)
class JoinedRows:
    """Arrays side by side: RGB and flow in files of their own.

    A stream that is one row longer than another loses it: flow has a frame less than there are pictures.
    """

    parts: Sequence[Rows]

    @cached_property
    def shape(self) -> tuple[int, int]:
        shapes = [part.shape for part in self.parts]
        lengths = [length for length, _ in shapes]
        if max(lengths) - min(lengths) > 1:
            streams = ", ".join(
                f"{part.origin.name} {length}" for part, length in zip(self.parts, lengths, strict=True)
            )
            raise InputError(f"has streams of different lengths ({streams} rows)", file=self.origin.path)
        return min(lengths), sum(width for _, width in shapes)

    @property
    def is_cut(self) -> bool:
        """Whether a stream loses its last row."""
        return len({part.shape[0] for part in self.parts}) > 1

    @property
    def origin(self) -> Origin:
        origins = [part.origin for part in self.parts]
        named = " + ".join(f"{each.path.parent.name}/{each.name}" for each in origins)
        others = tuple(path for each in origins for path in (each.path, *each.others))[1:]
        return Origin(named, origins[0].path, sum(each.bytes for each in origins), others)

    @property
    def linkable(self) -> None:
        return None

    def read(self, first: int, last: int) -> Array:
        import numpy as np

        return np.concatenate([part.read(first, last) for part in self.parts], axis=1)


@dataclass(frozen=True)
class PlacedRows:
    """Rows made at a video's own rate, placed on the clock of the others: at each of its times the nearest row.

    Attributes:
        rows: as they are.
        own: when they are.
        clock: of the features folder.
    """

    rows: Rows
    own: Timeline
    clock: Timeline

    @cached_property
    def _nearest(self) -> NDArray[np.int64]:
        import numpy as np

        given = self.rows.shape[0]
        count = self.clock.snippet_count(int(self.own.window_s(given - 1)[1] * self.clock.fps + 1e-6))
        if count > MOST_ROWS:
            raise InputError(f"made at {self.own.fps:.6g} fps would be {count:,} rows", file=self.rows.origin.path)
        middles = self.clock.to_seconds(np.arange(max(count, 1)) + 0.5)  # type: ignore[arg-type]
        found = np.rint(np.asarray(self.own.to_position(middles)) - 0.5)
        return found.astype(np.int64).clip(0, given - 1)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._nearest), self.rows.shape[1]

    @property
    def origin(self) -> Origin:
        return self.rows.origin

    @property
    def linkable(self) -> None:
        return None

    def read(self, first: int, last: int) -> Array:
        wanted = self._nearest[first:last]
        low = int(wanted[0])
        return self.rows.read(low, int(wanted[-1]) + 1)[wanted - low]


def as_float32(rows: Any) -> Array:
    """Rows in this machine's float32; what is beyond it becomes infinite."""
    import numpy as np

    with np.errstate(over="ignore"):
        return np.ascontiguousarray(rows, np.float32)


def _checked_shape(shape: tuple[int, ...], file: Path) -> tuple[int, int]:
    if len(shape) != 2 or not shape[1]:
        raise InputError(f"has shape {tuple(shape)}, features are (T, dim)", file=file)
    if not shape[0]:
        raise InputError("holds no snippet (T = 0)", file=file)
    if shape[0] > MOST_ROWS:
        raise InputError(f"has {shape[0]:,} rows, more than {MOST_ROWS:,}", file=file)
    return int(shape[0]), int(shape[1])
