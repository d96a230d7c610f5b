"""CLASNet's losses as functions of tensors: which snippets to contrast, the contrast, the boundary refinement.

All of them are our reading of the paper; see ``docs/methods/clasnet.md``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SHORTEST = 4  # snippets a video needs for its two groups to mean anything


def select_by_score(scores: Tensor, mask: Tensor, share: int) -> tuple[Tensor, Tensor]:
    """The highest and the lowest one in ``share`` snippets of each video, as two (B, T) masks.

    Videos shorter than four snippets select nothing.
    """
    length = mask.sum(dim=1, keepdim=True)  # (B, 1)
    size = (length // share).clamp(min=1)
    order = scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    ranks = order.argsort(dim=1)  # (B, T)
    usable = mask & (length >= SHORTEST)
    return usable & (ranks < size), usable & (ranks >= length - size)


def select_by_class(scores: Tensor, labels: Tensor, mask: Tensor, share: int) -> tuple[Tensor, Tensor]:
    """Union over the labelled classes of :func:`select_by_score` on scores (B, T, C).

    A snippet that is high for one class and low for another is action.
    """
    b, t, c = scores.shape
    flat = scores.transpose(1, 2).reshape(b * c, t)
    high, low = select_by_score(flat, mask.repeat_interleave(c, dim=0), share)
    labelled = labels[:, :, None] > 0  # (B, C, 1)
    action = (high.reshape(b, c, t) & labelled).any(dim=1)
    return action, (low.reshape(b, c, t) & labelled).any(dim=1) & ~action


def contrastive_loss(
    features: Tensor, action: Tensor, background: Tensor, temperature: float, labels: Tensor | None = None
) -> Tensor:
    """Two-sided InfoNCE between the action and background snippets of each video, in float32 even under autocast.

    Args:
        features: (B, T, E).
        action, background: (B, T) masks.
        temperature: divides the cosines.
        labels: (B, C) multi-hot, to let the action snippets of videos that share a class be positives, too.

    Returns:
        The mean over the videos that have both groups; 0 if none has.
    """
    with torch.autocast(features.device.type, enabled=False):
        z = F.normalize(features.float(), dim=-1, eps=1e-6)
        rows_a, valid_a = _take(z, action)
        rows_n, valid_n = _take(z, background)
        loss = _one_side(rows_a, valid_a, rows_n, valid_n, temperature, labels)
        loss = (loss + _one_side(rows_n, valid_n, rows_a, valid_a, temperature, None)) / 2  # (B,)
        counted = (action.any(dim=1) & background.any(dim=1)).to(loss.dtype)
        return (loss * counted).sum() / counted.sum().clamp(min=1)


def _take(z: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Chosen rows of z (B, T, E) side by side: (B, K, E) and which of the K are real."""
    size = max(1, int(chosen.sum(dim=1).max()))
    valid, index = chosen.to(z.dtype).topk(size, dim=1)
    rows = z.gather(1, index[:, :, None].expand(-1, -1, z.shape[2])) * valid[:, :, None]
    return rows, valid > 0


def _one_side(
    own: Tensor, own_valid: Tensor, other: Tensor, other_valid: Tensor, temperature: float, labels: Tensor | None
) -> Tensor:
    """Each own row is pulled to the mean of its companions and pushed from every other row; (B,)."""
    count = own_valid.sum(dim=1)  # (B,)
    total = own.sum(dim=1, keepdim=True)  # (B, 1, E)
    companions = total - own  # (B, K, E)
    number = (count - 1).clamp(min=0)
    if labels is not None:
        shares = (labels @ labels.T > 0).to(own.dtype).fill_diagonal_(0)  # (B, B)
        companions = companions + (shares @ total[:, 0])[:, None]
        number = number + (shares @ count.to(own.dtype)).long()
    companions = torch.where((number > 0)[:, None, None], companions, own)  # alone: itself
    positive = (own * F.normalize(companions, dim=-1, eps=1e-6)).sum(dim=-1) / temperature  # (B, K)
    negative = (own @ other.mT / temperature).masked_fill(~other_valid[:, None, :], -torch.inf)  # (B, K, K')
    logits = torch.cat([positive[..., None], negative], dim=-1)
    loss = torch.logsumexp(logits, dim=-1) - positive
    return (loss * own_valid).sum(dim=1) / count.clamp(min=1)


def boundary_loss(act_scores: Tensor, attn: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Make the labelled classes' activation and the attention agree over time, most where either one changes.

    The stop-gradient on one side at a time (as in CO2-Net's mutual loss) keeps both from meeting at a constant.

    Args:
        act_scores: (B, T, C).
        attn: (B, T).
        labels: (B, C) multi-hot.
        mask: (B, T).

    Returns:
        The mean over videos whose activation varies at all (by 1e-3); 0 if none does.
    """
    labelled = labels[:, None, :] > 0
    usable = mask.any(dim=1) & labelled.any(dim=2)[:, 0]  # (B,)
    peak = act_scores.masked_fill(~labelled, -1.0).amax(dim=2)  # (B, T)
    low = peak.detach().masked_fill(~mask, torch.inf).amin(dim=1, keepdim=True)
    high = peak.detach().masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
    low, high = (torch.where(usable[:, None], bound, 0.0) for bound in (low, high))
    curve = (peak - low) / (high - low + 1e-6) * (mask & usable[:, None])
    counted = (usable & ((high - low)[:, 0] >= 1e-3)).to(curve.dtype)
    loss = (_disagreement(curve, attn.detach(), mask) + _disagreement(attn, curve.detach(), mask)) / 2
    return (loss * counted).sum() / counted.sum().clamp(min=1)


def _disagreement(x: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Cosine distance plus half the distance weighted by the target's edges, (B,)."""
    x, target = x * mask, target * mask
    norms = torch.linalg.vector_norm(x, dim=1) * torch.linalg.vector_norm(target, dim=1)
    cosine: Tensor = 1 - (x * target).sum(dim=1) / norms.clamp(min=1e-6)
    edge = _edges(target, mask)
    weight = (1 + edge / (edge.amax(dim=1, keepdim=True) + 1e-6)) * mask
    distance = (weight * (x - target).abs()).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
    return cosine + 0.5 * distance


def _edges(y: Tensor, mask: Tensor) -> Tensor:
    """|y[t + 1] - y[t - 1]|, one-sided at both ends of each video; (B, T)."""
    last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    steps = torch.arange(y.shape[1], device=y.device)[None, :]
    after = y.gather(1, (steps + 1).minimum(last))
    before = y.gather(1, (steps - 1).clamp(min=0).expand_as(y))
    return (after - before).abs() * mask
