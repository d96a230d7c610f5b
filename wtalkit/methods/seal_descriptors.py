"""SEAL's class descriptors and the pseudo-labels they give: similar modality enhancement (SME), what needs data only.

Each class has a mean appearance (RGB) and a mean motion (flow) over its training videos. A video whose two streams are
most like the descriptors of one class gets that class as a sure label; where they differ, but the mean of both sides
with one of them, as a moderate one. Computed in one pass, in float64, before training.

The paper leaves the norm of the similarities and the pooling of a video open; both are our reading. Symbols: V videos,
C classes, D width of one stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from wtalkit.methods.interface import TrainVideo

Level: TypeAlias = Literal["segment", "video"]
Norm: TypeAlias = Literal["minmax", "zscore"]
EPSILON = 1e-6  # of the paper's fractions and the cosine's denominators
_ROWS = 4096  # snippets that are in float64 at a time


class VideoMeans(NamedTuple):
    """What the descriptors need of the training videos that have snippets.

    Attributes:
        keys: of the videos.
        means: (V, 2D) mean feature of each, float64.
        lengths: (V,) snippets of each, float64.
        labels: (V, C) multi-hot, float64.
    """

    keys: tuple[str, ...]
    means: Tensor
    lengths: Tensor
    labels: Tensor


class PseudoLabel(NamedTuple):
    """A class that both streams show, and whether they agree on it outright."""

    label: int
    sure: bool


def video_means(train_set: Iterable[TrainVideo], num_classes: int, width: int) -> VideoMeans:
    """Read every video once; ``width`` is that of both streams."""
    keys, means, lengths, labels = [], [], [], []
    for video in train_set:
        if not len(video.features):
            continue
        total = torch.stack([part.double().sum(dim=0) for part in torch.split(video.features, _ROWS)]).sum(dim=0)
        keys.append(video.key)
        means.append(total.cpu() / len(video.features))
        lengths.append(float(len(video.features)))
        labels.append((video.labels > 0).double().cpu())
    none = torch.zeros(0, dtype=torch.float64)
    return VideoMeans(
        tuple(keys),
        torch.stack(means) if means else none.reshape(0, width),
        torch.tensor(lengths, dtype=torch.float64),
        torch.stack(labels) if labels else none.reshape(0, num_classes),
    )


def class_descriptors(videos: VideoMeans, level: Level) -> Tensor:
    """Mean feature (C, 2D) of each class's videos; zero for a class without one.

    Args:
        videos: the training videos; one with several labels counts for each of its classes.
        level: ``video`` gives every video the same weight, ``segment`` every snippet.
    """
    shares = videos.labels * videos.lengths[:, None] if level == "segment" else videos.labels  # (V, C)
    return shares.T @ videos.means / shares.sum(dim=0)[:, None].clamp(min=1)


def similarities(videos: VideoMeans, descriptors: Tensor, norm: Norm) -> tuple[Tensor, Tensor, Tensor]:
    """How much each video looks (RGB) and moves (flow) like each class that has videos.

    Returns:
        (V, P) for RGB and (V, P) for flow, normalised per video, and the P classes with a training video.
    """
    present = videos.labels.any(dim=0).nonzero()[:, 0]
    streams = zip(videos.means.chunk(2, dim=1), descriptors[present].chunk(2, dim=1), strict=True)
    rgb, flow = (_normalised(_cosines(of_video, of_class), norm) for of_video, of_class in streams)
    return rgb, flow, present


def agree(rgb: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The case split: which column each video (V, P) shows, and how surely; ties go to the lower column.

    Returns:
        (V,) columns; (V,) whether both streams say so; (V,) whether only one does, but the mean of both sides with it.
    """
    by_rgb, by_flow, by_both = rgb.argmax(dim=1), flow.argmax(dim=1), ((rgb + flow) / 2).argmax(dim=1)
    sure = by_rgb == by_flow
    moderate = ~sure & ((by_both == by_rgb) | (by_both == by_flow))
    return by_both, sure, moderate  # where both streams agree, so does their mean


def pseudo_labels(videos: VideoMeans, descriptors: Tensor, norm: Norm) -> dict[str, PseudoLabel]:
    """The label of every video that gets one, by key."""
    if not videos.labels.any():
        return {}
    rgb, flow, present = similarities(videos, descriptors, norm)
    column, sure, moderate = agree(rgb, flow)
    rows = zip(videos.keys, present[column].tolist(), sure.tolist(), moderate.tolist(), strict=True)
    return {key: PseudoLabel(label, high) for key, label, high, middle in rows if high or middle}


def _cosines(one: Tensor, other: Tensor) -> Tensor:
    """Cosine of every row of (V, D) with every row of (P, D), (V, P)."""
    lengths = one.norm(dim=1)[:, None] * other.norm(dim=1)
    cosines: Tensor = one @ other.T / lengths.clamp(min=EPSILON)
    return cosines


def _normalised(x: Tensor, norm: Norm) -> Tensor:
    """Bring cosines (V, P), which differ in the second decimal only, to one range per video.

    Without it the mean of both streams would follow the one that spreads more; the arg-max of either stays.
    """
    if norm == "zscore":
        return (x - x.mean(dim=1, keepdim=True)) / (x.std(dim=1, correction=0, keepdim=True) + EPSILON)
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    return (x - low) / (high - low + EPSILON)
