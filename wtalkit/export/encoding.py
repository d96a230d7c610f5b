"""Encoding pictures and sound: H.264 and AAC where the build of PyAV has them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from wtalkit.atomic import atomic_path, disk_error
from wtalkit.errors import InputError, MachineError
from wtalkit.export.media import Media

_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# The picture is watched, not measured: fast, and close to what cannot be told from the source. Without B-frames, as MP4
# counts lengths by times of decoding: pictures that are delayed by others would end before a still among them does.
_ENCODERS = {"libx264": {"crf": "18", "preset": "veryfast", "bf": "0"}, "libopenh264": {}, "mpeg4": {"qscale": "3"}}
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_GAP_S = 0.1
"""Seconds without sound that are kept as such."""
CONTAINERS = frozenset(_MUXERS)


def holds(suffix: str, media: Media) -> bool:
    """Whether a container of this kind can hold the streams of a video as they are."""
    with av.open(io.BytesIO(), "w", format=_MUXERS[suffix]) as container:
        known: set[str] = container.supported_codecs
    codecs = (each.codec_context.codec for each in media.streams)
    return all({codec.name, codec.canonical_name} & known for codec in codecs)


@contextmanager
def target(path: Path) -> Iterator[OutputContainer]:
    """A video being written; it appears whole or not at all.

    Raises:
        InputError: what is written does not fit the container.
        MachineError: the disk is full or the folder read-only.
    """
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", format=_MUXERS[path.suffix.lower()]) as container:
                yield container
        except FFmpegError as error:
            if (translated := disk_error(error, path)) is not None:
                raise translated from error
            raise InputError(f"cannot be written ({error.strerror or error})", file=path) from error


class PictureEncoder:
    """Writes pictures, each at the time it had in its source.

    Args:
        container: to write to.
        media: the source; rate and colours are taken from it.
        width: px.
        height: px; both are cut to even numbers.
        keep_shape: also keep the source's shape of pixels and its rotation, as for pictures as they were stored.
        rotation: degrees of the display matrix, of the source's first picture.

    Raises:
        MachineError: this build of PyAV has no encoder.
    """

    def __init__(
        self, container: OutputContainer, media: Media, width: int, height: int, *, keep_shape: bool = False,
        rotation: int = 0,
    ) -> None:  # fmt: skip
        name = next((each for each in _ENCODERS if each in av.codecs_available), None)
        if name is None:
            raise MachineError("this build of PyAV has no H.264 or MPEG-4 encoder", remedy="Install av from PyPI")
        rate = media.picture.average_rate or Fraction(25)
        stream: Any = container.add_stream(name, rate=rate, options=dict(_ENCODERS[name]))
        stream.width, stream.height, stream.pix_fmt = max(2, width // 2 * 2), max(2, height // 2 * 2), "yuv420p"
        context, source = stream.codec_context, media.picture.codec_context
        context.time_base = stream.time_base = media.picture.time_base
        for trait in ("colorspace", "color_primaries", "color_trc"):
            setattr(context, trait, getattr(source, trait))
        context.color_range = ColorRange.MPEG
        if keep_shape:
            if media.picture.sample_aspect_ratio:
                context.sample_aspect_ratio = media.picture.sample_aspect_ratio
            if rotation:
                stream.set_display_rotation(rotation)
        self._container, self._stream = container, stream
        self._last: int | None = None
        self._held: Packet[VideoStream] | None = None

    def write(self, frame: VideoFrame, ticks: int) -> None:
        """Add a picture, shown ``ticks`` of the source's clock after the beginning."""
        if self._last is not None and ticks <= self._last:
            return  # two pictures of one time: the first was shown for none at all
        self._last = ticks
        fitting = frame.reformat(
            self._stream.width,
            self._stream.height,
            "yuv420p",
            dst_colorspace=self._stream.codec_context.colorspace if frame.format.is_rgb else None,
            dst_color_range=ColorRange.MPEG,
        )
        fitting.pict_type = PictureType.NONE  # which of them are key pictures is this encoder's affair
        fitting.pts, fitting.time_base = ticks, self._stream.codec_context.time_base
        self._mux(self._stream.encode(fitting))

    def finish(self, end_ticks: int | None = None) -> None:
        """Write what is held back; the last picture is shown until ``end_ticks``, or for a frame's length."""
        self._mux(self._stream.encode(None))
        if self._held is not None:
            if end_ticks is not None and self._held.pts is not None and end_ticks > self._held.pts:
                self._held.duration = end_ticks - self._held.pts
            self._container.mux(self._held)

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        for packet in packets:
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet


class SoundEncoder:
    """Writes sound as AAC, each piece at the time it had in its source.

    Args:
        container: to write to.
        media: the source, which has sound.
    """

    def __init__(self, container: OutputContainer, media: Media) -> None:
        source: Any = None if media.sound is None else media.sound.codec_context
        rate = source.sample_rate if source.sample_rate in _AAC_RATES else 48000
        self._stream: Any = container.add_stream("aac", rate=rate)
        self._stream.codec_context.layout = source.layout if source.layout.nb_channels else "stereo"
        self._container = container
        self._next: int | None = None

    def write(self, frame: AudioFrame, time_s: Fraction) -> None:
        """Add a piece of sound that is heard ``time_s`` after the beginning."""
        at = round(time_s * frame.sample_rate)
        # Containers round times, some to more than a sample: what follows closely follows at once.
        if self._next is not None and at < self._next + _GAP_S * frame.sample_rate:
            at = self._next
        self._next = at + frame.samples
        frame.pts, frame.time_base = at, Fraction(1, frame.sample_rate)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds back."""
        self._container.mux(self._stream.encode(None))


def can_encode_sound() -> bool:
    """Whether this build has an AAC encoder."""
    return "aac" in av.codecs_available
