"""Arithmetic over time that sees real snippets only."""

from __future__ import annotations

import torch

from wtalkit.methods.masking import attendable, masked_mean, masked_softmax, topk_count, topk_mean

MASK = torch.tensor([[True, True, False], [False, False, False]])


def test_mean_counts_real_rows_only() -> None:
    x = torch.tensor([[1.0, 3.0, 100.0], [5.0, 5.0, 5.0]])
    assert masked_mean(x, MASK).tolist() == [2.0, 0.0]
    assert masked_mean(x[:, :, None].expand(-1, -1, 2), MASK).tolist() == [[2.0, 2.0], [0.0, 0.0]]


def test_something_can_always_be_attended_to() -> None:
    assert attendable(MASK)[:, 0, 0].tolist() == [[True, True, False], [True, False, False]]


def test_softmax_over_time() -> None:
    x = torch.tensor([[[0.0], [0.0], [9.0]], [[1.0], [2.0], [3.0]]])
    assert masked_softmax(x, MASK)[..., 0].tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    assert torch.equal(masked_softmax(x[..., 0], MASK), masked_softmax(x, MASK)[..., 0])


def test_softmax_has_finite_gradients_where_nothing_is_real() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    masked_softmax(x, MASK)[:, 0].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.25, -0.25, 0.0], [0.0, 0.0, 0.0]]


def test_top_counts_are_of_the_real_snippets() -> None:
    mask = torch.arange(9) < torch.tensor([9, 6, 5, 1, 0])[:, None]
    assert topk_count(mask, 3).tolist() == [3, 2, 1, 1, 1]


def test_mean_of_the_largest_real_values() -> None:
    x = torch.tensor([[[1.0, -1.0], [3.0, -3.0], [99.0, 99.0]], [[5.0, 5.0]] * 3])
    assert topk_mean(x, MASK, 2).tolist() == topk_mean(x, MASK, 9).tolist() == [[3.0, -1.0], [0.0, 0.0]]
    assert topk_mean(x, MASK, 1).tolist() == [[2.0, -2.0], [0.0, 0.0]]
    assert topk_mean(x[:, :1], MASK[:, :1], 5).tolist() == [[1.0, -1.0], [0.0, 0.0]]


def test_gradients_reach_the_largest_only() -> None:
    x = torch.tensor([[[1.0], [3.0], [99.0]], [[5.0], [5.0], [5.0]]], requires_grad=True)
    topk_mean(x, MASK, 2).sum().backward()
    assert x.grad is not None
    assert x.grad[..., 0].tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
