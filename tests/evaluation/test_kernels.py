"""The compiled loops against what they stand for, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.evaluation import matching
from wtalkit.evaluation.average_precision import ClassMatches, temporal_iou
from wtalkit.evaluation.matching import Intervals, match


def official_area(precision: np.ndarray, recall: np.ndarray) -> float:
    """``interpolated_prec_rec`` as it reads."""
    heights, steps = np.hstack([[0.0], precision, [0.0]]), np.hstack([[0.0], recall, [1.0]])
    for place in range(len(heights) - 1)[::-1]:
        heights[place] = max(heights[place], heights[place + 1])
    at = np.where(steps[1:] != steps[:-1])[0] + 1
    return float(np.sum((steps[at] - steps[at - 1]) * heights[at]))


@given(st.integers(0, 2**32), st.sampled_from([1, 5, 7, 8, 9, 100, 130, 300, 3000]), st.sampled_from([0.1, 0.5, 0.9]))
def test_average_precision(seed: int, count: int, share: float) -> None:
    """Of few and of many hits: numpy adds up in another way beyond 8 numbers, and beyond 128."""
    draw = np.random.default_rng(seed)
    hit = draw.random((2, count)) < share
    video, missed = draw.integers(4, size=count), int(draw.integers(3))
    instances = np.array([int(hit.sum(axis=1).max()) + missed, 0, 0, 0])
    matches = ClassMatches("a", video, hit, instances)
    for weights in (None, draw.integers(0, 3, 4).astype(float)):
        counts = np.ones(count) if weights is None else weights[video]
        positives = float(instances.sum() if weights is None else instances @ weights)
        expected = np.zeros(2)
        if positives:
            true, shown = np.cumsum(hit * counts, axis=1), np.cumsum(counts)
            precision = np.divide(true, shown, out=np.zeros_like(true), where=shown > 0)
            expected = np.array([official_area(*rows) for rows in zip(precision, true / positives, strict=True)])
        assert matches.average_precision(weights).tolist() == expected.tolist()


def turns(iou: np.ndarray, level: float) -> list[bool]:
    """One video and class, a detection at a time."""
    free, hits = [True] * iou.shape[1], []
    for row in iou:
        found = None
        for instance in row.argsort()[::-1]:
            if row[instance] < level:
                break
            if free[instance]:
                found = instance
                break
        if found is not None:
            free[found] = False
        hits.append(found is not None)
    return hits


@pytest.mark.parametrize("most_pairs", [7, 2**20])
def test_matching(monkeypatch: pytest.MonkeyPatch, most_pairs: int) -> None:
    monkeypatch.setattr(matching, "MOST_PAIRS", most_pairs)
    draw, levels = np.random.default_rng(0), [0.1, 0.5, 1.0]

    def some(count: int, labels: list[int], videos: int) -> Intervals:
        start = draw.integers(0, 12, count).astype(float)
        segments = np.stack([start, start + draw.integers(0, 5, count)], axis=1)
        return Intervals(segments, draw.choice(labels, count), draw.integers(videos, size=count))

    detections, instances = some(400, [-1, 0, 1, 2], 5), some(90, [0, 2], 4)
    scores = draw.integers(0, 30, 400) / 10
    found = match(["a", "b", "c"], detections, scores, instances, videos=6, thresholds=levels)
    assert [each.label for each in found] == ["a", "b", "c"]
    assert sum(each.hit.any() for each in found) == 2
    for label, each in enumerate(found):
        rows = np.nonzero(detections.label == label)[0]
        rows = rows[scores[rows].argsort()[::-1]]
        assert each.video.tolist() == detections.video[rows].tolist()
        for video in range(6):
            there = np.nonzero((instances.label == label) & (instances.video == video))[0]
            assert each.instances[video] == len(there)
            mine = np.nonzero(each.video == video)[0]
            iou = temporal_iou(detections.segments[rows[mine]], instances.segments[there])
            for number, level in enumerate(levels):
                assert each.hit[number, mine].tolist() == turns(iou, level)
