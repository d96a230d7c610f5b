"""Multi-head cross-modal attention: each stream re-weighs its own snippets by how they correlate with the other's.

Ren et al., MCA (``leftthomas/MCA``) and the ``MCA`` module of ``leftthomas/ACRNet``, ``model.py``. ACRNet wraps it in a
tanh, CLASNet does not; both add the result to their streams themselves.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtalkit.methods.interface import Batch
from wtalkit.methods.masking import attendable

Merge = Literal["official", "heads"]
Init = Literal["xavier", "official"]


class CrossModalAttention(nn.Module):
    """Heads of width ``dim / heads`` on two streams (B, T, dim).

    Args:
        dim: width of one stream.
        heads: number of heads.
        merge: ``"heads"`` puts the heads of a snippet side by side. ``"official"`` is the flat reshape of
            ``leftthomas/ACRNet`` (``model.py:43``), which mixes time with channels: element (t, j) is element
            ``t * dim + j`` of the (head, channel, time) order. Released weights and published numbers need it.
        init: ``"official"`` draws from uniform ranges as wide as the square root of the fan-in, which saturates the
            softmax at the start; ``"xavier"`` does not.
    """

    def __init__(self, dim: int, heads: int, merge: Merge = "heads", init: Init = "xavier") -> None:
        super().__init__()
        width = dim // heads
        self.heads, self.merge_kind = heads, merge
        self.rgb_proj = nn.Parameter(torch.empty(heads, dim, width))
        self.flow_proj = nn.Parameter(torch.empty(heads, dim, width))
        self.atte = nn.Parameter(torch.empty(heads, width, width))
        for weight in (self.rgb_proj, self.flow_proj, self.atte):
            _, fan_in, fan_out = weight.shape
            bound = (6 / (fan_in + fan_out)) ** 0.5 if init == "xavier" else fan_in**0.5
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, rgb: Tensor, flow: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two streams (B, T, dim) in, their re-weighed forms (B, T, dim) out; padded rows are zero."""
        r = _project(rgb, self.rgb_proj)  # (B, H, T, w)
        f = _project(flow, self.flow_proj)
        keys = None if batch.is_full else attendable(batch.mask)
        # Scores S = r W f^T; its rows weigh r, the rows of S^T weigh f. Fused attention never stores S.
        rgb_out = F.scaled_dot_product_attention(r @ self.atte, f, r, attn_mask=keys, scale=1.0)
        flow_out = F.scaled_dot_product_attention(f @ self.atte.mT, r, f, attn_mask=keys, scale=1.0)
        return self._merge(F.gelu(rgb_out), batch), self._merge(F.gelu(flow_out), batch)

    def _merge(self, x: Tensor, batch: Batch) -> Tensor:
        b, h, t, w = x.shape
        if self.merge_kind == "heads":
            merged = x.transpose(1, 2).reshape(b, t, h * w)
        elif batch.is_full:
            merged = x.transpose(2, 3).reshape(b, t, h * w)
        else:
            merged = _flat_merge(x.transpose(2, 3).reshape(b, h * w, t), batch.lengths)
        return merged * batch.mask[:, :, None]


def _project(x: Tensor, weight: Tensor) -> Tensor:
    return F.normalize(torch.einsum("btd,hdw->bhtw", x, weight), dim=-1, eps=1e-6)


def _flat_merge(x: Tensor, lengths: Tensor) -> Tensor:
    """The flat reshape of x (B, dim, T) to (B, T, dim), each video by its own length: padding must not change it."""
    b, dim, t = x.shape
    flat = torch.arange(t * dim, device=x.device)  # position in the (T, dim) result
    length = lengths.clamp(min=1)[:, None]
    source = (flat // length).clamp(max=dim - 1) * t + flat % length  # (B, T * dim), padded rows point anywhere valid
    return x.reshape(b, dim * t).gather(1, source).reshape(b, t, dim)
