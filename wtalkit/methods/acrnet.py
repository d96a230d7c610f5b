"""ACRNet: adaptive clustering and refining network (base).

Ren, Ran, Liu, Ren, Lu, Zhang, Jin, "Weakly-supervised Temporal Action Localization with Adaptive Clustering and
Refining Network", ICME 2023. Follows the authors' ``leftthomas/ACRNet`` (``model.py``, ``main.py``), parameter names
included, so that released weights load as they are.

What differs: padded batches give what the videos give one by one; the clustering has no loops; the cross-modal
attention starts from Xavier weights (``init``); pooling over time is an option of its own (``pool_kernel``) instead of
following from the number of classes; the heads take the halves of ``fuse``, which alone are the streams themselves.
There is no background class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from wtalkit.errors import ConfigError
from wtalkit.methods.clustering import Ranking, cluster, in_time_order, rank, rank_weighted_mean, refine
from wtalkit.methods.convolution import kaiming_conv
from wtalkit.methods.cross_attention import CrossModalAttention
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
from wtalkit.methods.masking import masked_mean
from wtalkit.methods.options import OddKernel, Options

FLOOR = 1e-8  # under logarithms and powers, as in the authors' code


class ACRNetOptions(Options):
    """Hyper-parameters of ACRNet; the defaults are the authors'."""

    heads: int = Field(4, ge=1)
    """Heads of the cross-modal attention."""
    merge: Literal["official", "heads"] = "official"
    """How heads are joined; see :class:`CrossModalAttention`."""
    init: Literal["xavier", "official"] = "xavier"
    """Start of the cross-modal attention; the authors' range saturates its softmax."""
    hidden: int | None = Field(None, ge=2)
    """Channels inside the classifier heads, half of it inside the attention heads. Default: one stream's width."""
    kernel: OddKernel = 3
    """Snippets a convolution of the gates and class heads sees; odd."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout of the gates."""
    head_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in front of the four heads; the authors have none. Small training sets need it."""
    pool_kernel: OddKernel | None = None
    """Average the heads' outputs over this many snippets; odd. The authors: 13 on ActivityNet, none on THUMOS14."""
    even_attention: bool = False
    """Start with the attention 0.5 everywhere instead of at random. The attention helps to pick the snippets that it is
    then trained towards, so with little data a random start may settle on the background; from an even one the class
    scores decide first. Our choice, off by default."""
    q: float = Field(0.7, gt=0, le=1)
    """Exponent of the generalised cross-entropy."""
    aas_weight: float = Field(0.1, ge=0)
    """Weight of the two attention losses (lambda)."""


