"""The vectorised clustering and refining against the plain loops they stand for, one video and class at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wtalkit.methods.clustering import cluster, in_time_order, rank, rank_weighted_mean, refine


def loop_cluster(scores: list[float]) -> list[bool]:
    """Adaptive clustering of scores sorted from high to low, step by step."""
    n = len(scores)
    positive = [True] + [False] * (n - 1)
    high, low = [scores[0], 1.0], [scores[-1], 1.0]  # weighted sum, weight
    for i in range(1, n - 1):
        if abs(scores[i] - high[0] / high[1]) <= abs(scores[i] - low[0] / low[1]):
            positive[i] = True
            high = [high[0] + scores[i] / (i + 1), high[1] + 1 / (i + 1)]
        else:
            low = [low[0] + scores[i], low[1] + 1]
    return positive


def loop_refine(scores: list[float], cas: list[float], positive: list[bool]) -> list[bool]:
    """Refining of one video and class, everything in rank order."""
    chosen = [i for i in range(len(scores)) if positive[i]]
    weights = [1 / (i + 2) for i in chosen]
    reference = sum(w * cas[i] for w, i in zip(weights, chosen, strict=True)) / max(sum(weights), 1)
    means = np.cumsum([cas[i] for i in chosen]) / np.arange(1, len(chosen) + 1)
    kept = int((means >= reference).sum())
    level = [scores[i] for i in chosen][min(kept - 1, len(chosen) - 1)]  # kept = 0: Python's last entry
    return [positive[i] and scores[i] >= level for i in range(len(scores))]


def by_loops(scores: torch.Tensor, cas: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    clusters, refined = torch.zeros(scores.shape, dtype=torch.bool), torch.zeros(scores.shape, dtype=torch.bool)
    for c in range(scores.shape[1] if length else 0):
        column = scores[:length, c].double()
        order = torch.argsort(column, descending=True, stable=True)
        ranked, logits = column[order].tolist(), cas[:length, c].double()[order].tolist()
        positive = loop_cluster(ranked)
        clusters[order, c] = torch.tensor(positive)
        refined[order, c] = torch.tensor(loop_refine(ranked, logits, positive))
    return clusters, refined


def compare(scores: torch.Tensor, cas: torch.Tensor, lengths: list[int]) -> None:
    mask = torch.arange(scores.shape[1]) < torch.tensor(lengths)[:, None]
    ranking = rank(scores, mask)
    positive = cluster(ranking)
    refined = refine(ranking, positive, cas)
    for video, length in enumerate(lengths):
        expected_cluster, expected_refined = by_loops(scores[video], cas[video], length)
        assert torch.equal(in_time_order(ranking, positive)[video], expected_cluster), f"{length = }"
        assert torch.equal(in_time_order(ranking, refined)[video], expected_refined), f"{length = }"


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_loops_on_padded_batches(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(6, 60, 7, generator=generator)
    cas = torch.randn(6, 60, 7, generator=generator) + 3 * scores
    compare(scores, cas, [60, 41, 3, 2, 1, 0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-4, 4)), min_size=1, max_size=14))
def test_equals_the_loops_when_scores_tie(pairs: list[tuple[int, int]]) -> None:
    table = torch.tensor(pairs, dtype=torch.float32)
    compare(table[None, :, :1] / 8, table[None, :, 1:], [len(pairs)])


def test_nothing_above_the_reference_refines_nothing_away() -> None:
    scores = torch.tensor([0.9, 0.89, 0.1])[None, :, None]
    cas = torch.tensor([-1.0, -1.0, 0.0])[None, :, None]  # running means -1, -1 stay below (1/2 + 1/3) * -1
    ranking = rank(scores, torch.ones(1, 3, dtype=torch.bool))
    positive = cluster(ranking)
    assert positive[0, :, 0].tolist() == [True, True, False]
    assert torch.equal(refine(ranking, positive, cas), positive)


def test_short_runs_are_shrunk() -> None:
    """The divisor is at least 1: one snippet of logit 4 counts 4/2, not 4."""
    chosen = torch.tensor([True, False, False])[None, :, None]
    assert rank_weighted_mean(torch.full((1, 3, 1), 4.0), chosen).item() == 2.0
