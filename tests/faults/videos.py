"""Small videos whose frames carry their numbers, and what can be done to them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

BLOCK = 8
BITS = 8


def numbered(number: int, width: int = 64, height: int = 48) -> Image:
    """A picture whose top row of blocks spells ``number``, lowest bit left, above a square that moves with it."""
    image = np.full((height, width, 3), 90, np.uint8)
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 20
    left, top = (7 * number) % (width - 16), BLOCK + (5 * number) % (height - BLOCK - 16)
    image[top : top + 16, left : left + 16] = (240, 200, 40)
    return image


def read_number(image: Image) -> int:
    """The number a decoded picture spells."""
    half = BLOCK // 2
    return sum(1 << bit for bit in range(BITS) if image[half, bit * BLOCK + half].mean() > 128)


@contextmanager
def _ordinary_priority() -> Iterator[None]:
    """After it the processors are shared as before: SVT-AV1, run by root, takes real-time priority for good."""
    yield
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def write_numbered(
    path: Path,
    numbers: Iterable[int],
    *,
    fps: int | Fraction = 25,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times_ms: Sequence[int] | None = None,
    start: int = 0,
    turned: int = 0,
    rotation: int = 0,
    noise: bool = False,
    container_options: Mapping[str, str] | None = None,
    **options: str,
) -> Path:
    """A video of :func:`numbered` pictures.

    Args:
        path: ends as the container is called.
        numbers: of the pictures.
        fps: frames per second.
        size: width and height in px.
        codec: of FFmpeg.
        pix_fmt: likewise.
        times_ms: of each frame, where the rate is not constant.
        start: ticks of 1/fps that all frames are late by.
        turned: quarters that the pictures themselves are turned by, counterclockwise.
        rotation: degrees of the display matrix.
        noise: pictures that are hard to code, so that the bytes are spread evenly over the time.
        container_options: of FFmpeg's muxer.
        options: of the codec.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    defaults = {"libx264": {"preset": "ultrafast", "g": "10"}}.get(codec, {})
    with _ordinary_priority(), av.open(path, "w", options=dict(container_options or {})) as container:
        stream: Any = container.add_stream(codec, rate=fps, options={**defaults, **options})
        stream.codec_context.thread_count = 1
        stream.width, stream.height = size if turned % 2 == 0 else size[::-1]
        stream.pix_fmt = pix_fmt
        if rotation:
            stream.set_display_rotation(rotation)
        if times_ms is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, number in enumerate(numbers):
            image = numbered(number, *size)
            if noise:
                image[BLOCK:] = random.integers(0, 256, image[BLOCK:].shape, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(image, turned)), format="rgb24")
            if times_ms is None:
                frame.pts, frame.time_base = index + start, 1 / Fraction(fps)
            else:
                frame.pts, frame.time_base = times_ms[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    """Keep that share of the file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def spoil(path: Path, start: float, end: float) -> Path:
    """Overwrite the bytes between two shares of the file."""
    content = bytearray(path.read_bytes())
    first, last = int(len(content) * start), int(len(content) * end)
    content[first:last] = np.random.default_rng(0).bytes(last - first)
    path.write_bytes(content)
    return path


def rewrite(path: Path, mark: bytes, offset: int, new: bytes) -> Path:
    """Put ``new`` in place of the bytes that come ``offset`` after the start of the first ``mark``."""
    content = bytearray(path.read_bytes())
    at = content.index(mark) + offset
    content[at : at + len(new)] = new
    path.write_bytes(content)
    return path
