"""How fast detections are scored: against an evaluator of data frames, and against reading the file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from wtalkit.bench.frames_evaluator import frames_average_precision
from wtalkit.bench.stages import Case, Row, paired
from wtalkit.evaluation import mean_average_precision

log = logging.getLogger(__name__)

VIDEOS, INSTANCES, DETECTIONS = 212, 3358, 31587
"""Of THUMOS14's test videos, and of the detections that P-MIL publishes for them."""
LABELS = tuple(f"class {number:02}" for number in range(20))
THRESHOLDS = tuple(np.linspace(0.1, 0.7, 7).tolist())
SLOW_LABELS = LABELS[:1]
"""Classes that the data frames are given."""
SEED = 0


def measure(case: Case) -> Iterator[Row]:
    """One row; on a GPU there is none, scoring works on the CPU."""
    if case.device.type != "cpu":
        return
    if find_spec("pandas") is None:
        log.warning("evaluation is not measured: pandas is not installed. It comes with wtalkit[bench].")
        return
    predictions, ground_truth = simulated(np.random.default_rng(SEED))
    few = {
        video: [entry for entry in entries if entry["label"] in SLOW_LABELS]
        for video, entries in predictions["results"].items()
    }
    count = sum(map(len, few.values()))
    both = paired(
        lambda: mean_average_precision(predictions, ground_truth, THRESHOLDS),
        lambda: frames_average_precision({"results": few}, ground_truth, THRESHOLDS, SLOW_LABELS),
        case,
        ours_count=DETECTIONS,
        theirs_count=count,
    )
    yield Row(
        stage="evaluation",
        case=f"{DETECTIONS:,} detections of {len(LABELS)} classes in {VIDEOS} videos, {len(THRESHOLDS)} thresholds",
        unit="detections",
        ours="mean_average_precision",
        theirs=f"pandas, {count:,} detections of {len(SLOW_LABELS)} class",
        ours_per_s=both.ours_per_s,
        theirs_per_s=both.theirs_per_s,
        ratio=both.ratio,
        agreement=f"AP within {apart(predictions, ground_truth):.1e}",
    )


def apart(predictions: dict[str, Any], ground_truth: dict[str, Any]) -> float:
    """Largest difference of both evaluators' average precision, of the classes that both can be asked for."""
    mine = mean_average_precision(predictions, ground_truth, THRESHOLDS)["per_class"]
    theirs = frames_average_precision(predictions, ground_truth, THRESHOLDS, SLOW_LABELS)
    return max(float(np.abs(values - list(mine[label].values())).max()) for label, values in theirs.items())


def simulated(draw: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Documents of predictions and ground truth of the size of THUMOS14's test set.

    Each video is of one class. Half of its detections lie near an instance, the rest anywhere; one in ten is of another
    class.
    """
    names = [f"video {number:03}" for number in range(VIDEOS)]
    classes = np.arange(VIDEOS) % len(LABELS)
    truth: dict[str, Any] = {name: {"subset": "test", "duration": 200.0, "annotations": []} for name in names}
    segments: list[list[list[float]]] = [[] for _ in names]
    for video in [*range(VIDEOS), *draw.integers(VIDEOS, size=INSTANCES - VIDEOS).tolist()]:
        start, length = 190 * draw.random(), 1 + 7 * draw.random()
        segments[video].append([start, start + length])
        instance = {"label": LABELS[classes[video]], "segment": [start, start + length]}
        truth[names[video]]["annotations"].append(instance)
    results: dict[str, list[Any]] = {name: [] for name in names}
    for video in draw.integers(VIDEOS, size=DETECTIONS).tolist():
        near = draw.random() < 0.5
        start, end = segments[video][draw.integers(len(segments[video]))] if near else (190 * draw.random(), 0.0)
        start = max(0.0, start + draw.normal())
        end = max(start + 0.5, end + draw.normal() if near else start + 8 * draw.random())
        label = classes[video] if draw.random() < 0.9 else draw.integers(len(LABELS))
        entry = {"label": LABELS[label], "score": draw.random() + 0.3 * near, "segment": [start, end]}
        results[names[video]].append(entry)
    return {"results": results}, {"database": truth}
