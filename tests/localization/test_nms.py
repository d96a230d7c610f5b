"""Soft-NMS: against the slow obvious form, and what must hold for any input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.localization import hard_nms, soft_nms
from wtalkit.localization.nms import temporal_iou

KINDS = ("gaussian", "linear", "hard", "bsn")
segment = st.tuples(st.integers(0, 20), st.integers(0, 6)).map(lambda pair: (pair[0] / 2, (pair[0] + pair[1]) / 2))
candidates = st.lists(st.tuples(segment, st.floats(-2, 2, width=32)), max_size=12)
settings = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "sigma": st.sampled_from([0.1, 0.3, 0.8]),
        "tiou": st.sampled_from([0.0, 0.1, 0.5, 0.7]),
        "plus_one": st.booleans(),
        "min_score": st.sampled_from([None, 0.05]),
    }
)


def split(found: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([times for times, _ in found]).reshape(-1, 2), np.array([score for _, score in found])


def obvious(
    found: list[Any], kind: str, sigma: float, tiou: float, plus_one: bool, min_score: float | None
) -> list[tuple[int, float]]:
    """Soft-NMS as its definition reads, one pair of numbers at a time."""
    left = [[index, *times, score] for index, (times, score) in enumerate(found)]
    emitted = []
    extra = 1 if plus_one else 0
    while left:
        best = max(range(len(left)), key=lambda row: left[row][3])
        if min_score is not None and left[best][3] < min_score:
            break
        left[0], left[best] = left[best], left[0]
        index, start, end, score = left.pop(0)
        emitted.append((index, score))
        rest = []
        for other in left:
            inter = max(min(end, other[2]) - max(start, other[1]) + extra, 0)
            union = (end - start + extra) + (other[2] - other[1] + extra) - inter
            iou = inter / union if union > 0 else 0.0
            weight = 1.0
            if kind == "linear" and iou > tiou:
                weight = 1 - iou
            elif kind == "gaussian" or (kind == "bsn" and iou > tiou):
                weight = math.exp(-iou * iou / sigma)
            if kind != "hard" or iou < tiou:
                rest.append([*other[:3], other[3] * weight])
        left = rest
    return sorted(emitted, key=lambda pair: -pair[1])


@given(candidates, settings)
def test_equals_the_obvious_form(found: list[Any], knobs: dict[str, Any]) -> None:
    kept, scores = soft_nms(*split(found), **knobs)
    expected = obvious(found, **knobs)
    np.testing.assert_allclose(scores, [score for _, score in expected], rtol=1e-12, atol=1e-15)
    assert kept.tolist() == [index for index, _ in expected]


@given(candidates, settings)
def test_invariants(found: list[Any], knobs: dict[str, Any]) -> None:
    segments, scores = split(found)
    before = segments.copy(), scores.copy()
    kept, rescored = soft_nms(segments, scores, **knobs)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(rescored) <= 0).all()
    assert np.isfinite(rescored).all()
    assert (np.abs(rescored) <= np.abs(scores[kept]) + 1e-12).all(), "weights never exceed 1"
    if knobs["kind"] != "hard" and knobs["min_score"] is None:
        assert len(kept) == len(found)
    if found and knobs["min_score"] is None:
        assert rescored.max() >= scores.max(), "the best candidate keeps its score"
    assert (segments == before[0]).all()
    assert (scores == before[1]).all()


@given(candidates, st.sampled_from([0.1, 0.5, 0.7]))
def test_hard_leaves_no_overlap_and_drops_nothing_without_reason(found: list[Any], tiou: float) -> None:
    segments, scores = split(found)
    kept = hard_nms(segments, scores, tiou)
    for rank, index in enumerate(kept):
        assert (temporal_iou(segments[index], segments[kept[rank + 1 :]]) < tiou).all()
    for index in set(range(len(found))) - set(kept.tolist()):
        better = [other for other in kept if scores[other] >= scores[index]]
        assert (temporal_iou(segments[index], segments[better]) >= tiou).any()


def test_equality_with_the_threshold_removes() -> None:
    assert hard_nms([[0, 2], [1, 2]], [1.0, 0.9], 0.5).tolist() == [0]
    assert hard_nms([[0, 2], [1, 2]], [1.0, 0.9], 0.51).tolist() == [0, 1]


def test_zero_length_pairs_do_not_touch_each_other() -> None:
    kept, scores = soft_nms([[3, 3], [3, 3]], [0.9, 0.8])
    assert (kept.tolist(), scores.tolist()) == ([0, 1], [0.9, 0.8])
    assert soft_nms([[3, 3], [3, 3]], [0.9, 0.8], plus_one=True)[1][1] == pytest.approx(0.8 * math.exp(-1 / 0.3))


def test_touching_segments_do_not_overlap() -> None:
    assert temporal_iou([0, 1], [[1, 2], [0.5, 1]]).tolist() == [0.0, 0.5]


def test_nothing_in_nothing_out() -> None:
    for empty in ([], np.zeros((0, 2))):
        kept, scores = soft_nms(empty, [])
        assert (kept.shape, scores.shape) == ((0,), (0,))


def test_min_score_ends_the_list() -> None:
    kept, _ = soft_nms([[0, 1], [0, 1], [5, 6]], [0.9, 0.8, 0.1], min_score=0.1)
    assert kept.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("segments", "scores", "knobs", "complaint"),
    [
        ([[0, 1]], [math.nan], {}, "finite"),
        ([[0, math.inf]], [1], {}, "finite"),
        ([[1, 0]], [1], {}, "ends before"),
        ([[0, 1]], [1, 2], {}, "expected segments"),
        ([[0, 1]], [1], {"kind": "softer"}, "kind must be one of gaussian"),
        ([[0, 1]], [1], {"sigma": 0}, "sigma must be positive"),
    ],
)
def test_refusals(segments: Any, scores: Any, knobs: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        soft_nms(segments, scores, **knobs)
