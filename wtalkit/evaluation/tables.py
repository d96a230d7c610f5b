"""Predictions and ground truth as arrays, in the order of the files (which decides ties)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wtalkit.annotations.activitynet import parse_activitynet
from wtalkit.annotations.model import Annotations
from wtalkit.evaluation.average_precision import ClassMatches, Floats, Indices, match_class
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
        rows: list[tuple[float, float, float]] = []
        video: list[int] = []
        label: list[int] = []
        for key, entries in results.items():
            video.extend([truth.videos.get(key, len(truth.videos))] * len(entries))
            for entry in entries:
                start, end = entry["segment"]
                rows.append((_number(start), _number(end), _number(entry["score"])))
                label.append(number.get(entry["label"], -1))
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        return cls(
            np.ascontiguousarray(table[:, :2]),
            np.ascontiguousarray(table[:, 2]),
            np.array(video, dtype=np.intp),
            np.array(label, dtype=np.intp),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Scored:
        """The chosen rows, [N] boolean."""
        return Scored(self.segments[chosen], self.scores[chosen], self.video[chosen], self.label[chosen])


def match_all(scored: Scored, truth: GroundTruth, thresholds: Sequence[float]) -> list[ClassMatches]:
    """Match the detections of every class that has ground truth."""
    matches = []
    for index, label in enumerate(truth.labels):
        detected, present = scored.label == index, truth.label == index
        matches.append(
            match_class(
                label,
                detections=scored.segments[detected],
                detection_video=scored.video[detected],
                scores=scored.scores[detected],
                instances=truth.segments[present],
                instance_video=truth.video[present],
                videos=len(truth.videos) + 1,
                thresholds=np.asarray(thresholds, dtype=np.float64),
            )
        )
    return matches


def results_of(predictions: Mapping[str, Any]) -> Results:
    """The ``results`` of a predictions document, or the mapping itself when it is just them."""
    results = predictions.get("results", predictions)
    return results if isinstance(results, Mapping) else predictions


def annotations_of(ground_truth: Annotations | Mapping[str, Any]) -> Annotations:
    """Annotations, also of an ActivityNet document or of its ``database`` alone."""
    if isinstance(ground_truth, Annotations):
        return ground_truth
    return parse_activitynet(ground_truth if "database" in ground_truth else {"database": ground_truth})


def _number(value: Any) -> float:
    number = number_of(value)
    return float(value) if number is None else number
