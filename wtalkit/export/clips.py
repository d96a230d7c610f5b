"""Clips: each segment cut out of its video, copied as it is or encoded anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wtalkit.annotations.names import unsafe_key
from wtalkit.errors import InputError
from wtalkit.export.text import one_line

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

    from wtalkit.export.media import Media
    from wtalkit.segments import Segment

Mode = Literal["copy", "exact"]
_LABEL_BYTES = 80
_UNSAFE = re.compile(r"[^\w-]+")
_BACK_S = (0, 1, 5, 20)
"""How much further back to look when the key picture found is later than the time asked for."""
_LONGEST_PICTURE_S = 1
"""A picture that was shown for longer is over, and the video with it."""
_HAIR_S = Fraction(1, 1_000_000)
"""1.6 as a float is a hair more than 40 / 25, and that picture belongs to the segment."""
_LATE_S = 1
"""Sound may be stored so much later than the picture it belongs to."""


@dataclass(frozen=True)
class Clip:
    """One segment's clip.

    Attributes:
        path: the file.
        segment: what it shows.
        early_s: seconds that it begins before the segment does.
        silent: whether it lacks the sound that its video has.
    """

    path: Path
    segment: Segment
    early_s: float
    silent: bool = False


def cut_clips(
    video: Path,
    key: str,
    segments: Sequence[Segment],
    folder: Path,
    *,
    mode: Mode = "copy",
    starting: Callable[[int], None] | None = None,
) -> Iterator[Clip]:
    """Cut segments out of a video, as ``FOLDER/KEY/003_label_12.34-15.60.mp4``.

    Args:
        video: the file.
        key: the video's.
        segments: what to cut.
        folder: of all clips.
        mode: ``copy`` takes packets as they are, from the last key picture before the start on; ``exact`` encodes
            anew, from the first picture in the segment on.
        starting: called with the number of each, from 1, before its work begins.

    Raises:
        InputError: the video cannot be read or its name cannot be that of a folder.
        MachineError: the disk is full, the folder read-only, or there is no encoder.
    """
    from wtalkit.export.encoding import can_encode_sound, holds, target
    from wtalkit.export.media import opened

    if (why := unsafe_key(key)) is not None:
        raise InputError(f"cannot name a folder of clips: {why}", file=video)
    if not segments:
        return
    with opened(video) as media:
        if media.container.format.name == "avi" and media.picture.codec_context.has_b_frames:
            mode = "exact"  # copied pictures would be shown in the order of decoding
        suffix = ".mp4" if mode == "exact" or holds(".mp4", media) else ".mkv"
        silent = mode == "exact" and media.sound is not None and not can_encode_sound()
        for number, segment in enumerate(segments, start=1):
            if starting is not None:
                starting(number)
            path = folder / key / f"{clip_name(number, segment)}{suffix}"
            with target(path) as container:
                early_s = (_copy if mode == "copy" else _encode)(media, segment, container)
            yield Clip(path, segment, early_s, silent)


def clip_name(number: int, segment: Segment) -> str:
    """A file's name of letters, digits and ``_-.`` only, without extension."""
    label = _UNSAFE.sub("_", one_line(segment.label)).strip("_")
    label = label.encode()[:_LABEL_BYTES].decode(errors="ignore") or "action"
    return f"{number:03d}_{label}_{segment.start_s:.2f}-{segment.end_s:.2f}"


