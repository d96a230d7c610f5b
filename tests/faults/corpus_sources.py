"""The good videos that the corpus is made from: small, numbered, in many containers and codecs."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tests.faults.videos import write_numbered

FPS = 25
FRAMES = 50
KEYS_EVERY = 10
WINDOW_FRAMES = 16
"""Fewer give no features."""

OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "crf": "23"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1:bframes=0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1:pred-struct=1"},
}
PIXELS = {
    "ffvhuff": "yuv422p",
    "flashsv": "bgr24",
    "gif": "rgb8",
    "huffyuv": "yuv422p",
    "jpeg2000": "yuv420p",
    "magicyuv": "gbrp",
    "mjpeg": "yuvj420p",
    "msvideo1": "rgb555le",
    "png": "rgb24",
    "prores": "yuv422p10le",
    "prores_ks": "yuv422p10le",
    "qtrle": "rgb24",
    "rpza": "rgb555le",
    "svq1": "yuv410p",
    "dnxhd": "yuv422p",
}
SIZES = {"h263": (128, 96), "svq1": (128, 96), "snow": (128, 96), "dnxhd": (256, 128)}


@dataclass(frozen=True)
class Source:
    """A good video.

    Attributes:
        name: of the source.
        suffix: of the file.
        codec: the encoder.
        container: options of the muxer.
        options: of the encoder, besides those of :data:`OPTIONS`.
        resyncs: after damaged bytes the container can be read on, from a mark or by an index.
        finds_back: likewise after bytes that are missing, so from a mark alone, and times are written down.
        index_last: nothing can be read without what stands at the end of the file.
    """

    name: str
    suffix: str
    codec: str
    container: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    resyncs: bool = True
    finds_back: bool = False
    index_last: bool = False


def _source(suffix: str, codec: str, name: str = "", **facts: Any) -> Source:
    short = {"libx264": "h264", "libx265": "hevc", "libvpx": "vp8", "libvpx-vp9": "vp9", "libsvtav1": "av1"}
    return Source(name or f"{suffix}-{short.get(codec, codec)}", suffix, codec, **facts)


FASTSTART = {"movflags": "faststart"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}

DAMAGED: tuple[Source, ...] = (
    _source("mp4", "libx264", index_last=True),
    _source("mp4", "libx264", "faststart-h264", container=FASTSTART),
    _source("mp4", "libx264", "fragmented-h264", container=FRAGMENTED),
    _source("mp4", "libx265", "faststart-hevc", container=FASTSTART),
    _source("mp4", "libsvtav1", "faststart-av1", container=FASTSTART),
    _source("mov", "mpeg4", "faststart-mpeg4", container=FASTSTART),
    _source("mkv", "libx264", finds_back=True),
    _source("mkv", "libvpx-vp9", finds_back=True),
    _source("mkv", "ffv1", finds_back=True, options={"slicecrc": "1", "level": "3"}),
    _source("webm", "libvpx", finds_back=True),
    _source("avi", "mpeg4"),
    _source("avi", "mjpeg"),
    _source("ts", "libx264", finds_back=True),
    _source("ts", "mpeg2video", finds_back=True),
    _source("flv", "flv", finds_back=True),
    _source("flv", "libx264", finds_back=True),
    _source("wmv", "wmv2"),
    _source("mpg", "mpeg1video", finds_back=True),
    _source("mpg", "mpeg2video", finds_back=True),
    _source("ogv", "libvpx", finds_back=True),
    _source("nut", "mpeg4", resyncs=False),
    _source("mxf", "mpeg2video"),
    _source("3gp", "h263", container=FASTSTART),
    _source("ivf", "libvpx-vp9", resyncs=False),
)
"""What is damaged in every way."""

WHOLE: tuple[Source, ...] = (
    *DAMAGED,
    _source("mov", "libx264"),
    _source("mov", "mjpeg"),
    _source("mov", "png"),
    _source("mov", "prores"),
    _source("mov", "prores_ks"),
    _source("mov", "dnxhd", options={"profile": "dnxhr_lb"}),
    _source("mov", "qtrle"),
    _source("mov", "svq1"),
    _source("mov", "jpeg2000"),
    _source("3gp", "mpeg4"),
    _source("3g2", "libx264"),
    _source("m4v", "mpeg4"),
    _source("mkv", "libx265"),
    _source("mkv", "libsvtav1"),
    _source("mkv", "mpeg2video"),
    _source("mkv", "rawvideo"),
    _source("mkv", "libx264", "mkv-live-h264", container={"live": "1"}),
    _source("webm", "libvpx-vp9"),
    _source("avi", "libx264"),
    _source("avi", "huffyuv"),
    _source("avi", "ffvhuff"),
    _source("avi", "ffv1"),
    _source("avi", "msmpeg4"),
    _source("avi", "msmpeg4v2"),
    _source("avi", "msvideo1"),
    _source("avi", "wmv1"),
    _source("avi", "rawvideo"),
    _source("avi", "utvideo"),
    _source("ts", "libx265"),
    _source("m2ts", "libx264"),
    _source("asf", "msmpeg4"),
    _source("vob", "mpeg2video"),
    _source("mxf", "prores"),
    _source("nut", "ffv1"),
    _source("ivf", "libvpx"),
    _source("ivf", "libsvtav1"),
    _source("rm", "rv10"),
    _source("rm", "rv20"),
    _source("wtv", "mpeg2video"),
    _source("gif", "gif"),
    _source("h264", "libx264"),
    _source("hevc", "libx265"),
    _source("m1v", "mpeg1video"),
    _source("m2v", "mpeg2video"),
    _source("mjpeg", "mjpeg"),
    _source("obu", "libsvtav1"),
    _source("y4m", "wrapped_avframe"),
)
"""What is only to be read."""

SOURCES = {source.name: source for source in WHOLE}


@dataclass(frozen=True)
class Good:
    """A good video in bytes.

    Attributes:
        content: the file.
        starts: where each frame's packet begins in it, in order; the container's own bytes stand before.
        sizes: of the packets.
        keys: which frames depend on no other.
    """

    content: bytes
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    keys: tuple[int, ...]

    def next_key(self, frame: int) -> int:
        """The first frame from this one on that depends on none before it."""
        return next((key for key in self.keys if key >= frame), FRAMES)

    def middle(self, frame: int) -> int:
        """A byte in the middle of a frame."""
        return self.starts[frame] + self.sizes[frame] // 2


class Workshop:
    """Encodes each good video once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Good] = {}

    def good(self, name: str) -> Good:
        """The bytes of a source."""
        if name not in self._made:
            source = SOURCES[name]
            path = self.folder / f"{name}.{source.suffix}"
            write_numbered(
                path,
                range(FRAMES),
                fps=FPS,
                size=SIZES.get(source.codec, (64, 48)),
                codec=source.codec,
                pix_fmt=PIXELS.get(source.codec, "yuv420p"),
                noise=True,
                container_options=source.container,
                **{"g": str(KEYS_EVERY), **OPTIONS.get(source.codec, {}), **source.options},
            )
            with av.open(path) as container:
                packets = [packet for packet in container.demux(video=0) if packet.size]
            starts: list[int] = []
            for packet in packets:  # a packet that begins where another's block goes on has no place of its own
                starts.append(packet.pos if packet.pos is not None and packet.pos >= 0 else starts[-1])
            self._made[name] = Good(
                path.read_bytes(),
                tuple(starts),
                tuple(packet.size for packet in packets),
                tuple(number for number, packet in enumerate(packets) if packet.is_keyframe),
            )
        return self._made[name]

    def fresh(self, name: str, **how: Any) -> bytes:
        """A video of its own, written by :func:`write_numbered`."""
        numbers = how.pop("numbers", range(FRAMES))
        codec = how.setdefault("codec", "libx264")
        defaults = {"g": str(KEYS_EVERY), "fps": Fraction(FPS), **OPTIONS.get(codec, {})}
        return write_numbered(self.folder / f"fresh-{name}", numbers, **{**defaults, **how}).read_bytes()
