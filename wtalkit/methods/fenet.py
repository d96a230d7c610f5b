"""FE-Net: feature enhancement in front of any base (plug-in), our reading of the abstract.

"Weakly Supervised Temporal Action Localization Based on Feature Enhancement". Only its abstract is public: it names
three modules and what each is for. Local feature expansion and enhancement (LF-EEM) widens what a snippet sees in
time, cross-modal fusion enhancement (CEM) lets one modality suppress the other's background, cross-temporal gated
feature fusion (CGFF) takes the place of plain concatenation and stresses changes over time. No formula, number or code
of the authors was found: every layer below is ours (``docs/methods/fenet.md``). Dilated branches follow TCN
(``locuslab/TCN``), the choice among them selective-kernel networks, CEM is a lighter form of the consensus module of
``harlanhong/MM2021-CO2-Net`` (``model.py``).

It has no loss of its own. At its start it is the identity.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from wtalkit.methods.interface import Aux, Batch, Fuse, Plugin, Streams
from wtalkit.methods.masking import masked_mean
from wtalkit.methods.options import OddKernel, Options

LARGEST_CHANGE = 5.0  # of a snippet, in the mean change of its video: a camera cut must not drown the rest
FLOOR = 1e-6


class ExpansionOptions(Options):
    """Hyper-parameters of LF-EEM."""

    dilations: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1, 2, 4)
    """One branch each; dilation d sees 1 + 2 d snippets, far fewer than CLASNet's stack."""
    hidden: int | None = Field(default=None, ge=1)
    """Channels of the branches. Default: an eighth of the feature width."""
    kernel: OddKernel = 5
    """Snippets the local gate sees; odd."""


class CrossModalOptions(Options):
    """Hyper-parameters of CEM."""

    hidden: int | None = Field(default=None, ge=1)
    """Channels of its bottlenecks. Default: an eighth of the feature width."""


class GatedFusionOptions(Options):
    """Hyper-parameters of CGFF."""

    hidden: int | None = Field(default=None, ge=1)
    """Channels of its bottleneck. Default: an eighth of the feature width."""
    stride: int = Field(default=1, ge=1)
    """Changes are measured against the snippets this far before and after."""


class FENetOptions(Options):
    """Hyper-parameters of FE-Net, one table per module; all of them are our choice."""

    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout behind the first layer of LF-EEM."""
    lfeem: ExpansionOptions = ExpansionOptions()
    cem: CrossModalOptions = CrossModalOptions()
    cgff: GatedFusionOptions = GatedFusionOptions()


class LocalExpansion(nn.Module):
    """LF-EEM of one modality: dilated branches chosen by content, a local gate, a closed way back to the stream."""

    def __init__(self, dim: int, hidden: int, dilations: tuple[int, ...], kernel: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Conv1d(dim, hidden, 1)
        self.dropout = nn.Dropout(dropout)
        self.branches = nn.ModuleList(
            nn.Conv1d(hidden, hidden, 3, padding=step, dilation=step, groups=hidden) for step in dilations
        )
        narrow = max(1, hidden // 4)
        self.choose = nn.Sequential(nn.Linear(hidden, narrow), nn.ReLU(), nn.Linear(narrow, len(dilations) * hidden))
        self.gate = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden)
        self.leave = _closed(nn.Conv1d(hidden, dim, 1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, dim) -> (B, T, dim); masked before every convolution over time, biases would leak in otherwise."""
        valid = mask[:, None, :]
        entry = self.dropout(F.gelu(self.enter(x.mT))) * valid  # (B, hidden, T)
        views = torch.stack([F.gelu(branch(entry)) * valid for branch in self.branches], dim=1)  # (B, n, hidden, T)
        overall = masked_mean(views.sum(dim=1).mT, mask)  # (B, hidden)
        share = self.choose(overall).unflatten(1, (len(self.branches), -1)).softmax(dim=1)  # (B, n, hidden)
        expanded = (share[..., None] * views).sum(dim=1)  # (B, hidden, T)
        enhanced = expanded * torch.sigmoid(self.gate(expanded))
        change: Tensor = self.leave(enhanced) * valid
        return x + change.mT


