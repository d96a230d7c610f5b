"""ACRNet against ``leftthomas/ACRNet``, weights and inputs by the fixtures' rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.parity.rules import check_gradients, check_inputs, features, official_weights
from wtalkit.localization import DecoderSettings, raw_proposals
from wtalkit.localization.runs import upsample_left
from wtalkit.methods import load_official
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch, Outputs
from wtalkit.timeline import Timeline

STEMS = ("acrnet", "acrnet_anet")
pytestmark = pytest.mark.parity
CLOSE = {"atol": 5e-5, "rtol": 1e-4}


@pytest.fixture(scope="module")
def model(reference: Any) -> Composition:
    return load_official("acrnet", official_weights(reference.meta))


@pytest.fixture(scope="module")
def batch(reference: Any) -> Batch:
    videos = [features(reference.meta, video) for video in range(reference.meta["config"]["B"])]
    return Batch.from_features(videos, torch.from_numpy(reference.arrays["labels"]))


@pytest.fixture(scope="module")
def out(model: Composition, batch: Batch) -> Outputs:
    with torch.no_grad():
        found: Outputs = model(batch)[0]
    return found


def test_inputs_follow_the_rule(reference: Any, batch: Batch) -> None:
    check_inputs(reference.meta, batch.rgb, batch.flow)


def test_parameter_count(reference: Any, model: Composition) -> None:
    assert sum(parameter.numel() for parameter in model.parameters()) == reference.meta["parameter_count"]


def test_pooling_is_the_fixtures(reference: Any, model: Composition) -> None:
    assert model.base.options.pool_kernel == reference.meta["config"]["pool_kernel"]


def test_cross_modal_attention(reference: Any, model: Composition, batch: Batch) -> None:
    with torch.no_grad():
        changes = model.base.mca(batch.rgb, batch.flow, batch)
    for name, stream, change in zip(("rgb", "flow"), (batch.rgb, batch.flow), changes, strict=True):
        found = torch.tanh(change + stream)[0, :, :16].T
        np.testing.assert_allclose(found, reference.arrays[f"mca_{name}_b0_ch0_16"], **CLOSE)


def test_outputs(reference: Any, out: Outputs) -> None:
    found = {
        "out_act_score": out.video_scores,
        "out_bkg_score": out.extra["background_scores"],
        "out_seg_score": out.act_scores,
        "out_aas_rgb": out.stream_attn["rgb"][..., None],
        "out_aas_flow": out.stream_attn["flow"][..., None],
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, reference.arrays[name], **CLOSE, err_msg=name)


def test_masks_are_equal(reference: Any, out: Outputs) -> None:
    np.testing.assert_array_equal(out.extra["cluster_mask"], reference.arrays["cluster_mask"].astype(bool))
    np.testing.assert_array_equal(out.extra["mask"], reference.arrays["out_seg_mask"].astype(bool))


def test_losses_and_gradients(reference: Any, model: Composition, batch: Batch) -> None:
    model.zero_grad()
    terms = model.losses(*model(batch), batch)
    total = total_loss(terms)
    total.backward()
    for name, term in terms.items():
        expected = reference.arrays[f"loss_{name.removeprefix('base.')}"]
        np.testing.assert_allclose(term.value.item(), expected, **CLOSE, err_msg=name)
    np.testing.assert_allclose(total.item(), reference.arrays["loss_total"], **CLOSE)
    check_gradients(reference.arrays, dict(model.base.named_parameters()))


def near_a_threshold(scores: np.ndarray, settings: DecoderSettings) -> int:
    """Points of the up-sampled curves so near a threshold that rounding decides on which side they fall."""
    fine = upsample_left(scores.astype(np.float64), settings.upscale)
    return sum(int((np.abs(fine - level) < 1e-5).sum()) for level in settings.thresholds)


def test_proposals_of_our_own_activations(reference: Any, model: Composition, out: Outputs) -> None:
    config = reference.meta["config"]
    settings = DecoderSettings.from_dict(
        {
            **model.decoder_settings(),
            "cls_threshold": config["cls_th"],
            "thresholds": config["act_th"],
            "upscale": config["rate"],
            "interpolation": "left",
            "whole_margins": True,
            "time_shift": (1 / config["fps"], 1 / config["fps"]),
            "sigma": config["soft_nms"]["alpha"],
            "tiou": config["soft_nms"]["low"],
        }
    )
    for row in range(config["B"]):
        scores = out.act_scores[row].numpy()
        found = raw_proposals(
            scores, None, out.video_scores[row].numpy(), timeline=Timeline(config["fps"]), settings=settings
        )
        mine = {
            (label, *(seconds * config["fps"]).round().astype(int).tolist()): score
            for label, seconds, score in zip(found.label.tolist(), found.seconds, found.scores, strict=True)
        }
        official = {
            (int(label), round(start * config["fps"]), round(end * config["fps"])): score
            for label, start, end, score in reference.arrays[f"prop{row}_before_nms"].tolist()
        }
        doubtful = near_a_threshold(scores, settings)
        assert len(mine.keys() ^ official.keys()) <= 2 * doubtful
        shared = sorted(mine.keys() & official.keys())
        assert shared
        np.testing.assert_allclose([mine[key] for key in shared], [official[key] for key in shared], atol=1e-4)
