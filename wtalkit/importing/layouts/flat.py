"""ActionFormer: a folder of one file per video, annotations in a folder beside it.

i3d_features/KEY.npy     [T, 2048]: 16 frames every 4 at the video's own rate, about 30 fps (THUMOS14)
i3d_features/v_KEY.npy   [T, 2048]: 16 frames every 16 at 25 fps (ActivityNet 1.3)
tsp_features/v_KEY.npy   [T, 512]: 16 frames every 16 at 15 fps, RGB alone (ActivityNet 1.3)
annotations/*.json       the ActivityNet schema with ``fps`` and ``duration`` of each video
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wtalkit.errors import FeaturesError
from wtalkit.importing.layouts.documents import find_annotations, read_annotations
from wtalkit.importing.pack import Pack, PackVideo
from wtalkit.importing.rows import NpyRows


def find(path: Path) -> Path | None:
    """The folder of arrays: the path itself, or the one in it.

    Raises:
        FeaturesError: there are several.
    """
    if not path.is_dir() or path.name.endswith("-Annotations"):  # which are arrays, too, in W-TALC's layout
        return None
    if _has_arrays(path):
        return path
    found = sorted(child for child in path.iterdir() if child.is_dir() and _has_arrays(child))
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise FeaturesError(f"holds several folders of arrays: {names}", file=path, remedy="Name the one that is meant")
    return found[0] if found else None


def open_pack(path: Path, features: Path) -> Pack:
    """The pack of a folder of arrays.

    Raises:
        AnnotationsError: the annotations beside it are damaged.
    """
    videos = tuple(
        PackVideo(file.stem, NpyRows(file)) for file in sorted(features.glob("*.npy")) if not file.name.startswith(".")
    )
    found = next((file for place in _places(features) if (file := find_annotations(place)) is not None), None)
    annotations = None if found is None else read_annotations(found)
    rates = {} if annotations is None else {name: video.fps for name, video in annotations.videos.items()}
    return Pack(path, "actionformer", videos, annotations, fps={name: fps for name, fps in rates.items() if fps})


def _places(features: Path) -> Iterator[Path]:
    """Where annotations lie: in ``annotations`` beside the arrays, or where these are."""
    yield from (features.parent / "annotations", features / "annotations", features.parent)


def _has_arrays(folder: Path) -> bool:
    return next(folder.glob("*.npy"), None) is not None
