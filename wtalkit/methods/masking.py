"""Arithmetic over time that sees real snippets only."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of x (B, T, ...) over the true rows of mask (B, T); zero where there is none."""
    weight = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)).to(x.dtype)
    return (x * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def masked_softmax(x: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the snippets of x (B, T, ...); padded rows are zero."""
    valid = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
    return torch.softmax(x.masked_fill(~valid, torch.finfo(x.dtype).min), dim=1) * valid


def topk_count(mask: Tensor, share: int) -> Tensor:
    """(B,) one in ``share`` of each video's real snippets, at least one."""
    return (mask.sum(dim=1) // share).clamp(min=1)


def topk_most(length: int, share: int) -> int:
    """The highest count of any video in a batch of ``length``; unlike the counts' maximum it needs no look at them."""
    return min(max(1, length // share), length)


def topk_mean(x: Tensor, mask: Tensor, share: int) -> Tensor:
    """Mean of the largest values over time, one in ``share`` of a video's real snippets, per video and column.

    Args:
        x: (B, T, N).
        mask: (B, T) real snippets.
        share: as for :func:`topk_count`.

    Returns:
        (B, N); zero for a video without a snippet.
    """
    k = torch.minimum(topk_count(mask, share), mask.sum(dim=1))  # (B,)
    most = topk_most(x.shape[1], share)
    largest = x.masked_fill(~mask[:, :, None], torch.finfo(x.dtype).min).topk(most, dim=1).values  # (B, most, N)
    chosen = (torch.arange(most, device=x.device) < k[:, None])[:, :, None]
    return torch.where(chosen, largest, 0).sum(dim=1) / k.clamp(min=1)[:, None]


def attendable(mask: Tensor) -> Tensor:
    """Key mask (B, 1, 1, T) for attention.

    A video without a single snippet attends to its first padded row: a softmax over nothing is NaN, and that row is
    zeroed afterwards anyway.
    """
    empty = ~mask.any(dim=1, keepdim=True)  # (B, 1)
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return (mask | (empty & first))[:, None, None, :]
