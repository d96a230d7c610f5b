"""CLASNet: identity at the start, sizes, each loss against a plain loop, options, ablations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.tiny import differences, labels, small, videos
from wtalkit.methods import create
from wtalkit.methods.clasnet_losses import boundary_loss, contrastive_loss, select_by_class, select_by_score
from wtalkit.methods.composition import total_loss
from wtalkit.methods.interface import Batch, Progress


def batch() -> Batch:
    return Batch.from_features(videos(), labels())


@pytest.mark.parametrize(
    "options", [{}, {"feature_gate": "attention"}, {"without": ("dilated",)}, {"without": ("mha",)}]
)
def test_the_start_is_the_base(options: dict[str, Any]) -> None:
    both = small("clasnet", **options).eval()
    base = small().eval()
    base.base.load_state_dict(both.base.state_dict())
    expected, (found, auxes) = base(batch())[0], both(batch())
    assert set(differences(expected, found).values()) == {0.0}
    assert "attn" in auxes["clasnet"]


def test_open_gates_do_change_the_base() -> None:
    model = small("clasnet").eval()
    before = model(batch())[0]
    torch.nn.init.constant_(model.plugins["clasnet"].fcsm.rgb_gate, 0.5)
    assert differences(before, model(batch())[0])["cas_logits"] > 1e-3


@pytest.mark.parametrize(("layers", "millions"), [(3, 9.97), (4, 10.75), (5, 11.54)])
def test_parameter_counts_are_the_dossiers(layers: int, millions: float) -> None:
    with torch.device("meta"):
        model = create("clasnet", num_classes=20, n_dilated=layers)
    added = sum(parameter.numel() for parameter in model.plugins.parameters())
    assert round(added / 1e6, 2) == millions


@pytest.mark.parametrize("layers", [2, 4])
def test_receptive_field(layers: int) -> None:
    model = small("clasnet", n_dilated=layers, without=("mha",)).eval()
    x = torch.rand(1, 101, 64, requires_grad=True)
    stack = model.plugins["clasnet"].fcsm.dilated
    stack(x, torch.ones(1, 101, dtype=torch.bool))[0, 50].sum().backward()
    seen = x.grad[0].abs().sum(dim=-1).nonzero()[:, 0]
    assert int(seen.max() - seen.min()) + 1 == 1 + 2 * (2**layers - 1)


@pytest.mark.parametrize("select", ["attention", "asl"])
def test_padding_changes_neither_outputs_nor_losses(select: str) -> None:
    model = small("clasnet", select=select).eval()
    torch.nn.init.constant_(model.plugins["clasnet"].fcsm.rgb_gate, 0.5)
    together, auxes = model(batch())
    for row, video in enumerate(videos()):
        single = Batch.from_features([video], labels()[row : row + 1])
        alone, aux = model(single)
        n = len(video)
        torch.testing.assert_close(together.act_scores[row, :n], alone.act_scores[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(auxes["clasnet"]["attn"][row, :n], aux["clasnet"]["attn"][0])
        assert not auxes["clasnet"]["attn"][row, n:].any()
    long = Batch.from_features([*videos()[:1], torch.rand(2, 64)], labels()[:2])  # the second is too short to count
    terms = model.losses(*model(long), long)
    single = Batch.from_features(videos()[:1], labels()[:1])
    alone_terms = model.losses(*model(single), single)
    torch.testing.assert_close(terms["clasnet.contrast"].value, alone_terms["clasnet.contrast"].value)


def loop_contrast(z: Tensor, action: list[int], background: list[int], tau: float) -> Tensor:
    """Both sides of the contrastive loss of one video, term by term."""
    z = z / z.norm(dim=-1, keepdim=True)
    sides = []
    for own, other in ((action, background), (background, action)):
        losses = []
        for i in own:
            rest = [j for j in own if j != i] or [i]
            mean = z[rest].sum(dim=0)
            positive = torch.exp(z[i] @ (mean / mean.norm()) / tau)
            negatives = sum(torch.exp(z[i] @ z[j] / tau) for j in other)
            losses.append(-torch.log(positive / (positive + negatives)))
        sides.append(sum(losses) / len(losses))
    return sum(sides) / 2


def test_contrast_equals_its_loop() -> None:
    features = torch.randn(2, 12, 6, generator=torch.Generator().manual_seed(3))
    groups = [([0, 4, 5], [1, 2, 7]), ([3], [9])]
    action, background = torch.zeros(2, 12, dtype=torch.bool), torch.zeros(2, 12, dtype=torch.bool)
    for row, (a, n) in enumerate(groups):
        action[row, a], background[row, n] = True, True
    expected = sum(loop_contrast(features[i], a, n, 0.3) for i, (a, n) in enumerate(groups)) / 2
    torch.testing.assert_close(contrastive_loss(features, action, background, 0.3), expected)


def test_contrast_pulls_across_videos_that_share_a_class() -> None:
    features = torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(3))
    action = torch.tensor([[True] + [False] * 7] * 2)
    background = action.flip(1)
    shared = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    apart = torch.eye(2)
    plain = contrastive_loss(features, action, background, 0.3)
    assert torch.equal(contrastive_loss(features, action, background, 0.3, apart), plain)
    assert (
        contrastive_loss(features, action, background, 0.3, shared) > plain
    )  # a foreign positive is farther than itself


def test_contrast_is_float32_under_autocast_and_zero_without_groups() -> None:
    features = torch.randn(1, 8, 6)
    action = torch.tensor([[True] * 2 + [False] * 6])
    with torch.autocast("cpu", torch.bfloat16):
        assert contrastive_loss(features, action, action.flip(1), 0.07).dtype == torch.float32
    none = torch.zeros(1, 8, dtype=torch.bool)
    assert contrastive_loss(features, none, none, 0.07).item() == 0


def test_the_attention_is_float32_under_autocast() -> None:
    """In bf16 neighbours above 1/2 lie 1/256 apart, so that many snippets would share a rank."""
    model = small(plugins=["clasnet"]).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, auxes = model(Batch.from_features(videos((30, 17)), labels(2)))
    for name in ("attn", "attn_rgb", "attn_flow"):
        assert auxes["clasnet"][name].dtype == torch.float32


def test_selection() -> None:
    scores = torch.arange(20.0).repeat(3, 1)
    mask = torch.arange(20) < torch.tensor([20, 9, 3])[:, None]
    action, background = select_by_score(scores, mask, 8)
    assert [row.nonzero()[:, 0].tolist() for row in action] == [[18, 19], [8], []]
    assert [row.nonzero()[:, 0].tolist() for row in background] == [[0, 1], [0], []]


def test_selection_by_class_joins_the_labelled_ones() -> None:
    scores = torch.zeros(1, 8, 3)
    scores[0, 2, 0], scores[0, 5, 1], scores[0, 7, 2] = 1, 1, 1
    scores[0, 6, 0] = scores[0, 2, 1] = -1  # snippet 2 is lowest for class 1, but class 0 calls it action
    action, background = select_by_class(scores, torch.tensor([[1.0, 1.0, 0.0]]), torch.ones(1, 8, dtype=torch.bool), 8)
    assert action[0].nonzero()[:, 0].tolist() == [2, 5]
    assert background[0].nonzero()[:, 0].tolist() == [6]


def loop_boundary(scores: Tensor, attn: Tensor, label: Tensor) -> Tensor:
    p = scores[:, label > 0].max(dim=1).values
    q = (p - p.min().detach()) / ((p.max() - p.min()).detach() + 1e-6)

    def disagreement(x: Tensor, y: Tensor) -> Tensor:
        n = len(y)
        edge = torch.stack([(y[min(t + 1, n - 1)] - y[max(t - 1, 0)]).abs() for t in range(n)])
        weight = 1 + edge / (edge.max() + 1e-6)
        return 1 - (x @ y) / (x.norm() * y.norm()) + 0.5 * (weight * (x - y).abs()).sum() / weight.sum()

    return (disagreement(q, attn.detach()) + disagreement(attn, q.detach())) / 2


def test_boundary_loss_equals_its_loop_value_and_gradient() -> None:
    generator = torch.Generator().manual_seed(5)
    scores = torch.rand(2, 15, 4, generator=generator).requires_grad_()
    attn = torch.rand(2, 15, generator=generator).requires_grad_()
    label = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 0]])
    mask = torch.arange(15) < torch.tensor([15, 9])[:, None]
    found = boundary_loss(scores, attn, label, mask)
    expected = sum(loop_boundary(scores[i, :n], attn[i, :n], label[i]) for i, n in enumerate((15, 9))) / 2
    torch.testing.assert_close(found, expected)
    for a, b in zip(
        torch.autograd.grad(found, (scores, attn)), torch.autograd.grad(expected, (scores, attn)), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_boundary_loss_skips_flat_and_unlabelled_videos() -> None:
    flat = torch.full((1, 6, 2), 0.5, requires_grad=True)
    attn, mask = torch.rand(1, 6), torch.ones(1, 6, dtype=torch.bool)
    for label in ([[1.0, 0.0]], [[0.0, 0.0]]):
        loss = boundary_loss(flat, attn, torch.tensor(label), mask)
        (gradient,) = torch.autograd.grad(loss, flat)
        assert loss.item() == 0 and not gradient.any()


@pytest.mark.parametrize(
    ("without", "terms"),
    [
        ((), {"contrast", "brm", "sparsity"}),
        (("contrast", "brm"), {"sparsity"}),
        (("brm", "sparsity"), {"contrast"}),
        (("clasnet.contrast",), {"brm", "sparsity"}),
        (("fcsm",), {"brm", "sparsity"}),
    ],
)
def test_ablations_drop_their_terms(without: tuple[str, ...], terms: set[str]) -> None:
    model = small("clasnet", without=without)
    found = model.losses(*model(batch()), batch())
    assert {name.removeprefix("clasnet.") for name in found if name.startswith("clasnet.")} == terms
    total_loss(found).backward()
    if "fcsm" in without:
        assert not list(model.plugins.parameters())
        assert "attn" not in model(batch())[1]["clasnet"]


def test_weights_ramp_up() -> None:
    model = small("clasnet")
    weights = [
        {k: t.weight for k, t in model.losses(*model(batch()), batch(), Progress(step=s, max_step=100)).items()}
        for s in (0, 5, 10, 100)
    ]
    assert [w["clasnet.contrast"] for w in weights] == pytest.approx([0, 0.05, 0.1, 0.1])
    assert [w["clasnet.brm"] for w in weights] == pytest.approx([0, 0.5, 1, 1])
    assert {w["clasnet.sparsity"] for w in weights} == {0.1}


def test_fcsm_learns_from_the_first_step_although_its_gates_are_closed() -> None:
    model = small("clasnet")
    terms = model.losses(*model(batch()), batch(), Progress(step=50, max_step=100))
    total_loss(terms).backward()
    assert model.plugins["clasnet"].fcsm.dilated.convs[0].weight.grad.abs().sum() > 0
    assert model.plugins["clasnet"].fcsm.rgb_gate.grad.abs() > 0
