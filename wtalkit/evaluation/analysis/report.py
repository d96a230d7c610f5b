"""More than one number: where a set of detections is good, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wtalkit.annotations.model import Annotations
from wtalkit.evaluation.analysis.assignment import assign
from wtalkit.evaluation.analysis.characteristics import Buckets, characteristics
from wtalkit.evaluation.analysis.curves import envelope
from wtalkit.evaluation.analysis.errors import ErrorProfile, error_profile
from wtalkit.evaluation.analysis.recall import AverageRecall, average_recall
from wtalkit.evaluation.analysis.sensitivity import Sensitivity, sensitivity
from wtalkit.evaluation.average_precision import mean_over_classes
from wtalkit.evaluation.classification import classification_map, video_labels, video_scores
from wtalkit.evaluation.intervals import INTERVAL, intervals_of
from wtalkit.evaluation.preparing import FPS, STRIDE, Prepared, prepare
from wtalkit.evaluation.rules import PLAIN, Rules
from wtalkit.evaluation.tables import annotations_of
from wtalkit.evaluation.thresholds import checked, tiou_key

DIAGNOSED = (0.5,)
"""Where errors are looked at, as DETAD does for THUMOS14, unless every threshold is at least as high."""


@dataclass(frozen=True)
class ClassScore:
    """One class.

    Attributes:
        label: its name.
        instances: how many there are to be found.
        predictions: detections of it.
        ap: average precision by threshold.
        curve_ap: average precision at :attr:`Analysis.curve_tiou`.
        precision: precision at recall 0, 0.01 ... 1, at :attr:`Analysis.curve_tiou`.
    """

    label: str
    instances: int
    predictions: int
    ap: dict[str, float]
    curve_ap: float
    precision: tuple[float, ...]

    @property
    def mean(self) -> float:
        """AP, mean over the thresholds."""
        return float(np.mean(list(self.ap.values())))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the curve."""
        return {"instances": self.instances, "predictions": self.predictions, "ap": self.ap, "mean": self.mean}


@dataclass(frozen=True)
class Analysis:
    """What :func:`analyse` found; all scores are fractions.

    Attributes:
        map: mAP by threshold.
        average_map: its mean.
        interval: quantiles of ``low`` and ``high``; None if nothing was resampled.
        low: lower end of the interval of mAP under resampling of the videos, by threshold, and of their ``mean``.
        high: its upper end.
        samples: draws behind the intervals.
        classes: in alphabetical order.
        curve_tiou: threshold of the classes' curves.
        recall: average recall at N proposals per video.
        classification_map: mAP of the best detection of a class as the video's score for it.
        diagnosed: thresholds of ``errors`` and ``sensitivity``.
        errors: kinds of error.
        sensitivity: by characteristics of the instances.
        buckets: whose edges these characteristics have.
    """

    map: dict[str, float]
    average_map: float
    interval: tuple[float, float] | None
    low: dict[str, float]
    high: dict[str, float]
    samples: int
    classes: tuple[ClassScore, ...]
    curve_tiou: float
    recall: AverageRecall
    classification_map: float
    diagnosed: tuple[float, ...]
    errors: ErrorProfile
    sensitivity: Sensitivity
    buckets: Buckets

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --analysis --json`` says under ``analysis``."""
        return {
            "map": self.map,
            "average_map": self.average_map,
            "intervals": {
                "quantiles": None if self.interval is None else list(self.interval),
                "samples": self.samples,
                "low": self.low,
                "high": self.high,
            },
            "classes": {each.label: each.to_dict() for each in self.classes},
            "average_recall": self.recall.to_dict(),
            "classification_map": self.classification_map,
            "diagnosed": [tiou_key(value) for value in self.diagnosed],
            "errors": self.errors.to_dict(),
            "sensitivity": {"edges": self.buckets, **self.sensitivity.to_dict()},
        }


def analyse(
    predictions: Mapping[str, Any],
    ground_truth: Annotations | Mapping[str, Any],
    tiou_thresholds: Iterable[float],
    *,
    subset: str | None = None,
    rules: Rules = PLAIN,
    buckets: Buckets = "relative",
    samples: int = 1000,
    seed: int = 0,
) -> Analysis:
    """Everything there is to know about detections: by class, by kind of error, by kind of instance.

    Args:
        predictions: a predictions document, or its ``results``.
        ground_truth: annotations, an ActivityNet document, or its ``database``.
        tiou_thresholds: as for mAP. Errors are looked at where all of them are if none is below 0.5 (so does DETAD for
            ActivityNet), else at 0.5 (so it does for THUMOS14).
        subset: the subset of the ground truth to score; None takes all of it.
        rules: what is done to both before they are matched.
        buckets: which instances are short and long: relative to the others, or as DETAD says for a dataset.
        samples: draws of the intervals; 0 leaves them out.
        seed: of the draws.

    Raises:
        AnnotationsError: the ground truth is unusable, or holds nothing to find.
        ConfigError: a threshold or the buckets are unusable.
    """
    thresholds = checked(tiou_thresholds)
    prepared = prepare(predictions, annotations_of(ground_truth), subset=subset, rules=rules)
    return analyse_prepared(prepared, thresholds, rules, buckets=buckets, samples=samples, seed=seed)


def analyse_prepared(
    prepared: Prepared,
    thresholds: Sequence[float],
    rules: Rules = PLAIN,
    *,
    buckets: Buckets = "relative",
    samples: int = 1000,
    seed: int = 0,
) -> Analysis:
    """What :func:`analyse` says of detections to which these rules were applied before."""
    diagnosed = tuple(thresholds) if min(thresholds) >= DIAGNOSED[0] else DIAGNOSED
    curve = min(diagnosed)
    scored, truth = prepared.scored, prepared.truth
    matches = prepared.matches(thresholds)
    keys = [tiou_key(value) for value in thresholds]
    spans = (
        intervals_of(matches, thresholds, videos=len(truth.videos), samples=samples, seed=seed) if samples > 0 else None
    )
    ends = {} if spans is None else {**spans["map"], "mean": spans["average_map"]}
    at_diagnosed = prepared.matches(diagnosed)
    ranked = assign(at_diagnosed, scored, truth, diagnosed)
    at_curve = diagnosed.index(curve)
    second = FPS / STRIDE if rules.units == "snippets" else 1.0
    values = mean_over_classes(matches)
    return Analysis(
        map=dict(zip(keys, values.tolist(), strict=True)),
        average_map=float(np.mean(values)),
        interval=None if spans is None else INTERVAL,
        low={key: low for key, (low, _) in ends.items()},
        high={key: high for key, (_, high) in ends.items()},
        samples=0 if spans is None else spans["samples"],
        classes=tuple(
            ClassScore(
                match.label,
                len(one.instances),
                len(match.video),
                dict(zip(keys, match.average_precision().tolist(), strict=True)),
                float(other.average_precision()[at_curve]),
                envelope(one.hit[at_curve], len(one.instances)),
            )
            for match, other, one in zip(matches, at_diagnosed, ranked, strict=True)
        ),
        curve_tiou=curve,
        recall=average_recall(scored, truth, thresholds),
        classification_map=classification_map(video_scores(scored, truth), video_labels(truth)),
        diagnosed=diagnosed,
        errors=error_profile(ranked, scored, truth, diagnosed),
        sensitivity=sensitivity(ranked, truth, characteristics(truth, buckets, second=second)),
        buckets=buckets,
    )
