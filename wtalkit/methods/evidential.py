"""Evidential losses of DELU: how much evidence for each class a video or a snippet shows.

Evidence e_c >= 0 makes a Dirichlet distribution with parameters e_c + 1; their sum S says how sure one can be, and
uncertainty is the number of classes over S. Source: DELU sections 3.3 and 3.4 and the authors'
``MengyuanChen21/ECCV2022-DELU`` (``edl_loss.py``, ``model.py``). What their code computes and never adds (variance, KL
divergence and its annealing) is not here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wtalkit.methods.masking import topk_count, topk_most

LIMIT = 10.0  # logits are cut to +-LIMIT before the exponential
FLOOR = 1e-8  # under the divisor of a video without a label; with one, it is at least 4.5e-5


def actionness_logits(logits: Tensor, attn: Tensor, mask: Tensor, share: int) -> Tensor:
    """Mean of logits (B, T, N) over the snippets of highest attention (B, T), one in ``share``; (B, N)."""
    k = torch.minimum(topk_count(mask, share), mask.sum(dim=1))  # (B,)
    most = topk_most(attn.shape[1], share)
    places = attn.masked_fill(~mask, -torch.inf).topk(most, dim=1).indices  # (B, most)
    chosen = (torch.arange(most, device=k.device) < k[:, None])[..., None]
    best = logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))
    return (best * chosen).sum(dim=1) / k.clamp(min=1)[:, None]


def log_evidential_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Evidence exp(logits) (B, C) against labels (B, C): log S - log alpha of the labelled classes.

    A video's labels share its weight, (1 - uncertainty) times their number, in inverse proportion to their alpha.
    Only the uncertainty is taken as a constant, as in the authors' code.
    """
    alpha = _exponential(logits) + 1
    total = alpha.sum(dim=-1, keepdim=True)
    uncertainty = (labels.shape[-1] / total).detach()
    shares = labels / alpha
    shares = shares / shares.sum(dim=-1, keepdim=True).clamp(min=FLOOR)
    weights = (1 - uncertainty) * labels.sum(dim=-1, keepdim=True) * shares
    return (weights * (total.log() - alpha.log())).sum(dim=-1).mean()


def mse_evidential_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Evidence relu(logits) (B, C) against labels (B, C): squared error of the expected probabilities."""
    alpha = torch.relu(logits) + 1
    return (labels - alpha / alpha.sum(dim=-1, keepdim=True)).square().sum(dim=-1).mean()


def snippet_uncertainty(logits: Tensor) -> Tensor:
    """Uncertainty (B, T) of snippets with logits (B, T, C + 1).

    The authors divide the number of actions by a sum that holds the background's evidence, too. The order of the
    snippets, which is all that is used, is the same either way.
    """
    return (logits.shape[-1] - 1) / (_exponential(logits) + 1).sum(dim=-1)


def guide_weights(uncertainty: Tensor, mask: Tensor, *, amplitude: float, done: float, by_rank: bool) -> Tensor:
    """Weights (B, T) around 1, from a curve that turns round in the course of the training.

    Early the curve rises from its first place to its last, late it falls. By rank, the surest snippet has the last
    place: from easy to hard, as the paper says. The authors' code sorts by rising uncertainty and gives snippet t the
    place that the sorting permutation holds at t, the inverse of a rank, which ties weights to no property of t.

    Args:
        uncertainty: (B, T).
        mask: (B, T).
        amplitude: how far weights leave 1.
        done: share of the training, 0 to 1; at a half all weights are 1.
        by_rank: the paper's places instead of the code's.
    """
    key = -uncertainty if by_rank else uncertainty
    order = key.masked_fill(~mask, torch.inf).argsort(dim=1, stable=True)  # padding stays at the end
    place = order.argsort(dim=1) if by_rank else order  # (B, T)
    theta = (2 * place + 1) / mask.sum(dim=1, keepdim=True).clamp(min=1) - 1  # -1 to 1 along the video
    return 1 + amplitude * torch.tanh(theta * (1 - 2 * done))


def _exponential(logits: Tensor) -> Tensor:
    return logits.float().clamp(-LIMIT, LIMIT).exp()
