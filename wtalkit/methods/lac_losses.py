"""The loss terms of LAC, each a mean over the videos of a batch.

Source: LAC sections 3.2 and 3.4 and ``Pilhyeon/Learning-Action-Completeness-from-Points`` (``train.py``,
``utils.py``). Symbols: q is the sigmoid of the logits, u what LAC scores with: u of a class is its q times one minus
the background's q, u of the background its q.

Completeness looks at runs, of which a batch has thousands. The contrast of a run (OIC) is a weighted sum of the scores
in it and around it, so all runs of a video together are one weighted sum, whose weights are made without a loop.

The authors take logarithms of u, which single precision rounds to 0 and 1, and stop them at -100; here they are taken
of the logits, exact and with a gradient everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wtalkit.methods.lac_search import INFLATION, Bools
from wtalkit.methods.masking import masked_mean

FLOOR = 1e-12  # under the logarithm of a video score
THIRDS = 3  # a run is known by one row of features from each third

Integers = NDArray[np.int64]
Rows: TypeAlias = Literal["random", "first"]


class Runs(NamedTuple):
    """Runs of action and background of the videos of a batch, by video, class and time, (N,) each.

    Attributes:
        video: row of the batch.
        label: the class.
        action: whether the class happens.
        start: first snippet.
        end: snippet after the last.
    """

    video: Integers
    label: Integers
    action: Bools
    start: Integers
    end: Integers

    def take(self, rows: NDArray[Any]) -> Runs:
        return Runs(*(column[rows] for column in self))


def fuse_background(logits: Tensor, mask: Tensor) -> Tensor:
    """u (B, T, C + 1) from logits (B, T, C + 1), background last; zero where padded."""
    q = torch.sigmoid(logits)
    return torch.cat([q[..., :-1] * (1 - q[..., -1:]), q[..., -1:]], dim=-1) * mask[..., None]


def video_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each class's video score, both (B, C)."""
    on, off = (value.clamp(min=FLOOR).log() for value in (scores, 1 - scores))
    return -(labels * on + (1 - labels) * off).mean()


def frame_loss(logits: Tensor, targets: Tensor, chosen: Tensor) -> Tensor:
    """Focal cross-entropy of u, summed over the classes, mean over the chosen snippets of a video; 0 without any.

    Args:
        logits: (B, T, C + 1), background last.
        targets: 0 or 1, (B, T, C + 1) or (C + 1,).
        chosen: snippets that count, (B, T) bool.
    """
    on, off = _log_scores(logits)
    u = on.exp()
    focus = ((1 - u) * targets + u * (1 - targets)).square()
    loss = -(focus * (targets * on + (1 - targets) * off)).sum(dim=-1)  # (B, T)
    return masked_mean(loss, chosen).mean()


def find_runs(labellings: Sequence[Bools], *, keep_last: bool = True) -> Runs:
    """All runs of the classes that happen in a part of a video; one that fills it has nothing to be compared with.

    Args:
        labellings: whether each class happens, (T, C) of each video.
        keep_last: whether a run that reaches the video's end has its last snippet. The authors' has not.
    """
    parts = []
    for row, happens in enumerate(labellings):
        curves = happens.T  # (C, T)
        changes = curves[:, 1:] != curves[:, :-1]
        begins = np.zeros(curves.shape, dtype=np.bool_)
        begins[:, 1:] = changes
        begins[:, :1] = changes.any(axis=1, keepdims=True)
        label, start = np.nonzero(begins)
        end = np.append(start[1:], 0)[: len(start)]
        last = np.append(np.diff(label) != 0, True)[: len(start)]  # of its class
        end[last] = len(happens) if keep_last else len(happens) - 1
        parts.append(Runs(np.full(len(label), row), label, curves[label, start], start, end))
    runs = Runs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return runs.take(runs.start < runs.end)


def score_loss(fused: Tensor, runs: Runs, lengths: Sequence[int]) -> Tensor:
    """How far runs are from standing out: one minus OIC, mean over runs of action plus mean over those of background.

    The sum is squared, video by video. A run of action is scored by u of its class, one of background by one minus it.

    Args:
        fused: u, (B, T, C) or more classes.
        runs: of the videos.
        lengths: snippets of each video.
    """
    constant, weights = contrast_weights(runs, lengths, (len(fused), fused.shape[1], fused.shape[2]))
    told = torch.from_numpy(weights).to(fused.device)
    missing = torch.from_numpy(constant).to(fused.device) + (fused * told).sum(dim=(1, 2))  # (B,)
    return missing.square().mean()


