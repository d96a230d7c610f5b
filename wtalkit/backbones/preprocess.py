"""From frames and flow fields to a backbone's input: one function per stream, for training and extraction alike.

Frames arrive with their shorter side at ``spec.resize`` (``wtalkit.video.resize_short_side``); flow is computed on
those frames, in grey, before cropping.

The flow convention is that of v-iashin/video_features and of most published I3D features: cut to +-bound px, coded in
8 bits as ``round(128 + 255 / (2 bound) f)``, scaled like an image. Zero flow therefore is 0.0039, not 0. A backbone
sees this coding in training too, whatever the resolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wtalkit.backbones.specs import BackboneSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def to_gray(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey image ``[H, W]`` of an RGB frame ``[H, W, 3]``, uint8: what flow is computed on."""
    import cv2

    gray: Any = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return gray  # type: ignore[no-any-return]


def preprocess_rgb(frames: NDArray[np.uint8] | Tensor, spec: BackboneSpec) -> Tensor:
    """RGB clips uint8 ``[B, T, H, W, 3]`` -> float32 ``[B, 3, T, h, w]`` in [-1, 1], channels last in memory."""
    x = torch.as_tensor(frames)
    top, left, height, width = crop_box(x.shape[2], x.shape[3], spec.crop)
    x = x[:, :, top : top + height, left : left + width].permute(0, 4, 1, 2, 3)
    return _scale(x.to(torch.float32, copy=True, memory_format=torch.channels_last_3d))


def preprocess_flow(flow: NDArray[np.float32] | Tensor, spec: BackboneSpec) -> Tensor:
    """Flow clips in pixels float32 ``[B, T, 2, H, W]`` -> float32 ``[B, 2, T, h, w]`` in [-1, 1]."""
    x = torch.as_tensor(flow)
    top, left, height, width = crop_box(x.shape[3], x.shape[4], spec.crop)
    x = x[..., top : top + height, left : left + width].permute(0, 2, 1, 3, 4)
    x = x.to(torch.float32, copy=True, memory_format=torch.channels_last_3d)
    bound = spec.flow_bound_px
    return _scale(x.mul_(255 / (2 * bound)).add_(128).round_().clamp_(0, 255))


def crop_box(height: int, width: int, crop: int | None) -> tuple[int, int, int, int]:
    """Top, left, height and width of the centre crop.

    Raises:
        ValueError: the image is smaller than the crop.
    """
    if crop is None:
        return 0, 0, height, width
    if min(height, width) < crop:
        raise ValueError(f"a crop of {crop} px needs larger images than {width}x{height}")
    return (height - crop) // 2, (width - crop) // 2, crop, crop


def _scale(x: Tensor) -> Tensor:
    """0..255 -> -1..1, in place."""
    return x.mul_(2 / 255).sub_(1)
