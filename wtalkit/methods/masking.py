"""Arithmetic over time that sees real snippets only."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of x (B, T, ...) over the true rows of mask (B, T); zero where there is none."""
    weight = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)).to(x.dtype)
    return (x * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def attendable(mask: Tensor) -> Tensor:
    """Key mask (B, 1, 1, T) for attention.

    A video without a single snippet attends to its first padded row: a softmax over nothing is NaN, and that row is
    zeroed afterwards anyway.
    """
    empty = ~mask.any(dim=1, keepdim=True)  # (B, 1)
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return (mask | (empty & first))[:, None, None, :]
