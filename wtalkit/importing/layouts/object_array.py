"""W-TALC, CO2-Net and DELU: the features of all videos in one object array, the annotations in arrays beside it.

    NAME-I3D-JOINTFeatures.npy          [videos] of floats [T, 2048], RGB first
    NAME-Annotations/
        videoname.npy, subset.npy       [videos] of bytes
        labels_all.npy                  [videos] of lists of names: the weak labels
        labels.npy, segments.npy        [videos] of lists: of each instance its name, and its start and end in seconds
        duration.npy                    [videos] or [videos, 1], seconds; may be absent, as may the following
        classlist.npy                   [classes] of bytes
        url.npy                         [videos]; of ActivityNet
        extracted_fps.npy               says 10, which is to be ignored (sujoyp/wtalc-pytorch#9): it was 25
        Ambiguous_test.txt              lines of name, start, end; with CRLF in DELU's copy

P-MIL keeps the same pack in ``data/NAME``, and ``proposals/*.json`` beside ``data``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from wtalkit.annotations import Annotations, Instance, Problems, VideoAnnotation
from wtalkit.annotations.model import LONGEST_S
from wtalkit.errors import AnnotationsError, FeaturesError
from wtalkit.importing.layouts.texts import lines_of, text_of
from wtalkit.importing.pack import Pack, PackVideo
from wtalkit.importing.rows import ArrayRows
from wtalkit.object_arrays import read_object_array

_SUFFIX = "-I3D-JOINTFeatures.npy"
_FEATURES_FPS = 25.0
_ANNOTATIONS_BYTES = 256 << 20


def find(path: Path) -> Path | None:
    """The object array that a path is, or that lies in it; None if there is none."""
    if path.is_file():
        return path if path.name.endswith(_SUFFIX) else None
    return _the_one(path.glob(f"*{_SUFFIX}"), path)


def find_below_data(path: Path) -> Path | None:
    """The object array of P-MIL's layout."""
    return _the_one(path.glob(f"data/*/*{_SUFFIX}"), path)


def _the_one(found: Iterable[Path], path: Path) -> Path | None:
    packs = sorted(found)
    if len(packs) > 1:
        names = ", ".join(str(each.relative_to(path)) for each in packs)
        raise FeaturesError(f"holds several packs: {names}", file=path, remedy="Name the one that is meant")
    return packs[0] if packs else None


def open_below_data(path: Path, features: Path) -> Pack:
    """P-MIL's layout: the same pack, and proposals beside it, which are predictions and not imported."""
    pack = open_pack(path, features)
    proposals = sorted(path.glob("proposals/*.json"))
    named = ", ".join(str(each) for each in proposals)
    note = f"its proposals are used as they are, with --proposals FILE: {named}"
    return replace(pack, layout="pmil", notes=(*pack.notes, *([note] if proposals else [])))


def open_pack(path: Path, features: Path) -> Pack:
    """The pack of an object array.

    Raises:
        FeaturesError: the array cannot be read, or does not hold as many videos as there are names.
        AnnotationsError: arrays beside it are missing or damaged, or differ in length.
    """
    folder = features.with_name(features.name.removesuffix(_SUFFIX) + "-Annotations")
    if not folder.is_dir():
        raise AnnotationsError(
            f"has no folder {folder.name} beside it, so its videos have no names", file=features,
            remedy="It comes with the repository of the pack",
        )  # fmt: skip
    names = [text_of(name, folder / "videoname.npy") for name in _array(folder, "videoname")]
    arrays = read_object_array(features, error=FeaturesError)
    if getattr(arrays, "ndim", 0) == 3:  # all videos of one length, which numpy makes one array of
        arrays = list(arrays)
    count = len(arrays) if _is_array(arrays) else 0
    if count != len(names) or not _is_array(arrays):
        raise FeaturesError(f"holds {count} videos, {folder.name}/videoname.npy names {len(names)}", file=features)
    size = features.stat().st_size
    urls = _urls(folder, len(names))
    videos = tuple(
        PackVideo(name, ArrayRows(array, features, size), url)
        for name, array, url in zip(names, arrays, urls, strict=True)
    )
    return Pack(path, "wtalc", videos, _annotations(folder, names), notes=_notes(folder))


def _is_array(value: Any) -> bool:
    """Whether it has parts in order: an array of no dimensions has none, and a dict's have no order."""
    return isinstance(value, list | tuple) or getattr(value, "ndim", 0) > 0


def _array(folder: Path, name: str, length: int | None = None) -> Any:
    """An array of the annotations."""
    path = folder / f"{name}.npy"
    found = read_object_array(path, error=AnnotationsError, limit_bytes=_ANNOTATIONS_BYTES)
    if not _is_array(found):
        raise AnnotationsError("is no array", file=path)
    if length is not None and len(found) != length:
        raise AnnotationsError(f"is of {len(found)} videos, videoname.npy names {length}", file=path)
    return found


