"""Tiny videos made on the spot, each frame carrying its own number in black and white blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

BLOCK = 16
BITS = 8


def numbered_image(number: int, width: int = 160, height: int = 96) -> npt.NDArray[np.uint8]:
    """A grey picture whose top row of blocks spells ``number`` in binary, lowest bit left."""
    image = np.full((height, width, 3), 90, np.uint8)
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 20
    return image


def read_number(image: npt.NDArray[np.uint8]) -> int:
    """The number a decoded picture spells."""
    half = BLOCK // 2
    return sum(1 << bit for bit in range(BITS) if image[half, bit * BLOCK + half].mean() > 128)


_FAST = {"libvpx": {"deadline": "realtime", "cpu-used": "8"}, "libx264": {"preset": "veryfast"}}

MakeVideo = Callable[..., Path]


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """A function that writes a numbered video and returns its path."""

    def make(
        name: str = "video.mp4",
        frames: int = 50,
        *,
        fps: int | Fraction = 25,
        size: tuple[int, int] = (160, 96),
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        times: Sequence[int] | None = None,
        rotation: int = 0,
        sample_aspect_ratio: Fraction | None = None,
        full_range: bool = False,
        image: npt.NDArray[np.uint8] | None = None,
        noise: bool = False,
        container_options: dict[str, str] | None = None,
        **options: str,
    ) -> Path:
        """``times``: of each frame in milliseconds; else a constant rate. ``noise``: frames that are hard to code."""
        path = tmp_path / name
        random = np.random.default_rng(0)
        with av.open(path, "w", options=container_options or {}) as container:
            stream = container.add_stream(codec, rate=fps, options={"g": "10", **_FAST.get(codec, {}), **options})
            stream.codec_context.thread_count = 1  # libvpx's threads spin for minutes on a busy machine
            stream.width, stream.height = size
            stream.pix_fmt = pix_fmt
            if full_range:
                stream.codec_context.color_range = 2
            if rotation:
                stream.set_display_rotation(rotation)
            if sample_aspect_ratio is not None:
                stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
            if times is not None:
                stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            for index in range(frames):
                picture = numbered_image(index, *size) if image is None else image
                if noise:
                    picture[BLOCK:] = random.integers(0, 256, picture[BLOCK:].shape, dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                if full_range:
                    frame = frame.reformat(format=pix_fmt, dst_color_range=2)
                    frame.color_range = 2
                if times is not None:
                    frame.pts, frame.time_base = times[index], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make
