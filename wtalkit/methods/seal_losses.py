"""The loss terms of SEAL, one video at a time, and their schedules.

The paper's process loss has no gradient as it is printed, its semantic loss compares two tests that are always equal,
and it leaves open what is a probability and what a logit. ``docs/methods/seal.md`` sets print and reading side by side;
everything below is our reading of it. Symbols: M proposals of one video, C classes, background last.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from wtalkit.methods.pmil_losses import confident, pairwise_iou, without_overlap

Pool: TypeAlias = Literal["mean", "attention_mean"]
Mode: TypeAlias = Literal["target", "expected"]
Fade: TypeAlias = Literal["exp", "cosine"]
EPSILON = 1e-6
LEAST_LENGTH = 1e-3  # snippets; of an instance that has none
HALF = 0.5  # of an instance: a proposal that holds less of it pays for it
LEAST_CORE = 2  # proposals that make a class's descriptor in a video; one alone would be pulled to itself


def enhancement_loss(probabilities: Tensor, attn: Tensor, label: int, pool: Pool) -> Tensor:
    """Squared distance of what a video's proposals show from its pseudo-label, mean over the classes.

    Args:
        probabilities: (M, C + 1).
        attn: (M,).
        label: the pseudo-label.
        pool: divide the sum of probability times attention by M (the paper) or by the sum of attention (P-MIL).
    """
    shown = (probabilities[:, :-1] * attn[:, None]).sum(dim=0)  # (C,)
    shown = shown / (len(attn) if pool == "mean" else attn.sum() + EPSILON)
    wanted = F.one_hot(torch.tensor(label, device=shown.device), len(shown)).to(shown.dtype)
    return F.mse_loss(shown, wanted)


def matched_instances(segments: Tensor, attn: Tensor, share: float, *, nms: bool) -> tuple[Tensor, Tensor]:
    """The pseudo-instance that each proposal belongs to: of highest IoU, or with the nearest centre if none overlaps.

    Args:
        segments: (M, 2) in snippets.
        attn: (M,); pseudo-instances are the proposals above ``share`` of its maximum, ties go to the higher one.
        share: see above.
        nms: keep only pseudo-instances that do not overlap a better one.

    Returns:
        (M, 2) the instance of each, and (M,) its IoU with it.
    """
    chosen = confident(attn, share)
    if nms:
        inner = pairwise_iou(segments[chosen], segments[chosen])
        chosen = chosen[without_overlap(torch.arange(len(chosen)), inner)]
    instances = segments[chosen]  # (G, 2)
    iou = pairwise_iou(segments, instances)  # (M, G)
    apart = (segments.mean(dim=1)[:, None] - instances.mean(dim=1)).abs()
    best, by_iou = iou.max(dim=1)
    return instances[torch.where(best > 0, by_iou, apart.argmin(dim=1))], best


def process_cost(segments: Tensor, instances: Tensor) -> Tensor:
    """How badly proposals cover the centre of the instances beside them, (M,) in [0, 3].

    The paper's three summands without units: the squared distance of the centres, the distance over the intersection
    (x / (1 + x) of it), and one for holding less than half of the instance.

    Args:
        segments: (M, 2).
        instances: (M, 2).
    """
    length = (instances[:, 1] - instances[:, 0]).clamp(min=LEAST_LENGTH)
    apart = (segments.mean(dim=1) - instances.mean(dim=1)).abs() / length
    ends, starts = torch.minimum(segments[:, 1], instances[:, 1]), torch.maximum(segments[:, 0], instances[:, 0])
    held = (ends - starts).clamp(min=0) / length
    return apart.square().clamp(max=1) + apart / (apart + held + EPSILON) + (held < HALF).to(apart.dtype)


def process_targets(cost: Tensor, iou: Tensor | None) -> Tensor:
    """What the process branch is to give, (M,) in [0, 1]: IoU (one, if left out) times exp(-cost)."""
    return torch.exp(-cost) if iou is None else iou * torch.exp(-cost)


def process_loss(logits: Tensor, cost: Tensor, iou: Tensor | None, mode: Mode) -> Tensor:
    """Process consistency of one video; ``logits`` (M,) are the branch's.

    Args:
        logits: see above.
        cost: (M,) of :func:`process_cost`.
        iou: (M,) with the matched instance; None leaves the IoU out.
        mode: ``target`` regresses :func:`process_targets`; ``expected`` is the mean cost under a softmax over the
            proposals, the printed form as an expectation (under a sigmoid all logits would go to minus infinity).
    """
    if mode == "target":
        return F.mse_loss(logits.sigmoid(), process_targets(cost, iou))
    extra = 0.0 if iou is None else 1 - iou
    return (logits.softmax(dim=0) * (cost + extra)).sum()


def semantic_loss(feat: Tensor, base: Tensor, supp: Tensor, labels: Tensor, *, normalize: bool) -> Tensor:
    """Pull a video's proposals of one class towards what the surest of them have in common; mean over its classes.

    Base scores put a proposal into its most likely class, background included. Suppressed scores put it into its most
    likely action if they give it more of that than the video's proposals have on average. Both together make the
    descriptor, which gets no gradient; either is enough to be pulled. A class with fewer than two such proposals costs
    nothing.

    Args:
        feat: (M, E).
        base: (M, C + 1) probabilities.
        supp: (M, C + 1) probabilities of the suppressed logits.
        labels: (C,) multi-hot.
        normalize: compare features of length 1.
    """
    if normalize:
        feat = F.normalize(feat, dim=-1, eps=EPSILON)
    by_base, by_supp, above = base.argmax(dim=-1), supp[:, :-1].argmax(dim=-1), supp > supp.mean(dim=0)
    shown = labels.nonzero()[:, 0].tolist()
    total = feat[:0].sum()
    for label in shown:
        first, second = by_base == label, (by_supp == label) & above[:, label]
        core, all_of_it = first & second, first | second
        if int(core.sum()) >= LEAST_CORE:
            descriptor = feat[core].mean(dim=0).detach()
            distance = (feat[all_of_it] - descriptor).square().sum(dim=-1)
            total = total + (distance + EPSILON**2).sqrt().mean()  # the root alone has no gradient at 0
    return total / max(1, len(shown))


def linear_fall(epoch: int, horizon: int) -> float:
    """From 1 in epoch 0 to 0 in epoch ``horizon`` and later."""
    return max(0.0, 1 - epoch / horizon)


def curved_fall(epoch: int, horizon: int, kind: Fade) -> float:
    """From 1 in epoch 0 along a curve, 0 from epoch ``horizon`` on; ``exp`` is P-MIL's ramp-up turned round."""
    if epoch >= horizon:
        return 0.0
    share = epoch / horizon
    return math.exp(-5 * share**2) if kind == "exp" else (1 + math.cos(math.pi * share)) / 2


def linear_rise(epoch: int, horizon: int, start: float, end: float) -> float:
    """From ``start`` in epoch 0 to ``end`` in epoch ``horizon`` and later."""
    return start + (end - start) * min(1.0, epoch / horizon)
