"""Clips: each segment cut out of its video, copied as it is or encoded anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wtalkit.annotations.names import unsafe_key
from wtalkit.atomic import first_file
from wtalkit.errors import InputError
from wtalkit.export.text import one_line

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

    from wtalkit.export.encoding import PictureEncoder
    from wtalkit.export.media import Media
    from wtalkit.segments import Segment
    from wtalkit.video.info import Limits

Mode = Literal["copy", "exact"]
_LABEL_BYTES = 80
_UNSAFE = re.compile(r"[^\w-]+")
_BACK_S = (0, 1, 5, 20)
"""How much further back to look when the key picture found is later than the time asked for."""
_LONGEST_PICTURE_S = 1
"""The last picture of a video that does not say how long it is shown is over by then, and the video with it."""
_LONGEST_STEP_S = Fraction(1, 10)
"""Pictures further apart than that are stills, whatever the average rate."""
_SLACK = Fraction(3, 2)
"""Containers round times: so much more than a frame is a frame yet."""
_HEARD_AHEAD_S = 5
"""Sound this far on, and no picture yet: there is none to wait for, as decoders hold back fewer."""
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
    limits: Limits | None = None,
) -> Iterator[Clip]:
    """Cut segments out of a video, as ``FOLDER/KEY/003_label_12.34-15.60.mp4``.

    A segment that cannot be cut does not stop the others: the first of these failures is raised after the last clip.

    Args:
        video: the file.
        key: the video's.
        segments: what to cut.
        folder: of all clips.
        mode: ``copy`` takes packets as they are, from the last key picture before the start on; ``exact`` encodes
            anew, from the first picture in the segment on, or from the still that is shown at its start.
        starting: called with the number of each, from 1, before its work begins.
        limits: what the video may claim; those of :class:`~wtalkit.video.info.Limits` unless given.

    Raises:
        InputError: the video cannot be read or copied, a segment has no picture, or there is no place for the folder.
        MachineError: the disk is full, the folder read-only, or there is no encoder.
    """
    from wtalkit.export.encoding import can_encode_sound, target
    from wtalkit.export.media import opened

    if (why := unsafe_key(key)) is not None:
        raise InputError(f"cannot name a folder of clips: {why}", file=video)
    if not segments:
        return
    in_the_way = first_file(folder / key)
    if in_the_way is not None and first_file(folder) is None:  # of this video only
        raise InputError(f"{in_the_way} is in the way of its folder of clips", file=video, remedy="Move that file")
    failure: InputError | None = None
    with opened(video, limits=limits) as media:
        if media.container.format.name == "avi" and media.picture.codec_context.has_b_frames:
            mode = "exact"  # copied pictures would be shown in the order of decoding
        suffix = ".mp4" if mode == "exact" else _copy_suffix(media)
        silent = mode == "exact" and media.sound is not None and not can_encode_sound()
        for number, segment in enumerate(segments, start=1):
            if starting is not None:
                starting(number)
            path = folder / key / f"{clip_name(number, segment)}{suffix}"
            try:
                with target(path) as container:
                    early_s = (_copy if mode == "copy" else _encode)(media, segment, container)
            except InputError as error:
                failure = failure or error
                continue
            yield Clip(path, segment, early_s, silent)
    if failure is not None:
        raise failure


def _copy_suffix(media: Media) -> str:
    from wtalkit.export.encoding import holds

    for suffix in (".mp4", ".mkv"):
        if holds(suffix, media):
            return suffix
    raise InputError("no container holds it as it is", file=media.path, remedy="Use --clip-mode exact")


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
    begun, goes_on = False, False
    pictures = _CopiedPictures(outs[media.picture.index], key_s + media.first_s, container)
    beyond: list[Packet[Any]] = []  # shown after the end, but perhaps needed to decode what is shown before it
    packets = media.packets()
    for packet in packets:
        shown_s, stored_s = media.shown_s(packet), _stored_s(media, packet)
        if shown_s is None:
            continue
        is_picture = packet.stream.index == media.picture.index
        goes_on = goes_on or (is_picture and shown_s >= end_s)
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
        if shown_s < end_s:
            for each in beyond:
                pictures.add(each, media.shown_s(each) or Fraction(0))
            beyond.clear()
    # Sound may have come to its end before the next picture.
    goes_on = goes_on or any(packet.stream.index == media.picture.index for packet in packets)
    if pictures.latest_s is None or not (goes_on or pictures.ends_s(_LONGEST_PICTURE_S) >= start_s):
        raise InputError(f"has no picture at {segment.start_s:.2f} s", file=media.path)
    pictures.finish(end_s if goes_on else min(end_s, pictures.ends_s(0)))
    return float(max(Fraction(0), start_s - key_s))


class _CopiedPictures:
    """Holds back the last packet of pictures, whose length is known at the end only.

    Args:
        out: the stream to write to.
        origin_s: seconds of the source's clock that are 0 to the clip.
        container: to write to.

    Attributes:
        latest_s: when the last picture is shown; None before the first.
    """

    def __init__(self, out: Any, origin_s: Fraction, container: OutputContainer) -> None:
        self._out, self._origin_s, self._container = out, origin_s, container
        self._held: tuple[Packet[Any], Fraction] | None = None
        self._lasting_s = Fraction(0)
        self.latest_s: Fraction | None = None

    def add(self, packet: Packet[Any], shown_s: Fraction) -> None:
        """Write the one before; this one is shown at ``shown_s``."""
        self._release()
        self._held = packet, shown_s
        if self.latest_s is None or shown_s > self.latest_s:
            self.latest_s = shown_s
            self._lasting_s = (packet.duration or 0) * Fraction(packet.time_base)

    def ends_s(self, at_least_s: int) -> Fraction:
        """Until when the last picture is shown by what its packet says, or for ``at_least_s``."""
        lasting_s = max(self._lasting_s, Fraction(at_least_s))
        return lasting_s if self.latest_s is None else self.latest_s + lasting_s

    def finish(self, end_s: Fraction) -> None:
        """Write the last one; the pictures end at ``end_s``, where the last is a still."""
        if self._held is not None:
            packet, shown_s = self._held
            tick_s, lasting_s = Fraction(packet.time_base), end_s - shown_s
            # The packet of a still may say how long it is in the video, which is longer than in the segment.
            if lasting_s > 0 and max(lasting_s, (packet.duration or 0) * tick_s) > _LONGEST_STEP_S:
                packet.duration = max(1, round(lasting_s / tick_s))
        self._release()

    def _release(self) -> None:
        if self._held is not None:
            _mux(self._held[0], self._out, self._origin_s, self._container)
            self._held = None


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
    from wtalkit.export.encoding import SoundEncoder, can_encode_sound
    from wtalkit.export.media import frames

    start_s, end_s = Fraction(segment.start_s) - _HAIR_S, Fraction(segment.end_s) - _HAIR_S
    pictures = _EncodedPictures(container, media, start_s, end_s)
    sound = SoundEncoder(container, media) if media.sound is not None and can_encode_sound() else None
    early: list[tuple[Fraction, Any]] = []  # sound that is stored before the first picture it belongs to
    for is_picture, shown_s, frame in frames(media, *_key_before(media, start_s + 2 * _HAIR_S), end_s):
        if is_picture:
            pictures.add(frame, shown_s)
        elif sound is not None and start_s <= shown_s < end_s:
            early.append((shown_s, frame))
            if shown_s > start_s + _HEARD_AHEAD_S:
                pictures.begin()
        if pictures.origin_s is not None and sound is not None:
            _hear(early, pictures.origin_s, sound)
    pictures.finish()
    if pictures.origin_s is None:
        raise InputError(f"has no picture at {segment.start_s:.2f} s", file=media.path)
    if sound is not None:
        _hear(early, pictures.origin_s, sound)
        sound.finish()
    return 0.0


class _EncodedPictures:
    """Encodes what is on the screen from ``start_s`` to ``end_s``, seconds after the video's first picture.

    Args:
        container: to write to.
        media: the source.
        start_s: of the segment.
        end_s: likewise.

    Attributes:
        origin_s: when the clip begins, in the same seconds; None before it does.
    """

    def __init__(self, container: OutputContainer, media: Media, start_s: Fraction, end_s: Fraction) -> None:
        self._container, self._media = container, media
        self._start_s, self._end_s = start_s, end_s
        self._step_s = min(1 / Fraction(media.picture.average_rate or 25), _LONGEST_STEP_S)
        self._tick_s = Fraction(media.picture.time_base or 1)
        self._last: tuple[Any, Fraction] | None = None
        self._lasting_s = Fraction(0)
        self._goes_on = False
        self._encoder: PictureEncoder | None = None
        self.origin_s: Fraction | None = None

    def add(self, frame: Any, shown_s: Fraction) -> None:
        """A picture of the source, in the order of showing; those before the segment count, and the one after it."""
        if shown_s >= self._end_s:
            self._goes_on = True
            return
        if shown_s >= self._start_s:
            if shown_s - self._start_s > _SLACK * self._step_s:
                self.begin()
            self._write(frame, shown_s)
        self._last = frame, shown_s
        self._lasting_s = (frame.duration or 0) * Fraction(frame.time_base or 0)

    def begin(self) -> None:
        """Show the last picture before the segment from its start on, if nothing is shown yet."""
        if self.origin_s is None and self._last is not None:
            self._write(self._last[0], self._start_s)

    def finish(self) -> None:
        """Show the last picture until the segment's end, or its own; nothing is written if that was before."""
        if self._last is None:
            return
        frame, shown_s = self._last
        if self._goes_on or shown_s + max(self._lasting_s, Fraction(_LONGEST_PICTURE_S)) >= self._start_s:
            self.begin()
        until_s = self._end_s if self._goes_on else min(self._end_s, shown_s + self._lasting_s)
        if until_s - max(shown_s, self._start_s) > _SLACK * self._step_s:
            self._write(frame, until_s - self._step_s)
        if self._encoder is not None:
            self._encoder.finish(self._ticks(until_s))

    def _write(self, frame: Any, at_s: Fraction) -> None:
        from wtalkit.export.encoding import PictureEncoder

        if self._encoder is None or self.origin_s is None:
            self._encoder = PictureEncoder(
                self._container, self._media, frame.width, frame.height, keep_shape=True, rotation=frame.rotation
            )
            self.origin_s = at_s
        self._encoder.write(frame, self._ticks(at_s))

    def _ticks(self, time_s: Fraction) -> int:
        return round((time_s - (self.origin_s or 0)) / self._tick_s)


def _hear(waiting: list[tuple[Fraction, Any]], origin_s: Fraction, sound: Any) -> None:
    for shown_s, frame in waiting:
        if shown_s >= origin_s:
            sound.write(frame, shown_s - origin_s)
    waiting.clear()
