"""I3D as it is run: the numbers of :class:`InceptionI3D`, with everything that only training needs worked in.

Batch norm is folded into the convolutions (in float64), memory is channels last throughout, and :class:`Form` says
which of the equal forms of the rest is taken. In float32 the features are those of the plain network within 1e-5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wtalkit.backbones.convolution import ReluConvolution, Zeros, fold
from wtalkit.backbones.i3d import InceptionI3D, InceptionModule, SameMaxPool3d, Unit3D
from wtalkit.backbones.stem import CENTRE, StemLayout


@dataclass(frozen=True)
class Form:
    """Which of several equal forms is computed.

    Attributes:
        packed_stem: the first convolution over blocks of pixels, see :mod:`wtalkit.backbones.stem`.
        merged: the three 1x1x1 convolutions that read the same input as one.
        graphs: CUDA graphs; ignored on the CPU.
    """

    packed_stem: bool
    merged: bool
    graphs: bool

    @classmethod
    def best(cls, device: torch.device) -> Form:
        """On the CPU what was measured to be fastest; on CUDA what tensor cores and short kernels call for."""
        on_gpu = device.type == "cuda"
        return cls(packed_stem=on_gpu, merged=on_gpu, graphs=on_gpu)


class I3DInference:
    """One stream of I3D, for inference only.

    Args:
        model: the network with its weights; nothing of it is kept.
        device: where to compute.
        dtype: of weights and activations; the last pooling and all sums are float32.
        form: which form.
    """

    def __init__(self, model: InceptionI3D, *, device: torch.device, dtype: torch.dtype, form: Form) -> None:
        self.device, self.dtype, self.form = device, dtype, form
        self.channels, self.feature_dim = model.in_channels, model.feature_dim
        self.zeros = Zeros()
        first, *rest = ((name, model.get_submodule(name)) for name in model.stage_names)
        assert isinstance(first[1], Unit3D)
        self._first = tuple(x.cpu() for x in fold(first[1]))
        self._stems: dict[tuple[bool, ...], ReluConvolution] = {}
        self.stages = [self._stage(stage) for _, stage in rest]
        weight, bias = fold(model.logits)
        self._classifier = weight.flatten(1).float().to(device), bias.float().to(device)

    def layout(self, size: tuple[int, int, int]) -> StemLayout:
        """How clips of this size (frames, height, width) lie in memory."""
        return StemLayout(size, self.channels, self.form.packed_stem)

    def stem(self, layout: StemLayout) -> ReluConvolution:
        """The first convolution."""
        variant = layout.odd if layout.packed else ()
        if variant not in self._stems:
            weight, bias = self._first
            self._stems[variant] = self._convolution(
                layout.kernel(weight), bias, stride=1 if layout.packed else 2, padded=True
            )
        return self._stems[variant]

    def features(self, memory: Tensor, layout: StemLayout) -> Tensor:
        """Features float32 ``[B, D]`` of clips in ``layout``; more than 16 frames are averaged over time."""
        return self._maps(memory, layout).mean(dim=2)

    def extract_features(self, x: Tensor) -> Tensor:
        """As :meth:`InceptionI3D.extract_features`: ``[B, C, T, H, W]`` in -1 to 1 -> ``[B, D, T/8 - 1, 1, 1]``."""
        frames, height, width = x.shape[2:]
        layout = self.layout((frames, height, width))
        memory = layout.allocate(len(x), x.device, self.dtype)
        layout.write((x * CENTRE + CENTRE).permute(0, 2, 3, 4, 1), memory)
        return self._maps(memory, layout)[:, :, :, None, None]

    def logits(self, features: Tensor) -> Tensor:
        """Class logits ``[B, classes]`` of features ``[B, D]``."""
        weight, bias = self._classifier
        return F.linear(features, weight, bias)

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Weights ``[classes, D]`` and biases ``[classes]`` of the logits, on the CPU."""
        weight, bias = self._classifier
        return weight.cpu(), bias.cpu()

    def _maps(self, memory: Tensor, layout: StemLayout) -> Tensor:
        """Features over time, float32 ``[B, D, T/8 - 1]``."""
        x = self.stem(layout)(layout.read(memory))
        for stage in self.stages:
            x = stage(x)
        x = x.mean(dim=(3, 4), dtype=torch.float32)  # (B, D, T/8)
        return (x[:, :, :-1] + x[:, :, 1:]) / 2

    def _stage(self, stage: torch.nn.Module) -> ReluConvolution | SameMaxPool3d | _Inception:
        if isinstance(stage, Unit3D):
            return self._convolution(*fold(stage))
        if isinstance(stage, InceptionModule):
            return _Inception(self, stage)
        assert isinstance(stage, SameMaxPool3d)
        return stage

    def _convolution(self, weight: Tensor, bias: Tensor, *, stride: int = 1, padded: bool = False) -> ReluConvolution:
        return ReluConvolution(
            weight, bias, device=self.device, dtype=self.dtype, zeros=self.zeros, stride=stride, padded=padded
        )

    def convolution(self, *units: Unit3D) -> ReluConvolution:
        """One convolution for several units of the same input; their outputs lie side by side."""
        weights, biases = zip(*(fold(unit) for unit in units), strict=True)
        return self._convolution(torch.cat(weights), torch.cat(biases))


class _Inception:
    """Four branches side by side, the 1x1x1 ones of the same input merged where that pays."""

    def __init__(self, network: I3DInference, module: InceptionModule) -> None:
        entries = (module.b0, module.b1a, module.b2a)
        self.widths = [unit.conv3d.out_channels for unit in entries]
        merged = network.form.merged
        self.entries = [network.convolution(*entries)] if merged else [network.convolution(unit) for unit in entries]
        self.b1b, self.b2b = network.convolution(module.b1b), network.convolution(module.b2b)
        self.b3a, self.b3b = module.b3a, network.convolution(module.b3b)

    def __call__(self, x: Tensor) -> Tensor:
        if len(self.entries) == 1:
            b0, b1a, b2a = self.entries[0](x).split_with_sizes(self.widths, dim=1)
            b1a, b2a = (y.contiguous(memory_format=torch.channels_last_3d) for y in (b1a, b2a))
        else:
            b0, b1a, b2a = (entry(x) for entry in self.entries)
        return torch.cat([b0, self.b1b(b1a), self.b2b(b2a), self.b3b(self.b3a(x))], dim=1)
