"""CO2-Net: cross-modal consensus network (base).

Hong, Feng, Xu, Shan, Zheng, "Cross-modal Consensus Network for Weakly Supervised Temporal Action Localization",
ACM MM 2021. Follows the authors' ``harlanhong/MM2021-CO2-Net`` (``model.py``), parameter names included, so that
released weights load as they are.

What differs: padded batches give what the videos give one by one; ``feat_encoder``, which the authors build and never
call, is left out; pooling over time is an option (``pool_kernel``) instead of a class of its own; a pair without a
shared class and a batch without pairs give no contrastive loss, a video of one snippet a finite one, instead of NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from wtalkit.methods.co2net_losses import (
    attentions_of,
    co_activity_loss,
    guide_distance,
    multiple_instance_loss,
    mutual_loss,
    norm_loss,
    suppress,
    with_background,
)
from wtalkit.methods.convolution import kaiming_conv
from wtalkit.methods.interface import (
    SCORE_LOGITS,
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
from wtalkit.methods.masking import masked_mean, topk_mean
from wtalkit.methods.options import OddKernel, Options

VIDEO_SHARE = 10  # a video's class score is the mean of its best snippets, one in ten
THUMOS_CLASSES = 20
ACTIVITYNET_POOL = 13  # the authors' kernel for training lengths of 60 snippets


class CO2NetOptions(Options):
    """Hyper-parameters of CO2-Net; the defaults are the authors' for THUMOS14."""

    hidden: int | None = Field(None, ge=1)
    """Channels of the fused features and inside the classifier. Default: the features' width."""
    attn_hidden: int | None = Field(None, ge=1)
    """Channels inside the attention heads. Default: a quarter of the features' width."""
    kernel: OddKernel = 3
    """Snippets a convolution sees; odd."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout of the gates and inside the attention heads."""
    head_dropout: float = Field(0.7, ge=0, lt=1)
    """Dropout after the fusion and before either layer of the classifier."""
    logit_dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout of the attention's logit: in training that share of all attentions is exactly 0.5."""
    pool_kernel: OddKernel | None = None
    """Average logits and attentions over this many snippets; odd. The authors: 13 on ActivityNet, none on THUMOS14."""
    even_attention: bool = False
    """Start with the attention 0.5 everywhere instead of at random: with little data a random start may settle on the
    background. Our choice, off by default."""
    k: int = Field(7, ge=1)
    """A class is learnt from its best snippets, one in k. 7 on THUMOS14, 5 on ActivityNet."""
    margin: float = Field(0.5, ge=0)
    """Margin of the contrastive loss."""
    contrastive_weight: float = Field(1.0, ge=0)
    """alpha3 in the code."""
    mutual_weight: float = Field(1.0, ge=0)
    """alpha4 in the code, which ignores it on ActivityNet and takes 1."""
    norm_weight: float = Field(0.8, ge=0)
    """alpha1 in the code."""
    guide_weight: float = Field(0.8, ge=0)
    """alpha2 in the code."""


