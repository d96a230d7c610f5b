"""A video opened for cutting and copying: its picture and its sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.video.stream import VideoStream

from wtalkit.errors import InputError
from wtalkit.video.container import CODECS, open_video
from wtalkit.video.info import Limits

# What sound there is in the containers that videos are read from.
SOUND_CODECS = (
    "aac,mp3,mp3float,mp2,mp2float,ac3,eac3,opus,libopus,vorbis,flac,alac,wmav1,wmav2,adpcm_ima_wav,adpcm_ms,amrnb,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_f32le,pcm_u8,pcm_mulaw,pcm_alaw"
)
_FIRST_PACKETS = 64
"""Packets among which the earliest picture is, however the coder reordered them."""


@dataclass(frozen=True)
class Media:
    """An open video.

    Attributes:
        path: the file.
        container: where its packets come from.
        picture: the stream that everything else of wtalkit reads, too.
        sound: the first stream of sound that can be copied; None where there is none.
        first_s: seconds of the container's clock at which the first picture is shown, which is 0 to wtalkit.
        heard_s: the same for its sound.
    """

    path: Path
    container: InputContainer
    picture: VideoStream
    sound: AudioStream | None
    first_s: Fraction
    heard_s: Fraction

    def origin_s(self, stream: Any) -> Fraction:
        """Seconds of the container's clock that are 0 to wtalkit."""
        return self.first_s if stream.index == self.picture.index else self.heard_s

    @property
    def streams(self) -> list[VideoStream | AudioStream]:
        return [self.picture] if self.sound is None else [self.picture, self.sound]

    def shown_s(self, packet: Packet[Any]) -> Fraction | None:
        """Seconds after the first picture at which a packet is shown or heard; None for those that say nothing."""
        ticks = packet.pts if packet.pts is not None else packet.dts
        return None if ticks is None else ticks * Fraction(packet.time_base) - self.origin_s(packet.stream)

    def seek(self, time_s: Fraction | float) -> None:
        """Go to the last key picture before a time, or further back."""
        ticks = int((Fraction(time_s) + self.first_s) / Fraction(self.picture.time_base or 1))
        self.container.seek(ticks, stream=self.picture, backward=True, any_frame=False)

    def packets(self) -> Iterator[Packet[Any]]:
        """The packets from here on that hold something."""
        for packet in self.container.demux(*self.streams):
            if packet.size:
                yield packet


@contextmanager
def opened(path: Path, *, limits: Limits | None = None) -> Iterator[Media]:
    """Open a video with its sound; only this one local file is read, whatever its content asks for.

    Args:
        path: the file.
        limits: what it may claim; those of :class:`~wtalkit.video.info.Limits` unless given.

    Raises:
        InputError: it is no video that can be read, claims too much, or breaks on the way.
    """
    limits = limits or Limits()
    checked, stream = open_video(path, limits)
    with checked:
        form, index = checked.format.name, stream.index
    options = {
        "format_whitelist": form,
        "codec_whitelist": ",".join((*sorted(CODECS), SOUND_CODECS)),
        "protocol_whitelist": "file",
        "enable_drefs": "0",
    }
    try:
        with av.open(path.absolute(), "r", options=options, metadata_errors="replace") as container:
            picture: Any = container.streams[index]
            picture.thread_type = "AUTO"
            # A picture may be larger than the header says: the codec refuses it before it allocates it.
            picture.codec_context.options = {
                "max_pixels": str(limits.pixels),
                "codec_whitelist": options["codec_whitelist"],
            }
            sounds = (each for each in container.streams.audio if each.codec_context is not None)
            sound = next((each for each in sounds if each.codec_context.sample_rate), None)
            yield Media(path, container, picture, sound, *_first_s(container, picture))
    except FFmpegError as error:
        raise InputError(f"cannot be cut ({error.strerror or error})", file=path) from error


def _first_s(container: InputContainer, picture: VideoStream) -> tuple[Fraction, Fraction]:
    times, stored = [], []
    for number, packet in enumerate(container.demux(picture)):
        ticks = packet.pts if packet.pts is not None else packet.dts
        if ticks is not None:
            times.append(ticks * Fraction(packet.time_base))
            stored.append((ticks if packet.dts is None else packet.dts) * Fraction(packet.time_base))
        if number >= _FIRST_PACKETS:
            break
    container.seek(0)
    first_s = min(times, default=Fraction(0))
    # The pts that FFmpeg makes up for AVI are late by what its decoder holds back; sound has no such delay.
    return first_s, min(stored, default=first_s) if container.format.name == "avi" else first_s


def frames(media: Media, key_s: Fraction, from_s: Fraction, end_s: Fraction) -> Iterator[tuple[bool, Fraction, Any]]:
    """Decode from a key picture on; gives whether it is a picture, seconds after the first picture, and the frame.

    The last of each stream is the first at or after ``end_s``, if the stream goes on for so long. Packets that cannot
    be decoded are left out.
    """
    media.seek(from_s)
    # AVI has no times of its pictures, only an order, and that of the decoder is right.
    rate = media.picture.average_rate if media.container.format.name == "avi" else None
    decoded_pictures = 0
    begun = not rate or key_s <= 0
    open_streams = {each.index for each in media.streams}
    for packet in media.container.demux(*media.streams):
        is_picture = packet.stream.index == media.picture.index
        if is_picture and not begun:  # seeking may go to a key picture further back, and the order counts from key_s
            shown = media.shown_s(packet)
            begun = packet.is_keyframe and shown is not None and shown >= key_s
        if packet.stream.index not in open_streams or (is_picture and not begun):
            continue
        try:
            decoded: list[Any] = list(packet.decode())
        except InvalidDataError:
            continue
        for frame in decoded:
            if is_picture and rate:
                shown_s = key_s + decoded_pictures / Fraction(rate)
                decoded_pictures += 1
            elif frame.pts is None:
                continue
            else:
                shown_s = frame.pts * Fraction(frame.time_base) - media.origin_s(packet.stream)
            yield is_picture, shown_s, frame
            if shown_s >= end_s:
                open_streams.discard(packet.stream.index)
                break
        if not open_streams:
            return
