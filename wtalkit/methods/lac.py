"""LAC: learning action completeness from points (base).

Lee, Byun, "Learning Action Completeness from Points for Weakly-supervised Temporal Action Localization", ICCV 2021.
Follows the authors' ``Pilhyeon/Learning-Action-Completeness-from-Points`` (``model.py``, ``train.py``).

It learns from one labelled frame per action, more than the videos' labels that the other methods get.

What differs: padded batches give what the videos give one by one; the labels for every snippet are searched anew for
the videos of each step, from scores without dropout, instead of for all videos every ten steps; all classes of a video
count in the feature term, and runs at a video's end have their last snippet (``feat_classes``, ``keep_last``); videos
shorter than eight snippets have a score, and no logarithm is taken of 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from wtalkit.errors import ModelError
from wtalkit.methods.interface import (
    Batch,
    Fuse,
    Method,
    OfficialWeights,
    Outputs,
    Progress,
    Streams,
    Term,
    official_shape,
)
from wtalkit.methods.lac_losses import (
    Rows,
    feature_loss,
    find_runs,
    frame_loss,
    fuse_background,
    score_loss,
    video_loss,
)
from wtalkit.methods.lac_search import MOST, Bools, Seeds, search_sequence, select_seeds
from wtalkit.methods.masking import masked_mean, topk_mean
from wtalkit.methods.options import OddKernel, Options

Array = NDArray[np.float32]

OFFICIAL_NAMES = {
    "cls_module.conv_1.0.weight": "conv.weight",
    "cls_module.conv_1.0.bias": "conv.bias",
    "cls_module.classifier.0.weight": "classifier.weight",
}


class LACOptions(Options):
    """Hyper-parameters of LAC; the defaults are the authors', but for ``feat_classes`` and ``keep_last``."""

    hidden: int | None = Field(None, ge=1)
    """Channels of the features that are classified. Default: the features' width."""
    kernel: OddKernel = 3
    """Snippets the first convolution sees; odd."""
    dropout: float = Field(0.7, ge=0, lt=1)
    """Dropout in front of the classifier."""
    k: int = Field(8, ge=1)
    """A class's video score is the mean of its best snippets, one in k."""
    action_level: float = Field(0.1, ge=0, le=1)
    """Background score up to which a snippet next to a labelled one is action."""
    background_level: float = Field(0.95, ge=0, le=1)
    """Background score from which a snippet is background."""
    budget: int = Field(25, ge=1, le=MOST)
    """Hypotheses the search for the optimal sequence keeps."""
    temperature: float = Field(0.1, gt=0)
    """Of the similarities in the feature term (tau)."""
    frame_weight: float = Field(0.5, ge=0)
    """Weight of the labelled snippets' loss."""
    frame_bkg_weight: float = Field(1.0, ge=0)
    """Weight of the background seeds' loss."""
    score_weight: float = Field(1.0, ge=0)
    """Weight of the completeness of scores."""
    feat_weight: float = Field(1.0, ge=0)
    """Weight of the completeness of features."""
    feat_classes: Literal["all", "last"] = "all"
    """Classes of a video in the feature term: the mean over all, or the last one alone, as in the authors' code, which
    overwrites instead of adding."""
    keep_last: bool = True
    """Whether a run that reaches the video's end has its last snippet in the two completeness terms; the authors' has
    not."""