def contrast_weights(
    runs: Runs, lengths: Sequence[int], shape: tuple[int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Constants (B,) and weights (B, T, C) with which a weighted sum of u gives the sum that ``score_loss`` squares."""
    length = runs.end - runs.start
    low = np.maximum(0, np.floor(runs.start - INFLATION * length)).astype(np.int64)
    high = np.minimum(np.asarray(lengths)[runs.video], np.floor(runs.end - 1 + INFLATION * length).astype(np.int64) + 1)
    width = (runs.start - low) + (high - runs.end)
    kind = 2 * runs.video + runs.action
    share = 1 / np.bincount(kind, minlength=2 * shape[0])[kind]  # of a run among its video's runs of its kind
    # One minus OIC of u falls with what is inside. For one minus u, in which the ones of inside and outside cancel out
    # unless there is no outside, it rises.
    sign = np.where(runs.action, -share, share)
    inside, outside = sign / length, -sign / np.maximum(width, 1)
    steps = np.zeros((shape[0], shape[1] + 1, shape[2]))
    for place, step in (
        (low, outside), (runs.start, inside - outside), (runs.end, outside - inside), (high, -outside),
    ):  # fmt: skip
        np.add.at(steps, (runs.video, place, runs.label), step)
    weights = np.cumsum(steps, axis=1)[:, : shape[1]]
    alone = ~runs.action & (width == 0)
    constant = np.bincount(runs.video, weights=share * ~alone, minlength=shape[0])
    return constant.astype(np.float32), weights.astype(np.float32)


def feature_loss(
    feat: Tensor,
    runs: Runs,
    *,
    temperature: float,
    rows: Rows = "random",
    classes: Literal["all", "last"] = "all",
) -> Tensor:
    """Runs of one action must look like each other, and unlike the background between them.

    Args:
        feat: (B, T, E).
        runs: of the videos; a class counts from two runs of action on.
        temperature: of the similarities.
        rows: where in each third of a run its features are taken: at random, or at the first snippet.
        classes: the mean over all classes of a video that count, or only the last one's, as the authors' code has it.
    """
    first = np.flatnonzero(np.append(True, (np.diff(runs.video) != 0) | (np.diff(runs.label) != 0))[: len(runs.video)])
    groups = [group for group in np.split(np.arange(len(runs.video)), first[1:]) if runs.action[group].sum() > 1]
    if classes == "last":
        groups = list({int(runs.video[group[0]]): group for group in groups}.values())
    if not groups:
        return feat.new_zeros((), dtype=torch.float32)
    chosen = runs.take(np.concatenate(groups))
    known = F.normalize(_sample(feat, chosen, rows).float(), dim=-1)  # (N, E)
    owners, values = [int(runs.video[group[0]]) for group in groups], []
    place = 0
    for group in groups:
        action = torch.from_numpy(runs.action[group]).to(feat.device)
        values.append(_contrast(known[place : place + len(group)], action, temperature))
        place += len(group)
    share = 1 / np.bincount(owners)[owners]
    return (torch.stack(values) * torch.from_numpy(share).to(feat.device, torch.float32)).sum() / len(feat)


def _contrast(known: Tensor, action: Tensor, temperature: float) -> Tensor:
    """Mean over the runs of action, of known (N, E), of how little of their likeness falls to others of action."""
    alike = (known @ known.T / temperature).fill_diagonal_(-torch.inf)  # (N, N)
    ours = alike[action]
    return (ours.logsumexp(dim=1) - ours[:, action].logsumexp(dim=1)).mean()


def _sample(feat: Tensor, runs: Runs, rows: Rows) -> Tensor:
    """Mean of a row from each third of every run, (N, E). The random numbers are torch's, which a training saves."""
    edges = runs.start[:, None] + (runs.end - runs.start)[:, None] * np.arange(THIRDS + 1) // THIRDS  # (N, 4)
    low, high = edges[:, :-1], edges[:, 1:]
    if rows == "random":
        # A run of one or two snippets has thirds without any; the snippet they lie in stands for them.
        low = low + (torch.rand(low.shape).numpy() * np.maximum(high - low, 1)).astype(np.int64)
    video = torch.from_numpy(runs.video).to(feat.device)
    return feat[video[:, None], torch.from_numpy(low).to(feat.device)].mean(dim=1)


def _log_scores(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of u and of one minus u, (B, T, C + 1)."""
    x, b = logits[..., :-1], logits[..., -1:]
    not_background = F.logsigmoid(-b)
    on = torch.cat([F.logsigmoid(x) + not_background, F.logsigmoid(b)], dim=-1)
    off = torch.logaddexp(F.logsigmoid(-x), F.logsigmoid(x) + F.logsigmoid(b))
    return on, torch.cat([off, not_background], dim=-1)
