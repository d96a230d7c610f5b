"""What localization answers with: segments of a video, in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import pandas


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


@dataclass(frozen=True, repr=False)
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
    def __getitem__(self, index: slice) -> Detections: ...
    def __getitem__(self, index: int | slice) -> Segment | Detections:
        if isinstance(index, slice):
            return replace(self, segments=self.segments[index])
        return self.segments[index]

    def __repr__(self) -> str:
        return f"Detections(key={self.key!r}, segments={len(self)}, duration_s={self.duration_s:g})"

    def _repr_html_(self) -> str:
        """What notebooks show: a drawing in time and a table."""
        from wtalkit.notebook import to_html

        return to_html(self)

    def filter(self, label: str | Iterable[str] | None = None, *, min_score: float | None = None) -> Detections:
        """Those of the segments that are wanted; what was not detected does not come back.

        Args:
            label: only this action, or these.
            min_score: least score.
        """
        wanted = None if label is None else {label} if isinstance(label, str) else set(label)
        kept = tuple(
            each
            for each in self.segments
            if (wanted is None or each.label in wanted) and (min_score is None or each.score >= min_score)
        )
        best = self.best_score if wanted is None else max((each.score for each in kept), default=None)
        thresholds = [each for each in (self.threshold, min_score) if each is not None]
        return replace(self, segments=kept, threshold=max(thresholds, default=None), best_score=best)

    def facts(self) -> dict[str, Any]:
        """What a predictions file says of the video, in ``external_data``."""
        path = Path(self.path)
        return {
            "path": self.path,
            "duration": self.duration_s,
            "status": self.status,
            "expected_duration": self.expected_s,
            "gaps": [list(gap) for gap in self.gaps],
            "bytes": path.stat().st_size if path.is_file() else None,
            "warnings": list(self.warnings),
            "best_score": self.best_score,
            "threshold": self.threshold,
        }

    def to_dict(self) -> dict[str, Any]:
        """A predictions document of this video, as ``detect --json`` prints."""
        from wtalkit.evaluation import to_document

        external = {"model": self.model, "spec": self.spec, "videos": {self.key: self.facts()}, "failures": []}
        return to_document({self.key: self.segments}, external)

    def to_json(self) -> str:
        """The same as text; ``wtalkit export``, ``report`` and ``evaluate`` read it."""
        from wtalkit.answer import to_text

        return to_text(self.to_dict())

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each segment: ``video``, ``start_s``, ``end_s``, ``label``, ``score``.

        Raises:
            MachineError: pandas is not installed.
        """
        from wtalkit.errors import MachineError

        try:
            import pandas
        except ImportError as error:
            remedy = "Install it with pip install 'wtalkit[notebook]'"
            raise MachineError("pandas is not installed", remedy=remedy) from error
        rows = [(self.key, each.start_s, each.end_s, each.label, each.score) for each in self.segments]
        frame = pandas.DataFrame(rows, columns=["video", "start_s", "end_s", "label", "score"])
        return frame.astype({"start_s": float, "end_s": float, "score": float})
