"""mAP over temporal IoU: the plain official number, and the forgiving one that says what it left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wtalkit.annotations.model import Annotations
from wtalkit.errors import PredictionsError
from wtalkit.evaluation.average_precision import ClassMatches, mean_over_classes
from wtalkit.evaluation.preparing import Prepared, prepare, truth_of
from wtalkit.evaluation.rules import PLAIN, Rules
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
    truth = truth_of(annotations_of(ground_truth).subset(subset))
    scored = Scored.of(results_of(predictions), truth)
    unknown = int((scored.label < 0).sum())
    return summary(match_all(scored, truth, thresholds), thresholds, truth, excluded={"unknown_labels": unknown})


def evaluate_predictions(
    predictions: Mapping[str, Any],
    ground_truth: Annotations | Mapping[str, Any],
    tiou_thresholds: Iterable[float] | None = None,
    *,
    subset: str | None = None,
    rules: Rules = PLAIN,
    path: Path | None = None,
    observe: Callable[[Prepared, tuple[float, ...], Rules], None] | None = None,
) -> dict[str, Any]:
    """Score a predictions document that may hold odd data; what is odd is counted, listed, and excluded or clipped.

    Args:
        predictions: a predictions document, or its ``results``.
        ground_truth: annotations, an ActivityNet document, or its ``database``.
        tiou_thresholds: default 0.1:0.7:0.1.
        subset: the subset of the ground truth to score; None takes all of it.
        rules: what is done to both before they are matched.
        path: where the predictions were read from, to be named in errors.
        observe: given what is scored, the thresholds and the rules, for who wants to know more of the same detections.

    Returns:
        The layout of :func:`mean_average_precision`, with ``subset``, ``instances``, ``predictions`` (scored ones),
        ``warnings`` about odd data, ``notes`` on what the rules did, and all counts in ``excluded``.

    Raises:
        AnnotationsError: the ground truth is unusable, or holds nothing to find.
        PredictionsError: there are predictions, but none can be scored.
        ConfigError: a threshold is unusable.
    """
    thresholds = checked(parse_tiou(DEFAULT_TIOU) if tiou_thresholds is None else tiou_thresholds)
    prepared = prepare(predictions, annotations_of(ground_truth), subset=subset, rules=rules)
    if prepared.total and not prepared.usable:
        raise PredictionsError(
            f"no prediction of {prepared.total} can be scored: {'; '.join((*prepared.warnings, *prepared.notes))}",
            file=path,
            remedy="Check that videos and labels are named as in the ground truth",
        )
    if observe is not None:
        observe(prepared, thresholds, rules)
    result = summary(prepared.matches(thresholds), thresholds, prepared.truth, excluded=prepared.excluded)
    return {
        **result,
        "subset": subset,
        "predictions": len(prepared.scored),
        "warnings": list(prepared.warnings),
        "notes": list(prepared.notes),
    }


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
