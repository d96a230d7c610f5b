"""The loss terms of CO2-Net, whole batches at once; DELU adds two of its own (:mod:`wtalkit.methods.evidential`).

Source: CO2-Net section 3.4 and ``harlanhong/MM2021-CO2-Net`` (``model.py``: ``criterion``), term for term, with three
differences that matter only where the authors' code would fail: padded snippets are not seen, a contrastive loss over
videos that share no class is zero instead of 0 / 0, and any rows of the batch can be pairs instead of the first six.
Every term is a mean over the videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtalkit.methods.masking import masked_mean, masked_softmax, topk_mean

LABEL_FLOOR = 1e-4  # added to the number of labels, so targets sum to a little less than 1, as in the authors' code


def suppress(cas: Tensor, attn: Tensor) -> Tensor:
    """Pull the logits cas (B, T, C + 1) of snippets without attention (B, T) down to the snippet's least class."""
    least = cas.min(dim=-1, keepdim=True).values
    return attn[..., None] * (cas - least) + least


def multiple_instance_loss(logits: Tensor, targets: Tensor, mask: Tensor, share: int) -> Tensor:
    """Cross-entropy of the mean of each class's best snippets, one in ``share``.

    Args:
        logits: (B, T, C + 1).
        targets: (B, C + 1) 0 or 1.
        mask: (B, T).
        share: k of the paper.
    """
    video = topk_mean(logits, mask, share)  # (B, C + 1)
    wanted = targets / (targets.sum(dim=-1, keepdim=True) + LABEL_FLOOR)
    return -(wanted * torch.log_softmax(video, dim=-1)).sum(dim=-1).mean()


def with_background(labels: Tensor, value: float) -> Tensor:
    """Labels (B, C) with a column for the background, (B, C + 1)."""
    return torch.cat([labels, labels.new_full((len(labels), 1), value)], dim=-1)


def co_activity_loss(
    feat: Tensor, logits: Tensor, labels: Tensor, mask: Tensor, pairs: Sequence[tuple[int, int]], margin: float
) -> Tensor:
    """Bring what two videos show of a shared class together, and away from the rest of the other video.

    Args:
        feat: (B, T, E), zero where padded.
        logits: (B, T, C + 1) suppressed logits.
        labels: (B, C).
        mask: (B, T).
        pairs: rows of the batch, at least one pair.
        margin: by which the distance to the rest must be larger.

    Returns:
        The mean over all (pair, shared class), 0 when there are none.
    """
    rows = torch.tensor(pairs, device=feat.device)  # (P, 2)
    both = labels[rows].prod(dim=1)  # (P, C)
    shared = both.any(dim=0).nonzero()[:, 0]  # (S,): a handful, however many classes there are
    both = both[:, shared]
    logits = logits.index_select(-1, shared)
    high, low = _class_features(*(x.index_select(0, rows.flatten()) for x in (feat, logits, mask)))
    high, low = (x.reshape(len(rows), 2, *x.shape[1:]) for x in (high, low))  # (P, 2, S, E)
    near = _distance(high[:, 0], high[:, 1])  # (P, S)
    hinges = sum(F.relu(near - _distance(high[:, one], low[:, 1 - one]) + margin) for one in (0, 1))
    return (both * hinges / 2).sum() / both.sum().clamp(min=1)


def mutual_loss(rgb: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    """Each stream's attention (B, T) learns from the other's."""
    ours = (rgb - flow.detach()).square() + (flow - rgb.detach()).square()
    return masked_mean(ours, mask).mean() / 2


def norm_loss(attentions: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Few snippets are action: mean of the attentions, (B, T) each."""
    return masked_mean(torch.stack(tuple(attentions)).mean(dim=0), mask).mean()


def guide_distance(attentions: Sequence[Tensor], cas: Tensor) -> Tensor:
    """How far each attention is from one minus the background's probability, mean over the attentions, (B, T)."""
    background = torch.softmax(cas, dim=-1)[..., -1]
    return torch.stack([(1 - attn - background).abs() for attn in attentions]).mean(dim=0)


def attentions_of(attn: Tensor, streams: Mapping[str, Tensor]) -> list[Tensor]:
    """The joint attention and each stream's, in float32."""
    return [attn.float(), *(each.float() for each in streams.values())]


def _class_features(feat: Tensor, logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, S, E) of the snippets that show a class by its logits (N, T, S), and of all other snippets."""
    shows = masked_softmax(logits, mask)
    rest = (1 - shows) * mask[..., None] / (mask.sum(dim=1) - 1).clamp(min=1)[:, None, None]
    both = torch.cat([shows, rest], dim=-1).mT @ feat.to(shows.dtype)  # (N, 2S, E), the features read once
    high, low = both.chunk(2, dim=1)
    return high, low


def _distance(one: Tensor, other: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(one, other, dim=-1)
