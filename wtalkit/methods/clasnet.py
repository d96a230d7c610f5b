"""CLASNet: contrastive learning-based action salience network (plug-in).

Its feature contrast separation module (FCSM) gives snippets a wide view in time with dilated convolutions, lets RGB and
flow attend to each other, reads an attention off the result, and pushes likely action and background snippets apart.
Its boundary refinement module (BRM) makes that attention and the base's activation sequence agree over time.

The paper's equations were not available: the order of the modules, the four loss terms and the selection after ASL are
the paper's, every formula and number below is our reading (``docs/methods/clasnet.md`` lists them). Shapes follow TCN
(``locuslab/TCN``), MCA (``leftthomas/MCA``), ASL (``layer6ai-labs/ASL``) and CoLA (``zhang-can/CoLA``).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from wtalkit.errors import ConfigError
from wtalkit.methods.clasnet_losses import boundary_loss, contrastive_loss, select_by_class, select_by_score
from wtalkit.methods.cross_attention import CrossModalAttention
from wtalkit.methods.interface import Aux, Batch, Outputs, Plugin, Progress, Streams, Term
from wtalkit.methods.masking import masked_mean
from wtalkit.methods.options import Options


class CLASNetOptions(Options):
    """Hyper-parameters of CLASNet."""

    n_dilated: int = Field(4, ge=2, le=10)
    """Dilated convolutions; L see 1 + 2 (2^L - 1) snippets. 4 for THUMOS14, 3 for ActivityNet's 80 snippets."""
    bottleneck: int | None = Field(None, ge=1)
    """Channels inside the dilated stack. Default: a quarter of the feature width."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout of the dilated stack."""
    heads: int = Field(4, ge=1)
    """Heads of the cross-modal attention."""
    attn_hidden: int | None = Field(None, ge=1)
    """Channels inside the attention heads. Default: a quarter of one stream's width."""
    feature_gate: Literal["features", "attention"] = "features"
    """What a stream is blended with: its enhanced features, or itself times the attention."""
    select: Literal["attention", "asl"] = "attention"
    """Rank snippets by attention, or per labelled class by class probability and attention as ASL does."""
    select_share: int = Field(8, ge=2)
    """Each of the two groups has one in this many snippets (ASL)."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of the contrastive loss."""
    cross_video: bool = False
    """Let action snippets of other videos that share a class pull, too."""
    contrast_weight: float = Field(0.1, ge=0)
    brm_weight: float = Field(1.0, ge=0)
    sparsity_weight: float = Field(0.1, ge=0)
    ramp: float = Field(0.1, ge=0, le=1)
    """Share of the training over which the contrastive and boundary weights rise from 0: attention ranks at random
    at first."""


