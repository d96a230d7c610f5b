"""P-MIL: sizes, losses against slow arithmetic, components, next to no proposals and far too many.

The numbers of the authors' code are in ``tests/parity``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.methods.tiny_proposals import (
    CLASSES,
    HARD_CASES,
    batch_of,
    check_finite,
    one_by_one,
    random_batch,
    segments,
    small,
    total,
)
from wtalkit.errors import ModelError
from wtalkit.localization import DecoderSettings
from wtalkit.methods import create, load_official
from wtalkit.methods.interface import Progress
from wtalkit.methods.pmil import surround_contrast
from wtalkit.methods.pmil_losses import (
    completeness_loss,
    confident,
    multiple_instance_loss,
    pairwise_iou,
    ramp_up,
    rank_consistency_loss,
    without_overlap,
)
from wtalkit.training.recipes import load_recipe

TERMS = {"mil_orig", "mil_supp", "irc", "comp"}


def test_parameter_count_is_the_authors() -> None:
    with torch.device("meta"):
        model = create("pmil", num_classes=20)
    assert sum(parameter.numel() for parameter in model.parameters()) == 9_465_902


def test_widths_follow_the_features() -> None:
    backbone = small("pmil").prop_v_backbone
    assert backbone.prop_fusion[0].weight.shape == (32, 96)
    assert backbone.prop_completeness[0].weight.shape == (16, 32)
    backbone = small("pmil", hidden=10, head_hidden=3).prop_f_backbone
    assert (backbone.prop_fusion[0].out_features, backbone.prop_attention[0].out_features) == (10, 3)


def test_surround_contrast() -> None:
    regions = torch.tensor([[[1.0, 2.0], [5.0, 5.0], [7.0, 4.0]]])
    assert surround_contrast(regions).tolist() == [[4.0, 3.0, 5.0, 5.0, -2.0, 1.0]]


def test_scores_are_means_over_the_streams() -> None:
    method, batch = small("pmil").eval(), random_batch()
    out = method.predict(batch)
    extra = out.extra
    torch.testing.assert_close(out.scores, (extra["rgb_cas"].softmax(-1) + extra["flow_cas"].softmax(-1)) / 2)
    torch.testing.assert_close(out.attn, (extra["rgb_attn"].sigmoid() + extra["flow_attn"].sigmoid()) / 2)
    torch.testing.assert_close(out.quality, (extra["rgb_quality"].sigmoid() + extra["flow_quality"].sigmoid()) / 2)
    swapped = replace(batch, regions=batch.regions.roll(32, dims=-1))
    changed = method.predict(swapped).extra
    assert not torch.allclose(changed["rgb_cas"], extra["rgb_cas"]), "each stream has its own half of the features"
    other = batch.regions.clone()
    other[..., :32] = 0
    changed = method.predict(replace(batch, regions=other)).extra
    assert torch.equal(changed["flow_cas"], extra["flow_cas"]) and not torch.equal(changed["rgb_cas"], extra["rgb_cas"])


def test_dropout_is_an_option_of_the_training() -> None:
    batch = random_batch()
    for dropout, same in ((0.5, False), (0.0, True)):
        method = small("pmil", dropout=dropout)
        assert torch.equal(method.predict(batch).scores, method.predict(batch).scores) is same


def slow_iou(one: list[float], other: list[float]) -> float:
    both = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, both / (one[1] - one[0] + other[1] - other[0] - both + 1e-6))


def slow_losses(method: Any, extra: dict[str, Tensor], batch: Any, share: float = 0.8) -> dict[str, float]:
    """The terms as section 2 of the paper and the authors' code write them, one value after the other, in float64."""
    found: dict[str, list[float]] = {name: [] for name in TERMS}
    values = {name: [rows.double() for rows in batch.split(value.detach())] for name, value in extra.items()}
    for video, rows in enumerate(batch.split(batch.segments)):
        parts, labels = rows.double().tolist(), batch.targets[video].tolist()
        many = len(parts)
        for own, other in (("rgb", "flow"), ("flow", "rgb")):
            cas, teacher = values[f"{own}_cas"][video], values[f"{other}_cas"][video]
            attn, guide = values[f"{own}_attn"][video].sigmoid(), values[f"{other}_attn"][video].sigmoid().tolist()
            for name, logits, background in (("mil_orig", cas, 1.0), ("mil_supp", cas * attn[:, None], 0.0)):
                best = [sorted(column, reverse=True)[: max(1, many // 8)] for column in logits.T.tolist()]
                logs = torch.tensor([sum(top) / len(top) for top in best]).log_softmax(0).tolist()
                wanted = [*labels, background]
                found[name].append(-sum(w / (sum(wanted) + 1e-4) * log for w, log in zip(wanted, logs, strict=True)))
            divergences = []
            for label in (number for number, there in enumerate(labels) if there):
                for i in range(many):
                    if guide[i] <= sum(guide) / many:
                        continue
                    near = [j for j in range(many) if slow_iou(parts[i], parts[j]) > 0]
                    p, q = teacher[near, label].softmax(0), cas[near, label].softmax(0)
                    divergences.append(float((p * (p / q).log()).sum()))
            found["irc"].append(sum(divergences) / max(1, len(divergences)))
            left = [i for i in range(many) if guide[i] > share * max(guide)]
            instances = []
            while left:
                first = max(left, key=lambda i: guide[i])
                instances.append(first)
                left = [i for i in left if i != first and slow_iou(parts[i], parts[first]) == 0]
            targets = [max(slow_iou(part, parts[j]) for j in instances) for part in parts]
            quality = values[f"{own}_quality"][video].sigmoid().tolist()
            found["comp"].append(sum((q - t) ** 2 for q, t in zip(quality, targets, strict=True)) / many)
    return {name: sum(each) / len(each) for name, each in found.items()}


@pytest.mark.parametrize("share", [0.8, 0.97])
def test_losses_are_what_one_value_after_the_other_gives(share: float) -> None:
    method = small("pmil", instance_share=share).eval()
    labels = torch.tensor([[1.0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [1, 1, 1, 0, 0]])
    batch = random_batch(labels=labels)
    out = method.predict(batch)
    spread = {name: 3 * value for name, value in out.extra.items()}
    terms = method.losses(replace(out, extra=spread), batch, Progress())
    expected = slow_losses(method, spread, batch, share)
    assert terms.keys() == expected.keys() == TERMS
    for name, term in terms.items():
        assert term.value.item() == pytest.approx(expected[name], rel=1e-4), name
        assert expected[name] > 1e-3


def test_a_batch_costs_what_its_videos_cost_one_by_one() -> None:
    method = small("pmil").eval()
    batch = random_batch((20, 0, 7, 1))
    terms = method.losses(method.predict(batch), batch, Progress(epoch=40))
    alone = [method.losses(method.predict(one), one, Progress(epoch=40)) for one in one_by_one(batch) if one.counts[0]]
    assert len(alone) == 3
    for name, term in terms.items():
        torch.testing.assert_close(term.value, torch.stack([each[name].value for each in alone]).mean(), msg=name)


def test_weights() -> None:
    method, batch = small("pmil"), random_batch()
    out = method.predict(batch)

    def weights(epoch: int) -> dict[str, float]:
        return {name: term.weight for name, term in method.losses(out, batch, Progress(epoch=epoch)).items()}

    first = math.exp(-5 * (29 / 30) ** 2)  # epochs count from 1 in the paper's ramp
    assert weights(0) == pytest.approx({"mil_orig": 2, "mil_supp": 1, "irc": 2 * first, "comp": 20 * first})
    assert weights(29) == weights(100) == {"mil_orig": 2, "mil_supp": 1, "irc": 2, "comp": 20}
    assert ramp_up(15, 30) == pytest.approx(math.exp(-1.25))
    assert ramp_up(0, 0) == 1


def test_nothing_but_the_students_scores_learns_from_the_teacher() -> None:
    method, batch = small("pmil").eval(), random_batch()
    out = method.predict(batch)
    terms = method.losses(out, batch, Progress(epoch=40))
    (terms["irc"].value + terms["comp"].value).backward()
    for backbone in (method.prop_v_backbone, method.prop_f_backbone):
        assert all(not p.grad.any() for p in backbone.prop_attention.parameters() if p.grad is not None)
        assert backbone.prop_classifier[2].weight.grad.any() and backbone.prop_completeness[2].weight.grad.any()
    student, teacher = torch.randn(6, 3, requires_grad=True), torch.randn(6, 3, requires_grad=True)
    iou = pairwise_iou(segments(6), segments(6))
    attn = torch.rand(6)
    rank_consistency_loss(student, teacher, attn, torch.tensor([0.0, 1.0]), iou).backward()
    assert teacher.grad is None and student.grad is not None
    assert not student.grad[:, [0, 2]].any(), "only the video's classes are ranked"


@pytest.mark.parametrize("name", HARD_CASES)
def test_next_to_nothing(name: str) -> None:
    check_finite(small("pmil"), batch_of([HARD_CASES[name]]))
    terms = check_finite(small("pmil"), batch_of([segments(12), HARD_CASES[name], segments(5)]), epoch=50)
    assert terms.keys() == TERMS


def test_no_proposal_at_all_costs_nothing() -> None:
    for parts in ([torch.zeros(0, 2)], [torch.zeros(0, 2)] * 3):
        terms = check_finite(small("pmil"), batch_of(parts))
        assert all(term.value.item() == 0 for term in terms.values())


def test_three_thousand_proposals() -> None:
    check_finite(small("pmil"), batch_of([segments(3000)]))


def test_a_video_without_labels() -> None:
    terms = check_finite(small("pmil"), random_batch(labels=torch.zeros(4, CLASSES)))
    assert terms["irc"].value == 0 and terms["mil_supp"].value == 0 < terms["mil_orig"].value


@pytest.mark.parametrize("value", [0.0, 3.0, -200.0])
def test_equal_attention(value: float) -> None:
    """No proposal is above the mean, and at -200 all attentions are 0, so that no share of the best is below it."""
    method = small("pmil").eval()
    for backbone in (method.prop_v_backbone, method.prop_f_backbone):
        torch.nn.init.zeros_(backbone.prop_attention[2].weight)
        torch.nn.init.constant_(backbone.prop_attention[2].bias, value)
    terms = check_finite(method, random_batch())
    assert terms["irc"].value.item() == pytest.approx(0, abs=1e-2 if value == 3 else 0)  # a mean of 0.9526 rounds


@pytest.mark.parametrize("part", ["mil_supp", "irc", "comp"])
def test_every_part_can_be_left_out(part: str) -> None:
    full, method, batch = small("pmil"), small("pmil", (part,)), random_batch()
    assert check_finite(method, batch).keys() == TERMS - {part}
    gone = {name.split(".")[1] for name in full.state_dict().keys() - method.state_dict().keys()}
    assert gone == {"mil_supp": {"prop_attention"}, "irc": set(), "comp": {"prop_completeness"}}[part]
    out = method.predict(batch)
    assert bool((out.quality == 1).all()) is (part == "comp")
    check_finite(method, batch_of([torch.zeros(0, 2)]))


def test_without_an_attention_the_background_decides() -> None:
    method = small("pmil", ("mil_supp",)).eval()
    out = method.predict(random_batch())
    torch.testing.assert_close(out.attn, 1 - out.scores[:, -1])


def test_mixed_precision_gives_scores_in_float32() -> None:
    method, batch = small("pmil"), random_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = method.predict(batch)
    assert {value.dtype for value in (out.scores, out.attn, out.quality, *out.extra.values())} == {torch.float32}
    total(method.losses(out, batch, Progress())).backward()


def test_multiple_instances_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [4.0, 1.0], [0.0, 9.0]])
    logs = torch.tensor([4.0, 9.0]).log_softmax(0)
    assert multiple_instance_loss(logits, torch.tensor([1.0, 0.0]), 2).item() == pytest.approx(-float(logs[0]))
    logs = torch.tensor([3.0, 5.0]).log_softmax(0)  # two of three
    assert multiple_instance_loss(logits, torch.tensor([0.5, 0.5]), 1).item() == pytest.approx(
        -float(torch.tensor([2.0, 10 / 3]).log_softmax(0).mean())
    )


def test_overlaps() -> None:
    parts = segments(25)
    expected = [[slow_iou(one, other) for other in parts.tolist()] for one in parts.tolist()]
    torch.testing.assert_close(pairwise_iou(parts, parts), torch.tensor(expected))
    touching = torch.tensor([[0.0, 2.0], [2.0, 4.0], [1.0, 1.0]])
    assert pairwise_iou(touching, touching).gt(0).tolist() == [
        [True, False, False], [False, True, False], [False, False, False],
    ]  # fmt: skip


def test_confident_proposals_come_best_first() -> None:
    attn = torch.tensor([0.5, 0.9, 0.8, 0.9, 0.1])
    assert confident(attn, 0.8).tolist() == [1, 3, 2]
    assert confident(attn, 1.0).tolist() == [1]
    assert confident(torch.zeros(3), 0.8).tolist() == [0]
    assert confident(torch.ones(1000), 0.8).tolist() == list(range(1000))


def test_instances_do_not_overlap() -> None:
    parts = torch.tensor([[0.0, 4.0], [3.0, 8.0], [7.0, 9.0], [20.0, 21.0], [5.0, 5.0]])
    iou = pairwise_iou(parts, parts)
    assert without_overlap(torch.tensor([0, 1, 2, 3]), iou).tolist() == [0, 2, 3]
    assert without_overlap(torch.tensor([1, 0, 2, 3]), iou).tolist() == [1, 3]
    assert without_overlap(torch.tensor([4, 4]), iou).tolist() == [4, 4], "of no length: it overlaps nothing"


def test_completeness_by_hand() -> None:
    parts = torch.tensor([[0.0, 4.0], [2.0, 4.0], [10.0, 12.0]])
    attn = torch.tensor([0.9, 0.2, 0.3])
    value = completeness_loss(torch.tensor([0.5, 0.5, 0.5]), attn, pairwise_iou(parts, parts), 0.8)
    assert value.item() == pytest.approx((0.25 + 0 + 0.25) / 3, abs=1e-5)


def test_authors_weights_load_with_their_convolutions() -> None:
    ours = small("pmil").state_dict()
    theirs = {
        f"module.{name}": value[..., None] if value.ndim == 2 and "fusion" not in name else value
        for name, value in ours.items()
    }
    model = load_official("pmil", theirs)
    assert (model.spec.num_classes, model.spec.feature_dim, model.base.unique) == (CLASSES, 64, False)
    for name, value in model.base.state_dict().items():
        assert torch.equal(value, ours[name])
    assert small("pmil").unique
    with pytest.raises(ModelError, match="not pmil's weights: prop_v_backbone"):
        load_official("pmil", {"conv.weight": torch.zeros(3)})


def test_decoder_settings_are_settings() -> None:
    chosen = DecoderSettings.from_dict(small("pmil").decoder_settings())
    assert (chosen.cls_threshold, chosen.gamma, chosen.nms, chosen.sigma, chosen.plus_one) == (
        0.2, 0.2, "gaussian", 0.3, True,
    )  # fmt: skip


@pytest.mark.parametrize("method", ["pmil", "seal"])
def test_recipes(method: str) -> None:
    steps = {"thumos14": 4000, "activitynet1.2": 24_000, "activitynet1.3": 50_000, "samples": 400}
    for name, count in steps.items():
        recipe = load_recipe(name, method)
        chosen = recipe.settings
        assert (chosen.steps, chosen.batch_size, chosen.weight_decay) == (count, 10, 1e-3)
        assert (chosen.sampling, chosen.length) == ("proposals", 1000)
        assert chosen.lr == (5e-4 if name == "samples" else 5e-5)
        own = small(method, **recipe.options[method]).decoder_settings()
        decoder = DecoderSettings.from_dict({**own, **chosen.decoder})
        assert decoder.plus_one is (name != "samples"), "snippets of the samples overlap"
