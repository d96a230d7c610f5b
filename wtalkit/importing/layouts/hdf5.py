"""HDF5 files with an array per video, or a group per video with one array in it.

    KEY                     [T, 2048]
    KEY/i3d_features        the same
    features/KEY            the same in one group

Names may begin with ``v_``, as ActivityNet's files do. Only what lies in the file itself is read: HDF5 has links that
lead to others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wtalkit.errors import FeaturesError, InputError, MachineError
from wtalkit.importing.pack import Pack, PackVideo
from wtalkit.importing.rows import ArrayRows

SUFFIXES = frozenset((".hdf5", ".h5", ".hdf"))
_CHUNK_BYTES = 1 << 30
"""More than one chunk ever has: HDF5 unpacks a chunk whole, whatever part of it is asked for."""


class DatasetRows(ArrayRows):
    """An array of an HDF5 file. Of one that was never written, or only in part, HDF5 would give zeros."""

    @property
    def shape(self) -> tuple[int, int]:
        length, dim = super().shape
        stored, chunks = self.array.id, self.array.chunks or (length, dim)
        expected = math.prod(-(-size // each) for size, each in zip((length, dim), chunks, strict=True))
        try:
            written = stored.get_num_chunks() if self.array.chunks else int(stored.get_storage_size() > 0)
        except (OSError, RuntimeError) as error:
            raise InputError(f"is damaged ({error})", file=self.file) from error
        if not written:
            raise InputError("its numbers were never written", file=self.file)
        if written < expected:
            raise InputError(f"holds {written} of the {expected} parts of its numbers", file=self.file)
        return length, dim


def find(path: Path) -> Path | None:
    """The file that a path is, or the one in it.

    Raises:
        FeaturesError: there are several.
    """
    if path.is_file():
        return path if path.suffix.lower() in SUFFIXES else None
    if not path.is_dir():  # a device, a socket
        return None
    found = sorted(child for child in path.iterdir() if child.suffix.lower() in SUFFIXES)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise FeaturesError(f"holds several HDF5 files: {names}", file=path, remedy="Name those that are meant")
    return found[0] if found else None


def open_pack(path: Path, file: Path) -> Pack:
    """The pack of an HDF5 file, which stays open until the pack is closed.

    Raises:
        FeaturesError: it is damaged, or holds no array of a video.
        MachineError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MachineError("HDF5 files need the package h5py", remedy="pip install 'wtalkit[hdf5]'") from error
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise FeaturesError(f"is no HDF5 file, or a damaged one ({error})", file=file) from error
    size = file.stat().st_size
    try:
        videos = tuple(PackVideo(name, DatasetRows(dataset, file, size)) for name, dataset in _videos(opened, file))
    except (OSError, RuntimeError, KeyError) as error:
        opened.close()
        raise FeaturesError(f"is a damaged HDF5 file ({error})", file=file) from error
    except FeaturesError:
        opened.close()
        raise
    if not videos:
        opened.close()
        raise FeaturesError("holds no array (T, dim) of a video", file=file)
    pack = Pack(path, "hdf5", videos)
    pack.stack.callback(opened.close)
    return pack


def _videos(opened: Any, file: Path) -> Iterator[tuple[str, Any]]:
    """Names and arrays; of a file with nothing but one group of many those in it."""
    import h5py

    entries = list(_own(opened))
    if len(entries) == 1 and isinstance(entries[0][1], h5py.Group) and len(entries[0][1]) > 1:
        inner = list(_own(entries[0][1]))
        if all(isinstance(each, h5py.Group) or len(each.shape or ()) == 2 for _, each in inner):
            entries = inner
    for name, entry in entries:
        if isinstance(entry, h5py.Dataset):
            arrays = [entry]
        else:
            arrays = [each for _, each in _own(entry) if isinstance(each, h5py.Dataset) and len(each.shape or ()) == 2]
        if len(arrays) > 1:
            held = ", ".join(Path(str(each.name)).name for each in arrays)
            raise FeaturesError(f"holds several arrays of {name!r}: {held}", file=file, remedy="Keep one of them")
        for array in arrays:
            _require_harmless(array, name, file)
            yield name, array


def _own(group: Any) -> Iterator[tuple[str, Any]]:
    """Members that lie in this very file."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield str(name), group[name]


def _require_harmless(array: Any, name: str, file: Path) -> None:
    """Neither pieces of other files, nor chunks that unpack to more than memory."""
    if array.is_virtual or array.external:
        raise FeaturesError(f"keeps the array of {name!r} in other files, which are not read", file=file)
    if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > _CHUNK_BYTES:
        raise FeaturesError(f"keeps the array of {name!r} in a chunk of more than 1 GiB", file=file)