def _copy(media: Media, segment: Segment, container: OutputContainer) -> float:
    """Copy the packets of a segment; gives how many seconds too early they begin."""
    start_s, end_s = Fraction(segment.start_s), Fraction(segment.end_s) - _HAIR_S
    key_s, from_s = _key_before(media, start_s + _HAIR_S)
    outs = {each.index: container.add_stream_from_template(each, opaque=True) for each in media.streams}
    media.seek(from_s)
    begun, latest_s = False, Fraction(-1)
    beyond: list[Packet[Any]] = []  # shown after the end, but perhaps needed to decode what is shown before it
    for packet in media.packets():
        shown_s, stored_s = media.shown_s(packet), _stored_s(media, packet)
        if shown_s is None:
            continue
        is_picture = packet.stream.index == media.picture.index
        if stored_s >= end_s + _LATE_S or (is_picture and stored_s >= end_s and media.sound is None):
            break
        if not is_picture:
            if key_s <= shown_s < end_s:
                _mux(packet, outs[packet.stream.index], key_s + media.origin_s(packet.stream), container)
            continue
        begun = begun or (packet.is_keyframe and shown_s >= key_s)
        if not begun or stored_s >= end_s:
            continue
        beyond.append(packet)
        latest_s = max(latest_s, shown_s)
        if shown_s < end_s:
            for each in beyond:
                _mux(each, outs[each.stream.index], key_s + media.first_s, container)
            beyond.clear()
    if latest_s < start_s - _LONGEST_PICTURE_S:
        raise InputError(f"has no picture at {segment.start_s:.2f} s", file=media.path)
    return float(max(Fraction(0), start_s - key_s))


def _key_before(media: Media, start_s: Fraction) -> tuple[Fraction, Fraction]:
    """When the last key picture is shown that is not after ``start_s``; the first of all where there is none."""
    for back_s in _BACK_S:
        from_s = max(Fraction(0), start_s - back_s)
        if (found := _last_key(media, start_s, from_s)) is not None:
            return found, from_s
    found = _last_key(media, start_s, Fraction(-10))
    return (Fraction(0) if found is None else found), Fraction(-10)


def _last_key(media: Media, start_s: Fraction, from_s: Fraction) -> Fraction | None:
    media.seek(from_s)
    found = None
    for packet in media.packets():
        shown_s = media.shown_s(packet)
        if packet.stream.index != media.picture.index or shown_s is None:
            continue
        if packet.is_keyframe and shown_s <= start_s:
            found = shown_s
        if _stored_s(media, packet) > start_s:
            break
    return found


def _stored_s(media: Media, packet: Packet[Any]) -> Fraction:
    """When a packet is decoded: no later one is shown before that."""
    ticks = packet.dts if packet.dts is not None else packet.pts or 0
    return ticks * Fraction(packet.time_base) - media.first_s


def _mux(packet: Packet[Any], out: Any, origin_s: Fraction, container: OutputContainer) -> None:
    shift = round(origin_s / Fraction(packet.time_base))
    if packet.pts is not None:
        packet.pts -= shift
    if packet.dts is not None:
        packet.dts -= shift
    packet.stream = out
    container.mux(packet)


def _encode(media: Media, segment: Segment, container: OutputContainer) -> float:
    """Encode the pictures shown within a segment, and its sound."""
    from wtalkit.export.encoding import PictureEncoder, SoundEncoder, can_encode_sound
    from wtalkit.export.media import frames

    start_s, end_s = Fraction(segment.start_s) - _HAIR_S, Fraction(segment.end_s) - _HAIR_S
    pictures: PictureEncoder | None = None
    sound = SoundEncoder(container, media) if media.sound is not None and can_encode_sound() else None
    origin_s = start_s
    early: list[tuple[Fraction, Any]] = []  # sound that is stored before the first picture it belongs to
    for is_picture, shown_s, frame in frames(media, *_key_before(media, start_s + 2 * _HAIR_S), end_s):
        if not start_s <= shown_s < end_s:
            continue
        if is_picture:
            if pictures is None:
                pictures = PictureEncoder(
                    container, media, frame.width, frame.height, keep_shape=True, rotation=frame.rotation
                )
                origin_s = shown_s
            pictures.write(frame, round((shown_s - origin_s) / Fraction(media.picture.time_base or 1)))
        elif sound is not None:
            early.append((shown_s, frame))
        if pictures is not None and sound is not None:
            _hear(early, origin_s, sound)
    if pictures is None:
        raise InputError(f"has no picture at {segment.start_s:.2f} s", file=media.path)
    pictures.finish()
    if sound is not None:
        sound.finish()
    return 0.0


def _hear(waiting: list[tuple[Fraction, Any]], origin_s: Fraction, sound: Any) -> None:
    for shown_s, frame in waiting:
        if shown_s >= origin_s:
            sound.write(frame, shown_s - origin_s)
    waiting.clear()
