"""P-MIL against ``RenHuan1999/CVPR2023_P-MIL``: regions, outputs, losses, gradients, and what it decodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.parity.rules import check_gradients, check_inputs, features, official_weights
from wtalkit.localization import DecoderSettings
from wtalkit.localization.decoder import kept_classes
from wtalkit.localization.proposal_decoder import decode_proposals, proposal_video_scores, score_proposals
from wtalkit.methods import load_official
from wtalkit.methods.composition import ProposalModel, total_loss
from wtalkit.methods.interface import Progress, ProposalBatch, ProposalOutputs
from wtalkit.methods.pmil_losses import ramp_up
from wtalkit.methods.regions import pool_regions, roi_align

STEMS = ("pmil",)
pytestmark = pytest.mark.parity
CLOSE = {"atol": 5e-5, "rtol": 1e-4}
MARGIN = 0.25
TERMS = ("mil_orig", "mil_supp", "irc", "comp")
CLASSES = [str(number) for number in range(20)]


@pytest.fixture(scope="module")
def model(reference: Any) -> ProposalModel:
    """The authors' weights as a user gets them; their options are the fixture's."""
    return load_official("pmil", official_weights(reference.meta))


@pytest.fixture(scope="module")
def videos(reference: Any) -> list[torch.Tensor]:
    lengths = reference.arrays["T"].tolist()
    config = reference.meta["config"]
    return [features({**reference.meta, "config": {**config, "T": t}}, video) for video, t in enumerate(lengths)]


@pytest.fixture(scope="module")
def segments(reference: Any) -> list[torch.Tensor]:
    """In snippets."""
    return [torch.from_numpy(reference.arrays[f"proposals_{video}"]) for video in range(reference.meta["config"]["B"])]


@pytest.fixture(scope="module")
def batch(reference: Any, videos: list[torch.Tensor], segments: list[torch.Tensor]) -> ProposalBatch:
    counts, together = tuple(map(len, segments)), torch.cat(segments)
    regions = pool_regions(torch.cat(videos), together, lengths=list(map(len, videos)), counts=counts)
    return ProposalBatch(regions, together.float(), counts, torch.from_numpy(reference.arrays["labels"]))


@pytest.fixture(scope="module")
def out(model: ProposalModel, batch: ProposalBatch) -> ProposalOutputs:
    with torch.no_grad():
        found: ProposalOutputs = model(batch)[0]
    return found


def test_inputs_follow_the_rule(reference: Any, videos: list[torch.Tensor]) -> None:
    padded = torch.nn.utils.rnn.pad_sequence(videos, batch_first=True)
    lengths = list(map(len, videos))
    for name in reference.meta["input_probe"]:
        row = int(name.removeprefix("input_"))
        rgb, flow = padded[:, : lengths[row]].chunk(2, dim=-1)
        check_inputs({"input_probe": {name: reference.meta["input_probe"][name]}}, rgb, flow)


def test_parameters_and_options(reference: Any, model: ProposalModel) -> None:
    assert sum(parameter.numel() for parameter in model.parameters()) == reference.meta["parameter_count"] == 9_465_902
    names = {f"base.{entry['name']}" for entry in reference.meta["parameters"]}
    assert names == set(dict(model.named_parameters()))
    config, options = reference.meta["config"], model.base.options
    assert (options.k, options.instance_share, options.ramp_epochs) == (
        config["k"], config["gamma"], config["rampup_length"],
    )  # fmt: skip
    assert {name: getattr(options, f"{name}_weight") for name in TERMS} == config["weights"]
    assert not model.base.unique


def test_region_features(reference: Any, videos: list[torch.Tensor], segments: list[torch.Tensor]) -> None:
    sums = reference.arrays["roi_features_sum_bm"]
    for video, (rows, parts) in enumerate(zip(videos, segments, strict=True)):
        margin = MARGIN * (parts[:, 1] - parts[:, 0])
        roi = roi_align(rows, torch.stack([parts[:, 0] - margin, parts[:, 1] + margin], dim=1))
        np.testing.assert_allclose(roi.double().sum(dim=(1, 2)), sums[video, : len(parts)], rtol=1e-5)
        assert not sums[video, len(parts) :].any()
        if video == 1:
            np.testing.assert_allclose(roi[:6, :, :8], reference.arrays["roi_features_b1_first6_channels0_8"], **CLOSE)


def test_outputs(reference: Any, out: ProposalOutputs, batch: ProposalBatch) -> None:
    names = {"cas": "cas", "attn": "attn", "quality": "iou"}
    seen = 0
    for ours, theirs in names.items():
        for stream, letter in (("rgb", "v"), ("flow", "f")):
            expected = reference.arrays[f"out_prop_{letter}_{theirs}"]
            for video, rows in enumerate(batch.split(out.extra[f"{stream}_{ours}"])):
                wanted = expected[video, : len(rows)].reshape(rows.shape)
                np.testing.assert_allclose(rows, wanted, **CLOSE, err_msg=f"{stream}_{ours}")
                seen += 1
    assert seen == 2 * len(names) * len(batch)
    assert reference.arrays["out_prop_mask"].sum(axis=1).tolist() == list(batch.counts)


@pytest.mark.parametrize("epoch", [200, 15])
def test_losses_and_gradients(reference: Any, model: ProposalModel, batch: ProposalBatch, epoch: int) -> None:
    """The gradients are those of the last epoch; earlier ones only have other weights."""
    model.zero_grad()
    terms = model.losses(*model(batch), batch, Progress(epoch=epoch - 1))
    assert set(terms) == {f"base.{name}" for name in TERMS}
    for name in TERMS:
        term = terms[f"base.{name}"]
        np.testing.assert_allclose(
            term.value.item(), reference.arrays[f"unweighted_{name}_v_f"].mean(), **CLOSE, err_msg=name
        )
        expected = reference.arrays[f"loss_prop_{name}_epoch{epoch}"]
        np.testing.assert_allclose(term.weight * term.value.item(), expected, **CLOSE, err_msg=name)
    total = total_loss(terms)
    np.testing.assert_allclose(total.item(), reference.arrays[f"loss_total_epoch{epoch}"], **CLOSE)
    if epoch == 200:
        total.backward()
        check_gradients(reference.arrays, dict(model.base.named_parameters()))


def test_weights_rise_over_the_epochs(reference: Any, model: ProposalModel) -> None:
    length = reference.meta["config"]["rampup_length"]
    found = [ramp_up(int(epoch), length) for epoch in reference.arrays["epochs"]]
    np.testing.assert_allclose(found, reference.arrays["rampup_weight_at_epoch"], rtol=1e-12)


def settings(reference: Any, model: ProposalModel) -> DecoderSettings:
    """The method's own, which are the fixture's."""
    config, own = reference.meta["config"], model.decoder_settings()
    stated = (config["threshold_cls"], config["gamma_vid"], config["soft_nms_sigma"])
    assert (own["cls_threshold"], own["gamma"], own["sigma"]) == stated
    return DecoderSettings.from_dict(own)


def scores(out: ProposalOutputs, batch: ProposalBatch, video: int) -> tuple[np.ndarray, ...]:
    return tuple(batch.split(value)[video].numpy() for value in (out.scores, out.attn, out.quality))


def test_video_scores_and_candidates(
    reference: Any, model: ProposalModel, out: ProposalOutputs, batch: ProposalBatch, segments: list[torch.Tensor]
) -> None:
    chosen = settings(reference, model)
    for video, parts in enumerate(segments):
        found = scores(out, batch, video)
        of_video = proposal_video_scores(found[0][:, :-1].astype(float), found[1].astype(float))
        np.testing.assert_allclose(of_video, reference.arrays[f"prop{video}_video_score"], **CLOSE)
        assert kept_classes(of_video, 0.2).tolist() == reference.arrays[f"prop{video}_classes"].tolist()
        candidates = score_proposals(*found, segments=parts, seconds=parts, settings=chosen)
        rows = np.column_stack([candidates.points, candidates.label, candidates.scores])
        np.testing.assert_allclose(rows, reference.arrays[f"prop{video}_before_nms"], **CLOSE)


def test_detections(
    reference: Any, model: ProposalModel, out: ProposalOutputs, batch: ProposalBatch, segments: list[torch.Tensor]
) -> None:
    """Class by class, best first; a snippet is a second here."""
    for video, parts in enumerate(segments):
        expected = reference.arrays[f"prop{video}_after_nms"]
        found = decode_proposals(
            *scores(out, batch, video), segments=parts, seconds=parts, classes=CLASSES, duration_s=1e6,
            settings=settings(reference, model),
        )  # fmt: skip
        found = sorted(found, key=lambda segment: int(segment.label))
        rows = np.array([[each.start_s, each.end_s, int(each.label), each.score] for each in found])
        np.testing.assert_allclose(rows, expected, **CLOSE)
