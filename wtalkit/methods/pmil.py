"""P-MIL: proposal-based multiple instance learning (on proposals).

Ren, Yang, Zhang, Zhang, "Proposal-based Multiple Instance Learning for Weakly-supervised Temporal Action Localization",
CVPR 2023. Follows the authors' ``RenHuan1999/CVPR2023_P-MIL`` (``model.py``), parameter names included; their
convolutions of width 1 are linear layers here, since the proposals of a batch are rows without padding.

What differs: proposal features are cut out beforehand (:mod:`wtalkit.methods.regions`), any number of proposals of any
length works, none included (see :mod:`wtalkit.methods.pmil_losses`), and equal segments are one unless ``unique`` is
off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from wtalkit.methods.interface import (
    OfficialWeights,
    Progress,
    ProposalBatch,
    ProposalMethod,
    ProposalOutputs,
    Term,
    official_shape,
)
from wtalkit.methods.options import Options
from wtalkit.methods.pmil_losses import (
    LABEL_FLOOR,
    completeness_loss,
    multiple_instance_loss,
    pairwise_iou,
    ramp_up,
    rank_consistency_loss,
    with_background,
)

STREAMS = ("rgb", "flow")


class PMILOptions(Options):
    """Hyper-parameters of P-MIL; the defaults are the authors' for THUMOS14."""

    hidden: int | None = Field(None, ge=1)
    """Width of a proposal's features, per stream. Default: the width of the stream."""
    head_hidden: int | None = Field(None, ge=1)
    """Width inside the heads. Default: half of a stream's width."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout of a proposal's features."""
    k: int = Field(8, ge=1)
    """A class is learnt from its best proposals, one in k."""
    instance_share: float = Field(0.8, ge=0, le=1)
    """Proposals with more than this share of the video's highest attention may be instances; gamma in the code."""
    ramp_epochs: int = Field(30, ge=0)
    """Epochs over which the weights of ``irc`` and ``comp`` rise; 0 for none."""
    mil_orig_weight: float = Field(2.0, ge=0)
    mil_supp_weight: float = Field(1.0, ge=0)
    irc_weight: float = Field(2.0, ge=0)
    comp_weight: float = Field(20.0, ge=0)
    unique: bool = True
    """Score each segment once, however many thresholds and classes gave it; P-MIL's code scores repeats, too."""


