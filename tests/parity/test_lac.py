"""LAC against ``Pilhyeon/Learning-Action-Completeness-from-Points``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.parity.rules import check_gradients, check_inputs, features, official_weights
from wtalkit.localization import DecoderSettings, decode, raw_proposals
from wtalkit.methods import load_official
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch, Outputs
from wtalkit.methods.lac import OFFICIAL_NAMES
from wtalkit.methods.lac_search import search_sequence, select_seeds
from wtalkit.timeline import Timeline

STEMS = ("lac",)
pytestmark = pytest.mark.parity
CLOSE = {"atol": 5e-5, "rtol": 1e-4}
TIMELINE = Timeline(25.0)
WEIGHTS = ("frame", "frame_bkg", "score", "feat")


@pytest.fixture(scope="module")
def model(reference: Any) -> Composition:
    """The authors' weights as a user gets them."""
    loaded = load_official("lac", official_weights(reference.meta))
    assert isinstance(loaded, Composition)
    return loaded


@pytest.fixture(scope="module")
def batch(reference: Any) -> Batch:
    videos = [features(reference.meta, video) for video in range(reference.meta["config"]["B"])]
    whole = Batch.from_features(videos, torch.from_numpy(reference.arrays["labels"]))
    return replace(whole, points=torch.from_numpy(reference.arrays["points"]))


def unsearched(model: Composition) -> Composition:
    other = model.without(["completeness"])
    other.load_state_dict(model.state_dict())
    return other.eval()


def video(batch: Batch, row: int) -> Batch:
    """One video of a batch."""
    one = slice(row, row + 1)
    assert batch.points is not None
    return Batch(batch.rgb[one], batch.flow[one], batch.mask[one], batch.targets[one], points=batch.points[one])


@pytest.fixture(scope="module")
def out(model: Composition, batch: Batch) -> Outputs:
    with torch.no_grad():
        found: Outputs = model(batch)[0]
    return found


def test_inputs_follow_the_rule(reference: Any, batch: Batch) -> None:
    check_inputs(reference.meta, batch.rgb, batch.flow)


def test_parameter_count(reference: Any, model: Composition) -> None:
    assert sum(parameter.numel() for parameter in model.parameters()) == reference.meta["parameter_count"]


def test_weights_come_with_the_options_that_the_fixture_states(reference: Any, model: Composition) -> None:
    config = reference.meta["config"]
    video_weight, *others = config["lambdas"]
    assert video_weight == 1
    stated = {"k": config["r_act"], "budget": config["search_budget"]}
    stated |= {f"{name}_weight": value for name, value in zip(WEIGHTS, others, strict=True)}
    assert stated.items() <= model.base.options.model_dump().items()


def test_outputs(reference: Any, out: Outputs) -> None:
    fused = reference.arrays["out_cas_sigmoid_fuse"]
    np.testing.assert_allclose(out.extra["fused"], fused, **CLOSE)
    np.testing.assert_allclose(out.act_scores, fused[..., :-1], **CLOSE)
    np.testing.assert_allclose(out.attn, 1 - fused[..., -1], **CLOSE)
    np.testing.assert_allclose(out.video_scores, reference.arrays["out_vid_score_test"], **CLOSE)
    np.testing.assert_allclose(out.feat[0], reference.arrays["out_features_b0"], **CLOSE)


@pytest.fixture(params=["own", "stored"])
def fused(request: pytest.FixtureRequest, reference: Any, out: Outputs) -> np.ndarray:
    """Fused scores (B, T, C + 1) of our network and of the official one."""
    found: np.ndarray = out.extra["fused"].numpy()
    return found if request.param == "own" else reference.arrays["out_cas_sigmoid_fuse"]


