"""The loss terms of tssam and the fusion of its two branches, whole batches at once.

Source: Wang, Li, Wang, "Two-Stream Networks for Weakly-Supervised Temporal Action Localization with Semantic-Aware
Mechanisms", CVPR 2023, sections 3.4 to 3.6. Every term is a mean over the videos; padded snippets are not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wtalkit.methods.masking import masked_mean

NEAR_ZERO = 1e-12  # under the root of a distance, whose slope at 0 is infinite
MEANINGS = ("fg", "ct", "bg")  # what a snippet, or a reading of the video, may be: foreground, context, background


def late_fusion(branches: Sequence[Tensor]) -> Tensor:
    """Logarithm of the mean of the branches' class distributions (equation 4).

    Args:
        branches: logits (..., C + 1), one or two of them; the mean of one is itself.

    Returns:
        (..., C + 1). Staying with logarithms keeps a class finite whose probability is 0 in float32.
    """
    logs = torch.stack([torch.log_softmax(logits.float(), dim=-1) for logits in branches])
    return torch.logsumexp(logs, dim=0) - math.log(len(branches))


def class_targets(labels: Tensor, *, normalize: bool) -> Tensor:
    """What each reading of a video should show, (B, 3, C + 1) in the order of ``MEANINGS`` (section 3.4).

    Args:
        labels: (B, C).
        normalize: divide each target by its sum, as ACM-Net does; the paper does not.
    """
    nothing, background = torch.zeros_like(labels), labels.new_ones(len(labels), 3, 1)
    background[:, 0] = 0  # the foreground is none
    targets = torch.cat([torch.stack([labels, labels, nothing], dim=1), background], dim=-1)
    return targets / targets.sum(dim=-1, keepdim=True).clamp(min=1) if normalize else targets


def class_losses(log_scores: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of each reading (equation 5), by its name.

    Args:
        log_scores: (B, 3, C + 1) from :func:`late_fusion`.
        targets: (B, 3, C + 1) from :func:`class_targets`.
    """
    values = -(targets * log_scores).sum(dim=-1).mean(dim=0)  # (3,)
    return dict(zip(MEANINGS, values.unbind(), strict=True))


def semantic_loss(feat: Tensor, dictionary: Tensor, cas: Tensor, mask: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Mean distance of a video's snippets to the centroids of the classes they look like (equation 6).

    Args:
        feat: (B, T, D).
        dictionary: (C + 1, D), the centroids.
        cas: (B, T, C + 1) logits; the highest of a snippet picks its centroid.
        mask: (B, T).
        allowed: (B, C + 1) classes a snippet may look like; None allows all.
    """
    with torch.no_grad():
        logits = cas if allowed is None else cas.masked_fill(~allowed[:, None, :], -math.inf)
        nearest = logits.argmax(dim=-1)  # (B, T)
    squared = (feat.float() - dictionary.float()[nearest]).square().sum(dim=-1)
    return masked_mean((squared + NEAR_ZERO).sqrt(), mask).mean()


def guide_loss(attn: Tensor, background: Tensor, mask: Tensor, length: int) -> Tensor:
    """How far the foreground's attention is from one minus the background's probability (equation 7).

    Args:
        attn: (B, T).
        background: (B, T) probability of the background class.
        mask: (B, T).
        length: the sum over this many snippets is meant, whatever a video has; 1 is the mean.
    """
    return masked_mean((1 - attn - background).abs(), mask).mean() * length


@torch.no_grad()
def dictionary_spread(dictionary: Tensor) -> Tensor:
    """Mean distance between two rows of the dictionary; near 0 it has collapsed and says nothing any more."""
    return torch.pdist(dictionary.float()).mean()
