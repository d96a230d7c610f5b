"""The losses of tssam against numbers worked out by hand, and what they see of padding and labels."""

from __future__ import annotations

import math

import pytest
import torch

from wtalkit.methods.tssam_losses import (
    class_losses,
    class_targets,
    dictionary_spread,
    guide_loss,
    late_fusion,
    semantic_loss,
)

LOG3 = math.log(3.0)


def test_late_fusion_is_the_log_of_the_mean_probability() -> None:
    """Probabilities (3/4, 1/4) and (1/2, 1/2): the mean is (5/8, 3/8)."""
    fused = late_fusion([torch.tensor([LOG3, 0.0]), torch.tensor([0.0, 0.0])])
    assert fused.exp().tolist() == pytest.approx([5 / 8, 3 / 8])
    alone = late_fusion([torch.tensor([LOG3, 0.0])])
    assert alone.exp().tolist() == pytest.approx([3 / 4, 1 / 4])  # the surviving branch, not half of it


def test_late_fusion_is_finite_where_a_probability_is_zero() -> None:
    logits = torch.tensor([[0.0, 500.0]], requires_grad=True)
    fused = late_fusion([logits, logits])
    fused[0, 0].backward()
    assert fused[0, 0].item() == pytest.approx(-500.0)
    assert logits.grad is not None and logits.grad[0].tolist() == pytest.approx([1.0, -1.0], abs=1e-5)


def test_targets_by_hand() -> None:
    labels = torch.tensor([[1.0, 0.0, 1.0]])
    assert class_targets(labels, normalize=False).tolist() == [[[1, 0, 1, 0], [1, 0, 1, 1], [0, 0, 0, 1]]]
    shared = torch.tensor([[[1 / 2, 0, 1 / 2, 0], [1 / 3, 0, 1 / 3, 1 / 3], [0, 0, 0, 1]]])
    torch.testing.assert_close(class_targets(labels, normalize=True), shared)
    assert class_targets(torch.zeros(1, 2), normalize=True)[0, 0].tolist() == [0, 0, 0]  # no label: nothing to show


def test_class_losses_by_hand() -> None:
    """One video of one class: readings (1/2, 1/2), (1/4, 3/4), (1/8, 7/8) of (action, background)."""
    log_scores = torch.tensor([[[0.5, 0.5], [0.25, 0.75], [0.125, 0.875]]]).log()
    losses = class_losses(log_scores, class_targets(torch.ones(1, 1), normalize=False))
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        {"fg": math.log(2), "ct": math.log(4) + math.log(4 / 3), "bg": math.log(8 / 7)}
    )
    both = class_losses(log_scores.expand(2, 3, 2), class_targets(torch.tensor([[1.0], [0.0]]), normalize=False))
    assert both["fg"].item() == pytest.approx(math.log(2) / 2)  # a mean over the videos


FEAT = torch.tensor([[[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]], [[0.0, 2.0], [9.0, 9.0], [9.0, 9.0]]])
DICTIONARY = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
CAS = torch.tensor([[[2.0, 1.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 2.0]], [[0.0, 2.0, 1.0], [5.0, 0, 0], [5.0, 0, 0]]])
MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_semantic_loss_by_hand() -> None:
    """Distances 0, 5 and 1 to classes 0, 0 and background, mean 2; the second video has one snippet at distance 1."""
    assert semantic_loss(FEAT, DICTIONARY, CAS, MASK).item() == pytest.approx((2 + 1) / 2, abs=1e-5)


def test_semantic_loss_among_a_videos_labels_only() -> None:
    """The second video may not look like class 1: its snippet goes to the background, sqrt(1 + 4) away."""
    allowed = torch.tensor([[True, False, True], [True, False, True]])
    found = semantic_loss(FEAT, DICTIONARY, CAS, MASK, allowed)
    assert found.item() == pytest.approx((2 + math.sqrt(5)) / 2, abs=1e-5)


def test_semantic_loss_pulls_both_sides_and_is_smooth_at_zero() -> None:
    feat, dictionary = FEAT[:1].clone().requires_grad_(), DICTIONARY.clone().requires_grad_()
    semantic_loss(feat, dictionary, CAS[:1], MASK[:1]).backward()
    assert feat.grad is not None and dictionary.grad is not None
    torch.testing.assert_close(feat.grad[0], torch.tensor([[0.0, 0.0], [0.6, 0.8], [0.0, 1.0]]) / 3)
    torch.testing.assert_close(dictionary.grad, torch.tensor([[-0.6, -0.8], [0.0, 0.0], [0.0, -1.0]]) / 3)


def test_guide_loss_by_hand() -> None:
    """|1 - a - b| is 0.2, 0.4, 0.3 and, in a video of one snippet, 0.1."""
    attn = torch.tensor([[0.7, 0.5, 0.0], [0.9, 0.0, 0.0]])
    background = torch.tensor([[0.5, 0.1, 0.7], [0.0, 0.0, 0.0]])
    assert guide_loss(attn, background, MASK, 1).item() == pytest.approx((0.3 + 0.1) / 2)
    assert guide_loss(attn, background, MASK, 75).item() == pytest.approx(75 * (0.3 + 0.1) / 2)


def test_spread_by_hand() -> None:
    """Points (0, 0), (3, 4), (0, 0): distances 5, 0, 5."""
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    spread = dictionary_spread(rows)
    assert spread.item() == pytest.approx(10 / 3) and not spread.requires_grad
    assert dictionary_spread(torch.ones(4, 2)).item() == 0