def test_seeds_and_search(reference: Any, fused: np.ndarray) -> None:
    stored = reference.arrays
    for row, scores in enumerate(fused):
        seeds = select_seeds(scores[:, -1], stored["points"][row])
        np.testing.assert_array_equal(seeds.action, stored["act_seed"][row])
        np.testing.assert_array_equal(seeds.background, stored["bkg_seed"][row])
        found = search_sequence(scores[:, :-1], seeds, budget=reference.meta["config"]["search_budget"])
        np.testing.assert_array_equal(found.labels, stored["pseudo_labels"][row])
        np.testing.assert_allclose(found.score, stored["sequence_score"][row], atol=1e-6)


@pytest.mark.parametrize("case", ["nosearch", "search"])
def test_losses(reference: Any, model: Composition, batch: Batch, case: str) -> None:
    searching = model if case == "search" else unsearched(model)
    for row in range(len(batch)):
        single = video(batch, row)
        with torch.no_grad():
            terms = searching.losses(*searching(single), single)
        for name in ("vid", *WEIGHTS):
            expected = reference.arrays[f"{case}_loss_{name}"][row]
            found = terms[f"base.{name}"].value.item() if f"base.{name}" in terms else 0.0
            np.testing.assert_allclose(found, expected, **CLOSE, err_msg=name)
        np.testing.assert_allclose(total_loss(terms).item(), reference.arrays[f"{case}_loss_total"][row], **CLOSE)


def test_gradients(reference: Any, model: Composition, batch: Batch) -> None:
    single = video(batch, len(batch) - 1)
    model.zero_grad()
    total_loss(model.losses(*model(single), single)).backward()
    ours = dict(model.base.named_parameters())
    check_gradients(reference.arrays, {official: ours[name] for official, name in OFFICIAL_NAMES.items()})


def test_the_batch_gives_the_mean_of_its_videos(reference: Any, model: Composition, batch: Batch) -> None:
    with torch.no_grad():
        total = total_loss(model.losses(*model(batch), batch))
    np.testing.assert_allclose(total.item(), reference.arrays["search_loss_total"].mean(), **CLOSE)


def settings(reference: Any, model: Composition) -> DecoderSettings:
    """What imported weights decode with, which is what the fixture states."""
    config, base = reference.meta["config"], model.base
    own = DecoderSettings.from_dict({**base.decoder_settings(), **base.official_decoder_settings()})
    stated = {
        "cls_threshold": config["class_th"],
        "thresholds": config["act_thresh_cas"],
        "attn_thresholds": config["act_thresh_agnostic"],
        "upscale": config["scale"],
        "tiou": config["nms_thresh"],
    }
    for name, value in stated.items():
        np.testing.assert_allclose(getattr(own, name), value, atol=1e-12, err_msg=name)
    return own


def check_segments(mine: np.ndarray, official: np.ndarray) -> None:
    """Rows of class, score, start, end; the order, in which equal scores are free, does not count."""
    assert len(official)
    mine, official = (rows[np.lexsort((rows[:, 1], rows[:, 3], rows[:, 2], rows[:, 0]))] for rows in (mine, official))
    np.testing.assert_allclose(mine[:, [0, 2, 3]], official[:, [0, 2, 3]], atol=1e-9)
    np.testing.assert_allclose(mine[:, 1], official[:, 1], atol=1e-4)


def test_proposals(reference: Any, model: Composition, out: Outputs, fused: np.ndarray) -> None:
    stored, chosen = reference.arrays, settings(reference, model)
    cases = [name for name in stored if name.endswith("_before_nms")]
    assert len(cases) == len(fused)
    for row, scores in enumerate(fused):
        curves = (scores[:, :-1], 1 - scores[:, -1], out.video_scores[row].numpy())
        found = raw_proposals(*curves, timeline=TIMELINE, settings=chosen)
        before = np.column_stack([found.label, found.scores, found.seconds])
        check_segments(before, stored[f"prop{row}_before_nms"])
        names = [str(number) for number in range(scores.shape[1] - 1)]
        kept = decode(*curves, classes=names, timeline=TIMELINE, duration_s=1e6, settings=chosen)
        after = np.array([[int(each.label), each.score, each.start_s, each.end_s] for each in kept])
        check_segments(after, stored[f"prop{row}_after_nms"])
