"""What a report is made of, before it becomes a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.annotations.model import Instance
from wtalkit.inputs import Failure
from wtalkit.segments import Segment

if TYPE_CHECKING:
    from wtalkit.localizer import Curves


@dataclass(frozen=True)
class ReportVideo:
    """One video of a report.

    Attributes:
        key: its name.
        candidates: every segment that the page can show; the threshold only says which of them it shows at first.
        duration_s: seconds of video.
        threshold: least score shown at first; None shows all.
        path: the video's file; None where it was not found.
        truth: what is annotated; None where that is not known.
        curves: the model's activations and attention; None where only predictions are at hand.
        status: ``"ok"`` or ``"partial"``.
        warnings: one sentence each.
        gaps: seconds ``(start, end)`` without a picture.
        cut_at: the candidates below this score are missing, as the predictions were written without them.
    """

    key: str
    candidates: tuple[Segment, ...]
    duration_s: float
    threshold: float | None = None
    path: Path | None = None
    truth: tuple[Instance, ...] | None = None
    curves: Curves | None = None
    status: str = "ok"
    warnings: tuple[str, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    cut_at: float | None = None


@dataclass(frozen=True)
class Report:
    """What one page shows.

    Attributes:
        title: of the page.
        videos: in the order they are listed in.
        model: what is recorded about the model; empty where nothing is known.
        spec: the feature spec, as a plain dict.
        failures: inputs that could not be worked on.
        warnings: what concerns all videos.
    """

    title: str
    videos: tuple[ReportVideo, ...]
    model: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The actions that are found or annotated anywhere, sorted."""
        found = {segment.label for video in self.videos for segment in video.candidates}
        annotated = {instance.label for video in self.videos for instance in video.truth or ()}
        return tuple(sorted(found | annotated))
