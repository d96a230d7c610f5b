"""Arithmetic over time that sees real snippets only."""

from __future__ import annotations

import torch

from wtalkit.methods.masking import attendable, masked_mean

MASK = torch.tensor([[True, True, False], [False, False, False]])


def test_mean_counts_real_rows_only() -> None:
    x = torch.tensor([[1.0, 3.0, 100.0], [5.0, 5.0, 5.0]])
    assert masked_mean(x, MASK).tolist() == [2.0, 0.0]
    assert masked_mean(x[:, :, None].expand(-1, -1, 2), MASK).tolist() == [[2.0, 2.0], [0.0, 0.0]]


def test_something_can_always_be_attended_to() -> None:
    assert attendable(MASK)[:, 0, 0].tolist() == [[True, True, False], [True, False, False]]
