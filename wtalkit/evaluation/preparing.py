"""Predictions and ground truth as they enter the matching, after every rule was applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wtalkit.annotations.model import Annotations
from wtalkit.datasets import LEFT_OUT, as_annotated
from wtalkit.errors import AnnotationsError
from wtalkit.evaluation.ambiguous import snippets_touch, touches
from wtalkit.evaluation.average_precision import Booleans, ClassMatches, Floats
from wtalkit.evaluation.cleaning import clean
from wtalkit.evaluation.rules import PLAIN, Rules
from wtalkit.evaluation.suppression import suppress
from wtalkit.evaluation.tables import GroundTruth, Scored, match_all, results_of
from wtalkit.suggest import some_of

FPS, STRIDE = 25, 16
"""Of the features that all THUMOS14 codes share: what a snippet is in seconds."""


@dataclass(frozen=True)
class Prepared:
    """What is scored, and what was done to get there.

    Attributes:
        scored: predictions, in the order that decides ties.
        truth: the instances to be found, in the same unit.
        total: predictions there were.
        usable: whether any lies in a video that counts and can be scored.
        excluded: numbers of what was left out or changed, by reason.
        warnings: a sentence on each kind of odd data.
        notes: a sentence on each rule that had something to do.
    """

    scored: Scored
    truth: GroundTruth
    total: int
    usable: bool
    excluded: dict[str, int]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def matches(self, thresholds: Sequence[float]) -> list[ClassMatches]:
        """Which predictions hit which instances, class by class."""
        return match_all(self.scored, self.truth, thresholds)


def prepare(
    predictions: Mapping[str, Any], ground_truth: Annotations, *, subset: str | None = None, rules: Rules = PLAIN
) -> Prepared:
    """Apply the rules: which videos count, then clipping, units, suppression, ambiguous intervals, in this order.

    Args:
        predictions: a predictions document, or its ``results``.
        ground_truth: the whole file.
        subset: the subset to score; None takes all of it.
        rules: the switches.

    Raises:
        AnnotationsError: the ground truth holds nothing to find.
    """
    results = results_of(predictions)
    counted, absent = counting_videos(ground_truth.subset(subset), rules)
    truth = truth_of(as_annotated(counted) if rules.order == "annotators" else counted)
    cleaned = clean(
        Scored.of(results, truth), truth, clip=rules.clip == "video", unknown_videos=rules.unknown_videos == "wrong"
    )
    scored = cleaned.scored
    film = np.repeat(np.arange(len(results)), [len(entries) for entries in results.values()])[cleaned.kept]
    if rules.units == "snippets":
        truth, scored = _in_snippets(truth, scored)
    left, _ = suppress(scored, film, rules.nms)
    clear = ~_ambiguous(left, counted, truth, rules)
    strangers = int((scored.video == len(truth.videos)).sum())
    done = {
        "videos": (rules.videos != "all", len(absent)),
        "suppressed": (rules.nms != "none", len(scored) - len(left)),
        "ambiguous": (rules.ambiguous != "none", int((~clear).sum())),
    }
    notes = (
        *[f"{len(absent)} of the subset's videos left out ({rules.videos}): {some_of(absent)}"] * bool(absent),
        *[f"{strangers} predictions in videos that are not scored; counted as wrong"] * bool(strangers),
        *[f"{done['suppressed'][1]} predictions suppressed ({rules.nms})"] * done["suppressed"][0],
        *[f"{done['ambiguous'][1]} predictions that touch an ambiguous interval left out"] * done["ambiguous"][0],
    )
    elsewhere = sorted(set(results) - set(ground_truth.videos))
    return Prepared(
        scored=left if clear.all() else left.only(clear),
        truth=truth,
        total=cleaned.total,
        usable=len(scored) > strangers,
        excluded={**cleaned.excluded, **{name: number for name, (asked, number) in done.items() if asked}},
        warnings=(*ground_truth.warnings, *cleaned.warnings, *_unknown(elsewhere)),
        notes=notes,
    )


def counting_videos(annotations: Annotations, rules: Rules) -> tuple[Annotations, list[str]]:
    """The videos that count by the rules, and the keys of those that do not."""
    absent = [key for key in annotations.videos if key in LEFT_OUT[rules.videos]]
    return (annotations.only(set(annotations.videos) - set(absent)) if absent else annotations), absent


def truth_of(annotations: Annotations) -> GroundTruth:
    """The instances to be found.

    Raises:
        AnnotationsError: there is none.
    """
    truth = GroundTruth.of(annotations)
    if not len(truth.segments):
        raise AnnotationsError(
            "says of no video when an action happens, so nothing can be scored",
            file=annotations.path,
            remedy="Give ground truth with start and end times",
        )
    return truth


def _in_snippets(truth: GroundTruth, scored: Scored) -> tuple[GroundTruth, Scored]:
    """Both in snippets: instances in whole ones, predictions in hundredths, as P-MIL's ``dataset.py`` converts them."""
    # Python's round is exact on decimals, numpy's is not.
    hundredths = [round(value, 2) for value in (scored.segments.ravel() * FPS / STRIDE).tolist()]
    return (
        replace(truth, segments=np.round(truth.segments * FPS / STRIDE)),
        replace(scored, segments=np.array(hundredths, dtype=np.float64).reshape(-1, 2)),
    )


def _ambiguous(scored: Scored, annotations: Annotations, truth: GroundTruth, rules: Rules) -> Booleans:
    """Whether each prediction touches an ambiguous interval of its video; none does where the rule is off."""
    touching = np.zeros(len(scored), dtype=bool)
    if rules.ambiguous == "none":
        return touching
    for key, video in annotations.videos.items():
        rows = np.nonzero(scored.video == truth.videos[key])[0] if video.ambiguous else ()
        if len(rows):
            touching[rows] = _touching(scored.segments[rows], video.ambiguous, rules)
    return touching


def _touching(segments: Floats, intervals_s: tuple[tuple[float, float], ...], rules: Rules) -> Booleans:
    if rules.units == "seconds":
        return touches(segments, intervals_s, rule="snippets" if rules.ambiguous == "snippets" else "seconds")
    if rules.ambiguous == "snippets":
        return snippets_touch(segments, intervals_s, FPS, STRIDE)
    return touches(segments * STRIDE / FPS, intervals_s, rule="seconds")


def _unknown(unknown: list[str]) -> list[str]:
    if not unknown:
        return []
    are = "video is" if len(unknown) == 1 else "videos are"
    return [f"{len(unknown)} {are} not in the ground truth: {some_of(unknown)}"]