class LAC(Method):
    """A convolution and a classifier per snippet; seeds around labelled frames; a search for what lies between."""

    name: ClassVar[str] = "lac"
    components: ClassVar[tuple[str, ...]] = ("frame_bkg", "completeness", "score", "feat")
    options_type: ClassVar[type[Options]] = LACOptions
    needs_points: ClassVar[bool] = True
    sampling = "full"

    def __init__(
        self, num_classes: int, feature_dim: int, options: LACOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        self.options = options
        hidden = options.hidden or feature_dim
        self.conv = nn.Conv1d(feature_dim, hidden, options.kernel, padding=options.kernel // 2)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Conv1d(hidden, num_classes + 1, 1, bias=False)

    def predict(self, streams: Streams, batch: Batch, fuse: Fuse) -> Outputs:
        mask, valid = batch.mask, batch.mask[:, None, :]  # (B, T), (B, 1, T)
        rgb, flow = streams["rgb"] * mask[..., None], streams["flow"] * mask[..., None]
        feat = F.relu(self.conv(fuse(rgb, flow).mT * valid)) * valid  # (B, E, T)
        cas = self.classifier(self.dropout(feat)).float().mT * mask[..., None]  # (B, T, C + 1)
        fused = fuse_background(cas, mask)
        extra = {"fused": fused}
        if self.training:
            # The search looks at what the network says when nothing is dropped; only the classifier comes after.
            with torch.no_grad():
                extra["clean"] = fuse_background(self.classifier(feat).float().mT, mask)
        actions = slice(self.num_classes)
        return Outputs(
            cas_logits=cas,
            attn=(1 - fused[..., -1]) * mask,
            act_scores=fused[..., actions],
            video_scores=topk_mean(torch.sigmoid(cas[..., actions]), mask, self.options.k),
            feat=feat.mT,
            streams={"rgb": rgb, "flow": flow},
            extra=extra,
        )

    def losses(self, out: Outputs, batch: Batch, progress: Progress) -> dict[str, Term]:
        """Paper sections 3.2 and 3.4. A video without a point adds to ``vid`` alone.

        Raises:
            ModelError: the batch has no points.
        """
        if batch.points is None:
            raise ModelError(
                "lac learns from points, one labelled frame of every action, and these labels have none",
                remedy="Mark them, or for an experiment draw them from segments with wtalkit annotations points",
            )
        options, labels, mask = self.options, batch.targets, batch.mask
        cas, points = out.cas_logits.float(), batch.points * mask[..., None]
        # Classes that do not happen must not happen anywhere, the others in their best snippets.
        everywhere = masked_mean(torch.sigmoid(cas[..., : self.num_classes]), mask)
        terms = {"vid": Term(video_loss(torch.where(labels > 0, out.video_scores, everywhere), labels))}
        shown = torch.cat([points, torch.zeros_like(points[..., :1])], dim=-1)  # (B, T, C + 1)
        terms["frame"] = Term(frame_loss(cas, shown, points.any(dim=-1)), options.frame_weight)
        if self.has("frame_bkg"):
            background = self._background_seeds(out.extra["fused"], points, batch)
            target = torch.eye(self.num_classes + 1, device=cas.device)[-1]
            terms["frame_bkg"] = Term(frame_loss(cas, target, background), options.frame_bkg_weight)
        return {**terms, **self._completeness(out, points, batch)}

    def _completeness(self, out: Outputs, points: Tensor, batch: Batch) -> dict[str, Term]:
        wanted = [name for name in ("score", "feat") if self.has("completeness") and self.has(name)]
        if not wanted:
            return {}
        options, lengths = self.options, batch.lengths.tolist()
        scores, marks = _to_cpu(out.extra.get("clean", out.extra["fused"])), _to_cpu(points)
        labellings = [self._search(scores[row, :length], marks[row, :length]) for row, length in enumerate(lengths)]
        runs = find_runs(labellings, keep_last=options.keep_last)
        terms = {}
        if "score" in wanted:
            terms["score"] = Term(score_loss(out.extra["fused"], runs, lengths), options.score_weight)
        if "feat" in wanted:
            # Like dropout, sampling is for training alone.
            rows: Rows = "random" if self.training else "first"
            value = feature_loss(
                out.feat, runs, temperature=options.temperature, rows=rows, classes=options.feat_classes
            )
            terms["feat"] = Term(value, options.feat_weight)
        return terms

    def _search(self, scores: Array, marks: Array) -> Bools:
        """A label for every snippet of a video, (T, C), from u (T, C + 1) without dropout and the points (T, C)."""
        seeds = self._seeds(scores, marks)
        return search_sequence(scores[:, :-1], seeds, budget=self.options.budget).labels

    def _background_seeds(self, fused: Tensor, points: Tensor, batch: Batch) -> Tensor:
        """(B, T) bool, from u as it was trained with."""
        scores, marks = _to_cpu(fused), _to_cpu(points)
        found = torch.zeros(batch.mask.shape, dtype=torch.bool)
        for row, length in enumerate(batch.lengths.tolist()):
            found[row, :length] = torch.from_numpy(self._seeds(scores[row, :length], marks[row, :length]).background)
        return found.to(fused.device)

    def _seeds(self, scores: Array, marks: Array) -> Seeds:
        options = self.options
        return select_seeds(
            scores[:, -1], marks, action_level=options.action_level, background_level=options.background_level
        )

    def decoder_settings(self) -> dict[str, Any]:
        """The authors' levels of both curves and hard suppression; see ``docs/methods/lac.md``."""
        return {
            "cls_threshold": 0.5,
            "thresholds": tuple(round(0.025 * step, 3) for step in range(10)),
            "attn_thresholds": tuple(round(0.5 + 0.025 * step, 3) for step in range(9)),
            "strict": True,
            "upscale": 24,
            "oic_below": "zero",
            "nms": "hard",
            "tiou": 0.7,
        }

    def official_decoder_settings(self) -> dict[str, Any]:
        """Left-aligned points, margins of whole ones, and one *second* added to lengths (``utils.py``)."""
        return {
            "min_points": 1,
            "interpolation": "left_beyond",
            "whole_margins": True,
            "lose_lone_first": True,
            "plus_one": "seconds",
        }

    @classmethod
    def from_official(cls, state: Mapping[str, Tensor]) -> OfficialWeights:
        hidden, feature_dim, kernel = official_shape(state, "cls_module.conv_1.0.weight", 3, cls.name)
        outputs, _, _ = official_shape(state, "cls_module.classifier.0.weight", 3, cls.name)
        options = {"hidden": hidden, "kernel": kernel, "feat_classes": "last", "keep_last": False}
        renamed = {OFFICIAL_NAMES[name]: value for name, value in state.items() if name in OFFICIAL_NAMES}
        return OfficialWeights(outputs - 1, feature_dim, options, renamed)


def _to_cpu(x: Tensor) -> Array:
    array: Array = x.detach().float().cpu().numpy()
    return array
