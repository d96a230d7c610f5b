"""SEAL: sizes, the sum of its losses, pseudo-labels, components and alternatives, next to no proposals and too many."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.methods.tiny_proposals import (
    CLASSES,
    HARD_CASES,
    WIDTH,
    batch_of,
    check_finite,
    one_by_one,
    random_batch,
    segments,
    small,
    total,
)
from wtalkit.errors import ConfigError
from wtalkit.localization import DecoderSettings
from wtalkit.methods import create, seal
from wtalkit.methods.interface import Progress, ProposalBatch, TrainVideo, VideoMeta
from wtalkit.methods.seal_descriptors import PseudoLabel
from wtalkit.methods.seal_losses import matched_instances, process_cost, process_loss, semantic_loss

TERMS = {"cls_base", "cls_supp", "sme", "sme_moderate", "pc", "st", "lc"}
SURE, MODERATE = PseudoLabel(2, True), PseudoLabel(4, False)
ALTERNATIVES: dict[str, Any] = {
    "descriptor": "segment",
    "norm": "zscore",
    "sme_label_filter": "drop",
    "sme_pool": "attention_mean",
    "pc_mode": "expected",
    "pc_iou": False,
    "pc_nms": True,
    "sc_normalize": False,
    "sc_schedule": "cosine",
    "lc_on": "logits",
}


def labelled(method: Any) -> Any:
    """The method with a sure, a moderate and no pseudo-label for the videos 0, 1 and the others."""
    method.pseudo_labels = {"0": SURE, "1": MODERATE}
    return method


def decided(method: Any) -> Any:
    """In eval mode, with scores that differ from proposal to proposal, as they do after some training."""
    torch.manual_seed(4)
    for branch in (method.attention_branch, method.class_branch):
        torch.nn.init.normal_(branch[2].weight, std=2.0)
    return method.eval()


def test_parameter_count() -> None:
    with torch.device("meta"):
        model = create("seal", num_classes=20)
    encoders = 2 * (3 * 1024 * 1024 + 1024)
    branches = 3 * (2048 * 1024 + 1024)
    heads = 1024 * 23 + 23
    assert sum(parameter.numel() for parameter in model.parameters()) == encoders + branches + heads == 12_611_607


def test_widths_follow_the_features() -> None:
    method = small("seal")
    assert (method.rgb_encoder[0].out_features, method.class_branch[0].out_features) == (32, 32)
    method = small("seal", hidden=10, branch_hidden=3)
    assert (method.flow_encoder[0].out_features, method.attention_branch[0].weight.shape) == (10, (3, 20))


def test_scores() -> None:
    method, batch = small("seal").eval(), random_batch()
    out = method.predict(batch)
    assert out.extra["feat"].shape == (len(batch.segments), WIDTH)
    torch.testing.assert_close(out.scores, out.extra["base"].softmax(-1))
    torch.testing.assert_close(out.extra["supp"], out.extra["base"] * out.attn[:, None])
    torch.testing.assert_close(out.quality, out.extra["process"].sigmoid())
    left, inside, right = batch.regions[..., 32:].unbind(1)
    flow = method.flow_encoder(torch.cat([inside - left, inside, inside - right], dim=-1))
    torch.testing.assert_close(out.extra["feat"][:, 32:], flow)


def test_losses_are_the_dossiers_sum() -> None:
    """Every term from its definition, over a batch with a sure, a moderate and two unlabelled videos."""
    method, batch = decided(labelled(small("seal"))), random_batch()
    out = method.predict(batch)
    terms = method.losses(out, batch, Progress(epoch=10))
    found: dict[str, list[torch.Tensor]] = {name: [] for name in TERMS}
    columns = (out.extra["base"], out.attn, out.extra["process"], out.extra["feat"], batch.segments)
    for video, (base, attn, process, feat, parts) in enumerate(zip(*map(batch.split, columns), strict=True)):
        supp, labels = base * attn[:, None], batch.targets[video]
        for name, logits, background in (("cls_base", base, 1.0), ("cls_supp", supp, 0.0)):
            best = logits.sort(dim=0, descending=True).values[: max(1, len(base) // 8)].mean(dim=0)
            wanted = torch.cat([labels, torch.tensor([background])])
            found[name].append(F.cross_entropy(best, wanted / wanted.sum()))
        shown = (base.softmax(-1)[:, :CLASSES] * attn[:, None]).mean(dim=0)
        if video < 2:
            kind, label = (("sme", 2), ("sme_moderate", 4))[video]
            found[kind].append((shown - torch.eye(CLASSES)[label]).square().mean())
        instances, iou = matched_instances(parts, attn, 0.9, nms=False)
        found["pc"].append(process_loss(process, process_cost(parts, instances), iou, "target"))
        p_base, p_supp = base.softmax(-1), supp.softmax(-1)
        found["st"].append(semantic_loss(feat, p_base, p_supp, labels, normalize=True))
        found["lc"].append((p_base - p_supp).square().mean())
    assert terms.keys() == found.keys() == TERMS
    for name, term in terms.items():
        torch.testing.assert_close(term.value, torch.stack(found[name]).mean(), msg=name)
    assert terms["st"].value > 0


def test_a_batch_costs_what_its_videos_cost_one_by_one() -> None:
    method = decided(labelled(small("seal")))
    batch = random_batch((20, 7, 0, 1))
    terms = method.losses(method.predict(batch), batch, Progress())
    alone = [method.losses(method.predict(one), one, Progress()) for one in one_by_one(batch) if one.counts[0]]
    for name in TERMS - {"sme", "sme_moderate"}:
        torch.testing.assert_close(terms[name].value, torch.stack([each[name].value for each in alone]).mean())
    for video, name in enumerate(("sme", "sme_moderate")):  # means over the videos of that kind
        torch.testing.assert_close(terms[name].value, alone[video][name].value)


def test_weights_at_several_epochs() -> None:
    method, batch = small("seal"), random_batch()
    out = method.predict(batch)

    def weights(epoch: int) -> dict[str, float]:
        return {name: term.weight for name, term in method.losses(out, batch, Progress(epoch=epoch)).items()}

    fixed = {"cls_base": 2, "cls_supp": 1, "pc": 1.5}
    assert weights(0) == pytest.approx({**fixed, "sme": 1, "sme_moderate": 1, "st": 0.3, "lc": 1})
    fall = math.exp(-5 * 0.3**2)
    assert weights(15) == pytest.approx({**fixed, "sme": 0.5, "sme_moderate": 0.25, "st": 0.36 * fall, "lc": fall})
    late = {**fixed, "sme": 0, "sme_moderate": 0, "st": 0, "lc": 0}
    assert weights(50) == weights(200) == late
    assert weights(30)["sme"] == 0 < weights(30)["lc"]
    quick = small("seal", sme_epochs=10, moderate_epochs=20, sc_epochs=20, sc_schedule="cosine", alpha_end=0.7)
    terms = quick.losses(quick.predict(batch), batch, Progress(epoch=5))
    shape = (1 + math.cos(math.pi / 4)) / 2
    assert {name: term.weight for name, term in terms.items()} == pytest.approx(
        {**fixed, "sme": 0.5, "sme_moderate": 0.375, "st": 0.4 * shape, "lc": shape}
    )


@pytest.mark.parametrize("option", ALTERNATIVES)
def test_every_alternative_changes_something_and_stays_finite(option: str) -> None:
    """The alternatives of ``prepare`` and the schedule have tests of their own."""
    plain, batch = labelled(decided(small("seal"))), random_batch((30, 17, 9, 30))
    other = labelled(decided(small("seal", **{option: ALTERNATIVES[option]})))
    one, two = (m.losses(m.predict(batch), batch, Progress(epoch=3)) for m in (plain, other))
    changed = {name for name in TERMS if one[name].value != two[name].value or one[name].weight != two[name].weight}
    assert changed == {
        "sme_pool": {"sme", "sme_moderate"}, "pc_mode": {"pc"}, "pc_iou": {"pc"}, "pc_nms": {"pc"},
        "sc_normalize": {"st"}, "sc_schedule": {"st", "lc"}, "lc_on": {"lc"},
    }.get(option, set())  # fmt: skip
    other.train()
    check_finite(other, batch)
    for parts in HARD_CASES.values():
        check_finite(other, batch_of([parts]))


def training_videos() -> list[TrainVideo]:
    """Of the classes 0 to 3; in one of the last two, appearance and motion are those of another class."""
    generator = torch.Generator().manual_seed(2)
    looks = torch.rand(CLASSES, WIDTH // 2, generator=generator)
    moves = torch.rand(CLASSES, WIDTH // 2, generator=generator)
    seen = [
        (0, 0, 0),
        (1, 1, 1),
        (2, 2, 2),
        (3, 3, 3),
        (0, 0, 0),
        (1, 1, 1),
        (2, 2, 2),
        (3, 3, 3),
        (0, 1, 1),
        (2, 2, 1),
    ]
    videos = []
    for number, (label, look, move) in enumerate(seen):
        row = torch.cat([looks[look], moves[move]])
        features = row + 0.02 * torch.rand(number + 3, WIDTH, generator=generator)
        videos.append(TrainVideo(features, torch.eye(CLASSES)[label], str(number)))
    return videos


def test_prepare_gives_labels_and_a_report() -> None:
    method = small("seal")
    assert method.notes() == [] and not method.descriptors.any()
    method.prepare(training_videos())
    found = method.pseudo_labels
    assert [found[str(number)] for number in range(8)] == [(number % 4, True) for number in range(8)]
    assert found["8"] == (1, True), "a class that the video is not labelled with, by the paper's word"
    assert found["9"] == (2, False), "it looks like its class and moves like another"
    (report,) = method.notes()
    assert method.notes() == [report]
    assert report == (
        "pseudo-labels of 10 videos: 9 sure, 1 moderate, 0 none; 1 named a class that their video is not labelled with"
    )
    assert method.descriptors.dtype == torch.float32 and not method.descriptors[4].any()
    mean = torch.stack([video.features.mean(dim=0) for video in training_videos() if video.labels[3]]).mean(dim=0)
    torch.testing.assert_close(method.descriptors[3], mean)


def test_labels_that_contradict_can_be_dropped() -> None:
    method = small("seal", sme_label_filter="drop")
    method.prepare(training_videos())
    assert "8" not in method.pseudo_labels and len(method.pseudo_labels) >= 8
    (report,) = method.notes()
    assert "8 sure" in report and "; 1 named a class" in report


def test_both_descriptors_of_prepare() -> None:
    videos = training_videos()
    for level in ("video", "segment"):
        method = small("seal", descriptor=level)
        method.prepare(videos)
        rows = [video.features for video in videos if video.labels[0]]
        weights = [len(row) if level == "segment" else 1 for row in rows]
        mean = sum(weight * row.mean(dim=0) for weight, row in zip(weights, rows, strict=True)) / sum(weights)
        torch.testing.assert_close(method.descriptors[0], mean)


@pytest.mark.parametrize("norm", ["minmax", "zscore"])
def test_the_norm_is_an_option(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(seal, "pseudo_labels", lambda videos, descriptors, norm: asked.append(norm) or {})
    small("seal", norm=norm).prepare(training_videos())
    assert asked == [norm]


def test_descriptors_travel_with_the_weights_and_labels_do_not() -> None:
    method, other = small("seal"), small("seal")
    method.prepare(training_videos())
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.descriptors, method.descriptors) and other.pseudo_labels == {}


def test_videos_are_looked_up_by_key() -> None:
    method, batch = labelled(small("seal")).eval(), random_batch()
    out = method.predict(batch)

    def values(batch: ProposalBatch) -> tuple[bool, bool]:
        terms = method.losses(out, batch, Progress())
        return bool(terms["sme"].value), bool(terms["sme_moderate"].value)

    assert values(batch) == (True, True)
    assert values(replace(batch, meta=())) == (False, False)
    stranger = tuple(VideoMeta(key="x") for _ in batch.counts)
    assert values(replace(batch, meta=stranger)) == (False, False)
    assert values(replace(batch, meta=(batch.meta[1], *stranger[1:]))) == (False, True)


GONE = {"sme": {"sme", "sme_moderate"}, "moderate": {"sme_moderate"}, "pc": {"pc"}, "sc": {"st", "lc"}}


@pytest.mark.parametrize("part", GONE)
def test_every_part_can_be_left_out(part: str) -> None:
    full, method, batch = small("seal"), labelled(small("seal", (part,))), random_batch()
    assert check_finite(method, batch).keys() == TERMS - GONE[part]
    gone = {name.split(".")[0] for name in full.state_dict().keys() - method.state_dict().keys()}
    assert gone == {"sme": {"descriptors"}, "pc": {"process_branch"}}.get(part, set())
    assert bool((method.predict(batch).quality == 1).all()) is (part == "pc")
    method.prepare(training_videos())
    assert (method.notes() == []) is (part == "sme")
    check_finite(method, batch_of([torch.zeros(0, 2)]))


def test_all_parts_left_out_leave_the_classification() -> None:
    method = small("seal", tuple(GONE))
    assert check_finite(method, random_batch()).keys() == {"cls_base", "cls_supp"}


@pytest.mark.parametrize("name", HARD_CASES)
def test_next_to_nothing(name: str) -> None:
    terms = check_finite(labelled(small("seal")), batch_of([HARD_CASES[name]]))
    assert terms.keys() == TERMS
    check_finite(labelled(small("seal")), batch_of([segments(12), HARD_CASES[name], segments(5)]), epoch=10)


def test_no_proposal_at_all_costs_nothing() -> None:
    terms = check_finite(labelled(small("seal")), batch_of([torch.zeros(0, 2)] * 3))
    assert all(term.value.item() == 0 for term in terms.values())


def test_three_thousand_proposals() -> None:
    check_finite(labelled(small("seal")), batch_of([segments(3000)]))
    check_finite(labelled(small("seal", pc_nms=True, pc_mode="expected")), batch_of([segments(3000)]))


def test_a_video_without_labels() -> None:
    terms = check_finite(labelled(small("seal")), random_batch(labels=torch.zeros(4, CLASSES)))
    assert terms["cls_supp"].value == 0 and terms["st"].value == 0 < terms["cls_base"].value


@pytest.mark.parametrize("value", [0.0, -200.0])
def test_equal_attention(value: float) -> None:
    method = labelled(small("seal", sme_pool="attention_mean"))
    torch.nn.init.zeros_(method.attention_branch[2].weight)
    torch.nn.init.constant_(method.attention_branch[2].bias, value)
    check_finite(method, random_batch())


def test_mixed_precision_gives_scores_in_float32() -> None:
    method, batch = labelled(small("seal")), random_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = method.predict(batch)
    assert {value.dtype for value in (out.scores, out.attn, out.quality, out.extra["process"])} == {torch.float32}
    terms = method.losses(out, batch, Progress())
    assert {term.value.dtype for term in terms.values()} == {torch.float32}
    total(terms).backward()


def test_settings_and_unusable_options() -> None:
    assert DecoderSettings.from_dict(small("seal").decoder_settings()).plus_one
    assert small("seal").unique and not small("seal", unique=False).unique
    with pytest.raises(ConfigError, match="seal has no option 'pc_node'"):
        small("seal", pc_node="target")
    with pytest.raises(ConfigError, match="option descriptor = 'frame' is not usable"):
        small("seal", descriptor="frame")
