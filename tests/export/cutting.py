"""Videos to cut, whose pictures carry their numbers and whose sound is heard at one moment only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.faults.videos import numbered, read_number

RATE = 16_000
FPS = 25
HEARD_S = (2.0, 2.4)


def write_heard(
    path: Path, *, seconds: int = 4, sound_seconds: int = 4, key_every: int = 25, b_frames: int = 2
) -> Path:
    """A numbered video with a tone from 2.0 to 2.4 s; its sound may be longer than its picture."""
    options = {"bf": str(b_frames), "g": str(key_every), "sc_threshold": "0", "b_strategy": "0"}
    with av.open(path, "w") as container:
        picture: Any = container.add_stream("libx264", rate=FPS, options=options)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(seconds * FPS):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
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
