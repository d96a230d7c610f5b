"""SEAL: similar modality enhancement and action consistency learning (on proposals).

"Similar Modality Enhancement and Action Consistency Learning for Weakly Supervised Temporal Action Localization". The
authors' code could not be read. The paper builds on P-MIL, whose proposal features and decoding it shares
(:mod:`wtalkit.methods.pmil`); architecture and weights are the paper's, what it leaves open is our reading, and
``docs/methods/seal.md`` says which is which.

The published 52.8 (THUMOS14, mean of 0.1 to 0.7) comes from proposals of a model that had one labelled frame per
action. With labels per video throughout it is 47.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from wtalkit.methods.interface import (
    Progress,
    ProposalBatch,
    ProposalMethod,
    ProposalOutputs,
    Term,
    TrainVideo,
)
from wtalkit.methods.options import Options
from wtalkit.methods.pmil import head, proposal_decoder, region_encoder, surround_contrast
from wtalkit.methods.pmil_losses import multiple_instance_loss, with_background
from wtalkit.methods.seal_descriptors import (
    Level,
    Norm,
    PseudoLabel,
    class_descriptors,
    pseudo_labels,
    video_means,
)
from wtalkit.methods.seal_losses import (
    Fade,
    Mode,
    Pool,
    curved_fall,
    enhancement_loss,
    linear_fall,
    linear_rise,
    matched_instances,
    process_cost,
    process_loss,
    semantic_loss,
)


class SEALOptions(Options):
    """Hyper-parameters of SEAL; weights and horizons are the paper's unless marked as ours."""

    hidden: int | None = Field(None, ge=1)
    """Width of a proposal's features, per stream. Default: the width of the stream."""
    branch_hidden: int | None = Field(None, ge=1)
    """Width inside the branches. Default: the width of one stream. Ours."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout of a proposal's features."""
    k: int = Field(8, ge=1)
    """A class is learnt from its best proposals, one in k; P-MIL's."""
    cls_base_weight: float = Field(2.0, ge=0)
    """P-MIL's."""
    cls_supp_weight: float = Field(1.0, ge=0)
    """P-MIL's."""
    descriptor: Level = "video"
    """Class descriptors weigh every video alike, or every snippet (``segment``)."""
    norm: Norm = "minmax"
    """How similarities to the classes are brought to one range. Ours."""
    sme_label_filter: Literal["none", "drop"] = "none"
    """``drop`` leaves a video without pseudo-label when its class is not among the video's labels. Ours."""
    sme_pool: Pool = "mean"
    """``attention_mean`` divides by the sum of attention instead of the number of proposals."""
    sme_weight: float = Field(1.0, ge=0)
    """lambda_1 at the start; falls to 0."""
    sme_epochs: int = Field(30, ge=1)
    """Epochs until lambda_1 is 0."""
    moderate_epochs: int = Field(30, ge=1)
    """Epochs until moderate pseudo-labels count nothing. Ours."""
    pc_weight: float = Field(1.5, ge=0)
    """lambda_2."""
    pc_mode: Mode = "target"
    """The process branch regresses a target, or weighs the costs (``expected``). Ours."""
    pc_iou: bool = True
    """Let the IoU with the matched instance count, so that a proposal much longer than it does not pass. Ours."""
    pc_nms: bool = False
    """Keep only pseudo-instances that do not overlap a better one, as P-MIL does."""
    instance_share: float = Field(0.9, ge=0, le=1)
    """Proposals with more than this share of the video's highest attention are pseudo-instances."""
    sc_weight: float = Field(1.0, ge=0)
    """lambda_3 at the start; falls to 0."""
    sc_epochs: int = Field(50, ge=1)
    """Epochs until lambda_3 is 0."""
    sc_schedule: Fade = "exp"
    """The curve along which lambda_3 falls. Ours."""
    sc_normalize: bool = True
    """Compare features of length 1. Ours."""
    alpha_start: float = Field(0.3, ge=0)
    """Share of the distance to the descriptor in the semantic loss, at first."""
    alpha_end: float = Field(0.5, ge=0)
    """And from ``sc_epochs`` on."""
    lc_on: Literal["probabilities", "logits"] = "probabilities"
    """Compare base and suppressed scores as probabilities, or as logits, which is literal. Ours."""
    unique: bool = True
    """Score each segment once, however many thresholds and classes gave it; P-MIL's code scores repeats, too."""


