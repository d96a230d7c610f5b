"""Videos to cut, whose pictures carry their numbers and whose sound is heard at one moment only."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from tests.faults.videos import Image, numbered, read_number, write_numbered
from wtalkit.video import VideoReader

RATE = 16_000
FPS = 25
HEARD_S = (2.0, 2.4)
STILL_S = (0.96, 6.0)
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (200, 120, 40), (128, 128, 128))


def write_heard(
    path: Path, *, seconds: int = 4, sound_seconds: int = 4, key_every: int = 25, b_frames: int = 2,
    last_picture_s: int | None = None,
) -> Path:  # fmt: skip
    """A numbered video with a tone from 2.0 to 2.4 s; its sound may be longer than its picture.

    Args:
        path: ends as the container is called.
        seconds: of pictures.
        sound_seconds: of sound.
        key_every: frames from a key picture to the next.
        b_frames: in a row.
        last_picture_s: when one more picture is shown, after a still.
    """
    options = {"bf": str(b_frames), "g": str(key_every), "sc_threshold": "0", "b_strategy": "0"}
    with av.open(path, "w") as container:
        picture: Any = container.add_stream("libx264", rate=FPS, options=options)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(seconds * FPS):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            container.mux(picture.encode(frame))
        if last_picture_s is not None:
            frame = av.VideoFrame.from_ndarray(numbered(seconds * FPS), format="rgb24")
            frame.pts, frame.time_base = last_picture_s * FPS, Fraction(1, FPS)
            container.mux(picture.encode(frame))
        times = np.arange(sound_seconds * RATE) / RATE
        wave = np.where((times >= HEARD_S[0]) & (times < HEARD_S[1]), np.sin(times * 2 * np.pi * 1000), 0)
        for begin in range(0, len(wave), 1024):
            piece = av.AudioFrame.from_ndarray(wave[None, begin : begin + 1024].astype("f4"), "fltp", "mono")
            piece.sample_rate, piece.pts = RATE, begin
            container.mux(sound.encode(piece))
        for stream in (picture, sound):
            container.mux(stream.encode(None))
    return path


def write_still(path: Path, **options: str) -> Path:
    """A numbered video at 25 fps whose picture 24 is shown from 0.96 s to 6.0 s; it ends at 7.0 s."""
    times_ms = [40 * number + (5000 if number >= 25 else 0) for number in range(50)]
    return write_numbered(path, range(50), times_ms=times_ms, **options)


def write_colours(path: Path, colorspace: Colorspace, color_range: ColorRange) -> Path:
    """A second of upright bars of ``COLOURS``, each 40 px wide, as numbers of that kind."""
    image = np.repeat(np.array(COLOURS, np.uint8)[None], 40, axis=1).repeat(240, axis=0)  # (240, 280, 3)
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options={"crf": "5", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, color_range
        for _ in range(FPS):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=colorspace, dst_color_range=color_range)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def colours(path: Path) -> Image:
    """What the bars of the first picture look like, uint8 [bars, 3]."""
    with VideoReader(path) as reader:
        image = next(iter(reader.frames())).image
    return image[image.shape[0] // 2, 20::40]


def length_s(path: Path) -> float:
    """Seconds, by the container."""
    with av.open(path) as container:
        return (container.duration or 0) / 1e6


def pictures(path: Path) -> list[tuple[float, int]]:
    """Seconds and number of each picture."""
    with av.open(path) as container:
        return [
            (float(each.time or 0), read_number(each.to_ndarray(format="rgb24"))) for each in container.decode(video=0)
        ]


def heard(path: Path) -> tuple[float, float]:
    """Seconds from when to when there is a tone."""
    with av.open(path) as container:
        pieces = [(float(each.time or 0), each.to_ndarray()[0]) for each in container.decode(audio=0)]
    loud = [time + index / RATE for time, wave in pieces for index in np.flatnonzero(abs(wave) > 0.3)]
    return min(loud), max(loud)