class Backbone(nn.Module):
    """One stream: features of a proposal and its surround, and three heads that read them."""

    def __init__(
        self, dim: int, num_classes: int, options: PMILOptions, *, attention: bool, completeness: bool
    ) -> None:
        super().__init__()
        hidden, inner = options.hidden or dim, options.head_hidden or max(1, dim // 2)
        self.prop_fusion = region_encoder(dim, hidden, options.dropout)
        self.prop_classifier = head(hidden, inner, num_classes + 1)
        self.prop_attention = head(hidden, inner, 1) if attention else None
        self.prop_completeness = head(hidden, inner, 1) if completeness else None

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Regions (N, 3, D) -> logits of the classes (N, C + 1), of the attention (N,) and of completeness (N,)."""
        feat = self.prop_fusion(surround_contrast(regions))  # (N, hidden)
        cas: Tensor = self.prop_classifier(feat).float()
        if self.prop_attention is None:  # nothing would teach it: the logit of one minus the background's probability
            attn = cas[:, :-1].logsumexp(dim=-1) - cas[:, -1]
        else:
            attn = self.prop_attention(feat)[:, 0].float()
        return cas, attn, None if self.prop_completeness is None else self.prop_completeness(feat)[:, 0].float()


class PMIL(ProposalMethod):
    """Two streams that score whole proposals alone and learn ranks and instances from each other."""

    name: ClassVar[str] = "pmil"
    components: ClassVar[tuple[str, ...]] = ("mil_supp", "irc", "comp")
    options_type: ClassVar[type[Options]] = PMILOptions

    def __init__(
        self, num_classes: int, feature_dim: int, options: PMILOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        self.options = options
        self.unique = options.unique
        heads = {"attention": self.has("mil_supp"), "completeness": self.has("comp")}
        self.prop_v_backbone = Backbone(feature_dim // 2, num_classes, options, **heads)
        self.prop_f_backbone = Backbone(feature_dim // 2, num_classes, options, **heads)

    def predict(self, batch: ProposalBatch) -> ProposalOutputs:
        """Mean over the streams of every score; ``extra`` keeps ``{rgb,flow}_{cas,attn,quality}``, logits each."""
        extra: dict[str, Tensor] = {}
        backbones = (self.prop_v_backbone, self.prop_f_backbone)
        for stream, backbone, regions in zip(STREAMS, backbones, batch.regions.chunk(2, dim=-1), strict=True):
            cas, attn, quality = backbone(regions)
            extra |= {f"{stream}_cas": cas, f"{stream}_attn": attn}
            if quality is not None:
                extra[f"{stream}_quality"] = quality
        attn = _stacked(extra, "attn").sigmoid().mean(dim=0)
        return ProposalOutputs(
            scores=_stacked(extra, "cas").softmax(dim=-1).mean(dim=0),
            attn=attn,
            quality=_stacked(extra, "quality").sigmoid().mean(dim=0) if self.has("comp") else torch.ones_like(attn),
            extra=extra,
        )

    def losses(self, out: ProposalOutputs, batch: ProposalBatch, progress: Progress) -> dict[str, Term]:
        """The authors' terms: of each video and stream, then their mean; videos without a proposal do not count."""
        options = self.options
        ramp = ramp_up(progress.epoch + 1, options.ramp_epochs)
        weights = {
            "mil_orig": options.mil_orig_weight,
            "mil_supp": options.mil_supp_weight,
            "irc": options.irc_weight * ramp,
            "comp": options.comp_weight * ramp,
        }
        nothing = torch.stack([rows[:0].sum() for rows in out.extra.values()]).sum()
        found: dict[str, list[Tensor]] = {name: [] for name in weights if name not in self.removed}
        rows = {name: batch.split(value) for name, value in out.extra.items()}
        actions, both = (_shares(batch.targets, background) for background in (0, 1))
        for video, segments in enumerate(batch.split(batch.segments)):
            if not len(segments):
                continue
            iou = pairwise_iou(segments.float(), segments.float())
            for own, other in (STREAMS, STREAMS[::-1]):
                cas, attn = rows[f"{own}_cas"][video], rows[f"{own}_attn"][video].sigmoid()
                guide = rows[f"{other}_attn"][video].detach().sigmoid()
                found["mil_orig"].append(multiple_instance_loss(cas, both[video], options.k))
                if self.has("mil_supp"):
                    found["mil_supp"].append(multiple_instance_loss(cas * attn[:, None], actions[video], options.k))
                if self.has("irc"):
                    teacher, labels = rows[f"{other}_cas"][video], batch.targets[video]
                    found["irc"].append(rank_consistency_loss(cas, teacher, guide, labels, iou))
                if self.has("comp"):
                    quality = rows[f"{own}_quality"][video].sigmoid()
                    found["comp"].append(completeness_loss(quality, guide, iou, options.instance_share))
        return {
            name: Term(torch.stack(values).mean() if values else nothing, weights[name])
            for name, values in found.items()
        }

    def decoder_settings(self) -> dict[str, Any]:
        return proposal_decoder()

    @classmethod
    def from_official(cls, state: Mapping[str, Tensor]) -> OfficialWeights:
        hidden, tripled = official_shape(state, "prop_v_backbone.prop_fusion.0.weight", 2, cls.name)
        head_hidden, _, _ = official_shape(state, "prop_v_backbone.prop_classifier.0.weight", 3, cls.name)
        outputs, _, _ = official_shape(state, "prop_v_backbone.prop_classifier.2.weight", 3, cls.name)
        options = {"hidden": hidden, "head_hidden": head_hidden, "unique": False}
        ours = {name: value[..., 0] if value.ndim == 3 else value for name, value in state.items()}
        return OfficialWeights(outputs - 1, 2 * (tripled // 3), options, ours)


def surround_contrast(regions: Tensor) -> Tensor:
    """Regions (N, 3, D) -> (N, 3D): a proposal less its left surround, itself, itself less its right surround."""
    left, inside, right = regions.unbind(dim=1)
    return torch.cat([inside - left, inside, inside - right], dim=-1)


def region_encoder(dim: int, hidden: int, dropout: float) -> nn.Sequential:
    """What makes a proposal's features of :func:`surround_contrast`; P-MIL calls both together SCFE."""
    return nn.Sequential(nn.Linear(3 * dim, hidden), nn.ReLU(), nn.Dropout(dropout))


def head(width: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers on a proposal's features."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def proposal_decoder() -> dict[str, Any]:
    """P-MIL's decoding; ``plus_one`` is a rounding of no use in itself that published numbers have."""
    return {"cls_threshold": 0.2, "gamma": 0.2, "nms": "gaussian", "sigma": 0.3, "plus_one": True}


def _stacked(extra: Mapping[str, Tensor], name: str) -> Tensor:
    """The same logits of both streams, (2, N, ...)."""
    return torch.stack([extra[f"{stream}_{name}"] for stream in STREAMS])


def _shares(labels: Tensor, background: float) -> Tensor:
    """Wanted share (B, C + 1) of each class, from labels (B, C)."""
    targets = with_background(labels, background)
    return targets / (targets.sum(dim=-1, keepdim=True) + LABEL_FLOOR)