class Gate(nn.Module):
    """Scale one stream channel by channel, guided by the other (BWA in the code, the gate of CO2-Net's CCM)."""

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.attn = nn.Sequential(kaiming_conv(dim, dim, kernel), nn.LeakyReLU(0.2), nn.Dropout(dropout))
        self.conv = nn.Sequential(kaiming_conv(dim, dim, kernel), nn.LeakyReLU(0.2), nn.Dropout(dropout))

    def forward(self, base: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
        overall = self.conv(masked_mean(base, mask)[:, :, None])  # (B, D, 1)
        local = self.attn(reference.mT)  # (B, D, T)
        return torch.sigmoid(local * overall).mT * base


class ACRNet(Method):
    """Two attended, gated streams; two class heads whose logits are added; two attention heads."""

    name: ClassVar[str] = "acrnet"
    components: ClassVar[tuple[str, ...]] = ("mca", "bwa", "refining", "aas")
    options_type: ClassVar[type[Options]] = ACRNetOptions
    sampling = "random"
    length = 750

    def __init__(
        self, num_classes: int, feature_dim: int, options: ACRNetOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        dim, self.options = feature_dim // 2, options
        if dim % options.heads:
            raise ConfigError(f"acrnet: {options.heads} heads do not divide a stream of {dim} channels")
        if self.has("mca"):
            self.mca = CrossModalAttention(dim, options.heads, options.merge, options.init)
        if self.has("bwa"):
            self.rgb_bwa = Gate(dim, options.kernel, options.dropout)
            self.flow_bwa = Gate(dim, options.kernel, options.dropout)
        hidden = options.hidden or dim
        self.cas_rgb_encoder = _head(dim, hidden, num_classes, options.kernel)
        self.cas_flow_encoder = _head(dim, hidden, num_classes, options.kernel)
        self.aas_rgb_encoder = _head(dim, hidden // 2, 1, kernel=1)
        self.aas_flow_encoder = _head(dim, hidden // 2, 1, kernel=1)
        if options.even_attention:
            for head in (self.aas_rgb_encoder, self.aas_flow_encoder):
                nn.init.zeros_(head[-1].weight)  # type: ignore[arg-type]
        self.head_dropout = nn.Dropout(options.head_dropout)

    def predict(self, streams: Streams, batch: Batch, fuse: Fuse) -> Outputs:
        rgb, flow = self.enhance(streams, batch)
        # The authors never join the streams. Joining and splitting them again lets plug-ins act where others fuse.
        feat = fuse(rgb, flow)  # (B, T, 2D)
        rgb_half, flow_half = feat.chunk(2, dim=-1)
        cas, stream_attn = self.activate(rgb_half, flow_half, batch)
        return self.localize(cas, stream_attn, batch, feat=feat, streams={"rgb": rgb, "flow": flow})

    def activate(self, rgb: Tensor, flow: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The four heads: class logits (B, T, C) and each stream's attention (B, T), in float32."""
        rgb, flow = self.head_dropout(rgb), self.head_dropout(flow)
        cas = self._run(self.cas_rgb_encoder, rgb, batch) + self._run(self.cas_flow_encoder, flow, batch)
        logits = {
            "rgb": self._run(self.aas_rgb_encoder, rgb, batch),
            "flow": self._run(self.aas_flow_encoder, flow, batch),
        }
        return cas.float(), {name: torch.sigmoid(x[..., 0].float()) * batch.mask for name, x in logits.items()}

    def localize(
        self, cas: Tensor, stream_attn: dict[str, Tensor], batch: Batch, *, feat: Tensor, streams: Streams
    ) -> Outputs:
        """What the heads say, clustered and refined; ``feat`` and ``streams`` are handed on."""
        attn = (stream_attn["rgb"] + stream_attn["flow"]) / 2
        scores = (torch.softmax(cas, dim=-1) + attn[..., None]) / 2 * batch.mask[:, :, None]
        ranking = rank(scores, batch.mask)
        positive = cluster(ranking)
        refined = refine(ranking, positive, cas) if self.has("refining") else positive
        action, background = video_scores(cas, ranking, refined)
        return Outputs(
            cas_logits=cas,
            attn=attn,
            stream_attn=stream_attn,
            act_scores=scores,
            video_scores=action,
            feat=feat,
            streams=streams,
            has_background=False,
            extra={
                "background_scores": background,
                "mask": in_time_order(ranking, refined),
                "cluster_mask": in_time_order(ranking, positive),
            },
        )

    def enhance(self, streams: Streams, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-modal attention, then each stream gated by the other; (B, T, D) each."""
        valid = batch.mask[:, :, None]
        rgb, flow = streams["rgb"] * valid, streams["flow"] * valid
        if self.has("mca"):
            rgb_change, flow_change = self.mca(rgb, flow, batch)
            rgb, flow = torch.tanh(rgb_change + rgb), torch.tanh(flow_change + flow)
        if self.has("bwa"):
            rgb, flow = self.rgb_bwa(rgb, flow, batch.mask), self.flow_bwa(flow, rgb, batch.mask)
        return rgb, flow

    def losses(self, out: Outputs, batch: Batch, progress: Progress) -> dict[str, Term]:
        labels = batch.targets
        terms = {"cas": Term(class_loss(out.video_scores, out.extra["background_scores"], labels))}
        if self.has("aas"):
            foreground = (out.extra["mask"] * labels[:, None, :]).sum(dim=-1).clamp(max=1)  # (B, T)
            for stream, attn in out.stream_attn.items():
                value = generalised_cross_entropy(attn, foreground, batch.mask, self.options.q)
                terms[f"aas_{stream}"] = Term(value, self.options.aas_weight)
        return terms

    def decoder_settings(self) -> dict[str, Any]:
        """Frame resolution and BSN's Soft-NMS; the authors' one-frame shift and whole margins are for parity only."""
        return {"upscale": 16, "nms": "bsn", "sigma": 0.5, "tiou": 0.1}

    def official_decoder_settings(self) -> dict[str, Any]:
        """Left-aligned frames, margins of whole frames, and times one frame late (``main.py``)."""
        return {"interpolation": "left", "whole_margins": True, "time_shift": (1 / 25, 1 / 25)}

    def _run(self, head: nn.Sequential, x: Tensor, batch: Batch) -> Tensor:
        """A head over x (B, T, D) -> (B, T, out); pooled, if at all, over real snippets and zeros beyond them."""
        logits: Tensor = head(x.mT) * batch.mask[:, None, :]
        if self.options.pool_kernel is not None:
            size = self.options.pool_kernel
            logits = F.avg_pool1d(logits, size, stride=1, padding=size // 2) * batch.mask[:, None, :]
        return logits.mT

    @classmethod
    def from_official(cls, state: Mapping[str, Tensor]) -> OfficialWeights:
        heads, dim, _ = official_shape(state, "mca.rgb_proj", 3, cls.name)
        num_classes, hidden, _ = official_shape(state, "cas_rgb_encoder.2.weight", 3, cls.name)
        # The authors pool over time exactly when the number of classes is not THUMOS14's.
        pool = None if num_classes == 20 else 13
        options = {"heads": heads, "hidden": hidden, "pool_kernel": pool, "merge": "official", "init": "official"}
        return OfficialWeights(num_classes, 2 * dim, options, dict(state))


def video_scores(cas: Tensor, ranking: Ranking, refined: Tensor) -> tuple[Tensor, Tensor]:
    """Class distributions (B, C) of the refined action snippets and of all the others."""
    by_rank = cas.gather(1, ranking.order)
    action = rank_weighted_mean(by_rank, refined)
    rest = ranking.valid & ~refined
    background = (by_rank * rest).sum(dim=1) / rest.sum(dim=1).clamp(min=1)
    return torch.softmax(action, dim=-1), torch.softmax(background, dim=-1)


def class_loss(action: Tensor, background: Tensor, labels: Tensor) -> Tensor:
    """The labels' classes must score in the action snippets, and no class in the background."""
    found = -(labels * action.clamp(min=FLOOR).log()).sum(dim=-1) / labels.sum(dim=-1).clamp(min=1)
    return found.mean() - (1 - background).clamp(min=FLOOR).log().mean()


def generalised_cross_entropy(attn: Tensor, target: Tensor, mask: Tensor, q: float) -> Tensor:
    """Noise-tolerant cross-entropy of attention (B, T) against a 0/1 target, each side averaged over its snippets."""
    rest = (1 - target) * mask
    on = target * (1 - attn.clamp(min=FLOOR) ** q) / q
    off = rest * (1 - (1 - attn).clamp(min=FLOOR) ** q) / q
    per_video = on.sum(dim=1) / target.sum(dim=1).clamp(min=1) + off.sum(dim=1) / rest.sum(dim=1).clamp(min=1)
    return per_video.mean()


def _head(inputs: int, hidden: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(kaiming_conv(inputs, hidden, kernel), nn.ReLU(), kaiming_conv(hidden, outputs, 1))
