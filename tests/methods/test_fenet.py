"""FE-Net: its sizes, each module against its formula, changes at the edges, options."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.methods.tiny import labels, small, videos
from wtalkit.errors import ConfigError
from wtalkit.methods import create
from wtalkit.methods.composition import total_loss
from wtalkit.methods.fenet import CrossModalEnhancement, GatedFusion, LocalExpansion, relative_change
from wtalkit.methods.interface import Batch


def every(length: int) -> Tensor:
    return torch.ones(1, length, dtype=torch.bool)


def test_parameter_counts_are_the_dossiers() -> None:
    with torch.device("meta"):
        fenet = create("fenet", base="acrnet", num_classes=20).plugins["fenet"]
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in fenet.named_children()}
    assert parts == {
        "rgb_lfeem": 596_544,
        "flow_lfeem": 596_544,
        "rgb_cem": 1_575_425,
        "flow_cem": 1_575_425,
        "cgff": 2_624_000,
    }
    assert sum(parts.values()) == 6_967_938


def test_widths_follow_the_features_unless_given() -> None:
    fenet = small("fenet", base="acrnet").plugins["fenet"]
    assert fenet.rgb_lfeem.enter.out_channels == fenet.cgff.content.out_channels == 8
    given = small("fenet", base="acrnet", lfeem={"hidden": 5}, cem={"hidden": 6}, cgff={"hidden": 7}).plugins["fenet"]
    found = (given.flow_lfeem.enter, given.flow_cem.sees[0], given.cgff.changes)
    assert [conv.out_channels for conv in found] == [5, 6, 7]


def test_expansion_and_enhancement_are_their_formulas() -> None:
    torch.manual_seed(0)
    module = LocalExpansion(6, 4, (1, 3), 5, 0.2).eval()
    torch.nn.init.normal_(module.leave.weight)
    x = torch.randn(1, 9, 6)
    u = torch.nn.functional.gelu(x[0] @ module.enter.weight[:, :, 0].T + module.enter.bias)  # (9, 4)
    views = []
    for branch, step in zip(module.branches, (1, 3), strict=True):
        view = branch.bias.repeat(9, 1)
        for t in range(9):
            for tap in range(3):
                at = t + (tap - 1) * step
                if 0 <= at < 9:
                    view[t] = view[t] + branch.weight[:, 0, tap] * u[at]
        views.append(torch.nn.functional.gelu(view))
    share = module.choose((views[0] + views[1]).mean(dim=0)).reshape(2, 4).softmax(dim=0)
    v = share[0] * views[0] + share[1] * views[1]
    padded = torch.cat([torch.zeros(2, 4), v, torch.zeros(2, 4)])
    gate = torch.stack([(module.gate.weight[:, 0].T * padded[t : t + 5]).sum(dim=0) for t in range(9)])
    expected = x[0] + (v * torch.sigmoid(gate + module.gate.bias)) @ module.leave.weight[:, :, 0].T
    torch.testing.assert_close(module(x, every(9))[0], expected)


@pytest.mark.parametrize(("dilations", "reach"), [((1,), 3), ((1, 2), 5), ((1, 2, 4), 9)])
def test_receptive_field(dilations: tuple[int, ...], reach: int) -> None:
    module = LocalExpansion(4, 4, dilations, 1, 0.0)
    torch.nn.init.ones_(module.leave.weight)
    torch.nn.init.zeros_(module.choose[2].weight)  # content sees the whole video, and is not meant here
    x = torch.rand(1, 41, 4, requires_grad=True)
    module(x, every(41))[0, 20].sum().backward()
    seen = x.grad[0].abs().sum(dim=-1).nonzero()[:, 0]
    assert int(seen.max() - seen.min()) + 1 == reach


def test_cross_modal_enhancement_is_its_formula() -> None:
    torch.manual_seed(0)
    module = CrossModalEnhancement(5, 3)
    torch.nn.init.constant_(module.strength, 0.7)
    primary, auxiliary = torch.randn(1, 6, 5), torch.randn(1, 6, 5)
    about = module.about(primary.mean(dim=1)[:, :, None])[0]
    for t in range(6):
        around = torch.zeros(1, 5, 3)
        for tap in range(3):
            if 0 <= t + tap - 1 < 6:
                around[0, :, tap] = auxiliary[0, t + tap - 1]
        middle = torch.nn.functional.conv1d(around, module.sees[0].weight, module.sees[0].bias)
        sees = module.sees[2](torch.nn.functional.gelu(middle))[0]
        gate = 2 / (1 + torch.exp(-about * sees))[:, 0]
        expected = primary[0, t] * (1 + torch.tanh(torch.tensor(0.7)) * (gate - 1))
        torch.testing.assert_close(module(primary, auxiliary, every(6))[0, t], expected)


def test_a_closed_gate_learns_from_the_first_step() -> None:
    model = small("fenet", base="acrnet")
    batch = Batch.from_features(videos(), labels())
    total_loss(model.losses(*model(batch), batch)).backward()
    fenet = model.plugins["fenet"]
    for closed in (fenet.rgb_cem.strength, fenet.flow_lfeem.leave.weight, fenet.cgff.leave.weight):
        assert closed.grad.abs().max() > 0


def loop_change(x: Tensor, stride: int) -> Tensor:
    rows = []
    for t in range(len(x)):
        sides = [(x[t] - x[s]).abs() for s in (t - stride, t + stride) if 0 <= s < len(x)]
        rows.append(sum(sides) / len(sides) if sides else torch.zeros_like(x[t]))
    change = torch.stack(rows)
    return (change / (change.mean(dim=0) + 1e-6)).clamp(max=5)


@pytest.mark.parametrize("stride", [1, 3])
def test_changes_equal_their_loop_and_end_at_the_padding(stride: int) -> None:
    generator = torch.Generator().manual_seed(2)
    features = [torch.randn(length, 4, generator=generator) for length in (12, 4, 3, 1)]
    features[0][7, 1] = 100.0  # a camera cut
    batch = Batch.from_features(features)
    both = torch.cat([batch.rgb, batch.flow], dim=-1)
    found = relative_change(both, batch.mask, stride)
    for row, video in enumerate(features):
        torch.testing.assert_close(found[row, : len(video)], loop_change(video, stride))
        assert not found[row, len(video) :].any()
    assert found.max() <= 5


def test_a_still_channel_has_no_change_and_sends_no_gradient_through_it() -> None:
    assert not relative_change(torch.ones(1, 8, 2), every(8), 1).any()
    module = GatedFusion(1, 2, 1)
    torch.nn.init.ones_(module.leave.weight)
    still = (1 + 1e-7 * torch.randn(1, 8, 1, generator=torch.Generator().manual_seed(0))).requires_grad_()
    sum(module(still, still, every(8))).sum().backward()
    assert still.grad.abs().max() < 100


def test_gates_follow_changes_and_keep_the_shape() -> None:
    module = GatedFusion(3, 2, 1)
    rgb, flow = torch.rand(1, 7, 3), torch.rand(1, 7, 3)
    assert all(torch.equal(a, b) for a, b in zip(module(rgb, flow, every(7)), (rgb, flow), strict=True))
    torch.nn.init.normal_(module.leave.weight, generator=torch.Generator().manual_seed(0))
    gate = module(rgb, flow, every(7))[0] / rgb
    assert gate.shape == (1, 7, 3) and 0 < gate.min() < 1 < gate.max() < 2


def test_fusion_reaches_the_heads_of_acrnet() -> None:
    model = small("fenet", base="acrnet").eval()
    batch = Batch.from_features(videos())
    before = model(batch)[0]
    torch.nn.init.normal_(model.plugins["fenet"].cgff.leave.weight)
    after = model(batch)[0]
    assert torch.equal(after.streams["rgb"], before.streams["rgb"])
    assert (after.feat - before.feat).abs().max() > 1e-3
    assert (after.cas_logits - before.cas_logits).abs().max() > 1e-3
    assert (after.attn - before.attn).abs().max() > 1e-4


def test_bad_options_are_named() -> None:
    for options, message in (
        ({"lfeem": {"dilation": [1]}}, r"fenet\.lfeem has no option 'dilation'. Did you mean dilations\?"),
        ({"stride": 2}, r"fenet has no option 'stride'. Valid: cem, cgff, dropout, lfeem"),
        ({"lfeem": {"dilations": []}}, r"option lfeem\.dilations"),
        ({"lfeem": {"dilations": [0]}}, r"option lfeem\.dilations\.0 = 0"),
        ({"lfeem": {"kernel": 4}}, r"lfeem\.kernel = 4 is not usable .*odd"),
        ({"cgff": {"stride": 0}}, r"cgff\.stride = 0"),
        ({"cgff": 3}, r"option cgff = 3"),
    ):
        with pytest.raises(ConfigError, match=message):
            small("fenet", base="acrnet", **options)
