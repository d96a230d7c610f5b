"""Read ``labels.csv``: ``video,label[,start,end[,subset[,point]]]``, as a spreadsheet saves it.

BOM, CRLF and ``;`` are fine; several rows or ``a|b`` give a video several labels; a header may name the columns in any
order, without one they stand in the order above. A row says when the action happens by ``start`` and ``end``, or by
``point``, the second of one of its frames, or not at all.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wtalkit.annotations.model import Annotations, Instance, Point, VideoAnnotation
from wtalkit.annotations.names import keys_from_file_names, unsafe_key
from wtalkit.annotations.problems import Problems
from wtalkit.documents import SIZE_LIMIT_BYTES, read_limited
from wtalkit.errors import AnnotationsError

COLUMNS = ("video", "label", "start", "end", "subset", "point")
_SPELLINGS = {
    "videos": "video",
    "file": "video",
    "labels": "label",
    "class": "label",
    "start_s": "start",
    "end_s": "end",
    "point_s": "point",
}


def read_labels_csv(
    path: Path, *, limit_bytes: int = SIZE_LIMIT_BYTES, problems: Problems | None = None
) -> Annotations:
    """Read a table of labels; ``problems`` takes what is wrong with its rows instead of an error.

    Raises:
        AnnotationsError: it cannot be read, or rows are wrong; every problem is listed with its line.
    """
    text = _decode(read_limited(path, error=AnnotationsError, limit_bytes=limit_bytes), path)
    found = Problems(path) if problems is None else problems
    table = _Table(found)
    delimiter = _delimiter(text)
    for row in _rows(text, delimiter, found):
        table.add(row, decimal_comma=delimiter == ";")
    if not table.videos and not found.found:
        raise AnnotationsError("holds no row", file=path, remedy="Write one line per video: video,label")
    if problems is None:
        found.raise_if_any()
    return table.annotations(path)


@dataclass(frozen=True)
class _Row:
    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class _When:
    """What a row says of the time: start and end, or a point, or nothing."""

    segment: tuple[float, float] | None = None
    point: float | None = None


@dataclass
class _Video:
    line: int
    subset: str | None = None
    labels: set[str] = field(default_factory=set)
    segments: list[Instance] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)


@dataclass
class _Table:
    """The rows read so far, by video; what does not fit goes to ``problems``."""

    problems: Problems
    videos: dict[str, _Video] = field(default_factory=dict)
    seen: dict[tuple[str, str, _When], int] = field(default_factory=dict)

    def add(self, row: _Row, *, decimal_comma: bool) -> None:
        name = row.cells.get("video", "")
        unsafe = unsafe_key(name)
        if unsafe is not None:
            self.problems.add(unsafe, row.line)
            return
        labels = [label.strip() for label in row.cells.get("label", "").split("|")]
        if not all(labels):
            self.problems.add(f"{name!r}: a label is empty", row.line)
            return
        when = self._when(row, decimal_comma)
        if when is None:
            return
        video = self.videos.setdefault(name, _Video(row.line))
        self._set_subset(video, name, row)
        for label in labels:
            self._add_label(video, name, label, when, row.line)

    def annotations(self, path: Path) -> Annotations:
        keys = keys_from_file_names(self.videos)
        videos = {
            keys[name]: VideoAnnotation(
                subset=video.subset,
                labels=tuple(sorted(video.labels)),
                segments=tuple(video.segments),
                points=tuple(video.points),
                line=video.line,
            )
            for name, video in self.videos.items()
        }
        classes = sorted({label for video in videos.values() for label in video.labels})
        return Annotations(videos, tuple(classes), path=path)

    def _when(self, row: _Row, decimal_comma: bool) -> _When | None:
        """What the row says of the time, None after a problem."""
        name, point = row.cells["video"], row.cells.get("point", "")
        written = [row.cells.get(column, "") for column in ("start", "end")]
        if point and any(written):
            self.problems.add(f"{name!r}: a row has either start and end or a point, not both", row.line)
            return None
        if point:
            at = _seconds(point, decimal_comma)
            if at is None:
                self.problems.add(f"{name!r}: the point {point} is not seconds", row.line)
            return None if at is None else _When(point=at)
        if not any(written):
            return _When()
        if not all(written):
            self.problems.add(f"{name!r}: start and end must be given together", row.line)
            return None
        start, end = (_seconds(cell, decimal_comma) for cell in written)
        if start is None or end is None:
            self.problems.add(f"{name!r}: {' and '.join(written)} are not seconds", row.line)
            return None
        if end <= start:
            self.problems.add(f"{name!r}: the end {end:g} is not after the start {start:g}", row.line)
            return None
        return _When(segment=(start, end))

    def _set_subset(self, video: _Video, name: str, row: _Row) -> None:
        subset = row.cells.get("subset", "")
        if not subset:
            return
        if video.subset is not None and video.subset.casefold() != subset.casefold():
            self.problems.add(f"{name!r}: is in subset {subset!r} here and in {video.subset!r} above", row.line)
            return
        video.subset = video.subset or subset

    def _add_label(self, video: _Video, name: str, label: str, when: _When, line: int) -> None:
        first = self.seen.get((name, label, when))
        if first is not None:
            self.problems.add(f"{name!r}: repeats line {first} ({label!r})", line)
            return
        self.seen[name, label, when] = line
        video.labels.add(label)
        if when.segment is not None:
            video.segments.append(Instance(*when.segment, label))
        if when.point is not None:
            video.points.append(Point(when.point, label))


def _decode(content: bytes, path: Path) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise AnnotationsError(f"line {line} is not UTF-8 text", file=path, remedy="Save it as CSV UTF-8") from cause


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def _rows(text: str, delimiter: str, problems: Problems) -> Iterator[_Row]:
    """Rows with their columns named and their first line; blank rows are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: tuple[str, ...] | None = None
    line = 1
    try:
        for cells in reader:
            first_line, line = line, reader.line_num + 1
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if columns is None:
                columns = _header(cells, first_line, problems)
                if columns is not None:
                    continue
                columns = COLUMNS
            if len(cells) > len(columns):
                problems.add(f"has {len(cells)} columns instead of at most {len(columns)}", first_line)
                continue
            yield _Row(first_line, dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        problems.add(f"is not a table row ({error})", line)


def _header(cells: list[str], line: int, problems: Problems) -> tuple[str, ...] | None:
    """Column names when the first row holds them; None when it is data."""
    names = [_SPELLINGS.get(cell.casefold(), cell.casefold()) for cell in cells]
    if "video" not in names or "label" not in names:
        return None
    times = Counter(names)
    for name in times:
        if name not in COLUMNS:
            problems.add(f"the column {name!r} is unknown (known: {', '.join(COLUMNS)})", line)
        elif times[name] > 1:
            problems.add(f"the column {name!r} stands twice", line)
    return tuple(names)


def _seconds(cell: str, decimal_comma: bool) -> float | None:
    try:
        value = float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
