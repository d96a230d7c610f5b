"""CO2-Net and DELU against ``harlanhong/MM2021-CO2-Net`` and ``MengyuanChen21/ECCV2022-DELU``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.parity.rules import check_gradients, check_inputs, features, official_weights
from wtalkit.methods import build, load_official
from wtalkit.methods.co2net_losses import suppress
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch, Outputs, Progress, Term
from wtalkit.methods.masking import topk_count, topk_mean

STEMS = ("co2net", "co2net_anet", "delu", "delu_anet")
pytestmark = pytest.mark.parity
CLOSE = {"atol": 5e-5, "rtol": 1e-4}
PAIRS = ((0, 1), (2, 3), (4, 5))
DEAD = "feat_encoder."
STORED = {
    "mil_orig": "mil_orig", "mil_supp": "mil_supp", "contrastive": "contrastive", "mutual": "mutual",
    "norm": "norm_mean3", "guide": "guide_mean3", "edl": "edl_unweighted", "uct": "uct_guide_unweighted",
}  # fmt: skip


def options_of(config: dict[str, Any]) -> dict[str, Any]:
    """The options that the fixture's configuration states."""
    norm, guide, contrastive, mutual = config["alpha"]
    options = {
        "k": config["k"],
        "pool_kernel": config.get("pool_kernel"),
        "norm_weight": norm,
        "guide_weight": guide,
        "contrastive_weight": contrastive,
        "mutual_weight": mutual,
    }
    if "alpha_edl" in config:
        options |= {
            "edl_weight": config["alpha_edl"],
            "uct_weight": config["alpha_uct_guide"],
            "uct_amplitude": config["amplitude"],
            "edl_share": config["rat_atn"],
            "evidence": "relu" if config["official_class"] == "DELU_ACT" else "exp",
        }
    return options


@pytest.fixture(scope="module")
def loaded(reference: Any) -> Composition:
    """The authors' weights as a user gets them."""
    return load_official(reference.stem.removesuffix("_anet"), official_weights(reference.meta))


@pytest.fixture(scope="module")
def model(reference: Any, loaded: Composition) -> Composition:
    """The same with the options that the fixture states."""
    spec, name = loaded.spec, loaded.spec.method
    tables = {name: {**spec.options[name], **options_of(reference.meta["config"])}}
    stated = build(replace(spec, options=tables))
    stated.load_state_dict(loaded.state_dict())
    return stated.eval()


@pytest.fixture(scope="module")
def batch(reference: Any) -> Batch:
    videos = [features(reference.meta, video) for video in range(reference.meta["config"]["B"])]
    return Batch.from_features(videos, torch.from_numpy(reference.arrays["labels"]), pairs=PAIRS)


@pytest.fixture(scope="module")
def out(model: Composition, batch: Batch) -> Outputs:
    with torch.no_grad():
        found: Outputs = model(batch)[0]
    return found


def terms_at(model: Composition, batch: Batch, step: int, steps: int) -> dict[str, Term]:
    return model.losses(*model(batch), batch, Progress(step=step, max_step=steps))


def test_inputs_follow_the_rule(reference: Any, batch: Batch) -> None:
    check_inputs(reference.meta, batch.rgb, batch.flow)


def test_parameter_count(reference: Any, model: Composition) -> None:
    dead = sum(int(np.prod(e["shape"])) for e in reference.meta["parameters"] if e["name"].startswith(DEAD))
    live = sum(parameter.numel() for parameter in model.parameters())
    assert live == reference.meta["parameter_count"] - dead
    assert dead > 0


def test_released_weights_get_the_authors_options(loaded: Composition, model: Composition) -> None:
    assert loaded.base.options == model.base.options


def test_outputs(reference: Any, out: Outputs) -> None:
    found = {
        "out_cas": out.cas_logits,
        "out_attn": out.attn[..., None],
        "out_v_atn": out.stream_attn["rgb"][..., None],
        "out_f_atn": out.stream_attn["flow"][..., None],
        "out_feat": out.feat,
        "cas_supp": suppress(out.cas_logits, out.attn),
    }
    for name, value in found.items():
        expected = reference.arrays[name]
        np.testing.assert_allclose(value[: len(expected)], expected, **CLOSE, err_msg=name)


def test_top_snippets(reference: Any, out: Outputs, batch: Batch) -> None:
    expected = torch.from_numpy(reference.arrays["topk_ind_mil_orig"]).long()  # (B, k, C + 1)
    counts = topk_count(batch.mask, reference.meta["config"]["k"])
    assert counts.tolist() == [expected.shape[1]] * len(batch)
    assert torch.equal(out.cas_logits.topk(expected.shape[1], dim=1).indices.sort(dim=1)[0], expected.sort(dim=1)[0])
    mean = out.cas_logits.gather(1, expected).mean(dim=1)
    torch.testing.assert_close(topk_mean(out.cas_logits, batch.mask, counts), mean)


def test_losses_and_gradients(reference: Any, model: Composition, batch: Batch) -> None:
    model.zero_grad()
    terms = terms_at(model, batch, 0, reference.meta["config"].get("max_iter", 1))
    total = total_loss(terms)
    total.backward()
    for name, term in terms.items():
        expected = reference.arrays[f"loss_{STORED[name.removeprefix('base.')]}"]
        np.testing.assert_allclose(term.value.item(), expected, **CLOSE, err_msg=name)
    assert len(terms) == sum(name.startswith("loss_") and name != "loss_total" for name in reference.arrays)
    np.testing.assert_allclose(total.item(), reference.arrays["loss_total"], **CLOSE)
    check_gradients(reference.arrays, dict(model.base.named_parameters()))


def test_snippet_weights_turn_with_the_training(reference: Any, model: Composition, batch: Batch) -> None:
    if "uct_itr" not in reference.arrays:
        assert "uct" not in model.base.components
        return
    names = ("uct_itr", "uct_guide_unweighted_at_itr", "total_at_itr")
    for step, value, total in zip(*(reference.arrays[name] for name in names), strict=True):
        with torch.no_grad():
            terms = terms_at(model, batch, int(step), reference.meta["config"]["max_iter"])
        np.testing.assert_allclose(terms["base.uct"].value.item(), value, **CLOSE)
        np.testing.assert_allclose(total_loss(terms).item(), total, **CLOSE)
