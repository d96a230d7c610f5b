"""Run a proposal method over whole videos: all their proposals, however many, in passes of one size.

Rows of several videos share a pass, so that a hundred videos with a few proposals each do not take a hundred passes;
memory is that of one pass, whatever the number of proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wtalkit.methods.composition import ProposalModel
from wtalkit.methods.interface import ProposalBatch
from wtalkit.methods.regions import pool_regions

PASS_ROWS = 4096
"""Proposals of a pass: 100 MB of regions at I3D's width."""
Array = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProposalScores:
    """What a method says of one video's proposals, as :class:`wtalkit.methods.interface.ProposalOutputs`.

    Attributes:
        scores: (M, C + 1).
        attn: (M,).
        quality: (M,).
    """

    scores: Array
    attn: Array
    quality: Array


def run_proposals(
    model: ProposalModel, features: Sequence[Array], segments: Sequence[Floats], *, pass_rows: int = PASS_ROWS
) -> list[ProposalScores]:
    """Score all proposals of some videos, in eval mode.

    Args:
        model: a proposal method.
        features: (T_i, 2D) of each video; may be memory maps.
        segments: (M_i, 2) of each, start and end in snippets; M_i may be 0.
        pass_rows: proposals of one pass.

    Raises:
        ValueError: features are not as wide as the model.
    """
    for array in features:
        if array.ndim != 2 or array.shape[1] != model.spec.feature_dim:
            raise ValueError(f"expected features (T, {model.spec.feature_dim}), got {array.shape}")
    was_training = model.training
    model.eval()
    device, classes = model.feature_scale.device, model.spec.num_classes
    found: list[list[tuple[Array, ...]]] = [[] for _ in features]
    try:
        with torch.inference_mode():
            for chosen in _passes([len(each) for each in segments], pass_rows):
                videos = [torch.from_numpy(features[video]).to(device) for video, _ in chosen]
                rows = [np.asarray(segments[video][part], np.float64) for video, part in chosen]
                boxes = torch.from_numpy(np.concatenate(rows)).to(device)
                counts = tuple(map(len, rows))
                together = videos[0] if len(videos) == 1 else torch.cat(videos)
                regions = pool_regions(together, boxes, lengths=[len(video) for video in videos], counts=counts)
                out, _ = model(ProposalBatch(regions.float(), boxes.float(), counts))
                parts = [value.float().cpu().split(list(counts)) for value in (out.scores, out.attn, out.quality)]
                for place, (video, _) in enumerate(chosen):
                    found[video].append(tuple(part[place].numpy() for part in parts))
    finally:
        model.train(was_training)
    empty = (np.zeros((0, classes + 1), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))
    return [
        ProposalScores(*(np.concatenate(columns) for columns in zip(empty, *pieces, strict=True))) for pieces in found
    ]


def _passes(counts: Sequence[int], rows: int) -> list[list[tuple[int, slice]]]:
    """Which rows of which videos share a pass: at most ``rows``, in order."""
    passes: list[list[tuple[int, slice]]] = [[]]
    room = rows
    for video, count in enumerate(counts):
        first = 0
        while first < count:
            if room == 0:
                passes.append([])
                room = rows
            taken = min(room, count - first)
            passes[-1].append((video, slice(first, first + taken)))
            first, room = first + taken, room - taken
    return [chosen for chosen in passes if chosen]
