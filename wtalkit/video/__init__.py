"""From a video file to pictures at a constant rate: decoding, time, gaps, upright square pixels.

Names are loaded on first use, so that importing this package stays free of PyAV, OpenCV and numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtalkit.video.decoder import Chunk, Decoder, Decoding
    from wtalkit.video.info import PATIENCE_S, DecodeReport, Limits, VideoInfo, describe_partial
    from wtalkit.video.reader import Frame, VideoReader, decode_check, probe
    from wtalkit.video.scaling import resize, resize_short_side, short_side_size
    from wtalkit.video.stream import FrameStream, nearest_in_time

__all__ = [
    "PATIENCE_S",
    "Chunk",
    "DecodeReport",
    "Decoder",
    "Decoding",
    "Frame",
    "FrameStream",
    "Limits",
    "VideoInfo",
    "VideoReader",
    "decode_check",
    "describe_partial",
    "nearest_in_time",
    "probe",
    "resize",
    "resize_short_side",
    "short_side_size",
]

_HOMES = {
    "PATIENCE_S": "info",
    "Chunk": "decoder",
    "Decoder": "decoder",
    "Decoding": "decoder",
    "DecodeReport": "info",
    "Limits": "info",
    "VideoInfo": "info",
    "describe_partial": "info",
    "Frame": "reader",
    "VideoReader": "reader",
    "decode_check": "reader",
    "probe": "reader",
    "resize": "scaling",
    "resize_short_side": "scaling",
    "short_side_size": "scaling",
    "FrameStream": "stream",
    "nearest_in_time": "stream",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
