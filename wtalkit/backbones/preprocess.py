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


def crop_rgb(frames: Tensor, spec: BackboneSpec) -> Tensor:
    """The centre of clips ``[B, T, H, W, 3]``, a view."""
    top, left, height, width = crop_box(frames.shape[2], frames.shape[3], spec.crop)
    return frames[:, :, top : top + height, left : left + width]


def crop_flow(flow: Tensor, spec: BackboneSpec) -> Tensor:
    """The centre of flow clips ``[B, T, 2, H, W]``, a view."""
    top, left, height, width = crop_box(flow.shape[3], flow.shape[4], spec.crop)
    return flow[..., top : top + height, left : left + width]


def flow_levels(flow: Tensor, spec: BackboneSpec) -> Tensor:
    """Cropped flow in pixels float32 ``[B, T, 2, h, w]`` -> levels 0 to 255, float32 ``[B, T, h, w, 2]``."""
    assert spec.flow_bound_px is not None
    x = flow.mul(255 / (2 * spec.flow_bound_px)).add_(128).round_().clamp_(0, 255)
    return x.permute(0, 1, 3, 4, 2)


def preprocess_rgb(frames: NDArray[np.uint8] | Tensor, spec: BackboneSpec) -> Tensor:
    """RGB clips uint8 ``[B, T, H, W, 3]`` -> float32 ``[B, 3, T, h, w]`` in [-1, 1], channels last in memory."""
    return _scale(crop_rgb(torch.as_tensor(frames), spec))


def preprocess_flow(flow: NDArray[np.float32] | Tensor, spec: BackboneSpec) -> Tensor:
    """Flow clips in pixels float32 ``[B, T, 2, H, W]`` -> float32 ``[B, 2, T, h, w]`` in [-1, 1]."""
    return _scale(flow_levels(crop_flow(torch.as_tensor(flow), spec), spec))


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


def _scale(levels: Tensor) -> Tensor:
    """0..255 -> -1..1, channels first and last in memory."""
    x = levels.permute(0, 4, 1, 2, 3).to(torch.float32, copy=True, memory_format=torch.channels_last_3d)
    return x.mul_(2 / 255).sub_(1)
