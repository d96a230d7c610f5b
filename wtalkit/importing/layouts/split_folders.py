"""BaS-Net, UM, CoLA, LAC and ACM-Net: a file per video in folders by split, ``gt.json`` and lists beside them.

gt.json                             the ActivityNet schema; in the first four seconds are text, and no durations
split_train.txt, split_test.txt     names, one a line
features/{train,test}/{rgb,flow}/KEY.npy    [T, 1024] each: BaS-Net, UM, CoLA, LAC
{train,test}/KEY.npy                [T, 2048]: ACM-Net
fps_dict.json                       own frame rates: LAC
point_gaussian/point_labels.csv     one labelled frame of every training instance: LAC
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from wtalkit.annotations import Annotations, Point, Problems
from wtalkit.documents import read_json, read_limited
from wtalkit.errors import AnnotationsError
from wtalkit.importing.layouts.documents import read_annotations
from wtalkit.importing.layouts.texts import lines_of
from wtalkit.importing.pack import LayoutName, Pack, PackVideo
from wtalkit.importing.rows import JoinedRows, NpyRows, Rows

SIDES = ("train", "test")
STREAMS = ("rgb", "flow")


def find_streams(path: Path) -> Path | None:
    """The folder that holds ``features/train/rgb`` or the like: the path itself, or a data set in a repository."""
    return _find(path, "features/{side}/rgb")


def find_joined(path: Path) -> Path | None:
    """The folder that holds ``train`` or ``test`` with arrays in it, and a list of either."""
    found = _find(path, "{side}")
    has_list = found is not None and any((found / f"split_{side}.txt").exists() for side in SIDES)
    return found if has_list else None


def _find(path: Path, within: str) -> Path | None:
    places = [path, *sorted(path.glob("dataset/*")), *sorted(path.glob("data/*"))] if path.is_dir() else []
    for place in places:
        if any(_has_arrays(place / within.format(side=side)) for side in SIDES):
            return place
    return None


def open_streams(path: Path, place: Path) -> Pack:
    """The pack of a folder with RGB and flow apart."""
    return _opened(path, place, "cola", list(_streams(place / "features")))


def open_joined(path: Path, place: Path) -> Pack:
    """The pack of a folder with both streams in a file."""
    videos = [PackVideo(file.stem, NpyRows(file)) for side in SIDES for file in _arrays(place / side)]
    return _opened(path, place, "acmnet", videos)


def _opened(path: Path, place: Path, layout: LayoutName, videos: list[PackVideo]) -> Pack:
    lists = {side: lines_of(place / f"split_{side}.txt") for side in SIDES if (place / f"split_{side}.txt").exists()}
    fps = _rates(place / "fps_dict.json")
    annotations = read_annotations(place / "gt.json") if (place / "gt.json").exists() else None
    points = place / "point_gaussian" / "point_labels.csv"
    if annotations is not None and points.exists():
        annotations = with_points(annotations, points, fps)
    return Pack(path, layout, tuple(videos), annotations, lists, fps)


def _streams(features: Path) -> Iterator[PackVideo]:
    """Every name that either stream has; what one lacks is told when the video comes up."""
    for side in SIDES:
        names = sorted({file.stem for stream in STREAMS for file in _arrays(features / side / stream)})
        for name in names:
            parts: list[Rows] = [NpyRows(features / side / stream / f"{name}.npy") for stream in STREAMS]
            yield PackVideo(name, JoinedRows(parts))


def _arrays(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.npy") if not file.name.startswith("."))


def _has_arrays(folder: Path) -> bool:
    return next(folder.glob("*.npy"), None) is not None


def _rates(path: Path) -> dict[str, float]:
    """Frames per second by name; what is no number is left out."""
    if not path.exists():
        return {}
    document, _ = read_json(path, error=AnnotationsError)
    if not isinstance(document, dict):
        raise AnnotationsError("is no object of names and frame rates", file=path)
    return {
        name: float(rate)
        for name, rate in document.items()
        if isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < 1e6
    }


def with_points(annotations: Annotations, path: Path, fps: dict[str, float]) -> Annotations:
    """The same with LAC's labelled frames, which are numbers of frames at each video's own rate.

    Raises:
        AnnotationsError: it is no such table, or the rate of a video is not known; every problem is listed.
    """
    try:
        text = read_limited(path, error=AnnotationsError).decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise AnnotationsError("is not UTF-8 text", file=path, remedy="Save it as UTF-8") from cause
    table = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in ("class", "video_id", "point") if name not in (table.fieldnames or ())]
    if lacking:
        raise AnnotationsError(f"has no column {lacking[0]!r}", file=path)
    problems = Problems(path)
    points: dict[str, list[Point]] = {}
    for row in table:
        name, label, frame = row["video_id"] or "", row["class"] or "", _frame(row["point"])
        if name not in annotations.videos:
            problems.add(f"names the video {name!r}, which gt.json does not", table.line_num)
        elif name not in fps:
            problems.add(f"the frame rate of {name!r} is not in fps_dict.json", table.line_num)
        elif frame is None or not label:
            problems.add(f"the point {row['point']!r} is no number of a frame", table.line_num)
        else:
            points.setdefault(name, []).append(Point(frame / fps[name], label))
    problems.raise_if_any()
    videos = {
        name: replace(video, points=tuple(sorted(points.get(name, ()), key=lambda point: point.at_s)))
        for name, video in annotations.videos.items()
    }
    return replace(annotations, videos=videos)


def _frame(cell: str | None) -> float | None:
    try:
        number = float(cell or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
