"""Read the ActivityNet JSON schema: ``{"database": {video: {"subset", "duration", "annotations": [...]}}}``.

THUMOS14, ActivityNet and most public packs come in it. Four liberties of ours: ``video_labels`` holds weak labels that
differ from the annotated instances, an annotation without ``segment`` is a weak label, ``point``, the second of one
frame of the action, may stand beside ``segment`` or in its place, and ``ambiguous`` lists the intervals of a video that
THUMOS14 marks so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wtalkit.annotations.model import LONGEST_S, Annotations, Instance, Point, VideoAnnotation
from wtalkit.annotations.names import unsafe_key
from wtalkit.annotations.problems import Problems
from wtalkit.documents import SIZE_LIMIT_BYTES, line_of_key, read_json
from wtalkit.errors import AnnotationsError


def read_activitynet(
    path: Path, *, limit_bytes: int = SIZE_LIMIT_BYTES, problems: Problems | None = None
) -> Annotations:
    """Read a ``.json`` (or ``.json.gz``) file of the ActivityNet schema; ``problems`` takes what is wrong inside.

    Raises:
        AnnotationsError: the file cannot be read, is no JSON, or holds something of the wrong kind; every problem is
            listed.
    """
    document, text = read_json(path, error=AnnotationsError, limit_bytes=limit_bytes)
    return parse_activitynet(document, path=path, text=text, problems=problems)


def parse_activitynet(
    document: Any, *, path: Path | None = None, text: str = "", problems: Problems | None = None
) -> Annotations:
    """Annotations of a parsed document; ``text`` only serves to name lines, ``problems`` takes what is wrong inside.

    Raises:
        AnnotationsError: it is not of the schema.
    """
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict):
        raise AnnotationsError(
            "is not of the ActivityNet schema: it has no object 'database'",
            file=path,
            remedy='Give a file of the form {"database": {"<video>": {"annotations": [...]}}} or a labels.csv',
        )
    reader = _Reader(Problems(path) if problems is None else problems, text)
    videos = {key: reader.video(key, entry) for key, entry in database.items()}
    if problems is None:
        reader.problems.raise_if_any()
    videos = {key: video for key, video in videos.items() if key not in reader.faulty}
    labels = {label for video in videos.values() for label in video.labels}
    labels |= {instance.label for video in videos.values() for instance in video.segments}
    labels |= {point.label for video in videos.values() for point in video.points}
    version = document.get("version")
    return Annotations(
        videos,
        tuple(sorted(labels)),
        path=path,
        version=version if isinstance(version, str) else None,
        warnings=tuple(reader.warnings),
    )


@dataclass
class _Reader:
    """Turns entries into dataclasses and notes what does not fit."""

    problems: Problems
    text: str

    def __post_init__(self) -> None:
        self.warnings: list[str] = []
        self.faulty: set[str] = set()

    def video(self, key: str, entry: Any) -> VideoAnnotation:
        unsafe = unsafe_key(key)
        if unsafe is not None:
            self._complain(key, unsafe)
        if not isinstance(entry, dict):
            self._complain(key, f"{key!r}: is not an object")
            return VideoAnnotation()
        subset = entry.get("subset")
        if subset is not None and not isinstance(subset, str):
            self._complain(key, f"{key!r}: its subset is not text")
            subset = None
        weak, segments, points = self._annotations(key, entry.get("annotations", []))
        if "video_labels" in entry:
            weak = self._video_labels(key, entry["video_labels"])
        return VideoAnnotation(
            subset or None,
            self._duration(key, entry.get("duration")),
            tuple(sorted(weak)),
            tuple(segments),
            tuple(points),
            ambiguous=self._ambiguous(key, entry.get("ambiguous")),
            fps=_positive(entry.get("fps")),
            frames=None if (frames := _positive(entry.get("frames"))) is None else int(frames),
        )

    def _annotations(self, key: str, entries: Any) -> tuple[set[str], list[Instance], list[Point]]:
        """The labels of all annotations, and the segments and points among them."""
        weak: set[str] = set()
        segments: list[Instance] = []
        points: list[Point] = []
        if not isinstance(entries, list):
            self._complain(key, f"{key!r}: its annotations are not a list")
            return weak, segments, points
        for number, entry in enumerate(entries, start=1):
            label = entry.get("label") if isinstance(entry, dict) else None
            if not isinstance(label, str) or not label.strip():
                self._complain(key, f"{key!r}: annotation {number} has no label")
                continue
            weak.add(label)
            at = entry.get("point")
            if at is not None and not (_is_number(at) and at >= 0):
                self._complain(key, f"{key!r}: annotation {number} has a point that is not a number of seconds")
            elif at is not None:
                points.append(Point(float(at), label))
            if entry.get("segment") is None:
                continue
            instance = _instance(label, entry["segment"])
            if instance is None:
                self._complain(key, f"{key!r}: annotation {number} has a segment that is not two finite numbers")
                continue
            if instance.end_s < instance.start_s:  # kept, as the official evaluator keeps it: it is one to be found
                self.warnings.append(f"{key}: annotation {number} ends before it starts")
            segments.append(instance)
        return weak, segments, points

    def _video_labels(self, key: str, labels: Any) -> set[str]:
        if isinstance(labels, list) and all(isinstance(label, str) and label.strip() for label in labels):
            return set(labels)
        self._complain(key, f"{key!r}: its video_labels are not a list of names")
        return set()

    def _ambiguous(self, key: str, intervals: Any) -> tuple[tuple[float, float], ...]:
        if intervals is None:
            return ()
        if isinstance(intervals, list) and all(_is_segment(interval) for interval in intervals):
            return tuple((float(start), float(end)) for start, end in intervals)
        self._complain(key, f"{key!r}: its ambiguous intervals are not a list of two finite numbers each")
        return ()

    def _duration(self, key: str, value: Any) -> float | None:
        if value is None:
            return None
        if not _is_number(value) or value < 0:
            self._complain(key, f"{key!r}: its duration is not a number of seconds")
            return None
        if value > LONGEST_S:
            self._complain(key, f"{key!r}: its duration, {value:g} s, is more than a year")
            return None
        return float(value) or None  # 0 stands for "unknown" in some packs

    def _complain(self, key: str, what: str) -> None:
        self.faulty.add(key)
        self.problems.add(what, None if self.problems.full else line_of_key(self.text, key))


def _instance(label: str, segment: Any) -> Instance | None:
    return Instance(float(segment[0]), float(segment[1]), label) if _is_segment(segment) else None


def _is_segment(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(bound) for bound in value)


def _positive(value: Any) -> float | None:
    """A fact of the video that nothing is computed with: what packs write in place of an unknown one is unknown."""
    return float(value) if _is_number(value) and value > 0 else None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a float
        return False
