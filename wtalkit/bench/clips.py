"""Videos to measure with, rendered and encoded on the spot: a textured background that drifts, and discs that move."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_DISCS = 4


def scene(frames: int, width: int, height: int, seed: int = 0) -> Iterator[Image]:
    """Frames uint8 RGB [H, W, 3]."""
    random = np.random.default_rng(seed)
    rough = random.integers(30, 200, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    background = _smooth(rough.repeat(8, axis=0).repeat(8, axis=1))
    y, x = np.mgrid[:height, :width]
    centres = random.uniform((0, 0), (width, height), (_DISCS, 2))
    speeds = random.uniform(-2.5, 2.5, (_DISCS, 2))
    colours = random.integers(0, 256, (_DISCS, 3), dtype=np.uint8)
    radius = height / 8
    for number in range(frames):
        drift = round(2 + 2 * np.sin(number / 40))  # a camera that is not quite still
        image = background[drift : drift + height, drift : drift + width].copy()
        for centre, speed, colour in zip(centres, speeds, colours, strict=True):
            left, top = (centre + number * speed) % (width, height)
            image[(x - left) ** 2 + (y - top) ** 2 < radius**2] = colour
        yield image


def write_clip(path: Path, *, frames: int, width: int, height: int, fps: Fraction, seed: int = 0) -> None:
    """An H.264 video of :func:`scene`, as common encoders write it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, image in enumerate(scene(frames, width, height, seed)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _smooth(image: Image) -> Image:
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), 2.0), np.uint8)
