"""What is to become of each video of a pack: its key, its rows on the preset's clock, and its record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from wtalkit import __version__
from wtalkit.annotations.names import unsafe_key
from wtalkit.errors import ConfigError, InputError
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import feature_paths
from wtalkit.importing.agreement import Length
from wtalkit.importing.pack import Pack, PackVideo
from wtalkit.importing.report import IMPORT_FILE, Disagreement
from wtalkit.importing.rows import JoinedRows, PlacedRows, Rows
from wtalkit.importing.truth import Truth
from wtalkit.inputs import Failure, attempt
from wtalkit.timeline import Timeline

Result = TypeVar("Result")

_RATE_SHARE = 1e-4
"""Rates that differ by less are one: a second in three hours."""


@dataclass(frozen=True)
class Planned:
    """A video that is to be imported.

    Attributes:
        key: its key.
        path: the pack's file that holds it.
        rows: its features, as they are to be in the folder.
        record: of them, but for the digest.
        length: how long it is and should be; None if its duration is not known.
        odd: what is odd about it.
    """

    key: str
    path: Path
    rows: Rows
    record: FeatureRecord
    length: Length | None = None
    odd: tuple[Disagreement, ...] = ()


def with_streams_joined(packs: Sequence[Pack]) -> list[PackVideo]:
    """All videos; those of two HDF5 files, one of RGB and one of flow, side by side."""
    rgb = [pack for pack in packs if pack.layout == "hdf5" and "rgb" in pack.path.name.lower()]
    flow = [pack for pack in packs if pack.layout == "hdf5" and "flow" in pack.path.name.lower()]
    if len(packs) != 2 or [*rgb, *flow] not in ([packs[0], packs[1]], [packs[1], packs[0]]) or len(rgb) != 1:
        return [video for pack in packs for video in pack.videos]
    others = {video.name: video for video in flow[0].videos}
    lone = [video.name for video in rgb[0].videos if video.name not in others]
    lone += sorted(set(others) - {video.name for video in rgb[0].videos})
    if lone:
        raise ConfigError(
            f"and {flow[0].path} hold other videos: only one of them has {lone[0]!r}", file=rgb[0].path,
            remedy="RGB and flow are joined, so both files need all videos",
        )  # fmt: skip
    return [PackVideo(each.name, JoinedRows((each.rows, others[each.name].rows)), each.url) for each in rgb[0].videos]


def plan(
    videos: Iterable[PackVideo], truth: Truth, spec: FeatureSpec, out: Path, rates: dict[str, float] | None
) -> tuple[list[Planned], dict[str, Failure]]:
    """What is to be imported, and by key what cannot be.

    Args:
        videos: of the packs.
        truth: gives keys and durations.
        spec: of the preset.
        out: the features folder.
        rates: own frame rates by key, of features that were made at these; None for others.

    Raises:
        ConfigError: ``out`` is the folder that the features lie in.
    """
    planned: dict[str, Planned] = {}
    failed: dict[str, Failure] = {}
    videos = list(videos)
    sources = {_place(path) for video in videos for path in (video.rows.origin.path, *video.rows.origin.others)}
    for video in videos:
        key, path = truth.keys[video.name], video.rows.origin.path
        found = tried(key, path, partial(_planned, video, key, truth, spec, rates))
        if isinstance(found, Failure):
            failed[key] = found
        elif key in planned:
            failed[f"{key} (again)"] = Failure(os.fspath(path), f"holds {key!r} a second time, the first counts")
        elif _place(feature_paths(out, key)[0]) in sources:
            raise ConfigError("is where the pack's own arrays lie", file=out, remedy="Name another folder with --out")
        else:
            planned[key] = found
    return list(planned.values()), failed


def _place(path: Path) -> str:
    """Where a name lies; a link under this name is itself, not what it leads to."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118


def tried(key: str, path: Path, action: Callable[[], Result]) -> Result | Failure:
    """Do something with a video; what is wrong with it is its failure, which says in which file of several it is."""

    def located() -> Result:
        try:
            return action()
        except InputError as error:
            where = "" if error.file in (None, os.fspath(path)) else f"{'/'.join(Path(str(error.file)).parts[-2:])} "
            raise InputError(f"{where}{error.cause}", remedy=error.remedy) from error

    found = attempt(path, located)
    if isinstance(found, Failure) and Path(found.path).stem != key:
        return Failure(found.path, f"{key!r}: {found.cause}")
    return found


def _planned(video: PackVideo, key: str, truth: Truth, spec: FeatureSpec, rates: dict[str, float] | None) -> Planned:
    if unsafe_key(key) is not None or key == Path(IMPORT_FILE).stem:
        raise InputError(unsafe_key(key) or f"the video's name {key!r} is that of the import's report")
    feature_paths(Path(), key)
    rows, notes = video.rows, []
    if rows.shape[1] != spec.dim:
        raise InputError(f"has shape {rows.shape}, features of this pack are (T, {spec.dim})")
    if isinstance(rows, JoinedRows) and rows.is_cut:
        notes.append("a stream has a row more than the other, which is left out")
    fps = None if rates is None else rates.get(key)
    if fps is not None and abs(fps / spec.fps - 1) > _RATE_SHARE:
        rows = PlacedRows(rows, Timeline(fps, spec.window, spec.stride), spec.timeline)
        notes.append(f"made at {fps:.6g} fps: its {video.rows.shape[0]} rows are placed on a clock of {spec.fps:g} fps")
    duration_s = truth.duration_s(key)
    length = None if duration_s is None else Length.of(rows.shape[0], duration_s, spec.timeline)
    warnings = [*notes, *([f"has {length}"] if length is not None and not length.agrees else [])]
    return Planned(
        key, rows.origin.path, rows, _record(key, rows, spec, duration_s, warnings), length,
        tuple(Disagreement("features", note, key) for note in notes),
    )  # fmt: skip


def _record(key: str, rows: Rows, spec: FeatureSpec, duration_s: float | None, warnings: list[str]) -> FeatureRecord:
    """The record of an array of which only the duration is known: as many frames as that has, if they give the rows."""
    fewest = (rows.shape[0] - 1) * spec.stride + spec.window
    frames = fewest if duration_s is None else spec.timeline.frame_count(duration_s)
    frames = min(max(frames, fewest), fewest + spec.stride - 1)
    if duration_s is None:
        warnings = [*warnings, "its duration is not known, and is taken to be that of its rows"]
    origin = rows.origin
    return FeatureRecord(
        spec=spec, video=key, duration_s=duration_s or frames / spec.fps, frames=frames, warnings=tuple(warnings),
        wtalkit=__version__, imported_from=origin.name, imported_bytes=origin.bytes,
    )  # fmt: skip
