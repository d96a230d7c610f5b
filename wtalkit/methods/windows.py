"""Inference on a video of any length: whole if it fits, else in overlapping windows that are merged.

Snippet times stay what they are and memory stays that of one window, instead of squeezing a long video into a fixed
number of snippets as the authors' codes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wtalkit.methods.composition import Composition
from wtalkit.methods.interface import SCORE_LOGITS, Batch, VideoMeta
from wtalkit.timeline import Timeline

Array = NDArray[np.float32]
OVERLAP = 0.25  # share of a window that its neighbour sees, too


@dataclass(frozen=True)
class Activations:
    """What a method says about one video.

    Attributes:
        act_scores: (T, C).
        attn: (T,) the base's attention.
        video_scores: (C,).
        plugin_attn: (T,) attention of each plug-in that has one, by name.
        score_logits: (T, C) raw class scores, unbounded; None where a method has none.
    """

    act_scores: Array
    attn: Array
    video_scores: Array
    plugin_attn: dict[str, Array]
    score_logits: Array | None = None

    @property
    def T(self) -> int:
        """Snippets."""
        return len(self.attn)

    def __repr__(self) -> str:
        return f"Activations(T={self.T}, classes={len(self.video_scores)}, plugin_attn={list(self.plugin_attn)})"


def run_windows(
    model: Composition,
    features: NDArray[Any],
    timeline: Timeline | VideoMeta | None = None,
    *,
    max_length: int,
    batch_size: int = 1,
) -> Activations:
    """Run ``model`` in eval mode over features (T, 2D).

    Curves of neighbouring windows are cross-faded. A class's video score is its highest over the windows: an action of
    ten seconds in a film of six hours is in the film, while any average would bury it. The refined snippets behind
    ACRNet's score cannot be ranked across windows, so it is not computed anew.

    Args:
        model: a base with its plug-ins.
        features: float, may be a memory map; read one window at a time.
        timeline: of the features, or all that is known of the video; handed on to the method.
        max_length: snippets of a window.
        batch_size: windows run at once.

    Raises:
        ValueError: no snippets, or not as wide as the model.
    """
    if features.ndim != 2 or len(features) == 0 or features.shape[1] != model.spec.feature_dim:
        raise ValueError(f"expected features (T, {model.spec.feature_dim}) with T >= 1, got {features.shape}")
    if not isinstance(timeline, VideoMeta):
        timeline = VideoMeta(n_snippets=len(features), timeline=timeline)
    length, size = len(features), min(max_length, len(features))
    starts = window_starts(length, size)
    fade = _fade(size) if len(starts) > 1 else np.ones(size, np.float32)
    merged: dict[str, Array] = {}
    weight = np.zeros(length, np.float32)
    video_scores = np.zeros(model.spec.num_classes, np.float32)
    for first in range(0, len(starts), batch_size):
        chosen = starts[first : first + batch_size]
        curves, scores = _run(model, [features[start : start + size] for start in chosen], timeline)
        video_scores = np.maximum(video_scores, scores.max(axis=0))
        for row, start in enumerate(chosen):
            weight[start : start + size] += fade
            for name, curve in curves.items():
                total = merged.setdefault(name, np.zeros((length, *curve.shape[2:]), np.float32))
                total[start : start + size] += (curve[row].T * fade).T
    if len(starts) > 1:
        for total in merged.values():
            total /= weight.reshape(-1, *[1] * (total.ndim - 1))
    act, attn, logits = merged.pop("act"), merged.pop("attn"), merged.pop(SCORE_LOGITS, None)
    return Activations(act, attn, video_scores, merged, logits)


def window_starts(length: int, size: int) -> list[int]:
    """First snippets of evenly spread windows of ``size`` that cover ``length`` and overlap by a quarter or more."""
    if length <= size:
        return [0]
    step = max(1, size - int(size * OVERLAP))
    count = -(-(length - size) // step) + 1
    return [round(index * (length - size) / (count - 1)) for index in range(count)]


def _fade(size: int) -> Array:
    """Weight of each snippet of a window: rises over the overlap at both ends."""
    edge = max(1, int(size * OVERLAP))
    ramp = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    return np.minimum(ramp / edge, 1).astype(np.float32)


def _run(model: Composition, windows: list[NDArray[Any]], meta: VideoMeta) -> tuple[dict[str, Array], Array]:
    """Curves (windows, T, ...) by name, plug-ins' attention under the plug-in's; and video scores (windows, C)."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            tensors = [torch.tensor(np.asarray(window, np.float32)) for window in windows]
            batch = Batch.from_features(tensors, meta=[meta] * len(tensors)).to(model.feature_scale.device)
            out, auxes = model(batch)
            found = {"act": out.act_scores, "attn": out.attn}
            if SCORE_LOGITS in out.extra:
                found[SCORE_LOGITS] = out.extra[SCORE_LOGITS]
            found.update({name: aux["attn"] for name, aux in auxes.items() if "attn" in aux})
            curves = {name: curve.float().cpu().numpy() for name, curve in found.items()}
            return curves, out.video_scores.float().cpu().numpy()
    finally:
        model.train(was_training)
