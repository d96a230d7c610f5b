"""The one resize: every picture wtalkit shrinks or enlarges goes through here.

Features depend on how a picture was scaled, so training clips, extraction and detection must share one choice:
``cv2.INTER_AREA`` when neither side grows (each output pixel is the mean of what it covers, no moire),
``cv2.INTER_LINEAR`` otherwise. Both are deterministic and do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def short_side_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height after scaling so that the smaller one is ``short_side`` px, the other rounded half up."""
    if short_side <= 0:
        raise ValueError(f"short_side must be positive, got {short_side}")
    if width <= height:
        return short_side, max(1, (2 * height * short_side + width) // (2 * width))
    return max(1, (2 * width * short_side + height) // (2 * height)), short_side


def resize(image: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
    """Scale ``image`` ([H, W] or [H, W, C], uint8 or float32) to ``height`` x ``width`` px."""
    source_height, source_width = image.shape[:2]
    if (source_width, source_height) == (width, height):
        return image
    grows = width > source_width or height > source_height
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR if grows else cv2.INTER_AREA)
    return np.asarray(scaled).reshape(height, width, *image.shape[2:])  # cv2 drops a last axis of 1


def resize_short_side(image: npt.NDArray[Any], short_side: int | None) -> npt.NDArray[Any]:
    """Scale ``image`` so that its smaller side is ``short_side`` px; ``None`` leaves it as it is."""
    if short_side is None:
        return image
    height, width = image.shape[:2]
    return resize(image, *short_side_size(width, height, short_side))
