"""Writes pictures as H.264, and passes clips through the codec in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from renderer.scenes import Image

FPS = 25


def write_video(
    target: str | Path | io.BytesIO, pictures: Iterable[Image], *, fps: int = FPS, crf: int = 25, preset: str = "medium"
) -> int:
    """Encode RGB pictures [H, W, 3]; return how many. One thread, so that the same pictures give the same bytes."""
    count = 0
    where = str(target) if isinstance(target, Path) else target
    with av.open(where, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": preset, "threads": "1"})
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            if count == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            count += 1
        container.mux(stream.encode(None))
    return count


def through_codec(pictures: list[Image], crf: int) -> list[Image]:
    """What a decoder gives back after the codec's losses: uint8 [H, W, 3] each."""
    buffer = io.BytesIO()
    write_video(buffer, pictures, crf=crf, preset="veryfast")
    buffer.seek(0)
    with av.open(buffer) as container:
        container.streams.video[0].thread_type = "NONE"
        return [np.asarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
