"""Whether a decoding was complete: decoded time against what the container states."""

from __future__ import annotations

import re
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from wtalkit.video.ending import ending_of
from wtalkit.video.info import DecodeReport
from wtalkit.video.packets import PacketDecoder
from wtalkit.video.timestamps import WITHOUT_TIMES, Clock

_ALWAYS_STATE_A_DURATION = ("matroska,webm", "asf")  # once they are finished and whole
_COUNT_FRAMES = ("avi", "mxf")  # instead of writing down their times
_INDEX_BYTES = 16
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def judge(
    path: Path, container: InputContainer, stream: VideoStream, decoder: PacketDecoder, clock: Clock, frames: int
) -> DecodeReport:
    """The report of a decoding that has come to its end."""
    ledger = decoder.ledger
    origin_s = ledger.origin_s or 0.0
    duration_s = ledger.end_s - origin_s
    gaps = [(start - origin_s, end - origin_s) for start, end in ledger.gaps]
    notes = list(clock.warnings)
    ending = ending_of(container.format.name, path, decoder.read_until)
    expected_s = None if clock.restarted or ending == "unfinished" else expected_duration_s(container, stream, decoder)
    tolerance_s = max(1.5 * ledger.frame_s, 0.1)
    lost = ledger.lost_at_end()
    missing_until_s = 0.0 if lost is None else lost[1] - origin_s
    # Some containers count from 0, some from the first time stamp: the kinder reading decides.
    if expected_s is not None and expected_s - max(duration_s, ledger.end_s) > tolerance_s:
        missing_until_s = max(missing_until_s, expected_s)
    if missing_until_s > duration_s:
        gaps.append((duration_s, missing_until_s))
        expected_s = max(expected_s or 0.0, missing_until_s)
    unknown = ending == "unfinished" or (
        expected_s is None
        and not clock.restarted
        and container.format.name in _ALWAYS_STATE_A_DURATION
        and ending != "whole"
    )
    if unknown:
        notes.append("partial, duration unknown: the file was cut or the recording not finished")
    elif expected_s is None:
        notes.append("the container states no duration, so a missing end cannot be noticed")
    cut = decoder.cut_inside_packet or (ending == "cut" and not unknown)
    if cut:
        notes.append("the file ends inside a frame")
    if container.format.name in _COUNT_FRAMES and missing_until_s > duration_s and _goes_on(container, decoder):
        lost_s = missing_until_s - duration_s
        notes.append(f"frames are missing inside, at places that cannot be told: times may be {lost_s:.2f} s early")
    if decoder.unkeyed:
        notes.append(f"starts without a key frame: the first {decoder.unkeyed} packets cannot be decoded")
    return DecodeReport(
        frames=frames,
        bad_packets=ledger.bad_packets,
        duration_s=duration_s,
        expected_duration_s=expected_s,
        gaps=tuple(gaps),
        warnings=tuple(notes),
        complete=not (gaps or ledger.bad_packets or unknown or cut),
    )


def expected_duration_s(container: InputContainer, stream: VideoStream, decoder: PacketDecoder) -> float | None:
    """Seconds the container states for the video stream; ``None`` if nothing in it can be held against the decoding.

    Args:
        decoder: after the last packet, for where the file ends.
    """
    if container.format.name in WITHOUT_TIMES:
        return None  # FFmpeg guesses from the bytes per second
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        # FFmpeg shortens the duration of a cut AVI to what is there; the header's count of frames stays.
        return float(stream.frames / stream.average_rate)
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    tag = _CLOCK.fullmatch(stream.metadata.get("DURATION", "").strip())
    if tag is not None:  # Matroska: the end of this track
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if container.duration is None:
        return None
    # Only the longest stream's length is known. If the file was read up to it, the video simply ends before the sound.
    total_s = container.duration / 1e6
    read_all = decoder.file_end_s >= total_s - max(1.5 * decoder.ledger.frame_s, 0.1)
    return decoder.ledger.end_s - (decoder.ledger.origin_s or 0.0) if read_all else total_s


def _goes_on(container: InputContainer, decoder: PacketDecoder) -> bool:
    """Whether an index follows the last packet, so that the file was not cut."""
    return container.size - decoder.read_until > _INDEX_BYTES
