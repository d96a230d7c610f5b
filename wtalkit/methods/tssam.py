"""tssam: two-stream network with semantic-aware mechanism (base).

Wang, Li, Wang, "Two-Stream Networks for Weakly-Supervised Temporal Action Localization with Semantic-Aware
Mechanisms", CVPR 2023. The paper gives its model no name; ``tssam`` is ours. Its two streams are an attention branch
and a multiple-instance branch over the same features, not RGB and flow.

There is no public code, so there is nothing to be equal to. Where the paper is silent this follows ACM-Net
(``ispc-lab/ACM-Net``), which the paper cites and whose three attentions and constants it takes over; where that does
not help either, the choice is ours. Each such choice is an option or named in its comment, and listed in
``docs/methods/tssam.md``: the residual block's layers, softmax over the attentions, two classifiers, what ``z`` in the
guide loss is and that it is summed, how the dictionary starts and warms up. Background is class C here, 0 in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from wtalkit.errors import ModelError
from wtalkit.methods.interface import Batch, Fuse, Method, Outputs, Progress, Streams, Term, TrainVideo
from wtalkit.methods.masking import topk_mean
from wtalkit.methods.options import OddKernel, Options
from wtalkit.methods.tssam_losses import (
    class_losses,
    class_targets,
    dictionary_spread,
    guide_loss,
    late_fusion,
    semantic_loss,
)

POOL_FLOOR = 1e-6  # added to the sum of an attention it is divided by
LOG_SCORES = "log_scores"  # entry of Outputs.extra: logarithm of the fused class distributions, (B, 3, C + 1)


class TSSAMOptions(Options):
    """Hyper-parameters of tssam; the defaults are the paper's for THUMOS14 where it has them."""

    hidden: int | None = Field(None, ge=1)
    """Channels inside the residual block. Default: half of the features' width. Our choice."""
    kernel: OddKernel = 3
    """Snippets a convolution of the residual block sees; odd. Our choice, from ACM-Net."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """In front of both classifiers."""
    tie_classifiers: bool = False
    """One classifier for both branches. The paper introduces two and does not say that they are one."""
    even_attention: bool = False
    """Start with the three attentions alike everywhere instead of at random: with little data a random start may settle
    on the background. Our choice, off by default."""
    sigma_fg: int = Field(8, ge=1)
    """The foreground's class scores come from the best snippets, one in this many (section 4.1)."""
    sigma_ct: int = Field(2, ge=1)
    """The same of the context."""
    sigma_bg: int = Field(2, ge=1)
    """The same of the background."""
    ct_weight: float = Field(0.1, ge=0)
    """lambda1: weight of the context's cross-entropy."""
    bg_weight: float = Field(0.1, ge=0)
    """lambda2: weight of the background's cross-entropy."""
    smt_weight: float = Field(0.05, ge=0)
    """lambda3: weight of the distance to the dictionary, after the warm-up."""
    gui_weight: float = Field(0.002, ge=0)
    """lambda4: weight of the guide loss."""
    normalize_targets: bool = False
    """Divide a video's targets by their sum, as ACM-Net does."""
    smt_mask_labels: bool = False
    """A snippet of a training video looks like one of the video's labels or background, instead of like any class."""
    guide_source: Literal["softmax_z", "softmax_p"] = "softmax_z"
    """Where the guide loss takes the background's probability from: the attended logits (the paper's formula, computed
    as in ACM-Net) or the plain ones (as in HAM-Net and CO2-Net). The former cannot reach 1 where the attention is 0."""
    guide_reduction: Literal["sum", "mean"] = "sum"
    """``mean`` over the snippets is what the paper writes and is at most 0.002 in the total; ``sum`` is ACM-Net's."""
    guide_length: int | None = Field(None, ge=1)
    """Snippets that ``sum`` means, whatever a video has. Default: the training's ``length``; without a training 750."""
    guide_detach: bool = False
    """Let the guide loss move the class scores only, as in ACM-Net."""
    dict_init: Literal["class_mean", "uniform"] = "class_mean"
    """Start of the dictionary: the mean features of the classes' training videos, or uniform in [0, 1]. The paper says
    both."""
    warm_up_epochs: int = Field(10, ge=0)
    """Epochs in which the dictionary stays as it is and ``smt_weight`` rises from 0. Our choice: the paper speaks of a
    warm-up and says no more."""