class CCM(nn.Module):
    """Cross-modal consensus module: scale one stream by what it shows overall and what the other shows now.

    Paper section 3.3. ``channel_conv`` is the global-context unit, ``bit_wise_attn`` the cross-modal unit; without
    both the stream stays as it is and only its attention is read off.
    """

    def __init__(self, dim: int, attn_hidden: int, options: CO2NetOptions, *, overall: bool, local: bool) -> None:
        super().__init__()
        kernel, dropout = options.kernel, options.dropout
        self.channel_conv = _unit(dim, kernel, dropout) if overall else None
        self.bit_wise_attn = _unit(dim, kernel, dropout) if local else None
        self.attention = nn.Sequential(
            kaiming_conv(dim, attn_hidden, kernel),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            kaiming_conv(attn_hidden, attn_hidden, kernel),
            nn.LeakyReLU(0.2),
            kaiming_conv(attn_hidden, 1, 1),
            nn.Dropout(options.logit_dropout),
        )
        if options.even_attention:
            nn.init.zeros_(self.attention[5].weight)  # type: ignore[arg-type]

    def forward(self, main: Tensor, aux: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Streams (B, D, T), zero where padded -> the enhanced stream (B, D, T) and its attention (B, 1, T)."""
        units = []
        if self.bit_wise_attn is not None:
            units.append(self.bit_wise_attn(aux))  # (B, D, T)
        if self.channel_conv is not None:
            units.append(self.channel_conv(masked_mean(main.mT, mask)[:, :, None]))  # (B, D, 1)
        if units:
            main = torch.sigmoid(units[0] * units[1] if len(units) == 2 else units[0]) * main
        return main, torch.sigmoid(_run(self.attention, main, mask).float()) * mask[:, None, :]


class CO2Net(Method):
    """Two streams that gate each other, one classifier over both, an attention per stream; background is a class."""

    name: ClassVar[str] = "co2net"
    components: ClassVar[tuple[str, ...]] = (
        "ccm", "global_context", "cross_modal", "mil_supp", "contrastive", "mutual", "norm", "guide",
    )  # fmt: skip
    options_type: ClassVar[type[Options]] = CO2NetOptions
    sampling = "random"
    length = 500

    def __init__(
        self, num_classes: int, feature_dim: int, options: CO2NetOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        self.options = options
        hidden, attn_hidden = options.hidden or feature_dim, options.attn_hidden or max(1, feature_dim // 4)
        units = {
            "overall": self.has("ccm") and self.has("global_context"),
            "local": self.has("ccm") and self.has("cross_modal"),
        }
        self.vAttn = CCM(feature_dim // 2, attn_hidden, options, **units)
        self.fAttn = CCM(feature_dim // 2, attn_hidden, options, **units)
        self.fusion = nn.Sequential(
            kaiming_conv(feature_dim, hidden, 1), nn.LeakyReLU(0.2), nn.Dropout(options.head_dropout)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(options.head_dropout),
            kaiming_conv(hidden, hidden, options.kernel),
            nn.LeakyReLU(0.2),
            nn.Dropout(options.head_dropout),
            kaiming_conv(hidden, num_classes + 1, 1),
        )

    def predict(self, streams: Streams, batch: Batch, fuse: Fuse) -> Outputs:
        valid = batch.mask[:, None, :]  # (B, 1, T)
        raw_rgb, raw_flow = streams["rgb"].mT * valid, streams["flow"].mT * valid  # (B, D, T)
        rgb, attn_rgb = self.vAttn(raw_rgb, raw_flow, batch.mask)
        flow, attn_flow = self.fAttn(raw_flow, raw_rgb, batch.mask)
        feat = self.fusion(fuse(rgb.mT, flow.mT).mT) * valid  # (B, E, T)
        cas = _run(self.classifier, feat, batch.mask).float() * valid  # (B, C + 1, T)
        cas, attn_rgb, attn_flow = (self._pool(x, valid) for x in (cas, attn_rgb, attn_flow))
        cas, attn_rgb, attn_flow = cas.mT, attn_rgb[:, 0], attn_flow[:, 0]  # (B, T, C + 1), (B, T) twice
        attn = (attn_rgb + attn_flow) / 2
        scores = cas * attn[..., None]
        actions = slice(self.num_classes)
        return Outputs(
            cas_logits=cas,
            attn=attn,
            stream_attn={"rgb": attn_rgb, "flow": attn_flow},
            act_scores=torch.softmax(scores, dim=-1)[..., actions] * valid.mT,
            video_scores=video_scores(scores, batch.mask)[..., actions],
            feat=feat.mT,
            streams={"rgb": rgb.mT, "flow": flow.mT},
            extra={SCORE_LOGITS: scores[..., actions]},
        )

    def losses(self, out: Outputs, batch: Batch, progress: Progress) -> dict[str, Term]:
        """Paper section 3.4; unweighted as in the authors' code, so the two MIL terms have weight 1."""
        options, labels, mask = self.options, batch.targets, batch.mask
        cas = out.cas_logits.float()
        attentions = attentions_of(out.attn, out.stream_attn)
        suppressed = suppress(cas, attentions[0])
        terms = {"mil_orig": Term(multiple_instance_loss(cas, with_background(labels, 1), mask, options.k))}
        if self.has("mil_supp"):
            value = multiple_instance_loss(suppressed, with_background(labels, 0), mask, options.k)
            terms["mil_supp"] = Term(value)
        if self.has("contrastive") and batch.pairs:
            value = co_activity_loss(out.feat, suppressed, labels, mask, batch.pairs, options.margin)
            terms["contrastive"] = Term(value, options.contrastive_weight)
        if self.has("mutual"):
            terms["mutual"] = Term(mutual_loss(attentions[1], attentions[2], mask), options.mutual_weight)
        if self.has("norm"):
            terms["norm"] = Term(norm_loss(attentions, mask), options.norm_weight)
        if self.has("guide"):
            value = masked_mean(guide_distance(attentions, cas), mask).mean()
            terms["guide"] = Term(value, options.guide_weight)
        return terms

    def decoder_settings(self) -> dict[str, Any]:
        """The authors': runs of the attention only, scored by the raw product; see ``docs/methods/co2net.md``."""
        return {
            "cls_threshold": 0.2,
            "thresholds": (),
            "attn_thresholds": attention_levels(10),
            "strict": True,
            "min_points": 1,
            "score": "logits",
            "whole_margins": True,
            "nms": "gaussian",
            "sigma": 0.3,
            "plus_one": True,
        }

    def official_decoder_settings(self) -> dict[str, Any]:
        """A level that the first snippet alone reaches gives nothing (``utils/wsad_utils.py``, by accident)."""
        return {"lose_lone_first": True}

    def _pool(self, x: Tensor, valid: Tensor) -> Tensor:
        """Mean of x (B, N, T) over ``pool_kernel`` snippets, zeros beyond the ends counted, as the authors do."""
        size = self.options.pool_kernel
        return x if size is None else F.avg_pool1d(x, size, stride=1, padding=size // 2) * valid

    @classmethod
    def from_official(cls, state: Mapping[str, Tensor]) -> OfficialWeights:
        _, dim, kernel = official_shape(state, "vAttn.channel_conv.0.weight", 3, cls.name)
        attn_hidden, _, _ = official_shape(state, "vAttn.attention.0.weight", 3, cls.name)
        outputs, hidden, _ = official_shape(state, "classifier.4.weight", 3, cls.name)
        num_classes = outputs - 1
        options: dict[str, Any] = {"hidden": hidden, "attn_hidden": attn_hidden, "kernel": kernel}
        if num_classes != THUMOS_CLASSES:
            options.update(cls.activitynet_options())
        return OfficialWeights(num_classes, 2 * dim, options, dict(state))

    @classmethod
    def activitynet_options(cls) -> dict[str, Any]:
        """What the authors change for ActivityNet; the weights do not tell, the number of classes does."""
        return {"pool_kernel": ACTIVITYNET_POOL, "k": 5}


def video_scores(scores: Tensor, mask: Tensor) -> Tensor:
    """Class distribution (B, C + 1) of each video's best snippets by scores (B, T, C + 1)."""
    return torch.softmax(topk_mean(scores, mask, VIDEO_SHARE), dim=-1)


def attention_levels(count: int) -> tuple[float, ...]:
    """``count`` levels from 0.1 to 0.9, both included."""
    return tuple(0.1 + 0.8 * step / (count - 1) for step in range(count))


def _run(layers: nn.Sequential, x: Tensor, mask: Tensor) -> Tensor:
    """Layers over x (B, N, T), where convolutions that see their neighbours find zeros beyond a video's end."""
    for layer in layers:
        if isinstance(layer, nn.Conv1d) and layer.kernel_size[0] > 1:
            x = x * mask[:, None, :]
        x = layer(x)
    return x


def _unit(dim: int, kernel: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(kaiming_conv(dim, dim, kernel), nn.LeakyReLU(0.2), nn.Dropout(dropout))
