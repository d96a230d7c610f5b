"""How a clip lies in memory for I3D's first convolution, 7x7x7 with stride 2 over 3 or 2 channels.

Either as it is (``direct``), or with every 2x2x2 block of pixels turned into channels (``packed``, space to depth): the
convolution then is 4x4x4 with stride 1 over 24 or 16 channels, whose kernel is the old one with a zero in front or
behind. Tensor cores want channels in multiples of 8 and get 1.5 times the products, instead of 2.7 times with 3
channels filled up to 8. Both give the same numbers for every size.

The zeros of TensorFlow's 'same' padding are part of the layout. Values are levels of 8 bits less 127.5, so that padding
is grey and every value is exact in float16 and bfloat16; the factor 2 / 255 to I3D's -1 to 1 is part of the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from wtalkit.backbones.i3d import same_padding

CENTRE = 127.5
LEVEL = 2 / 255
_KERNEL, _STRIDE = 7, 2


@dataclass(frozen=True)
class StemLayout:
    """The layout for clips of one size.

    Attributes:
        size: frames, height and width.
        channels: 3 for RGB, 2 for flow.
        packed: blocks of pixels are channels.
    """

    size: tuple[int, int, int]
    channels: int
    packed: bool

    @property
    def odd(self) -> tuple[bool, bool, bool]:
        """Which dimensions are odd; packed kernels differ by that."""
        frames, height, width = self.size
        return frames % 2 == 1, height % 2 == 1, width % 2 == 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one clip: ``(T, H, W, C)`` with its zeros, or ``(T, H, W, 2, 2, 2, C)`` in blocks."""
        if self.packed:
            return (*(-(-size // 2) + 3 for size in self.size), 2, 2, 2, self.channels)
        return (*(size + sum(same_padding(size, _KERNEL, _STRIDE)) for size in self.size), self.channels)

    def allocate(self, count: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Memory for ``count`` clips, all grey."""
        return torch.zeros(count, *self.shape, device=device, dtype=dtype)

    def write(self, levels: Tensor, out: Tensor) -> None:
        """Write clips ``[B, T, H, W, C]`` of levels 0 to 255 into memory from :meth:`allocate`, centred.

        The frame of zeros is left alone, so memory can be used again. Even sizes take one pass over the data.
        """
        if not self.packed:
            inner = out
            for axis, size in enumerate(self.size, start=1):
                inner = inner.narrow(axis, same_padding(size, _KERNEL, _STRIDE)[0], size)
            torch.sub(levels, CENTRE, out=inner)
            return
        for parities in product(*((0, 1) if odd else (None,) for odd in self.odd)):
            source, target = levels, out
            for axis, (size, parity) in enumerate(zip(self.size, parities, strict=True)):
                source, target = _blocks(source, target, axis, size, parity)
            torch.sub(source.permute(0, 1, 3, 5, 2, 4, 6, 7), CENTRE, out=target)

    def read(self, memory: Tensor) -> Tensor:
        """The convolution's input ``[B, C, T, H, W]``, channels last, a view of the memory."""
        return (memory.flatten(4) if self.packed else memory).permute(0, 4, 1, 2, 3)

    def kernel(self, weight: Tensor) -> Tensor:
        """The kernel for this layout from I3D's own ``[C', C, 7, 7, 7]`` for inputs of -1 to 1."""
        weight = weight * LEVEL
        if not self.packed:
            return weight
        # An odd size starts with 3 zeros; a fourth, under a zero of the kernel, lets blocks start with pixels.
        pads = [pad for odd in reversed(self.odd) for pad in ((1, 0) if odd else (0, 1))]
        padded = F.pad(weight, pads)
        blocks = padded.view(*weight.shape[:2], 4, 2, 4, 2, 4, 2)
        return blocks.permute(0, 3, 5, 7, 1, 2, 4, 6).flatten(1, 4)  # (C', 8 C, 4, 4, 4)


def _blocks(source: Tensor, target: Tensor, axis: int, size: int, parity: int | None) -> tuple[Tensor, Tensor]:
    """Pixels of one dimension (all, or every second) in pairs, and the blocks they go to.

    ``axis`` counts dimensions of the clip; those before it are split in two in ``source`` already.
    """
    at = 1 + 2 * axis
    if parity is None:
        pairs = source.view(*source.shape[:at], size // 2, 2, *source.shape[at + 1 :])
        return pairs, target.narrow(1 + axis, 1, size // 2)
    every_second = source[(slice(None),) * at + (slice(parity, None, 2),)].unsqueeze(at + 1)
    count = every_second.shape[at]
    return every_second, target.narrow(1 + axis, 2, count).narrow(4 + axis, parity, 1)