class DilatedStack(nn.Module):
    """Residual bottleneck of temporal convolutions with doubling dilation; not causal, localization may look ahead."""

    def __init__(self, dim: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [dim, *[hidden] * (layers - 1), dim]
        self.convs = nn.ModuleList(
            nn.Conv1d(widths[i], widths[i + 1], 3, padding=2**i, dilation=2**i) for i in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.gate = nn.Parameter(torch.tensor(0.1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, dim) -> (B, T, dim); every layer is masked, else zero padding would not stay zero."""
        valid = mask[:, None, :]
        entry = x.mT  # (B, dim, T)
        first, *middle, last = self.convs
        hidden = self.dropout(torch.relu(first(entry))) * valid
        for conv in middle:
            hidden = (self.dropout(torch.relu(conv(hidden))) + hidden) * valid
        out: Tensor = (entry + self.gate * last(hidden)) * valid
        return out.mT


class AttentionHead(nn.Module):
    """Actionness of each snippet from one stream: (B, T, dim) -> (B, T)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)[..., 0]
        return torch.sigmoid(logits.float())  # in bf16 many snippets would share a rank


class FeatureContrastSeparation(nn.Module):
    """FCSM: dilated stack, cross-modal attention, attention heads, and the closed gates towards the base."""

    def __init__(self, feature_dim: int, options: CLASNetOptions, *, dilated: bool, mha: bool) -> None:
        super().__init__()
        dim = feature_dim // 2
        if mha and dim % options.heads:
            raise ConfigError(f"clasnet: {options.heads} heads do not divide a stream of {dim} channels")
        bottleneck = options.bottleneck or max(1, feature_dim // 4)
        self.dilated = DilatedStack(feature_dim, bottleneck, options.n_dilated, options.dropout) if dilated else None
        self.mha = CrossModalAttention(dim, options.heads) if mha else None
        hidden = options.attn_hidden or max(1, dim // 4)
        self.rgb_attention, self.flow_attention = AttentionHead(dim, hidden), AttentionHead(dim, hidden)
        self.rgb_gate, self.flow_gate = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.feature_gate = options.feature_gate

    def forward(self, streams: Streams, batch: Batch) -> tuple[Streams, Aux]:
        rgb, flow = streams["rgb"], streams["flow"]
        valid = batch.mask[:, :, None]
        enhanced = torch.cat([rgb, flow], dim=-1) * valid
        if self.dilated is not None:
            enhanced = self.dilated(enhanced, batch.mask)
        rgb_seen, flow_seen = enhanced.chunk(2, dim=-1)  # (B, T, D) each
        if self.mha is not None:
            rgb_change, flow_change = self.mha(rgb_seen, flow_seen, batch)
            rgb_seen, flow_seen = rgb_seen + rgb_change, flow_seen + flow_change
        attn_rgb = self.rgb_attention(rgb_seen) * batch.mask  # (B, T)
        attn_flow = self.flow_attention(flow_seen) * batch.mask
        attn = (attn_rgb + attn_flow) / 2
        aux = {"attn": attn, "attn_rgb": attn_rgb, "attn_flow": attn_flow, "rgb": rgb_seen, "flow": flow_seen}
        if self.feature_gate == "attention":
            change = attn[..., None]
            return {
                **streams,
                "rgb": rgb + self.rgb_gate * rgb * change,
                "flow": flow + self.flow_gate * flow * change,
            }, aux
        return {
            **streams,
            "rgb": rgb + self.rgb_gate * (rgb_seen - rgb) * valid,
            "flow": flow + self.flow_gate * (flow_seen - flow) * valid,
        }, aux


class CLASNet(Plugin):
    """FCSM before the base, and three losses beside it."""

    name: ClassVar[str] = "clasnet"
    components: ClassVar[tuple[str, ...]] = ("fcsm", "brm", "sparsity", "dilated", "mha", "contrast")
    options_type: ClassVar[type[Options]] = CLASNetOptions

    def __init__(
        self, num_classes: int, feature_dim: int, options: CLASNetOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        self.options = options
        if self.has("fcsm"):
            self.fcsm = FeatureContrastSeparation(
                feature_dim, options, dilated=self.has("dilated"), mha=self.has("mha")
            )

    def streams(self, streams: Streams, batch: Batch) -> tuple[Streams, Aux]:
        if not self.has("fcsm"):
            return streams, {}
        changed: tuple[Streams, Aux] = self.fcsm(streams, batch)
        return changed

    def losses(self, out: Outputs, aux: Aux, batch: Batch, progress: Progress) -> dict[str, Term]:
        """Without FCSM there is no attention of our own: the base's takes its place."""
        ramp = progress.ramp(self.options.ramp)
        attn = aux.get("attn", out.attn)
        terms = {}
        if self.has("contrast") and self.has("fcsm"):
            terms["contrast"] = Term(self._contrast(out, aux, batch), self.options.contrast_weight * ramp)
        if self.has("brm"):
            value = boundary_loss(out.act_scores, attn, batch.targets, batch.mask)
            terms["brm"] = Term(value, self.options.brm_weight * ramp)
        if self.has("sparsity"):
            terms["sparsity"] = Term(masked_mean(attn, batch.mask).mean(), self.options.sparsity_weight)
        return terms

    def decoder_settings(self) -> dict[str, Any]:
        """Runs of the attention, at 0.1, 0.15, ..., 0.9, are proposals besides the base's."""
        if not self.has("fcsm"):
            return {}
        return {"plugin_thresholds": {self.name: tuple(round(0.1 + 0.05 * step, 2) for step in range(17))}}

    def _contrast(self, out: Outputs, aux: Aux, batch: Batch) -> Tensor:
        share = self.options.select_share
        if self.options.select == "asl":
            chosen = torch.softmax(out.cas_logits.detach(), dim=-1)[..., : self.num_classes]
            ranked = (chosen + (aux["attn_rgb"] + aux["attn_flow"]).detach()[..., None]) / 3
            action, background = select_by_class(ranked, batch.targets, batch.mask, share)
        else:
            action, background = select_by_score(aux["attn"].detach(), batch.mask, share)
        features = torch.cat([aux["rgb"], aux["flow"]], dim=-1)
        labels = batch.targets if self.options.cross_video else None
        return contrastive_loss(features, action, background, self.options.temperature, labels)
