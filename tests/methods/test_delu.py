"""DELU: evidential losses by hand, the two orders of snippets. CO2-Net's tests run over DELU, too."""

from __future__ import annotations

import math

import pytest
import torch

from tests.methods.tiny import small, videos
from wtalkit.methods.evidential import (
    actionness_logits,
    guide_weights,
    log_evidential_loss,
    mse_evidential_loss,
    snippet_uncertainty,
)
from wtalkit.methods.interface import Batch, Progress

ALL = torch.ones(1, 4, dtype=torch.bool)


def test_log_loss_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0, 0.0]])  # evidence 3, 1, 1: alpha 4, 2, 2, of 8
    one = log_evidential_loss(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    assert one.item() == pytest.approx((1 - 3 / 8) * math.log(2.0))
    # Two labels share the weight 2 (1 - 3/8) as 1/4 to 1/2.
    two = log_evidential_loss(logits, torch.tensor([[1.0, 1.0, 0.0]]))
    assert two.item() == pytest.approx(2 * (1 - 3 / 8) * (math.log(2.0) / 3 + 2 * math.log(4.0) / 3))


def test_log_loss_keeps_only_the_uncertainty_constant() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)  # alpha 2, 2
    log_evidential_loss(logits, torch.tensor([[1.0, 0.0]])).backward()
    # (1 - 2/4) (log S - log alpha): d/dx = 1/2 (1/4 - 1/2), and 1/2 1/4; evidence 1 has slope 1.
    assert logits.grad is not None
    assert logits.grad.tolist() == [pytest.approx([-0.125, 0.125])]


def test_squared_loss_by_hand() -> None:
    loss = mse_evidential_loss(torch.tensor([[1.0, -5.0]]), torch.tensor([[1.0, 0.0]]))  # alpha 2, 1
    assert loss.item() == pytest.approx((1 - 2 / 3) ** 2 + (1 / 3) ** 2)


def test_evidence_is_cut_off_and_in_float32() -> None:
    far = torch.tensor([[60.0, -60.0]])
    labels = torch.tensor([[0.0, 1.0]])
    assert log_evidential_loss(far, labels).isfinite()
    assert snippet_uncertainty(far.half()).dtype == torch.float32
    torch.testing.assert_close(log_evidential_loss(far, labels), log_evidential_loss(far / 6, labels))


def test_autocast_does_not_reach_the_evidence() -> None:
    model = small("delu").eval()
    batch = Batch.from_features(videos(), torch.eye(5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = model.losses(*model(batch), batch)
    assert {terms[name].value.dtype for name in ("base.edl", "base.uct")} == {torch.float32}
    exact = model.losses(*model(batch), batch)
    torch.testing.assert_close(terms["base.edl"].value, exact["base.edl"].value, rtol=0.02, atol=0.02)


def test_uncertainty_falls_with_evidence() -> None:
    logits = torch.tensor([[[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]]])
    assert snippet_uncertainty(logits)[0].tolist() == pytest.approx([2 / 6, 2 / (math.exp(5.0) + 5)])


def test_evidence_of_a_video_comes_from_its_attended_snippets() -> None:
    logits = torch.arange(8.0).reshape(2, 4, 1)
    attn = torch.tensor([[0.1, 0.9, 0.8, 0.0], [0.5, 0.4, 0.0, 0.0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    assert actionness_logits(logits, attn, mask, share=2).tolist() == [[1.5], [4.0]]


def test_weights_by_rank_and_by_the_authors_permutation() -> None:
    uncertainty = torch.tensor([[0.2, 0.4, 0.3, 0.1]])
    curve = [1 + 0.7 * math.tanh(2 * (j + 0.5) / 4 - 1) for j in range(4)]
    rank = guide_weights(uncertainty, ALL, amplitude=0.7, done=0.0, by_rank=True)
    assert rank[0].tolist() == pytest.approx([curve[j] for j in (2, 0, 1, 3)])  # ranks from the unsurest
    official = guide_weights(uncertainty, ALL, amplitude=0.7, done=0.0, by_rank=False)
    assert official[0].tolist() == pytest.approx([curve[j] for j in (3, 0, 2, 1)])  # the sorting permutation


def test_by_rank_easy_snippets_come_first() -> None:
    uncertainty = torch.linspace(0.1, 0.9, 4)[None]
    early, late = (guide_weights(uncertainty, ALL, amplitude=0.7, done=d, by_rank=True)[0] for d in (0.1, 0.9))
    assert (early.diff() < 0).all() and (late.diff() > 0).all()


@pytest.mark.parametrize("by_rank", [True, False])
def test_weights_turn_round_and_are_even_in_between(by_rank: bool) -> None:
    uncertainty = torch.tensor([[0.3, 0.1, 0.4, 0.2]])
    start, middle, end = (
        guide_weights(uncertainty, ALL, amplitude=0.7, done=done, by_rank=by_rank) for done in (0.0, 0.5, 1.0)
    )
    assert torch.equal(middle, torch.ones(1, 4))
    torch.testing.assert_close(start + end, torch.full((1, 4), 2.0))
    assert not torch.equal(start, end)


def test_padding_moves_no_weight() -> None:
    uncertainty, mask = torch.tensor([[0.3, 0.1, 0.4, 0.2, 0.0]]), torch.tensor([[True] * 4 + [False]])
    for by_rank in (True, False):
        padded = guide_weights(uncertainty, mask, amplitude=0.7, done=0.0, by_rank=by_rank)
        alone = guide_weights(uncertainty[:, :4], ALL, amplitude=0.7, done=0.0, by_rank=by_rank)
        assert torch.equal(padded[:, :4], alone)


def test_the_order_and_the_training_reach_the_loss() -> None:
    batch = Batch.from_features(videos(), torch.eye(5))
    values = set()
    for order in ("official", "rank"):
        model = small("delu", uct_order=order).eval()
        out, aux = model(batch)
        for step in (0, 9):
            values.add(
                round(model.losses(out, aux, batch, Progress(step=step, max_step=10))["base.uct"].value.item(), 7)
            )
    assert len(values) == 4


def test_batches_of_more_than_ten() -> None:
    model = small("delu").eval()
    batch = Batch.from_features(videos((4,) * 12), torch.eye(5)[torch.arange(12) % 5])
    assert all(term.value.isfinite() for term in model.losses(*model(batch), batch).values())