def _urls(folder: Path, length: int) -> list[str | None]:
    if not (folder / "url.npy").exists():
        return [None] * length
    return [text_of(url, folder / "url.npy") for url in _array(folder, "url", length)]


def _annotations(folder: Path, names: list[str]) -> Annotations:
    """What the arrays say, everything wrong in it at once."""
    count = len(names)
    labels_all, labels = _array(folder, "labels_all", count), _array(folder, "labels", count)
    segments, subsets = _array(folder, "segments", count), _array(folder, "subset", count)
    durations = _durations(folder, count)
    problems = Problems(folder)
    videos: dict[str, VideoAnnotation] = {}
    for row, name in enumerate(names):
        if name in videos:
            continue  # named twice: the import says so of its features
        weak = {text_of(label, folder / "labels_all.npy") for label in _items(labels_all[row])}
        videos[name] = VideoAnnotation(
            text_of(subsets[row], folder / "subset.npy") or None,
            durations[row],
            tuple(sorted(weak)),
            tuple(_instances(name, labels[row], segments[row], folder, problems)),
        )
    known = {label for video in videos.values() for label in video.labels}
    known |= {each.label for video in videos.values() for each in video.segments}
    if (folder / "classlist.npy").exists():
        classes = {text_of(label, folder / "classlist.npy") for label in _array(folder, "classlist")}
        for name, video in videos.items():
            strangers = {*video.labels, *(each.label for each in video.segments)} - classes
            for label in sorted(strangers):
                problems.add(f"{name!r} has the label {label!r}, which classlist.npy does not hold")
    for name, intervals in _ambiguous(folder, problems).items():
        if name in videos:
            videos[name] = replace(videos[name], ambiguous=intervals)
    problems.raise_if_any()
    return Annotations(videos, tuple(sorted(known)), path=folder)


def _instances(name: str, labels: Any, segments: Any, folder: Path, problems: Problems) -> Iterable[Instance]:
    named, timed = list(_items(labels)), list(_items(segments))
    if len(named) != len(timed):
        problems.add(f"{name!r} has {len(named)} names in labels.npy and {len(timed)} times in segments.npy")
        return
    for label, times in zip(named, timed, strict=True):
        bounds = [_number(bound) for bound in _items(times)]
        if len(bounds) != 2 or None in bounds:
            problems.add(f"{name!r} has a segment in segments.npy that is not two finite numbers")
            return
        start_s, end_s = bounds
        assert start_s is not None and end_s is not None
        yield Instance(start_s, end_s, text_of(label, folder / "labels.npy"))


def _durations(folder: Path, count: int) -> list[float | None]:
    if not (folder / "duration.npy").exists():
        return [None] * count
    found = [_number(value) for value in _array(folder, "duration", count)]
    return [seconds if seconds is not None and 0 < seconds <= LONGEST_S else None for seconds in found]


def _ambiguous(folder: Path, problems: Problems) -> dict[str, tuple[tuple[float, float], ...]]:
    path = folder / "Ambiguous_test.txt"
    found: dict[str, list[tuple[float, float]]] = {}
    for line in lines_of(path) if path.exists() else ():
        name, *bounds = line.split()
        times = [_number(bound) for bound in bounds]
        if len(times) != 2 or times[0] is None or times[1] is None:
            problems.add(f"{path.name} holds the line {line[:80]!r}, not a name and two numbers")
            continue
        found.setdefault(name, []).append((times[0], times[1]))
    return {name: tuple(sorted(intervals)) for name, intervals in found.items()}


def _notes(folder: Path) -> tuple[str, ...]:
    """That the stated rate is a known error."""
    path = folder / "extracted_fps.npy"
    if not path.exists():
        return ()
    stated = sorted({rate for value in _array(folder, "extracted_fps") if (rate := _number(value)) is not None})
    if stated in ([], [_FEATURES_FPS]):
        return ()
    rates = ", ".join(f"{rate:g}" for rate in stated)
    return (f"extracted_fps.npy says {rates}; its authors say that it is to be ignored, and 25 fps was extracted",)


def _items(value: Any) -> Iterable[Any]:
    """The parts of a list or an array; a bare name is one."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    if isinstance(value, bytes | str):
        return [value]
    return value if hasattr(value, "__iter__") else []


def _number(value: Any) -> float | None:
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    items = list(value) if hasattr(value, "__len__") and not isinstance(value, bytes | str) else [value]
    try:
        number = float(items[0]) if len(items) == 1 else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