class ResidualBlock(nn.Module):
    """Two convolutions over time around which the features pass; at the start it changes nothing that is positive.

    Section 3.1 asks for "an extra learnable residual block"; the layers are our choice. I3D features are not negative,
    so the block starts as the identity, and class means of the features are a start for what the block gives.
    """

    def __init__(self, dim: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(dim, hidden, kernel, padding=kernel // 2)
        self.leave = nn.Conv1d(hidden, dim, kernel, padding=kernel // 2)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, feat: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D), zero where padded."""
        real = mask[:, None, :]
        x = feat.mT * real  # (B, D, T)
        hidden = torch.relu(self.enter(x)) * real  # its bias must not reach real snippets from the padding
        return (torch.relu(x + self.leave(hidden)) * real).mT


class TSSAM(Method):
    """Three attentions; two branches that read the video by each of them; a dictionary of class centroids."""

    name: ClassVar[str] = "tssam"
    components: ClassVar[tuple[str, ...]] = ("ct", "bg", "gui", "smt", "att", "mil")
    options_type: ClassVar[type[Options]] = TSSAMOptions
    sampling = "random"
    length_option = "guide_length"
    length = 750

    def __init__(
        self, num_classes: int, feature_dim: int, options: TSSAMOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        branches = [branch for branch in ("att", "mil") if self.has(branch)]
        if not branches:
            raise ModelError("tssam without att and without mil has no classifier left", remedy="Keep one of the two")
        self.options = options
        self.block = ResidualBlock(feature_dim, options.hidden or max(1, feature_dim // 2), options.kernel)
        self.attention = nn.Linear(feature_dim, 3)
        if options.even_attention:
            nn.init.zeros_(self.attention.weight)
            nn.init.zeros_(self.attention.bias)
        self.dropout = nn.Dropout(options.dropout)
        # One module under two names could not be stored: a model file takes no tensor twice.
        names = ["both"] if options.tie_classifiers else branches
        self.classifiers = nn.ModuleDict({name: nn.Linear(feature_dim, num_classes + 1) for name in names})
        if self.has("smt"):
            self.dictionary = nn.Parameter(torch.rand(num_classes + 1, feature_dim))

    def has(self, component: str) -> bool:
        """As for every part; ``gui`` and ``smt`` look at the class scores of ``mil`` and go with it."""
        needed = {"gui": "mil", "smt": "mil"}.get(component, component)
        return super().has(component) and super().has(needed)

    @torch.no_grad()
    def prepare(self, train_set: Iterable[TrainVideo]) -> None:
        """Start the dictionary at the classes' mean features (section 4.1).

        A video counts by the mean of all its snippets for each of its labels (which of them show the action, nobody
        knows), and every video counts for the background. Classes without a video keep their random start.
        """
        if not self.has("smt") or self.options.dict_init == "uniform":
            return
        sums = torch.zeros(self.dictionary.shape, dtype=torch.float64)
        videos = torch.zeros(len(sums), 1, dtype=torch.float64)
        for features, labels, _ in train_set:
            if len(features):
                rows = torch.cat([labels > 0, torch.ones(1, dtype=torch.bool)])
                sums[rows] += features.double().mean(dim=0)
                videos[rows] += 1
        means = (sums / videos.clamp(min=1)).to(self.dictionary)
        self.dictionary.copy_(torch.where((videos > 0).to(means.device), means, self.dictionary))

    def predict(self, streams: Streams, batch: Batch, fuse: Fuse) -> Outputs:
        valid = batch.mask[:, :, None]  # (B, T, 1)
        feat = self.block(fuse(streams["rgb"], streams["flow"]), batch.mask)  # (B, T, D)
        attn = torch.softmax(self.attention(feat).float(), dim=-1) * valid  # (B, T, 3): fg, ct, bg
        readings = []
        if self.has("att"):
            readings.append(self.read_attended(feat, attn))
        if self.has("mil"):
            cas = self._classify("mil", self.dropout(feat)) * valid  # (B, T, C + 1), p of the paper
            readings.append(self.read_best(cas, attn, batch.mask))
            attended = cas * attn[..., :1]  # z_fg
            act_scores = torch.softmax(attended, dim=-1)[..., :-1] * valid
        else:
            # Table 5, "attention-based": where something happens is all there is, the same for every class. The
            # classifier's view of single snippets is only there for plug-ins.
            cas = attended = self._classify("att", feat) * valid
            act_scores = attn[..., :1].expand(-1, -1, self.num_classes)
        log_scores = late_fusion(readings)  # (B, 3, C + 1)
        return Outputs(
            cas_logits=cas,
            attn=attn[..., 0],
            act_scores=act_scores,
            video_scores=log_scores[:, 0, :-1].exp(),
            feat=feat,
            streams=streams,
            extra={"a_ct": attn[..., 1], "a_bg": attn[..., 2], "z_fg": attended, LOG_SCORES: log_scores},
        )

    def read_attended(self, feat: Tensor, attn: Tensor) -> Tensor:
        """Attention branch (equation 1): class logits (B, 3, C + 1) of feat (B, T, D) pooled by attn (B, T, 3)."""
        return self._classify("att", self.dropout(attended_mean(feat, attn)))

    def read_best(self, cas: Tensor, attn: Tensor, mask: Tensor) -> Tensor:
        """Multiple-instance branch (equations 2 and 3): means of each class's best attended logits, (B, 3, C + 1)."""
        shares = (self.options.sigma_fg, self.options.sigma_ct, self.options.sigma_bg)
        best = [
            topk_mean(cas * attention[..., None], mask, share)
            for attention, share in zip(attn.unbind(dim=-1), shares, strict=True)
        ]
        return torch.stack(best, dim=1)

    def losses(self, out: Outputs, batch: Batch, progress: Progress) -> dict[str, Term]:
        """Equation 8, and without weight the spread of the dictionary, which shows a collapse."""
        options = self.options
        targets = class_targets(batch.targets, normalize=options.normalize_targets)
        values = class_losses(out.extra[LOG_SCORES], targets)
        terms = {"fg": Term(values["fg"])}
        if self.has("ct"):
            terms["ct"] = Term(values["ct"], options.ct_weight)
        if self.has("bg"):
            terms["bg"] = Term(values["bg"], options.bg_weight)
        if self.has("smt"):
            terms["smt"] = Term(self._distance(out, batch, progress), options.smt_weight * self._warmth(progress))
            terms["dict_spread"] = Term(dictionary_spread(self.dictionary), 0.0)
        if self.has("gui"):
            logits = out.extra["z_fg"] if options.guide_source == "softmax_z" else out.cas_logits
            background = torch.softmax(logits.float(), dim=-1)[..., -1]
            attn = out.attn.detach() if options.guide_detach else out.attn
            length = options.guide_length or self.length
            length = length if options.guide_reduction == "sum" else 1  # the mean
            terms["gui"] = Term(guide_loss(attn, background, batch.mask, length), options.gui_weight)
        return terms

    def decoder_settings(self) -> dict[str, Any]:
        """Section 3.7 and 4.1 for THUMOS14; up-sampling by 20 is ACM-Net's."""
        return {
            "cls_threshold": 0.1,
            "thresholds": tuple(round(0.1 + 0.025 * step, 3) for step in range(33)),
            "upscale": 20,
            "inflation": 0.2,
            "gamma": 0.2,
            "nms": "hard",
            "tiou": 0.5,
        }

    def _classify(self, branch: str, x: Tensor) -> Tensor:
        classifier = self.classifiers["both" if self.options.tie_classifiers else branch]
        logits: Tensor = classifier(x)
        return logits.float()

    def _warmth(self, progress: Progress) -> float:
        """How far the warm-up is, 0 to 1."""
        epochs = self.options.warm_up_epochs
        return min(1.0, progress.epoch / epochs) if epochs else 1.0

    def _distance(self, out: Outputs, batch: Batch, progress: Progress) -> Tensor:
        # Without a gradient the optimizer leaves a parameter alone, weight decay included.
        dictionary = self.dictionary if self._warmth(progress) == 1 else self.dictionary.detach()
        allowed = None
        if self.options.smt_mask_labels:
            allowed = class_targets(batch.targets, normalize=False)[:, 1] > 0  # the labels and the background
        return semantic_loss(out.feat, dictionary, out.cas_logits, batch.mask, allowed)


def attended_mean(feat: Tensor, attn: Tensor) -> Tensor:
    """Mean of feat (B, T, D) weighted by each attention (B, T, N), (B, N, D); in float32 also under autocast."""
    with torch.autocast(feat.device.type, enabled=False):  # a sum over all snippets: bf16 would round what it adds
        weights = attn.float()
        return weights.mT @ feat.float() / (weights.sum(dim=1)[..., None] + POOL_FLOOR)
