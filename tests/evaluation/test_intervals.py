"""Intervals from resampled videos."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtalkit.errors import AnnotationsError
from wtalkit.evaluation import bootstrap, mean_average_precision
from wtalkit.evaluation.average_precision import mean_over_classes
from wtalkit.evaluation.tables import GroundTruth, Scored, annotations_of, match_all


def made(videos: int, hits: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """``videos`` videos of two classes; the first ``hits`` are found exactly, the others missed."""
    database, results = {}, {}
    for number in range(videos):
        label = "wave" if number % 2 else "kick"
        database[f"v{number}"] = {"annotations": [{"label": label, "segment": [0, 10]}]}
        start = 0 if number < hits else 20
        results[f"v{number}"] = [{"label": label, "score": 0.1 + number / 1000, "segment": [start, start + 10]}]
    return {"results": results}, {"database": database}


def test_the_interval_holds_the_score_and_is_repeatable() -> None:
    found, ground = made(40, 20)
    score = mean_average_precision(found, ground, [0.5])["average_map"]
    first = bootstrap(found, ground, [0.5], samples=200, seed=3)
    low, high = first["average_map"]
    assert low < score < high
    assert first["map"]["0.50"] == first["average_map"]
    assert first == bootstrap(found, ground, [0.5], samples=200, seed=3)
    assert first != bootstrap(found, ground, [0.5], samples=200, seed=4)


def test_more_videos_narrow_it() -> None:
    widths = []
    for videos in (10, 160):
        low, high = bootstrap(*made(videos, videos // 2), [0.5], samples=200)["average_map"]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_certain_scores_have_no_width() -> None:
    assert bootstrap(*made(10, 10), [0.3, 0.5], samples=50)["average_map"] == [1.0, 1.0]


def test_draws_without_any_instance_say_nothing_but_the_score() -> None:
    found, ground = made(1, 1)
    ground["database"].update({f"nothing {number}": {"annotations": []} for number in range(200)})
    told = [bootstrap(found, ground, [0.5], samples=1, seed=seed) for seed in range(20)]
    assert [each["average_map"] for each in told] == [[1.0, 1.0]] * 20
    assert {each["samples"] for each in told} == {0, 1}  # about seven of these draws lack the one instance


def test_some_classes_only() -> None:
    found, ground = made(20, 20)
    for entries in found["results"].values():
        if entries[0]["label"] == "kick":
            entries[0]["segment"] = [20, 30]
    assert bootstrap(found, ground, [0.5], classes=["wave"], samples=50)["average_map"] == [1.0, 1.0]
    assert bootstrap(found, ground, [0.5], classes=["kick"], samples=50)["average_map"] == [0.0, 0.0]
    with pytest.raises(AnnotationsError, match="no instance of the classes"):
        bootstrap(found, ground, [0.5], classes=["bow"])


def test_weights_are_repetitions() -> None:
    """Weighting a video by 2 is scoring a set that holds it twice."""
    found, ground = made(6, 4)
    weights = {"v0": 2, "v1": 1, "v2": 0, "v3": 3, "v4": 1, "v5": 2}
    truth = GroundTruth.of(annotations_of(ground))
    matches = match_all(Scored.of(found["results"], truth), truth, [0.5])
    weighted = mean_over_classes(matches, np.array([*weights.values(), 0], dtype=float))
    copies = [(name, f"{name}-{copy}") for name, count in weights.items() for copy in range(count)]
    repeated = mean_average_precision(
        {copy: found["results"][name] for name, copy in copies},
        {copy: ground["database"][name] for name, copy in copies},
        [0.5],
    )
    assert weighted[0] == pytest.approx(repeated["average_map"])
