"""The loss terms of P-MIL, one video at a time; SEAL shares the first three functions and the choice of instances.

Source: P-MIL section 3 and ``RenHuan1999/CVPR2023_P-MIL`` (``model.py``: ``criterion`` and what it calls), term for
term. What differs matters only where the authors' code fails: choosing instances ends when a proposal has no length and
so does not overlap even itself; a video where no attention is above the mean, because there is one proposal or all are
equal, costs nothing instead of NaN; the best proposal is always an instance.

Symbols: M proposals of one video, C classes, background last. Attention only selects here: it gets no gradient.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

LABEL_FLOOR = 1e-4  # added to the number of labels, so targets sum to a little less than 1, as in the authors' code
IOU_FLOOR = 1e-6  # snippets, added to a union


def multiple_instance_loss(logits: Tensor, targets: Tensor, share: int) -> Tensor:
    """Cross-entropy of the mean of each class's best proposals, one in ``share`` and at least one.

    Args:
        logits: (M, C + 1), at least one row.
        targets: (C + 1,) wanted share of each class.
        share: k of the paper.
    """
    best = logits.topk(max(1, len(logits) // share), dim=0).values  # (k, C + 1)
    return -(targets * torch.log_softmax(best.mean(dim=0), dim=-1)).sum()


def with_background(labels: Tensor, value: float) -> Tensor:
    """Labels (B, C) with a column for the background, (B, C + 1)."""
    return torch.cat([labels, labels.new_full((len(labels), 1), value)], dim=-1)


def pairwise_iou(one: Tensor, other: Tensor) -> Tensor:
    """Temporal intersection over union (M, G) of segments (M, 2) and (G, 2), in snippets without a plus one."""
    both = torch.minimum(one[:, None, 1], other[None, :, 1]) - torch.maximum(one[:, None, 0], other[None, :, 0])
    spans = (one[:, 1] - one[:, 0])[:, None] + (other[:, 1] - other[:, 0])[None, :]
    return (both / (spans - both + IOU_FLOOR)).clamp(min=0)


def confident(attn: Tensor, share: float) -> Tensor:
    """Indices of the proposals whose attention (M,) is above ``share`` of the highest, highest first.

    The highest itself is always there; equal ones come in the order of the proposals.
    """
    order = attn.argsort(descending=True, stable=True)
    count = int((attn > share * attn.max()).sum())
    return order[: max(1, count)]


def without_overlap(chosen: Tensor, iou: Tensor) -> Tensor:
    """Of proposals ``chosen`` (K,), best first, those that overlap none of the better ones that stay.

    Args:
        chosen: indices of proposals.
        iou: (M, M) of all proposals.
    """
    rows = iou.cpu().numpy()  # the loop looks at single values
    left = np.ones(len(rows), dtype=bool)
    kept = []
    for number in chosen.tolist():
        if left[number]:
            kept.append(number)
            left &= rows[number] <= 0
    return torch.tensor(kept, dtype=torch.long, device=iou.device)


def rank_consistency_loss(student: Tensor, teacher: Tensor, attn: Tensor, labels: Tensor, iou: Tensor) -> Tensor:
    """One stream ranks overlapping proposals as the other does: KL divergence, mean over classes and proposals.

    Each proposal of the teacher's above-average attention is compared with those that overlap it, for every class of
    the video: how the class's logits share out among them.

    Args:
        student: (M, C + 1) logits of the stream that learns.
        teacher: (M, C + 1) logits of the other stream; gets no gradient.
        attn: (M,) attention of the other stream.
        labels: (C,) multi-hot.
        iou: (M, M) of the proposals.
    """
    rows = (attn > attn.mean()).nonzero()[:, 0]  # (R,)
    shown = labels.nonzero()[:, 0]  # the video's classes, a handful
    if not len(rows) or not len(shown):
        return student[:0].sum()
    apart = iou[rows] <= 0  # (R, M)
    lowest = torch.finfo(student.dtype).min
    total = student[:0].sum()
    for label in shown.tolist():  # one class at a time: R x M values are enough
        theirs = teacher[:, label].detach().expand_as(apart).masked_fill(apart, lowest)
        ours = student[:, label].expand_as(apart).masked_fill(apart, lowest)
        ratio = theirs.log_softmax(dim=1) - ours.log_softmax(dim=1)
        total = total + (theirs.softmax(dim=1) * ratio).sum(dim=1).mean()
    return total / len(shown)


def completeness_loss(quality: Tensor, attn: Tensor, iou: Tensor, share: float) -> Tensor:
    """Squared distance of a proposal's completeness from its best IoU with an instance, mean over the proposals.

    Instances are the proposals that the other stream is most confident of and that do not overlap.

    Args:
        quality: (M,) completeness of the stream that learns.
        attn: (M,) attention of the other stream.
        iou: (M, M) of the proposals.
        share: of the highest attention that an instance's exceeds.
    """
    instances = without_overlap(confident(attn, share), iou)
    return F.mse_loss(quality, iou[instances].amax(dim=0))


def ramp_up(epoch: int, length: int) -> float:
    """Weight of the terms that need trained scores, ``exp(-5 (1 - epoch / length)^2)``, 1 from ``length`` on.

    Args:
        epoch: counted from 1, as the authors do.
        length: epochs; 0 for no ramp.
    """
    if length == 0:
        return 1.0
    return math.exp(-5 * (1 - min(epoch, length) / length) ** 2)
