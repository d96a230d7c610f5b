"""From a decoded frame to the picture a person would see: RGB, square pixels, upright, at the wanted size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from wtalkit.video.scaling import Image, resize, short_side_size


@dataclass(frozen=True)
class Geometry:
    """How stored pictures become displayed ones.

    Attributes:
        width: px to scale the stored picture to, before it is turned.
        height: px, likewise.
        rotation: degrees counterclockwise to turn it by afterwards: 0, 90, 180 or 270.
    """

    width: int
    height: int
    rotation: int

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height after turning."""
        return (self.height, self.width) if self.rotation in (90, 270) else (self.width, self.height)


def geometry_of(frame: VideoFrame, sample_aspect_ratio: Fraction, short_side: int | None) -> Geometry:
    """Square pixels by widening, the smaller side scaled to ``short_side`` px (``None``: as stored)."""
    width = max(1, round(frame.width * sample_aspect_ratio))
    height = frame.height
    if short_side is not None:
        width, height = short_side_size(width, height, short_side)
    # The display matrix may hold any angle; cameras write multiples of 90.
    return Geometry(width, height, rotation=round(frame.rotation / 90) * 90 % 360)


def upright_rgb(frame: VideoFrame, geometry: Geometry, reformatter: VideoReformatter) -> Image:
    """Convert ``frame`` to uint8 RGB [H, W, 3].

    The colour matrix and range are those the frame states; unstated ones are BT.601 and limited range, as FFmpeg
    takes them. One ``reformatter`` serves all frames of a video: its context holds memory.
    """
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj") or frame.format.is_rgb
    converted = reformatter.reformat(
        frame,
        format="rgb24",
        src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        threads=1,  # the same pixels as with more, and faster at the sizes at hand
    )
    image = resize(converted.to_ndarray(), geometry.width, geometry.height)
    if geometry.rotation:
        image = np.ascontiguousarray(np.rot90(image, geometry.rotation // 90))
    return image
