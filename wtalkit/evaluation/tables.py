"""Predictions and ground truth as arrays, in the order of the files (which decides ties)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from wtalkit.annotations.activitynet import parse_activitynet
from wtalkit.annotations.model import Annotations
from wtalkit.evaluation.average_precision import ClassMatches, Floats, Indices
from wtalkit.evaluation.matching import Intervals, match
from wtalkit.evaluation.predictions import Results, number_of


@dataclass(frozen=True)
class GroundTruth:
    """The instances to be found.

    Attributes:
        videos: index of each video, in file order.
        durations: seconds per video, NaN where unknown, [videos].
        labels: names of the classes that have an instance, sorted.
        segments: [G, 2] seconds.
        video: [G] index of the video.
        label: [G] index of the class.
    """

    videos: dict[str, int]
    durations: Floats
    labels: tuple[str, ...]
    segments: Floats
    video: Indices
    label: Indices

    @classmethod
    def of(cls, annotations: Annotations) -> GroundTruth:
        """The instances of all videos given; weak labels play no part."""
        videos = {key: index for index, key in enumerate(annotations.videos)}
        rows = [(videos[key], each) for key, video in annotations.videos.items() for each in video.segments]
        labels = tuple(sorted({instance.label for _, instance in rows}))
        number = {label: index for index, label in enumerate(labels)}
        durations = [np.nan if video.duration_s is None else video.duration_s for video in annotations.videos.values()]
        return cls(
            videos,
            np.array(durations, dtype=np.float64),
            labels,
            np.array([[each.start_s, each.end_s] for _, each in rows], dtype=np.float64).reshape(-1, 2),
            np.array([video for video, _ in rows], dtype=np.intp),
            np.array([number[each.label] for _, each in rows], dtype=np.intp),
        )


@dataclass(frozen=True)
class Scored:
    """Predictions of the known classes.

    Attributes:
        segments: [N, 2] seconds.
        scores: [N].
        video: [N] index of the video; the number of videos stands for one without ground truth.
        label: [N] index of the class; -1 for a class without ground truth.
    """

    segments: Floats
    scores: Floats
    video: Indices
    label: Indices

    @classmethod
    def of(cls, results: Results, truth: GroundTruth) -> Scored:
        """All predictions of ``results``, in file order."""
        number = {label: index for index, label in enumerate(truth.labels)}
        other = len(truth.videos)
        counts = [len(entries) for entries in results.values()]
        everything = list(chain.from_iterable(results.values()))
        segments = [entry["segment"] for entry in everything]
        if not set(map(len, segments)) <= {2}:
            raise ValueError("a segment is not of a start and an end")
        return cls(
            _numbers(list(chain.from_iterable(segments))).reshape(-1, 2),
            _numbers([entry["score"] for entry in everything]),
            np.repeat(np.array([truth.videos.get(key, other) for key in results], dtype=np.intp), counts),
            np.array([number.get(entry["label"], -1) for entry in everything], dtype=np.intp),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Scored:
        """The chosen rows, [N] boolean."""
        return Scored(self.segments[chosen], self.scores[chosen], self.video[chosen], self.label[chosen])


def match_all(scored: Scored, truth: GroundTruth, thresholds: Sequence[float]) -> list[ClassMatches]:
    """Match the detections of every class that has ground truth."""
    return match(
        truth.labels,
        Intervals(scored.segments, scored.label, scored.video),
        scored.scores,
        Intervals(truth.segments, truth.label, truth.video),
        videos=len(truth.videos) + 1,
        thresholds=thresholds,
    )


def results_of(predictions: Mapping[str, Any]) -> Results:
    """The ``results`` of a predictions document, or the mapping itself when it is just them."""
    results = predictions.get("results", predictions)
    return results if isinstance(results, Mapping) else predictions


def annotations_of(ground_truth: Annotations | Mapping[str, Any]) -> Annotations:
    """Annotations, also of an ActivityNet document or of its ``database`` alone."""
    if isinstance(ground_truth, Annotations):
        return ground_truth
    return parse_activitynet(ground_truth if "database" in ground_truth else {"database": ground_truth})


def _numbers(values: list[Any]) -> Floats:
    """JSON numbers as floats; ``null`` is NaN, and an integer beyond their range is infinite."""
    try:
        return np.array(values, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    number = number_of(value)
    return float(value) if number is None else number
