"""One convolution of a network that only infers: batch norm folded in, ReLU attached, channels last in memory.

Each device has its own fastest way to the same numbers:

* CPU, float32: oneDNN with weights laid out beforehand and the ReLU inside. ``F.conv3d`` takes oneDNN only for some
  shapes on one thread; for the others it goes through a copy of all windows and gives back channels first, which
  makes whatever comes next slow, max pooling most of all.
* CUDA: 1x1x1 is a matrix product with bias and ReLU in its epilogue (cuBLASLt); the others are cuDNN's fused
  convolution where it has one for the type, else a convolution and a ReLU.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wtalkit.backbones.i3d import Unit3D

log = logging.getLogger(__name__)

_ONES = [1, 1, 1]


def fold(unit: Unit3D) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of the convolution that equals ``unit`` without its ReLU in evaluation mode."""
    weight = unit.conv3d.weight.detach().double()
    bn = unit.bn
    if bn is None:
        assert unit.conv3d.bias is not None  # the classifier
        return weight, unit.conv3d.bias.detach().double()
    assert bn.running_mean is not None and bn.running_var is not None
    scale = bn.weight.detach().double() / torch.sqrt(bn.running_var.double() + bn.eps)
    bias = bn.bias.detach().double() - bn.running_mean.double() * scale
    return weight * scale.view(-1, 1, 1, 1, 1), bias


class Zeros:
    """Zeros of any shape, channels last, all from one piece of memory: what cuDNN's fused convolution adds.

    A recorded graph goes on reading the piece it saw, so pieces that became too small are kept until :meth:`clear`.
    """

    def __init__(self) -> None:
        self._pieces: list[Tensor] = []

    def of(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """``[B, C, T, H, W]``, type and device those of ``like``."""
        batch, channels, *sizes = shape
        count = math.prod(shape)
        if not self._pieces or self._pieces[-1].numel() < count:
            self._pieces.append(torch.zeros(count, device=like.device, dtype=like.dtype))
        return self._pieces[-1][:count].view(batch, *sizes, channels).permute(0, 4, 1, 2, 3)

    def clear(self) -> None:
        """Give the memory back; no graph that used it may run again."""
        self._pieces.clear()


class ReluConvolution:
    """``relu(conv(x) + bias)`` for x ``[B, C, T, H, W]``, channels last in memory, and so is what comes out.

    Args:
        weight: float64 ``[C', C, kt, kh, kw]``, odd kernels with zeros around x; ``padded`` ones take x as it is.
        bias: float64 ``[C']``.
        device: where it computes.
        dtype: of inputs, weights and outputs; sums are float32.
        zeros: shared by the convolutions of a network.
        stride: of all three dimensions.
        padded: x already carries its zeros.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        device: torch.device,
        dtype: torch.dtype,
        zeros: Zeros,
        stride: int = 1,
        padded: bool = False,
    ) -> None:
        self.weight = weight.to(device, dtype).contiguous(memory_format=torch.channels_last_3d)
        self.bias = bias.to(device, dtype)
        self.stride = [stride] * 3
        self.padding = [0, 0, 0] if padded else [size // 2 for size in weight.shape[2:]]
        pointwise = tuple(weight.shape[2:]) == (1, 1, 1) and stride == 1
        self._matrix = self.weight.flatten(1).mT if pointwise and device.type == "cuda" else None  # (C, C')
        self._onednn = device.type == "cpu" and dtype == torch.float32 and _has_onednn()
        self._laid_out: Tensor | None = None
        self._zeros = zeros
        self._fused = device.type == "cuda" and dtype != torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        if self._onednn:
            return self._by_onednn(x)
        if self._matrix is not None:
            return self._by_product(x, self._matrix)
        if self._fused:
            try:
                return self._by_cudnn(x)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:  # no engine for this shape and type
                log.info("no fused convolution for %s: %s", tuple(self.weight.shape), error)
                self._fused = False
        return F.relu_(F.conv3d(x, self.weight, self.bias, self.stride, self.padding))

    def _by_onednn(self, x: Tensor) -> Tensor:
        if self._laid_out is None:
            plain = self.weight.contiguous().to_mkldnn()
            self._laid_out = torch.ops.aten.mkldnn_reorder_conv3d_weight(
                plain, self.padding, self.stride, _ONES, 1, list(x.shape)
            )
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._laid_out, self.bias, self.padding, self.stride, _ONES, 1, "relu", [], ""
        )
        return out

    def _by_product(self, x: Tensor, matrix: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 4, 1)  # (B, T, H, W, C), contiguous
        out = torch._addmm_activation(self.bias, rows.flatten(0, 3), matrix)
        return out.view(*rows.shape[:4], -1).permute(0, 4, 1, 2, 3)

    def _by_cudnn(self, x: Tensor) -> Tensor:
        """The form without a summand takes its own output, not yet written, as one, times 0: NaN stays NaN then."""
        zeros = self._zeros.of(self._shape(x), x)
        return torch.cudnn_convolution_add_relu(
            x, self.weight, zeros, 0.0, self.bias, self.stride, self.padding, _ONES, 1
        )

    def _shape(self, x: Tensor) -> list[int]:
        sizes = zip(x.shape[2:], self.padding, self.weight.shape[2:], self.stride, strict=True)
        return [len(x), len(self.weight), *((size + 2 * pad - kernel) // step + 1 for size, pad, kernel, step in sizes)]


def _has_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
