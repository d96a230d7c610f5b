"""SEAL's loss terms, schedules, descriptors and pseudo-labels by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tests.methods.tiny_proposals import HARD_CASES, segments
from wtalkit.methods.interface import TrainVideo
from wtalkit.methods.pmil_losses import pairwise_iou
from wtalkit.methods.seal_descriptors import (
    VideoMeans,
    agree,
    class_descriptors,
    pseudo_labels,
    similarities,
    video_means,
)
from wtalkit.methods.seal_losses import (
    curved_fall,
    enhancement_loss,
    linear_fall,
    linear_rise,
    matched_instances,
    process_cost,
    process_loss,
    process_targets,
    semantic_loss,
)

INSTANCE = torch.tensor([100.0, 120.0])
WORKED = torch.tensor(
    # start, end, cost, IoU, target
    [
        [98, 122, 0.00, 0.83, 0.83],
        [102, 122, 0.11, 0.82, 0.73],
        [95, 115, 0.31, 0.60, 0.44],
        [100, 110, 0.40, 0.50, 0.34],
        [110, 130, 0.75, 0.33, 0.16],
        [105, 111, 1.26, 0.30, 0.09],
        [50, 170, 0.00, 0.17, 0.17],
        [100, 120, 0.00, 1.00, 1.00],  # the instance itself
        [300, 310, 3.00, 0.00, 0.00],  # far away
    ]
)


def test_worked_process_costs() -> None:
    parts, instances = WORKED[:, :2], INSTANCE.repeat(len(WORKED), 1)
    cost, iou = process_cost(parts, instances), pairwise_iou(parts, INSTANCE[None])[:, 0]
    expected = [WORKED[:, column] for column in (2, 3, 4)]
    for found, wanted in zip((cost, iou, process_targets(cost, iou)), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=0.0051, rtol=0)
    torch.testing.assert_close(process_targets(cost, None), torch.exp(-cost))


def test_process_cost_keeps_the_papers_order() -> None:
    moved = torch.arange(0, 21.0)
    cost = process_cost(torch.stack([100 + moved, 120 + moved], dim=1), INSTANCE.repeat(21, 1))
    assert bool((cost.diff() > 0).all()), "the farther the centre, the dearer"
    assert cost[10] < 0.76 and cost[11] > 1.8, "less than half of the instance costs one more"
    assert float(cost.max()) == pytest.approx(3)


@pytest.mark.parametrize("name", HARD_CASES)
@pytest.mark.parametrize("nms", [False, True])
def test_costs_are_bounded_on_next_to_nothing(name: str, nms: bool) -> None:
    parts = HARD_CASES[name]
    if not len(parts):
        return
    attn = torch.linspace(0.1, 1, len(parts))
    instances, iou = matched_instances(parts, attn, 0.9, nms=nms)
    cost = process_cost(parts, instances)
    assert bool(((cost >= 0) & (cost <= 3)).all()) and bool(((iou >= 0) & (iou <= 1)).all())


def test_proposals_go_to_the_instance_they_overlap_most() -> None:
    parts = torch.tensor([[0.0, 4.0], [3.0, 9.0], [20.0, 24.0], [12.0, 13.0], [4.0, 8.0]])
    attn = torch.tensor([0.95, 0.1, 1.0, 0.2, 0.3])
    instances, iou = matched_instances(parts, attn, 0.9, nms=False)
    assert instances.tolist() == [[0, 4], [0, 4], [20, 24], [20, 24], [0, 4]]  # [12, 13] by its centre, 9.5 and 10.5
    torch.testing.assert_close(iou, torch.tensor([1, 1 / 9, 1, 0, 0]), atol=1e-5, rtol=0)


def test_any_overlap_comes_before_a_near_centre() -> None:
    parts = torch.tensor([[0.0, 100.0], [110.0, 112.0], [98.0, 108.0]])
    instances, _ = matched_instances(parts, torch.tensor([1.0, 1.0, 0.0]), 0.9, nms=False)
    assert instances[2].tolist() == [0, 100]


def test_ties_go_to_the_instance_of_higher_attention() -> None:
    parts = torch.tensor([[0.0, 4.0], [8.0, 12.0], [5.0, 7.0], [2.0, 10.0]])
    for attn, best in ((torch.tensor([0.95, 1, 0, 0]), [8, 12]), (torch.tensor([1, 0.95, 0, 0]), [0, 4])):
        instances, _ = matched_instances(parts, attn, 0.9, nms=False)
        assert instances.tolist()[2:] == [best, best]  # as near to both; as much of both


def test_overlapping_instances_can_be_left_out() -> None:
    parts = torch.tensor([[0.0, 10.0], [1.0, 9.0], [20.0, 24.0]])
    attn = torch.tensor([1.0, 0.95, 0.92])
    assert matched_instances(parts, attn, 0.9, nms=False)[0].tolist() == parts.tolist()
    assert matched_instances(parts, attn, 0.9, nms=True)[0].tolist() == [[0, 10], [0, 10], [20, 24]]


def test_process_loss_has_a_gradient_in_the_branch_alone() -> None:
    parts, attn = segments(12), torch.rand(12).requires_grad_()
    instances, iou = matched_instances(parts, attn, 0.9, nms=False)
    cost = process_cost(parts, instances)
    for mode in ("target", "expected"):
        logits = torch.randn(12, requires_grad=True)
        process_loss(logits, cost, iou, mode).backward()
        assert bool(logits.grad.ne(0).all()) and attn.grad is None


def test_process_loss_by_hand() -> None:
    logits, cost, iou = torch.tensor([0.0, math.log(3)]), torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.5])
    target = 0.5 * math.exp(-2)
    assert process_loss(logits, cost, iou, "target").item() == pytest.approx((0.5**2 + (0.75 - target) ** 2) / 2)
    assert process_loss(logits, cost, None, "target").item() == pytest.approx((0.5**2 + (0.75 - math.exp(-2)) ** 2) / 2)
    assert process_loss(logits + 1, cost, iou, "expected").item() == pytest.approx(0.25 * 0 + 0.75 * 2.5)
    assert process_loss(logits - 1, cost, None, "expected").item() == pytest.approx(0.75 * 2)


def test_enhancement_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.7, 0.2]])
    attn = torch.tensor([1.0, 0.5])
    first, second = 0.5 + 0.05, 0.25 + 0.35
    assert enhancement_loss(probabilities, attn, 1, "mean").item() == pytest.approx(
        ((first / 2) ** 2 + (1 - second / 2) ** 2) / 2
    )
    assert enhancement_loss(probabilities, attn, 0, "attention_mean").item() == pytest.approx(
        ((1 - first / 1.5) ** 2 + (second / 1.5) ** 2) / 2, rel=1e-5
    )
    assert math.isfinite(enhancement_loss(probabilities, 0 * attn, 0, "attention_mean").item())


# Class 0 in the two columns of actions; the third is background.
BASE = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.6, 0.1, 0.3], [0.2, 0.1, 0.7], [0.1, 0.8, 0.1]])
SUPP = torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.2, 0.1, 0.7], [0.45, 0.05, 0.5], [0.1, 0.6, 0.3]])
FEAT = torch.tensor([[0.0, 2.0], [2.0, 0.0], [5.0, 1.0], [1.0, 5.0], [9.0, 9.0]])


def test_semantic_loss_by_hand() -> None:
    """Both tests say class 0 of proposals 0 and 1; base scores alone of 2, which is below the mean; suppressed of 3."""
    labels = torch.tensor([1.0, 0.0])
    middle = torch.tensor([1.0, 1.0])
    expected = float((FEAT[:4] - middle).norm(dim=1).mean())
    assert semantic_loss(FEAT, BASE, SUPP, labels, normalize=False).item() == pytest.approx(expected)
    scaled = FEAT / FEAT.norm(dim=1, keepdim=True)
    expected = float((scaled[:4] - scaled[:2].mean(dim=0)).norm(dim=1).mean())
    assert semantic_loss(FEAT, BASE, SUPP, labels, normalize=True).item() == pytest.approx(expected)
    # Class 1 has one sure proposal only: it costs nothing, and the mean is over both labels.
    both = semantic_loss(FEAT, BASE, SUPP, torch.ones(2), normalize=True)
    assert both.item() == pytest.approx(expected / 2)


def test_semantic_loss_skips_what_it_cannot_say() -> None:
    for labels in (torch.tensor([0.0, 1.0]), torch.zeros(2)):
        feat = FEAT.clone().requires_grad_()
        value = semantic_loss(feat, BASE, SUPP, labels, normalize=False)
        value.backward()
        assert value.item() == 0 and not feat.grad.any()


def test_the_two_tests_of_the_semantic_loss_differ() -> None:
    """As printed they are equal, since an attention above 0 keeps the order of the classes."""
    logits, attn = torch.tensor([[4.0, 0, 0], [4, 0, 0], [4, 0, 0]]), torch.tensor([1.0, 0.9, 0.05])
    base, supp = logits.softmax(-1), (logits * attn[:, None]).softmax(-1)
    assert torch.equal(base.argmax(-1), supp.argmax(-1))
    feat = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    value = semantic_loss(feat, base, supp, torch.tensor([1.0, 0]), normalize=False)
    # The third is of the class by its base scores alone, so it does not shape what it is pulled to.
    assert value.item() == pytest.approx(math.sqrt(2) / 3, abs=1e-5)


def test_the_descriptor_gets_no_gradient() -> None:
    feat = FEAT.clone().requires_grad_()
    semantic_loss(feat, BASE, SUPP, torch.tensor([1.0, 0.0]), normalize=False).backward()
    away = FEAT[:4] - torch.tensor([1.0, 1.0])
    torch.testing.assert_close(feat.grad[:4], away / away.norm(dim=1, keepdim=True) / 4)
    assert not feat.grad[4].any()


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_identical_features_have_a_gradient_that_is_a_number(normalize: bool, value: float) -> None:
    feat = torch.full((5, 2), value, requires_grad=True)
    semantic_loss(feat, BASE, SUPP, torch.tensor([1.0, 0.0]), normalize=normalize).backward()
    assert torch.isfinite(feat.grad).all() and float(feat.grad.abs().max()) < 1e-3


def test_a_proposal_without_features_keeps_the_gradient_in_bounds() -> None:
    feat = torch.cat([torch.zeros(1, 2), FEAT[1:]]).requires_grad_()
    semantic_loss(feat, BASE, SUPP, torch.tensor([1.0, 0.0]), normalize=True).backward()
    assert float(feat.grad.abs().max()) < 1e7


def test_schedules() -> None:
    assert [linear_fall(epoch, 30) for epoch in (0, 15, 30, 100)] == [1, 0.5, 0, 0]
    assert curved_fall(0, 50, "exp") == curved_fall(0, 50, "cosine") == 1
    assert curved_fall(25, 50, "exp") == pytest.approx(math.exp(-1.25))
    assert curved_fall(25, 50, "cosine") == pytest.approx(0.5)
    assert curved_fall(49, 50, "exp") == pytest.approx(math.exp(-5 * 0.98**2))
    assert [curved_fall(epoch, 50, kind) for epoch in (50, 51) for kind in ("exp", "cosine")] == [0] * 4
    found = [linear_rise(epoch, 50, 0.3, 0.5) for epoch in (0, 25, 50, 99)]
    assert found == pytest.approx([0.3, 0.4, 0.5, 0.5])


def train_videos() -> list[TrainVideo]:
    """Two classes of three have videos; features are (RGB, flow), one channel each stream would not tell angles."""
    short, long = torch.tensor([[1.0, 0, 0, 2]]), torch.tensor([[0.0, 1, 2, 0]]).repeat(3, 1)
    both = torch.tensor([[4.0, 0, 0, 0], [0.0, 0, 0, 4]])
    return [
        TrainVideo(short, torch.tensor([1.0, 0, 0]), "short"),
        TrainVideo(long, torch.tensor([1.0, 0, 0]), "long"),
        TrainVideo(both, torch.tensor([1.0, 0, 1]), "both"),
        TrainVideo(torch.zeros(0, 4), torch.tensor([0.0, 1, 0]), "empty"),
    ]


def test_descriptors_by_hand() -> None:
    videos = video_means(train_videos(), 3, 4)
    assert videos.keys == ("short", "long", "both")
    assert videos.means.tolist() == [[1, 0, 0, 2], [0, 1, 2, 0], [2, 0, 0, 2]]
    by_video = torch.tensor([[1, 1 / 3, 2 / 3, 4 / 3], [0, 0, 0, 0], [2, 0, 0, 2]], dtype=torch.float64)
    by_segment = torch.tensor([[5 / 6, 0.5, 1, 1], [0, 0, 0, 0], [2, 0, 0, 2]], dtype=torch.float64)
    torch.testing.assert_close(class_descriptors(videos, "video"), by_video)
    torch.testing.assert_close(class_descriptors(videos, "segment"), by_segment)


def test_long_videos_are_read_in_parts() -> None:
    features = torch.rand(10_000, 4)
    found = video_means([TrainVideo(features, torch.ones(1), "a")], 1, 4)
    torch.testing.assert_close(found.means[0], features.double().mean(dim=0))


def slow_cosine(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / max(1e-6, math.hypot(*one) * math.hypot(*other))


def random_means(count: int = 9, classes: int = 4) -> VideoMeans:
    generator = torch.Generator().manual_seed(3)
    means = torch.rand(count, 6, generator=generator, dtype=torch.float64)
    labels = torch.eye(classes, dtype=torch.float64)[torch.arange(count) % (classes - 1)]  # the last has no video
    return VideoMeans(tuple(map(str, range(count))), means, torch.full((count,), 5.0).double(), labels)


def test_similarities_are_normalised_cosines_of_each_stream() -> None:
    videos = random_means()
    descriptors = class_descriptors(videos, "video")
    for norm in ("minmax", "zscore"):
        rgb, flow, present = similarities(videos, descriptors, norm)
        assert present.tolist() == [0, 1, 2], "a class without a video takes no part"
        for found, columns in ((rgb, slice(0, 3)), (flow, slice(3, 6))):
            for video, row in enumerate(found.tolist()):
                cosines = [
                    slow_cosine(videos.means[video, columns].tolist(), descriptors[label, columns].tolist())
                    for label in range(3)
                ]
                if norm == "minmax":
                    low, span = min(cosines), max(cosines) - min(cosines) + 1e-6
                else:
                    low = sum(cosines) / 3
                    span = math.sqrt(sum((cosine - low) ** 2 for cosine in cosines) / 3) + 1e-6
                assert row == pytest.approx([(cosine - low) / span for cosine in cosines])


def test_the_case_split() -> None:
    cases = [
        # RGB, flow, and which class how surely
        ([1.0, 0.0, 0.5], [1.0, 0.2, 0.0], 0, "sure"),
        ([1.0, 0.0, 0.8], [0.9, 1.0, 0.0], 0, "moderate"),  # the mean sides with RGB
        ([0.6, 0.0, 1.0], [1.0, 0.0, 0.5], 0, "moderate"),  # and with flow
        ([1.0, 0.0, 0.9], [0.0, 1.0, 0.9], None, "none"),  # and with neither: 2
        ([0.7, 0.7, 0.0], [0.7, 0.7, 0.0], 0, "sure"),  # a tie in both: the lower one
    ]
    rgb, flow = (torch.tensor([case[column] for case in cases]) for column in (0, 1))
    label, sure, moderate = agree(rgb, flow)
    for (_, _, wanted, kind), found, high, middle in zip(cases, label.tolist(), sure, moderate, strict=True):
        assert (bool(high), bool(middle)) == (kind == "sure", kind == "moderate")
        assert wanted is None or found == wanted


def test_a_tie_of_the_means_goes_to_the_lower_class() -> None:
    label, _, moderate = agree(torch.tensor([[1.0, 0.5]]), torch.tensor([[0.5, 1.0]]))
    assert (label.tolist(), moderate.tolist()) == ([0], [True])


def test_pseudo_labels_by_key() -> None:
    """Videos a and b show one class in both streams; c looks like class 0 and moves like class 2."""
    means = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]], dtype=torch.float64)
    labels = torch.tensor([[1.0, 0, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)
    videos = VideoMeans(("a", "b", "c"), means, torch.ones(3).double(), labels)
    descriptors = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]], dtype=torch.float64)
    found = pseudo_labels(videos, descriptors, "minmax")
    assert found["a"] == (0, True) and found["b"] == (2, True), "a class without a video keeps its number free"
    assert found["c"] == (0, False), "both sides weigh the same, so the lower class"


def test_a_video_where_all_three_differ_gets_none() -> None:
    videos = random_means(60)
    descriptors = class_descriptors(videos, "video")
    rgb, flow, _ = similarities(videos, descriptors, "minmax")
    columns = zip(*(x.argmax(dim=1).tolist() for x in (rgb, flow, rgb + flow)), strict=True)
    none = {str(number) for number, (i, j, k) in enumerate(columns) if k not in (i, j)}
    assert none and pseudo_labels(videos, descriptors, "minmax").keys() == set(videos.keys) - none


def test_a_video_of_zeros_is_like_nothing() -> None:
    videos = random_means()
    videos.means[4] = 0
    for norm in ("minmax", "zscore"):
        rgb, flow, _ = similarities(videos, class_descriptors(videos, "video"), norm)
        assert torch.isfinite(rgb).all() and not rgb[4].any() and not flow[4].any()


def test_no_videos_give_no_labels() -> None:
    videos = video_means([], 3, 4)
    descriptors = class_descriptors(videos, "video")
    assert descriptors.tolist() == torch.zeros(3, 4).tolist()
    assert pseudo_labels(videos, descriptors, "minmax") == {}


def test_one_class_gets_every_video() -> None:
    videos = video_means([TrainVideo(torch.rand(3, 4), torch.tensor([0.0, 1]), "a")], 2, 4)
    for norm in ("minmax", "zscore"):
        assert pseudo_labels(videos, class_descriptors(videos, "video"), norm) == {"a": (1, True)}


def test_unlabelled_training_videos_can_still_get_a_label() -> None:
    rows = {"a": ([1.0, 0, 1, 0], [1.0, 0]), "b": ([0.0, 1, 0, 1], [0.0, 1]), "c": ([0.9, 0, 1, 0], [0.0, 0])}
    train_set = [TrainVideo(torch.tensor([row]), torch.tensor(labels), key) for key, (row, labels) in rows.items()]
    videos = video_means(train_set, 2, 4)
    assert pseudo_labels(videos, class_descriptors(videos, "video"), "minmax")["c"] == (0, True)
