"""Which layout a path is of, found out by what lies there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wtalkit.errors import FeaturesError
from wtalkit.importing.layouts import flat, hdf5, object_array, split_folders
from wtalkit.importing.pack import LAYOUTS, LayoutName, Pack

_FIND: dict[LayoutName, Callable[[Path], Path | None]] = {
    "wtalc": object_array.find,
    "pmil": object_array.find_below_data,
    "cola": split_folders.find_streams,
    "acmnet": split_folders.find_joined,
    "hdf5": hdf5.find,
    "actionformer": flat.find,
}
"""In the order in which they are tried: a loose folder of arrays is the least particular."""

_OPEN: dict[LayoutName, Callable[[Path, Path], Pack]] = {
    "wtalc": object_array.open_pack,
    "pmil": object_array.open_below_data,
    "cola": split_folders.open_streams,
    "acmnet": split_folders.open_joined,
    "hdf5": hdf5.open_pack,
    "actionformer": flat.open_pack,
}


def open_pack(path: Path, layout: LayoutName | None = None) -> Pack:
    """Open a pack; of its features no more than headers are looked at.

    Args:
        path: the file or folder.
        layout: which it is of; found out when None.

    Raises:
        FeaturesError: it is not there, or of no known layout, or not of this one, or damaged.
        AnnotationsError: its annotations are damaged, or do not fit to its features.
        MachineError: a package is missing that reads it.
    """
    if not path.exists():
        raise FeaturesError("there is no such pack", file=path)
    for name, find in _FIND.items():
        if layout not in (None, name):
            continue
        found = find(path)
        if found is not None:
            return _OPEN[name](path, found)
    if layout is not None:
        raise FeaturesError(f"is no pack of the layout {layout}: {LAYOUTS[layout]}", file=path)
    known = "; ".join(f"{name}: {text}" for name, text in LAYOUTS.items())
    raise FeaturesError("is a pack of no layout that wtalkit knows", file=path, remedy=f"Known are {known}")
