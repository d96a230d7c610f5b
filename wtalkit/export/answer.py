"""What is exported: the segments of one or several videos, with what other tools need to know of the videos."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.errors import InputError
from wtalkit.inputs import FEATURES_SUFFIX
from wtalkit.segments import Segment

if TYPE_CHECKING:
    from wtalkit.export.footage import Footage


@dataclass(frozen=True)
class VideoAnswer:
    """One video's segments.

    Attributes:
        key: the video's.
        segments: sorted by start.
        path: of the video, as the answer states it; None where it does not.
        duration_s: seconds of the video; None where the answer does not say.
        footage: what its file says; None where there is none at hand.
    """

    key: str
    segments: tuple[Segment, ...]
    path: str | None = None
    duration_s: float | None = None
    footage: Footage | None = None

    @property
    def end_s(self) -> float:
        """Seconds of the video, as far as is known: no segment ends later."""
        known = self.duration_s or (self.footage.duration_s if self.footage is not None else None) or 0.0
        return max((known, *(each.end_s for each in self.segments)))

    @property
    def file(self) -> Path | None:
        """Where the video lies; None where nothing tells."""
        if self.footage is not None:
            return self.footage.path
        return None if self.path is None else Path(self.path)

    @property
    def file_name(self) -> str:
        return self.key.rpartition("/")[2] if self.file is None else self.file.name

    @property
    def uri(self) -> str:
        """``file:`` address of the video; only its name where nothing tells where it lies."""
        return self.file_name if self.file is None else self.file.absolute().as_uri()

    @property
    def seen(self) -> Footage:
        """What the video's file says.

        Raises:
            InputError: it is not at hand.
        """
        if self.footage is None:
            raise InputError(
                "its frame rate is not known without the video", file=self.path or self.key,
                remedy="Name the video, or the folder it is in, with --video",
            )  # fmt: skip
        return self.footage


@dataclass(frozen=True)
class Answer:
    """What one file of an export holds.

    Attributes:
        videos: in the order of the document.
        document: the predictions document, with the same videos and segments.
    """

    videos: tuple[VideoAnswer, ...]
    document: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that occurs, sorted."""
        return tuple(sorted({segment.label for video in self.videos for segment in video.segments}))

    def only(self, key: str) -> Answer:
        """The part that one video makes up."""
        external: Any = self.document.get("external_data")
        if isinstance(external, Mapping) and isinstance(external.get("videos"), Mapping):
            facts = {name: value for name, value in external["videos"].items() if name == key}
            external = {**external, "videos": facts}
        results = {name: value for name, value in self.document["results"].items() if name == key}
        document = {**self.document, "results": results}
        if external is not None:
            document["external_data"] = external
        return Answer(tuple(each for each in self.videos if each.key == key), document)

    def with_footage(self, find: Callable[[VideoAnswer], Footage | None]) -> Answer:
        """The same answer, each video with what ``find`` knows of its file."""
        return replace(self, videos=tuple(replace(each, footage=find(each)) for each in self.videos))


def answer_of(
    document: Mapping[str, Any], *, threshold: float | None = None, classes: Collection[str] | None = None
) -> tuple[Answer, int]:
    """Take a predictions document for export; also gives how many entries are no segments and were left out.

    Args:
        document: of the ActivityNet results schema, checked.
        threshold: least score.
        classes: only these labels.
    """
    external = document.get("external_data")
    known = external.get("videos") if isinstance(external, Mapping) else None
    known = known if isinstance(known, Mapping) else {}
    videos, results, odd = [], {}, 0
    for key, entries in document["results"].items():
        segments, refused = _segments(entries)
        odd += refused
        kept = tuple(
            each
            for each in segments
            if (threshold is None or each.score >= threshold) and (classes is None or each.label in classes)
        )
        facts = known.get(key)
        facts = facts if isinstance(facts, Mapping) else {}
        videos.append(VideoAnswer(key, kept, _video_path(facts.get("path")), _seconds(facts.get("duration"))))
        results[key] = [
            {"label": each.label, "score": each.score, "segment": [each.start_s, each.end_s]} for each in kept
        ]
    return Answer(tuple(videos), {**document, "results": results}), odd


def _segments(entries: Iterable[Mapping[str, Any]]) -> tuple[Sequence[Segment], int]:
    segments, odd = [], 0
    for entry in entries:
        try:
            start_s, end_s = (float(each) for each in entry["segment"])
            segments.append(Segment(start_s, end_s, entry["label"], float(entry["score"])))
        except (TypeError, ValueError, OverflowError):
            odd += 1
    segments.sort(key=lambda each: (each.start_s, each.end_s, each.label, -each.score))
    return segments, odd


def _video_path(value: object) -> str | None:
    """A path of a document, which may be anything; a feature file is no video."""
    is_video = isinstance(value, str) and "\0" not in value and not value.lower().endswith(FEATURES_SUFFIX)
    return str(value) if is_video and value else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        return None
    return float(value)
