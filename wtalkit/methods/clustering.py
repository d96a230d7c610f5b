"""Adaptive clustering and refining of ACRNet, over all videos and classes at once.

The authors walk every class of every video in Python. Here the walk is a cumulative sum: scores come sorted, and
once one of them is nearer to the negative centre all later ones are too. (Proof: let s be the first negative and n the
negative centre before it. The new centre lies in (n, s]; a later score at most s is farther from the positive centre,
which no longer moves, and nearer to the negative one.) So the positives are a prefix of the order, and only the
first negative has to be found.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Ranking(NamedTuple):
    """Snippets of each video and class from the highest score to the lowest, padding last.

    Attributes:
        order: (B, T, C) snippet of each rank.
        scores: (B, T, C) float64, by rank.
        valid: (B, T, 1) ranks that hold a real snippet.
    """

    order: Tensor
    scores: Tensor
    valid: Tensor


def rank(scores: Tensor, mask: Tensor) -> Ranking:
    """Sort scores (B, T, C) along time; equal scores keep their order in time."""
    padded = scores.detach().double().masked_fill(~mask[:, :, None], -torch.inf)
    ranked, order = torch.sort(padded, dim=1, descending=True, stable=True)
    valid = torch.arange(scores.shape[1], device=scores.device) < mask.sum(dim=1, keepdim=True)  # (B, T)
    valid = valid[:, :, None]
    return Ranking(order, ranked.masked_fill(~valid, 0.0), valid)


def cluster(ranking: Ranking) -> Tensor:
    """Split each video and class into positive and negative snippets.

    Returns:
        (B, T, C) bool by rank; the first rank is always positive, the last never (unless it is the only one).
    """
    scores, valid = ranking.scores, ranking.valid
    steps = torch.arange(scores.shape[1], device=scores.device, dtype=scores.dtype)
    share = (steps + 1)[None, :, None]
    centre = (scores / share).cumsum(dim=1) / (1 / share).cumsum(dim=1)  # (B, T, C), centre of ranks 0..i
    before = torch.roll(centre, 1, dims=1)  # the positive centre that rank i meets
    count = valid.sum(dim=1, keepdim=True)  # (B, 1, 1)
    lowest = scores.gather(1, (count - 1).clamp(min=0).expand(-1, -1, scores.shape[2]))  # (B, 1, C)
    nearer = (scores - before).abs() <= (scores - lowest).abs()
    is_last = (steps[None, :, None] == count - 1).expand_as(nearer)
    is_first = (steps[None, :, None] == 0).expand_as(nearer)
    positive = (nearer & ~is_last) | is_first
    return positive.cumprod(dim=1).bool() & valid


def refine(ranking: Ranking, positive: Tensor, cas: Tensor) -> Tensor:
    """Keep the part of the positives whose running mean of class logits stays above their rank-weighted mean.

    Args:
        ranking: the order of the snippets.
        positive: (B, T, C) bool by rank, from :func:`cluster`.
        cas: (B, T, C) class logits in time order.

    Returns:
        (B, T, C) bool by rank.
    """
    logits = cas.detach().double().gather(1, ranking.order)
    reference = rank_weighted_mean(logits, positive)[:, None]  # (B, 1, C)
    ranks = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=logits.dtype)[None, :, None]
    running = logits.cumsum(dim=1) / ranks
    kept = ((running >= reference) & positive).sum(dim=1, keepdim=True)  # (B, 1, C)
    count = positive.sum(dim=1, keepdim=True)
    # With nothing kept the authors' index is -1, Python's last entry: the lowest positive, so nothing is refined away.
    index = torch.where(kept > 0, kept - 1, count - 1).clamp(min=0)
    level = ranking.scores.gather(1, index)
    return positive & (ranking.scores >= level)


def rank_weighted_mean(logits: Tensor, chosen: Tensor) -> Tensor:
    """Mean of logits (B, T, C) over the chosen ranks i with weight 1/(i+2); the weights' sum counts as 1 at least."""
    ranks = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    weight = chosen / (ranks + 2)[None, :, None]
    return (logits * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def in_time_order(ranking: Ranking, by_rank: Tensor) -> Tensor:
    """Bring a (B, T, C) tensor by rank back to snippet order."""
    return torch.zeros_like(by_rank).scatter(1, ranking.order, by_rank)
