"""mAP over temporal IoU: the plain official number, and the forgiving one that says what it left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtalkit.annotations.model import Annotations
from wtalkit.errors import AnnotationsError, PredictionsError
from wtalkit.evaluation.average_precision import ClassMatches, mean_over_classes
from wtalkit.evaluation.tables import GroundTruth, Scored, annotations_of, match_all, results_of
from wtalkit.evaluation.thresholds import DEFAULT_TIOU, checked, parse_tiou, tiou_key


def mean_average_precision(
    predictions: Mapping[str, Any],
    ground_truth: Annotations | Mapping[str, Any],
    tiou_thresholds: Iterable[float],
    *,
    subset: str | None = None,
) -> dict[str, Any]:
    """Score predictions as the official ActivityNet evaluator does, to the last bit where numpy's sort allows it.

    Predictions in videos without ground truth are false positives; labels that no instance has are left out (the
    official code stops at them). Segments are taken as they are.

    Args:
        predictions: a predictions document, or its ``results``.
        ground_truth: annotations, an ActivityNet document, or its ``database``.
        tiou_thresholds: IoU at which a detection counts as right, in (0, 1].
        subset: the subset of the ground truth to score; None takes all of it.

    Returns:
        ``{"map": {"0.50": x}, "average_map": x, "per_class": {label: {"0.50": x}}, "videos": n, "excluded": {...}}``.

    Raises:
        AnnotationsError: the ground truth is unusable, or holds nothing to find.
        ConfigError: a threshold is unusable.
    """
    thresholds = checked(tiou_thresholds)
    truth = _truth(annotations_of(ground_truth).subset(subset))
    scored = Scored.of(results_of(predictions), truth)
    unknown = int((scored.label < 0).sum())
    return summary(match_all(scored, truth, thresholds), thresholds, truth, excluded={"unknown_labels": unknown})


def evaluate_predictions(
    predictions: Mapping[str, Any],
    ground_truth: Annotations | Mapping[str, Any],
    tiou_thresholds: Iterable[float] | None = None,
    *,
    subset: str | None = None,
    path: Path | None = None,
) -> dict[str, Any]:
    """Score a predictions document that may hold odd data; what is odd is counted, listed, and excluded or clipped.

    Args:
        predictions: a predictions document, or its ``results``.
        ground_truth: annotations, an ActivityNet document, or its ``database``.
        tiou_thresholds: default 0.1:0.7:0.1.
        subset: the subset of the ground truth to score; None takes all of it.
        path: where the predictions were read from, to be named in errors.

    Returns:
        The layout of :func:`mean_average_precision`, with ``subset``, ``instances``, ``predictions`` (scored ones),
        ``warnings`` and all counts in ``excluded``.

    Raises:
        AnnotationsError: the ground truth is unusable, or holds nothing to find.
        PredictionsError: there are predictions, but none can be scored.
        ConfigError: a threshold is unusable.
    """
    thresholds = checked(parse_tiou(DEFAULT_TIOU) if tiou_thresholds is None else tiou_thresholds)
    everything = annotations_of(ground_truth)
    truth = _truth(everything.subset(subset))
    cleaned = clean(Scored.of(results_of(predictions), truth), truth)
    elsewhere = sorted(set(results_of(predictions)) - set(truth.videos))
    warnings = [*everything.warnings, *cleaned.warnings, *_video_warnings(elsewhere, everything)]
    if not len(cleaned.scored) and cleaned.total:
        raise PredictionsError(
            f"no prediction of {cleaned.total} can be scored: {'; '.join(warnings)}",
            file=path,
            remedy="Check that videos and labels are named as in the ground truth",
        )
    result = summary(match_all(cleaned.scored, truth, thresholds), thresholds, truth, excluded=cleaned.excluded)
    return {**result, "subset": subset, "predictions": len(cleaned.scored), "warnings": warnings}


@dataclass(frozen=True)
class Cleaned:
    """Predictions fit to be scored, what was left out or clipped, and a sentence on each kind."""

    scored: Scored
    total: int
    excluded: dict[str, int]
    warnings: tuple[str, ...]


def clean(scored: Scored, truth: GroundTruth) -> Cleaned:
    """Leave out what cannot be scored; clip predictions that run past their video.

    A video counts as at least as long as its last instance ends (THUMOS14 has instances beyond the stated duration),
    and a prediction that lies wholly beyond stays what it is, a false positive.
    """
    unknown_video = scored.video == len(truth.videos)
    unknown_label = scored.label < 0
    bad_score = ~np.isfinite(scored.scores)
    start, end = scored.segments[:, 0], scored.segments[:, 1]
    bad_segment = ~np.isfinite(scored.segments).all(axis=1) | (end < start)
    kept = scored.only(~(unknown_video | unknown_label | bad_score | bad_segment))
    limit = truth.durations.copy()
    beyond = truth.segments[:, 1] > limit[truth.video]  # False where the duration is unknown
    np.maximum.at(limit, truth.video[beyond], truth.segments[beyond, 1])
    ends = limit[kept.video]
    past = (kept.segments[:, 1] > ends) & (kept.segments[:, 0] < ends)
    early = (kept.segments[:, 0] < 0) & (kept.segments[:, 1] > 0)
    segments = kept.segments.copy()
    segments[past, 1] = ends[past]
    segments[early, 0] = 0.0
    excluded = {
        "unknown_videos": int(unknown_video.sum()),
        "unknown_labels": int((unknown_label & ~unknown_video).sum()),
        "nan_scores": int(bad_score.sum()),
        "bad_segments": int(bad_segment.sum()),
        "clipped": int((past | early).sum()),
        "ground_truth_beyond_video": int(beyond.sum()),
    }
    warnings = tuple(_sentence(kind, count) for kind, count in excluded.items() if count)
    return Cleaned(Scored(segments, kept.scores, kept.video, kept.label), len(scored), excluded, warnings)


def summary(
    matches: list[ClassMatches], thresholds: tuple[float, ...], truth: GroundTruth, *, excluded: dict[str, int]
) -> dict[str, Any]:
    """The numbers of the contract, as plain Python values."""
    keys = [tiou_key(value) for value in thresholds]
    values = mean_over_classes(matches)
    per_class = {match.label: dict(zip(keys, match.average_precision().tolist(), strict=True)) for match in matches}
    return {
        "map": dict(zip(keys, values.tolist(), strict=True)),
        "average_map": float(np.mean(values)),
        "per_class": per_class,
        "videos": len(truth.videos),
        "instances": len(truth.segments),
        "excluded": excluded,
    }


def _truth(annotations: Annotations) -> GroundTruth:
    truth = GroundTruth.of(annotations)
    if not len(truth.segments):
        raise AnnotationsError(
            "says of no video when an action happens, so nothing can be scored",
            file=annotations.path,
            remedy="Give ground truth with start and end times",
        )
    return truth


def _sentence(kind: str, count: int) -> str:
    what, done = _SENTENCES[kind]
    things = "instance of the ground truth" if kind.startswith("ground") else "prediction"
    plural = things if count == 1 else things.replace("instance", "instances").replace("prediction", "predictions")
    return f"{count} {plural} {what}; {done}"


def _video_warnings(elsewhere: list[str], everything: Annotations) -> list[str]:
    unknown = [key for key in elsewhere if key not in everything.videos]
    if not unknown:
        return []
    shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
    are = "video is" if len(unknown) == 1 else "videos are"
    return [f"{len(unknown)} {are} not in the ground truth: {shown}"]


_SENTENCES = {
    "unknown_videos": ("in videos that are not scored", "left out"),
    "unknown_labels": ("with a label that the ground truth does not know", "left out"),
    "nan_scores": ("with a score that is not a finite number", "left out"),
    "bad_segments": ("with an end before the start, or times that are not finite", "left out"),
    "clipped": ("running past the start or the end of the video", "clipped"),
    "ground_truth_beyond_video": ("ending after the video", "scored as written"),
}