class SEAL(ProposalMethod):
    """One encoder per stream, three branches on both: classes, attention, and how well a proposal covers an action."""

    name: ClassVar[str] = "seal"
    components: ClassVar[tuple[str, ...]] = ("sme", "moderate", "pc", "sc")
    options_type: ClassVar[type[Options]] = SEALOptions
    descriptors: Tensor

    def __init__(
        self, num_classes: int, feature_dim: int, options: SEALOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        self.options = options
        self.unique = options.unique
        dim = feature_dim // 2
        hidden, inner = options.hidden or dim, options.branch_hidden or dim
        self.rgb_encoder = region_encoder(dim, hidden, options.dropout)
        self.flow_encoder = region_encoder(dim, hidden, options.dropout)
        self.class_branch = head(2 * hidden, inner, num_classes + 1)
        self.attention_branch = head(2 * hidden, inner, 1)
        self.process_branch = head(2 * hidden, inner, 1) if self.has("pc") else None
        self.pseudo_labels: dict[str, PseudoLabel] = {}
        self._report: str | None = None
        if self.has("sme"):
            self.register_buffer("descriptors", torch.zeros(num_classes, feature_dim))  # (C, 2D), RGB first

    def prepare(self, train_set: Iterable[TrainVideo]) -> None:
        """Compute the class descriptors, which the model file keeps, and the pseudo-labels, which training needs."""
        if not self.has("sme"):
            return
        videos = video_means(train_set, self.num_classes, self.feature_dim)
        descriptors = class_descriptors(videos, self.options.descriptor)
        self.descriptors.copy_(descriptors)
        found = pseudo_labels(videos, descriptors, self.options.norm)
        labels = dict(zip(videos.keys, videos.labels, strict=True))
        wrong = [key for key, pseudo in found.items() if not labels[key][pseudo.label]]
        if self.options.sme_label_filter == "drop":
            found = {key: pseudo for key, pseudo in found.items() if key not in wrong}
        self.pseudo_labels = found
        sure = sum(pseudo.sure for pseudo in found.values())
        self._report = (
            f"pseudo-labels of {len(labels)} videos: {sure} sure, {len(found) - sure} moderate, "
            f"{len(labels) - len(found)} none; {len(wrong)} named a class that their video is not labelled with"
        )

    def notes(self) -> list[str]:
        """How many videos got a pseudo-label, and how often it contradicts their labels."""
        return [] if self._report is None else [self._report]

    def predict(self, batch: ProposalBatch) -> ProposalOutputs:
        """``extra`` keeps the logits ``base``, ``supp`` (N, C + 1) and ``process`` (N,), and ``feat`` (N, E)."""
        rgb, flow = batch.regions.chunk(2, dim=-1)
        encoded = [self.rgb_encoder(surround_contrast(rgb)), self.flow_encoder(surround_contrast(flow))]
        feat = torch.cat(encoded, dim=-1)  # (N, E)
        base = self.class_branch(feat).float()
        attn = self.attention_branch(feat)[:, 0].float().sigmoid()
        extra = {"base": base, "supp": base * attn[:, None], "feat": feat}
        quality = torch.ones_like(attn)
        if self.process_branch is not None:
            extra["process"] = self.process_branch(feat)[:, 0].float()
            quality = extra["process"].sigmoid()
        return ProposalOutputs(base.softmax(dim=-1), attn, quality, extra)

    def losses(self, out: ProposalOutputs, batch: ProposalBatch, progress: Progress) -> dict[str, Term]:
        """Of each video, then their mean; videos without a proposal do not count, in ``sme`` only those of its kind."""
        weights = self._weights(progress.epoch)
        nothing = torch.stack([rows[:0].float().sum() for rows in out.extra.values()]).sum()
        found: dict[str, list[Tensor]] = {name: [] for name in weights}
        columns = [out.extra["base"], out.extra["supp"], out.attn, batch.segments.float()]
        rows = list(zip(*(batch.split(column) for column in columns), strict=True))
        feats = batch.split(out.extra["feat"].float())
        process = batch.split(out.extra["process"]) if self.has("pc") else ()
        both, actions = (_shares(batch.targets, background) for background in (1, 0))
        for video, (base, supp, attn, segments) in enumerate(rows):
            if not len(base):
                continue
            k, p_base, p_supp = self.options.k, base.softmax(dim=-1), supp.softmax(dim=-1)
            found["cls_base"].append(multiple_instance_loss(base, both[video], k))
            found["cls_supp"].append(multiple_instance_loss(supp, actions[video], k))
            wanted = self._pseudo_label(batch, video)
            if wanted is not None:
                term = "sme" if wanted.sure else "sme_moderate"
                found[term].append(enhancement_loss(p_base, attn, wanted.label, self.options.sme_pool))
            if self.has("pc"):
                found["pc"].append(self._process_loss(process[video], segments, attn))
            if self.has("sc"):
                labels, normalize = batch.targets[video], self.options.sc_normalize
                found["st"].append(semantic_loss(feats[video], p_base, p_supp, labels, normalize=normalize))
                literal = self.options.lc_on == "logits"
                found["lc"].append(F.mse_loss(base, supp) if literal else F.mse_loss(p_base, p_supp))
        return {
            name: Term(torch.stack(values).mean() if values else nothing, weights[name])
            for name, values in found.items()
        }

    def decoder_settings(self) -> dict[str, Any]:
        """P-MIL's."""
        return proposal_decoder()

    def _weights(self, epoch: int) -> dict[str, float]:
        """Of the terms that are in place, in an epoch counted from 0."""
        options = self.options
        weights = {"cls_base": options.cls_base_weight, "cls_supp": options.cls_supp_weight}
        if self.has("sme"):
            weights["sme"] = options.sme_weight * linear_fall(epoch, options.sme_epochs)
            if self.has("moderate"):
                weights["sme_moderate"] = weights["sme"] * linear_fall(epoch, options.moderate_epochs)
        if self.has("pc"):
            weights["pc"] = options.pc_weight
        if self.has("sc"):
            weights["lc"] = options.sc_weight * curved_fall(epoch, options.sc_epochs, options.sc_schedule)
            alpha = linear_rise(epoch, options.sc_epochs, options.alpha_start, options.alpha_end)
            weights["st"] = weights["lc"] * alpha
        return weights

    def _pseudo_label(self, batch: ProposalBatch, video: int) -> PseudoLabel | None:
        """That of a video of the batch, if there is one that counts."""
        if not self.has("sme") or not batch.meta:
            return None
        found = self.pseudo_labels.get(batch.meta[video].key)
        return found if found is not None and (found.sure or self.has("moderate")) else None

    def _process_loss(self, logits: Tensor, segments: Tensor, attn: Tensor) -> Tensor:
        options = self.options
        instances, iou = matched_instances(segments, attn, options.instance_share, nms=options.pc_nms)
        return process_loss(logits, process_cost(segments, instances), iou if options.pc_iou else None, options.pc_mode)


def _shares(labels: Tensor, background: float) -> Tensor:
    """Wanted share (B, C + 1) of each class, from labels (B, C); zero for a video with none at all."""
    targets = with_background(labels, background)
    return targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)
