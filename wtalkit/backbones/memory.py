"""How many windows fit a device, and how they get there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wtalkit.backbones.specs import BackboneSpec, Stream

_CPU_WINDOWS = 8
_GPU_BYTES = 6.5 * 2**30
"""More than this makes no GPU faster: 64 windows of i3d in float16 fill each layer's last wave of an H100."""
_SIDES = 1.8  # width over height of a picture without a crop


def windows_at_once(spec: BackboneSpec, streams: Sequence[Stream], dtype: torch.dtype, device: torch.device) -> int:
    """Windows of one batch: 8 on a CPU, on a GPU a power of two that takes half of the free memory at most."""
    if device.type != "cuda":
        return _CPU_WINDOWS
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's own, for use again
    return windows_that_fit(window_bytes(spec, dtype) * len(streams), min(_GPU_BYTES, free / 2))


def windows_that_fit(each: float, budget: float) -> int:
    """The largest power of two of windows of ``each`` bytes within ``budget``, 1 to 256."""
    return 1 << max(0, min(int(budget // each).bit_length() - 1, 8))


def window_bytes(spec: BackboneSpec, dtype: torch.dtype) -> float:
    """What one stream needs for one window at most: four times the output of the first convolution.

    Alive at once are that output, the input in blocks of pixels (1.5 times 3 channels, against 64 at an eighth of the
    places: little), the pooled output, and cuDNN's zeros of the same size and workspace.
    """
    height = spec.resize if spec.crop is None else spec.crop
    width = height * _SIDES if spec.crop is None else height
    places = spec.window * height * width / 8
    return 4 * places * 64 * spec.width * dtype.itemsize


class Uploads:
    """Copies windows to a GPU while it computes, on a CUDA stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def to_device(self, x: Tensor) -> Tensor:
        """``x`` on the device, in order with what the caller's stream does next; the processor does not wait."""
        if x.device == self._device or x.is_cuda:
            return x.to(self._device)
        if not (x.is_pinned() and x.is_contiguous()):  # the cut-out alone, so that less is sent
            x = torch.empty(x.shape, dtype=x.dtype, pin_memory=True).copy_(x)
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            found = x.to(self._device, non_blocking=True)
        current.wait_stream(self._stream)
        found.record_stream(current)
        return found
