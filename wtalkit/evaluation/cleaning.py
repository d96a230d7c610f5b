"""Odd predictions: what cannot be scored is left out and counted, what runs past its video is clipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wtalkit.evaluation.average_precision import Booleans
from wtalkit.evaluation.tables import GroundTruth, Scored


@dataclass(frozen=True)
class Cleaned:
    """Predictions fit to be scored, what was left out or clipped, and a sentence on each kind.

    Attributes:
        scored: what is left, in file order.
        kept: which of all these are, [total].
    """

    scored: Scored
    kept: Booleans
    excluded: dict[str, int]
    warnings: tuple[str, ...]

    @property
    def total(self) -> int:
        """Predictions there were."""
        return len(self.kept)


def clean(scored: Scored, truth: GroundTruth, *, clip: bool = True, unknown_videos: bool = False) -> Cleaned:
    """Leave out what cannot be scored; clip predictions that run past their video.

    A video counts as at least as long as its last instance ends (THUMOS14 has instances beyond the stated duration),
    and a prediction that lies wholly beyond stays what it is, a false positive.

    Args:
        scored: all predictions.
        truth: what they are held against.
        clip: cut them at the start and the end of their video.
        unknown_videos: keep those in videos that the ground truth does not have.
    """
    unknown_video = scored.video == len(truth.videos)
    unknown_label = scored.label < 0
    bad_score = ~np.isfinite(scored.scores)
    start, end = scored.segments[:, 0], scored.segments[:, 1]
    bad_segment = ~np.isfinite(scored.segments).all(axis=1) | (end < start)
    elsewhere = np.zeros_like(unknown_video) if unknown_videos else unknown_video
    fit = ~(elsewhere | unknown_label | bad_score | bad_segment)
    kept = scored.only(fit)
    limit = truth.durations.copy()
    beyond = truth.segments[:, 1] > limit[truth.video]  # False where the duration is unknown
    np.maximum.at(limit, truth.video[beyond], truth.segments[beyond, 1])
    ends = np.append(limit, np.nan)[kept.video]
    past = (kept.segments[:, 1] > ends) & (kept.segments[:, 0] < ends)
    early = (kept.segments[:, 0] < 0) & (kept.segments[:, 1] > 0)
    segments = kept.segments.copy()
    segments[past, 1] = ends[past]
    segments[early, 0] = 0.0
    if not clip:
        segments, past, early = kept.segments, np.zeros_like(past), np.zeros_like(early)
    excluded = {
        "unknown_videos": int(elsewhere.sum()),
        "unknown_labels": int((unknown_label & ~elsewhere).sum()),
        "nan_scores": int(bad_score.sum()),
        "bad_segments": int(bad_segment.sum()),
        "clipped": int((past | early).sum()),
        "ground_truth_beyond_video": int(beyond.sum()),
    }
    warnings = tuple(_sentence(kind, count) for kind, count in excluded.items() if count)
    return Cleaned(Scored(segments, kept.scores, kept.video, kept.label), fit, excluded, warnings)


def _sentence(kind: str, count: int) -> str:
    what, done = _SENTENCES[kind]
    things = "instance of the ground truth" if kind.startswith("ground") else "prediction"
    plural = things if count == 1 else things.replace("instance", "instances").replace("prediction", "predictions")
    return f"{count} {plural} {what}; {done}"


_SENTENCES = {
    "unknown_videos": ("in videos that are not scored", "left out"),
    "unknown_labels": ("with a label that the ground truth does not know", "left out"),
    "nan_scores": ("with a score that is not a finite number", "left out"),
    "bad_segments": ("with an end before the start, or times that are not finite", "left out"),
    "clipped": ("running past the start or the end of the video", "clipped"),
    "ground_truth_beyond_video": ("ending after the video", "scored as written"),
}
