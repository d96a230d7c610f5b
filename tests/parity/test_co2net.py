"""CO2-Net and DELU against ``harlanhong/MM2021-CO2-Net`` and ``MengyuanChen21/ECCV2022-DELU``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.parity.rules import check_gradients, check_inputs, features, official_weights
from wtalkit.evaluation.ambiguous import touches
from wtalkit.localization import DecoderSettings, decode, raw_proposals
from wtalkit.methods import build, load_official
from wtalkit.methods.co2net import video_scores
from wtalkit.methods.co2net_losses import suppress
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch, Outputs, Progress
from wtalkit.methods.masking import topk_count, topk_mean
from wtalkit.timeline import Timeline

STEMS = ("co2net", "co2net_anet", "delu", "delu_anet")
pytestmark = pytest.mark.parity
CLOSE = {"atol": 5e-5, "rtol": 1e-4}
PAIRS = ((0, 1), (2, 3), (4, 5))
DEAD = "feat_encoder."
TIMELINE = Timeline(25.0)
MULTI_VIDEO, MULTI_CLASSES = 3, [3, 7]
AMBIGUOUS_S = ((0.0, 1.4), (95.7, 97.2))  # of video_test_0000278
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
    share = reference.meta["config"]["k"]
    assert topk_count(batch.mask, share).tolist() == [expected.shape[1]] * len(batch)
    assert torch.equal(out.cas_logits.topk(expected.shape[1], dim=1).indices.sort(dim=1)[0], expected.sort(dim=1)[0])
    mean = out.cas_logits.gather(1, expected).mean(dim=1)
    torch.testing.assert_close(topk_mean(out.cas_logits, batch.mask, share), mean)


def test_losses_and_gradients(reference: Any, model: Composition, batch: Batch) -> None:
    model.zero_grad()
    terms = model.losses(*model(batch), batch, Progress(step=0, max_step=reference.meta["config"].get("max_iter", 1)))
    total = total_loss(terms)
    total.backward()
    for name, term in terms.items():
        expected = reference.arrays[f"loss_{STORED[name.removeprefix('base.')]}"]
        np.testing.assert_allclose(term.value.item(), expected, **CLOSE, err_msg=name)
    assert len(terms) == sum(name.startswith("loss_") and name != "loss_total" for name in reference.arrays)
    np.testing.assert_allclose(total.item(), reference.arrays["loss_total"], **CLOSE)
    check_gradients(reference.arrays, dict(model.base.named_parameters()))


def test_snippet_weights_turn_with_the_training(reference: Any, model: Composition, batch: Batch, out: Outputs) -> None:
    if "uct_itr" not in reference.arrays:
        assert "uct" not in model.base.components
        return
    names = ("uct_itr", "uct_guide_unweighted_at_itr", "total_at_itr")
    for step, value, total in zip(*(reference.arrays[name] for name in names), strict=True):
        progress = Progress(step=int(step), max_step=reference.meta["config"]["max_iter"])
        terms = model.losses(out, {}, batch, progress)
        np.testing.assert_allclose(terms["base.uct"].value.item(), value, **CLOSE)
        np.testing.assert_allclose(total_loss(terms).item(), total, **CLOSE)


@dataclass(frozen=True)
class Curves:
    """What the decoder sees of one video."""

    act_scores: np.ndarray
    attn: np.ndarray
    video_scores: np.ndarray
    score_logits: np.ndarray


@pytest.fixture(params=["own", "stored"])
def cas_and_attention(request: pytest.FixtureRequest, reference: Any, out: Outputs) -> tuple[torch.Tensor, ...]:
    """Logits (B, T, C + 1) and attention (B, T), of our network and of the official one."""
    if request.param == "own":
        return out.cas_logits, out.attn
    return torch.from_numpy(reference.arrays["out_cas"]), torch.from_numpy(reference.arrays["out_attn"])[..., 0]


def curves(reference: Any, cas_and_attention: tuple[torch.Tensor, ...], case: str) -> Curves:
    row = MULTI_VIDEO if case == "multi" else int(case.removeprefix("prop"))
    cas, attn = cas_and_attention[0][row].clone(), cas_and_attention[1][row]
    if case == "multi":
        cas[:, MULTI_CLASSES] += float(reference.arrays["multi_cas_added"])
    scores = cas * attn[:, None]
    video = video_scores(scores[None], torch.ones(1, len(cas), dtype=torch.bool))[0, :-1]
    found = (torch.softmax(scores, dim=-1)[:, :-1], attn, video, scores[:, :-1])
    return Curves(*(value.numpy() for value in found))


def settings(reference: Any, model: Composition, **changes: Any) -> DecoderSettings:
    """The method's own settings, which are the fixture's, and what only parity needs."""
    config, own = reference.meta["config"], model.decoder_settings()
    stated = {
        "cls_threshold": config["video_threshold"],
        "attn_thresholds": tuple(config["attention_thresholds"]),
        "inflation": config["oic_lambda"],
        "gamma": config["gamma_oic"],
        "sigma": config["soft_nms_sigma"],
    }
    for name, value in stated.items():
        np.testing.assert_allclose(own.get(name, getattr(DecoderSettings(), name)), value, rtol=1e-12, err_msg=name)
    return DecoderSettings.from_dict({**own, **stated, "lose_lone_first": True, "drop_short": 0.0, **changes})


def after_nms(reference: Any, model: Composition, seen: Curves, **changes: Any) -> np.ndarray:
    """Start, end, class, score in snippets, class by class, best first."""
    found = decode(
        seen.act_scores, seen.attn, seen.video_scores, score_logits=seen.score_logits,
        classes=[str(number) for number in range(seen.act_scores.shape[1])],
        timeline=TIMELINE, duration_s=1e6, settings=settings(reference, model, **changes),
    )  # fmt: skip
    place = TIMELINE.to_position
    rows = [[round(place(s.start_s)), round(place(s.end_s)), int(s.label), s.score] for s in found]
    return np.array(sorted(rows, key=lambda row: row[2]), dtype=float).reshape(-1, 4)


def check_segments(mine: np.ndarray, official: np.ndarray) -> None:
    """Rows of start, end, class, score; the order, in which equal scores are free, does not count."""
    assert len(official)
    mine, official = (rows[np.lexsort((rows[:, 3], rows[:, 1], rows[:, 0], rows[:, 2]))] for rows in (mine, official))
    np.testing.assert_array_equal(mine[:, :3], official[:, :3])
    np.testing.assert_allclose(mine[:, 3], official[:, 3], atol=1e-4)


def test_proposals(reference: Any, model: Composition, cas_and_attention: tuple[torch.Tensor, ...]) -> None:
    cases = [name.removesuffix("_before_nms") for name in reference.arrays if name.endswith("_before_nms")]
    assert cases
    for case in cases:
        check_proposals(reference, model, curves(reference, cas_and_attention, case), case)


def check_proposals(reference: Any, model: Composition, seen: Curves, case: str) -> None:
    stored = reference.arrays
    np.testing.assert_allclose(seen.video_scores, stored[f"{case}_video_score"], **CLOSE)
    found = raw_proposals(
        seen.act_scores, seen.attn, seen.video_scores, score_logits=seen.score_logits,
        timeline=TIMELINE, settings=settings(reference, model),
    )  # fmt: skip
    before = np.column_stack([found.points, found.label, found.scores])
    check_segments(before, stored[f"{case}_before_nms"][:, [2, 3, 0, 1]])
    check_segments(after_nms(reference, model, seen), stored[f"{case}_after_nms"])


def test_ambiguous_intervals(reference: Any, model: Composition, cas_and_attention: tuple[torch.Tensor, ...]) -> None:
    found = after_nms(reference, model, curves(reference, cas_and_attention, "prop0"))
    seconds = np.vectorize(TIMELINE.to_seconds)(found[:, :2])
    kept = found[~touches(seconds, AMBIGUOUS_S, fps=TIMELINE.fps, stride=TIMELINE.stride)]
    assert len(kept) < len(found)
    check_segments(kept, reference.arrays["prop0_after_ambiguous_filter"])


def test_delu_drops_single_snippets_last(
    reference: Any, model: Composition, cas_and_attention: tuple[torch.Tensor, ...]
) -> None:
    drop_short = model.decoder_settings().get("drop_short", 0.0)
    assert drop_short == (1.0 if model.base.name == "delu" else 0.0)
    everything = reference.arrays["multi_after_nms"]
    long_enough = everything[everything[:, 1] - everything[:, 0] > drop_short]
    found = after_nms(reference, model, curves(reference, cas_and_attention, "multi"), drop_short=drop_short)
    check_segments(found, long_enough)