class CrossModalEnhancement(nn.Module):
    """CEM: a gate on the primary modality, made of what that is about and what the auxiliary one sees when.

    The gate lies in (0, 2): it can suppress and stress. ``strength`` opens it and starts at 0. The layers start from
    Kaiming weights: with torch's own the gate is almost 1 everywhere, and opening it would change nothing.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.about = nn.Sequential(_conv(dim, hidden, 1), nn.GELU(), _conv(hidden, dim, 1))
        self.sees = nn.Sequential(_conv(dim, hidden, 3), nn.GELU(), _conv(hidden, dim, 1))
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, primary: Tensor, auxiliary: Tensor, mask: Tensor) -> Tensor:
        """Two streams (B, T, dim) -> the primary one, gated."""
        overall = self.about(masked_mean(primary, mask)[:, :, None])  # (B, dim, 1)
        local = self.sees((auxiliary * mask[:, :, None]).mT)  # (B, dim, T)
        gate = 2 * torch.sigmoid(overall * local).mT  # (B, T, dim)
        return primary * (1 + torch.tanh(self.strength) * (gate - 1))


class GatedFusion(nn.Module):
    """CGFF: gates for both streams, driven by how much each snippet differs from its neighbours."""

    def __init__(self, dim: int, hidden: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.changes = nn.Conv1d(2 * dim, hidden, 3, padding=1)
        self.content = nn.Conv1d(2 * dim, hidden, 1)
        self.leave = _closed(nn.Conv1d(hidden, 2 * dim, 1))

    def forward(self, rgb: Tensor, flow: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Two streams (B, T, dim) in, both gated out; at the start the gates are 1."""
        both = torch.cat([rgb, flow], dim=-1)  # (B, T, 2 dim)
        # A cue, nothing to learn through: dividing by the mean change of an almost still channel would send gradients
        # of up to 1 / FLOOR back into the base.
        change = relative_change(both.detach(), mask, self.stride)
        hidden = F.gelu(self.changes(change.mT)) * torch.tanh(self.content(both.mT))  # (B, hidden, T)
        gate = 2 * torch.sigmoid(self.leave(hidden)).mT  # (B, T, 2 dim)
        gated_rgb, gated_flow = (both * gate).chunk(2, dim=-1)
        return gated_rgb, gated_flow


class FENet(Plugin):
    """LF-EEM and CEM in front of the base, CGFF around its fusion."""

    name: ClassVar[str] = "fenet"
    components: ClassVar[tuple[str, ...]] = ("lfeem", "cem", "cgff")
    options_type: ClassVar[type[Options]] = FENetOptions

    def __init__(
        self, num_classes: int, feature_dim: int, options: FENetOptions, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(num_classes, feature_dim, options, without)
        dim, narrow = feature_dim // 2, max(1, feature_dim // 8)
        lfeem, cem, cgff = options.lfeem, options.cem, options.cgff
        if self.has("lfeem"):
            sizes = (dim, lfeem.hidden or narrow, lfeem.dilations, lfeem.kernel, options.dropout)
            self.rgb_lfeem, self.flow_lfeem = LocalExpansion(*sizes), LocalExpansion(*sizes)
        if self.has("cem"):
            self.rgb_cem = CrossModalEnhancement(dim, cem.hidden or narrow)
            self.flow_cem = CrossModalEnhancement(dim, cem.hidden or narrow)
        if self.has("cgff"):
            self.cgff = GatedFusion(dim, cgff.hidden or narrow, cgff.stride)

    def streams(self, streams: Streams, batch: Batch) -> tuple[Streams, Aux]:
        rgb, flow = streams["rgb"], streams["flow"]
        if self.has("lfeem"):
            rgb, flow = self.rgb_lfeem(rgb, batch.mask), self.flow_lfeem(flow, batch.mask)
        if self.has("cem"):
            rgb, flow = self.rgb_cem(rgb, flow, batch.mask), self.flow_cem(flow, rgb, batch.mask)
        return {**streams, "rgb": rgb, "flow": flow}, {"mask": batch.mask}

    def fuse(self, rgb: Tensor, flow: Tensor, aux: Aux, inner: Fuse) -> Tensor:
        """Gate both streams, then join them as the base does: whatever its fusion, its shape stays."""
        if self.has("cgff"):
            rgb, flow = self.cgff(rgb, flow, aux["mask"])
        return inner(rgb, flow)


def relative_change(x: Tensor, mask: Tensor, stride: int) -> Tensor:
    """How much each snippet differs from those ``stride`` before and after, in the channel's mean of the video.

    Args:
        x: (B, T, N).
        mask: (B, T) real snippets; where one neighbour is not real the other counts alone, without both it is 0.
        stride: snippets to a neighbour.

    Returns:
        (B, T, N) in [0, 5], zero where padded.
    """
    if x.shape[1] <= stride:
        return torch.zeros_like(x)
    real = (mask[:, stride:] & mask[:, :-stride])[:, :, None].to(x.dtype)  # (B, T - stride, 1)
    step = (x[:, stride:] - x[:, :-stride]).abs() * real
    before, after = (0, 0, stride, 0), (0, 0, 0, stride)
    sides = F.pad(real, before) + F.pad(real, after)  # (B, T, 1): 0, 1 or 2
    change = (F.pad(step, before) + F.pad(step, after)) / sides.clamp(min=1)
    mean = masked_mean(change, mask)[:, None]  # (B, 1, N)
    return (change / (mean + FLOOR)).clamp(max=LARGEST_CHANGE)


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv1d:
    conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _closed(conv: nn.Conv1d) -> nn.Conv1d:
    """Weights and bias zero: the module adds nothing until it has learnt something."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
