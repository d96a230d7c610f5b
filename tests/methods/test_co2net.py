"""CO2-Net: sizes, padding, components, finite gradients. The numbers of the authors' code are in ``tests/parity``."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.methods.tiny import LENGTHS, small, videos
from wtalkit.errors import ConfigError, ModelError
from wtalkit.methods import create, load_official
from wtalkit.methods.co2net_losses import (
    co_activity_loss,
    multiple_instance_loss,
    suppress,
    with_background,
)
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch

BASES = ("co2net", "delu")
PAIRS = ((0, 1), (2, 3))


def paired(lengths: tuple[int, ...] = LENGTHS) -> Batch:
    """Videos of which 0 and 1, 2 and 3 share a class."""
    rows = torch.tensor([0, 0, 1, 1, 2])[: len(lengths)]
    return Batch.from_features(videos(lengths), torch.eye(5)[rows], pairs=PAIRS if len(lengths) >= 4 else ())


def biased(name: str, **options: Any) -> Composition:
    """In eval mode, with biases that are not zero, as they are after training: padding then does not stay zero."""
    model = small(name, **options)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return model.eval()


@pytest.mark.parametrize("name", BASES)
def test_parameter_counts_are_those_the_authors_use(name: str) -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in create(name, num_classes=c).parameters()) for c in (20, 100)]
    assert counts == [34_133_015, 34_296_935]


def test_widths_follow_the_features() -> None:
    assert small("co2net").base.classifier[1].out_channels == 64
    assert small("co2net").base.vAttn.attention[0].out_channels == 16
    model = small("co2net", hidden=10, attn_hidden=3)
    assert (model.base.fusion[0].out_channels, model.base.fAttn.attention[3].out_channels) == (10, 3)


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("pool_kernel", [None, 5])
def test_padding_changes_no_output(name: str, pool_kernel: int | None) -> None:
    model = biased(name, pool_kernel=pool_kernel)
    together, _ = model(Batch.from_features(videos()))
    for row, video in enumerate(videos()):
        alone, _ = model(Batch.from_features([video]))
        n = len(video)
        for field in ("cas_logits", "attn", "act_scores", "feat"):
            padded = getattr(together, field)[row]
            torch.testing.assert_close(padded[:n], getattr(alone, field)[0], atol=1e-6, rtol=1e-5)
            assert not padded[n:].any(), f"{field} is not zero where padded"
        for group in ("streams", "stream_attn", "extra"):
            for key, value in getattr(together, group).items():
                torch.testing.assert_close(value[row, :n], getattr(alone, group)[key][0], atol=1e-6, rtol=1e-5)
                assert not value[row, n:].any(), f"{key} is not zero where padded"
        torch.testing.assert_close(together.video_scores[row], alone.video_scores[0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", [*BASES, "relu", "rank"])
def test_padding_changes_no_loss(name: str) -> None:
    options = {"relu": {"evidence": "relu"}, "rank": {"uct_order": "rank"}}.get(name, {})
    model = biased(name if name in BASES else "delu", **options)
    batch = paired()
    terms = model.losses(*model(batch), batch)
    alone = [Batch.from_features([v], batch.targets[i : i + 1]) for i, v in enumerate(videos())]
    one_by_one = [model.losses(*model(single), single) for single in alone]
    for term in terms.keys() - {"base.contrastive"}:
        mean = torch.stack([each[term].value for each in one_by_one]).mean()
        torch.testing.assert_close(terms[term].value, mean, msg=term)
    by_pair = []
    for one, other in PAIRS:
        pair = Batch.from_features([videos()[one], videos()[other]], batch.targets[[one, other]], pairs=[(0, 1)])
        by_pair.append(model.losses(*model(pair), pair)["base.contrastive"].value)
    torch.testing.assert_close(terms["base.contrastive"].value, torch.stack(by_pair).mean())


@pytest.mark.parametrize("name", [*BASES, "relu"])
@pytest.mark.parametrize("lengths", [(1,), (2,), (1, 2, 3, 1), (0, 4, 0, 0), (0,)])
def test_gradients_stay_finite_on_next_to_nothing(name: str, lengths: tuple[int, ...]) -> None:
    model = small("delu" if name == "relu" else name, **({"evidence": "relu"} if name == "relu" else {}))
    features = [torch.zeros(max(n, 1), 64) + torch.rand(max(n, 1), 1) for n in lengths]
    batch = Batch.from_features(features, paired(tuple(max(n, 1) for n in lengths)).targets)
    mask = batch.mask & (torch.tensor(lengths)[:, None] > 0)  # a row without a single snippet
    batch = Batch(batch.rgb, batch.flow, mask, batch.labels, pairs=PAIRS if len(lengths) == 4 else ())
    check_finite(model, batch)


@pytest.mark.parametrize("name", BASES)
def test_videos_without_labels_and_features_of_zero(name: str) -> None:
    model = small(name)
    batch = Batch.from_features([torch.zeros(6, 64)] * 4, torch.zeros(4, 5), pairs=PAIRS)
    check_finite(model, batch)


def check_finite(model: Composition, batch: Batch) -> None:
    terms = model.losses(*model(batch), batch)
    assert all(torch.isfinite(term.value) for term in terms.values()), terms
    total_loss(terms).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("part", small("delu").base.components)
def test_every_part_can_be_left_out(part: str) -> None:
    full, model = small("delu"), small("delu", without=(part,))
    batch = paired()
    terms = {key.removeprefix("base."): term for key, term in model.losses(*model(batch), batch).items()}
    total_loss(model.losses(*model(batch), batch)).backward()
    assert all(p.grad is not None for p in model.parameters())
    if part in ("ccm", "global_context", "cross_modal"):
        gone = full.state_dict().keys() - model.state_dict().keys()
        assert {key.split(".")[2] for key in gone} == {
            "ccm": {"channel_conv", "bit_wise_attn"}, "global_context": {"channel_conv"},
            "cross_modal": {"bit_wise_attn"},
        }[part]  # fmt: skip
    else:
        assert part not in terms
        assert {*terms, part} == {"mil_orig", "mil_supp", "contrastive", "mutual", "norm", "guide", "edl", "uct"}


def test_without_consensus_streams_stay_what_they_are() -> None:
    batch = paired()
    plain, _ = small("co2net", without=("ccm",)).eval()(batch)
    assert torch.equal(plain.streams["rgb"], batch.rgb)
    for part, other in (("global_context", "flow"), ("cross_modal", "rgb")):
        model = small("co2net", without=(part,)).eval()
        streams = model(batch)[0].streams["rgb"]
        changed = {"rgb": batch.rgb, "flow": batch.flow, other: getattr(batch, other) + batch.mask[..., None]}
        moved = model(Batch(changed["rgb"], changed["flow"], batch.mask))[0].streams["rgb"]
        gate, new_gate = streams / batch.rgb, moved / changed["rgb"]
        assert not torch.allclose(gate[batch.mask], new_gate[batch.mask]), f"without {part} {other} decides the gate"


def test_pairs_that_share_nothing_cost_nothing() -> None:
    batch = paired()
    model = small("co2net").eval()
    out, aux = model(batch)
    apart = Batch(batch.rgb, batch.flow, batch.mask, torch.eye(5), pairs=PAIRS)
    assert model.losses(out, aux, apart)["base.contrastive"].value == 0
    single = Batch(batch.rgb, batch.flow, batch.mask, torch.eye(5))
    assert "base.contrastive" not in model.losses(out, aux, single)


def test_co_activity_by_hand() -> None:
    """Two snippets, two features; each video shows the class in one snippet, along different axes."""
    feat = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    logits = torch.tensor([[[50.0], [0.0]], [[50.0], [0.0]]])  # the first snippet is all of the class
    mask = torch.ones(2, 2, dtype=torch.bool)
    value = co_activity_loss(feat, logits, torch.ones(2, 1), mask, [(0, 1)], margin=0.5)
    # The class's features are orthogonal (distance 1); each is the other video's rest (distance 0): 1 - 0 + 0.5.
    assert value.item() == pytest.approx(1.5)
    same = co_activity_loss(feat[[0, 0]], logits, torch.ones(2, 1), mask, [(0, 1)], margin=0.5)
    assert same.item() == pytest.approx(0.0)  # distance 0 to each other, 1 to the rest: -0.5 is cut off


def test_multiple_instances_by_hand() -> None:
    logits = torch.tensor([[[2.0, 0.0], [4.0, 1.0], [0.0, 9.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, True, False]])
    value = multiple_instance_loss(logits, with_background(torch.ones(1, 1), 1), mask, share=2)
    video = torch.log_softmax(torch.tensor([4.0, 9.0]), dim=0)  # one snippet of three
    assert value.item() == pytest.approx(-float(video.sum()) / (2 + 1e-4))


def test_suppressed_logits() -> None:
    cas, attn = torch.tensor([[[1.0, 3.0, -1.0]]]), torch.tensor([[0.25]])
    assert suppress(cas, attn).tolist() == [[[-0.5, 0.0, -1.0]]]


def test_the_attention_is_a_half_where_its_logit_is_dropped() -> None:
    model = small("co2net", logit_dropout=0.9).train()
    attn = model(paired())[0].stream_attn["rgb"][paired().mask]
    assert (attn == 0.5).float().mean() > 0.6
    attn = small("co2net", logit_dropout=0.0).train()(paired())[0].stream_attn["rgb"][paired().mask]
    assert not (attn == 0.5).any()


@pytest.mark.parametrize("name", BASES)
def test_an_even_attention_starts_at_a_half_everywhere(name: str) -> None:
    for even in (True, False):
        out = small(name, even_attention=even).eval()(paired())[0]
        assert bool((out.attn[paired().mask] == 0.5).all()) is even


def test_the_decoder_scores_by_the_raw_product() -> None:
    model = small("co2net").eval()
    out, _ = model(paired())
    assert model.decoder_settings()["score"] == "logits"
    torch.testing.assert_close(out.extra["score_logits"], out.cas_logits[..., :5] * out.attn[..., None])
    assert out.act_scores.sum(dim=-1).max() < 1


@pytest.mark.parametrize("name", BASES)
def test_authors_weights_load_with_their_prefix_and_dead_entries(name: str) -> None:
    state = {f"module.{key}": value for key, value in small(name).base.state_dict().items()}
    model = load_official(name, {**state, "module.feat_encoder.0.weight": torch.zeros(1)})
    assert not model.training
    assert (model.spec.num_classes, model.spec.feature_dim) == (5, 64)
    assert (model.base.options.pool_kernel, model.base.options.k) == (13, 5)  # not THUMOS14's number of classes
    assert torch.equal(model.base.fusion[0].weight, state["module.fusion.0.weight"])
    with pytest.raises(ModelError, match=f"not {name}'s weights"):
        load_official(name, {"conv.weight": torch.zeros(3)})


def test_twenty_classes_are_not_pooled() -> None:
    state = create("co2net", num_classes=20, feature_dim=16).base.state_dict()
    assert load_official("co2net", state).base.options.pool_kernel is None


def test_bad_options_are_named() -> None:
    with pytest.raises(ConfigError, match=r"option pool_kernel = 4 is not usable .*odd"):
        small("co2net", pool_kernel=4)
    with pytest.raises(ConfigError, match=r"delu has no option 'utc_weight'. Did you mean uct_weight\?"):
        small("delu", utc_weight=1.0)
