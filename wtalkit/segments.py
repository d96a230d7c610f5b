"""What localization answers with: segments of a video, in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload


@dataclass(frozen=True)
class Segment:
    """One action in time, half-open ``[start_s, end_s)``; the score is the decoder's, finite, not a probability."""

    start_s: float
    end_s: float
    label: str
    score: float

    def __post_init__(self) -> None:
        if not (0 <= self.start_s < self.end_s and math.isfinite(self.end_s)):
            raise ValueError(f"a segment needs 0 <= start < end, got {self.start_s} and {self.end_s}")
        if not math.isfinite(self.score):
            raise ValueError(f"a segment's score must be finite, got {self.score}")

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Detections(Sequence[Segment]):
    """The segments found in one video, sorted by start, with where they came from.

    Attributes:
        key: the video's key (its path relative to the input given, without extension).
        path: the file read.
        segments: what was found.
        duration_s: seconds of video.
        status: ``"ok"`` or ``"partial"`` (kept although the file is damaged).
        warnings: remarks about the video and the model, one sentence each.
        best_score: score of the best candidate, shown when nothing passes the threshold; None without candidates.
        threshold: the display threshold used; None when every candidate is listed.
        expected_s: seconds the container states; None where it does not say.
        gaps: seconds ``(start, end)`` without a picture.
        model: what is recorded about the model (name, method, hash ...).
        spec: the feature spec, as a plain dict.
    """

    key: str
    path: str
    segments: tuple[Segment, ...]
    duration_s: float
    status: str = "ok"
    warnings: tuple[str, ...] = ()
    best_score: float | None = None
    threshold: float | None = None
    expected_s: float | None = None
    gaps: tuple[tuple[float, float], ...] = ()
    model: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)

    @property
    def decoded_s(self) -> float:
        """Seconds with a picture."""
        from wtalkit.video.info import seconds_with_picture

        return seconds_with_picture(self.duration_s, self.gaps)

    def __len__(self) -> int:
        return len(self.segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Segment, ...]: ...
    def __getitem__(self, index: int | slice) -> Segment | tuple[Segment, ...]:
        return self.segments[index]
