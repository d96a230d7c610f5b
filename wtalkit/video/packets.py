"""Decoding packet by packet, so that one bad packet costs its own frames and not the rest of the file.

``container.decode`` ends at the first bad packet, and with frame threads it ends without an error; success cannot
be read from exceptions. Here bad packets are counted and the decoder goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from av.container import InputContainer
from av.error import EOFError as FFmpegEOFError
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wtalkit.video.gaps import GapLedger
from wtalkit.video.positions import AviTimes, ByteWatch
from wtalkit.video.timestamps import WITHOUT_TIMES

_READ_ERRORS_IN_A_ROW = 8  # after these the rest of the file counts as missing
_STATE_THEIR_END = ("flv", "ivf", "asf", "matroska,webm", "nut")  # in a header, not worked out from time stamps
_STRAY_S = 10.0
_SOME_MEMORY_BYTES = 1 << 26


class PacketDecoder:
    """Yields the frames of one stream in the decoder's order, which is the order of presentation.

    Attributes:
        ledger: told of every packet.
        file_end_s: end of the last packet of any stream read so far, in the container's clock.
        read_until: end of the last packet of any stream, in bytes from the start of the file.
        unkeyed: packets before the first key frame that could not be decoded; a recording may start so.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, ledger: GapLedger) -> None:
        self.ledger = ledger
        self.file_end_s = 0.0
        self.unkeyed = 0
        self.read_until = 0
        self._container = container
        self._stream = stream
        self._frames = 0
        self._key_seen = False
        self._since_corrupt: int | None = None  # packets of the stream
        name = container.format.name
        self._avi_times = AviTimes(stream.index_entries) if name == "avi" else None
        self._bytes = ByteWatch(name)
        self._has_times = name not in WITHOUT_TIMES
        self._may_start_unkeyed = name in ("mpegts", "mpeg")
        self._stated_end_s = stated_end_s(container) if name in _STATE_THEIR_END else None

    def __iter__(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            yield from self._decode(packet)
        yield from self._decode(None)

    @property
    def cut_inside_packet(self) -> bool:
        """The last packet of the stream was not whole, or the one before it: a parser cuts packets anew."""
        return self._since_corrupt is not None and self._since_corrupt <= 1

    def seconds(self, ticks: int | None) -> float | None:
        """A time stamp of the stream in seconds of the container's clock; None where there is none to be trusted."""
        time_base = self._stream.time_base
        return float(ticks * time_base) if self._has_times and ticks is not None and time_base is not None else None

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """The stream's packets; the other streams' are read for where the file ends."""
        errors = 0
        packets = self._container.demux()
        while errors < _READ_ERRORS_IN_A_ROW:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegEOFError):
                return
            except FFmpegError as error:
                if isinstance(error, MemoryError) and not _memory_is_left():
                    raise
                errors += 1  # a size that no memory can hold is damage, too
                self.ledger.damage(self.file_end_s)
                packets = self._container.demux()  # the iterator is used up by the error
                continue
            if packet.size == 0 or self._is_stray(packet):
                continue  # PyAV's request to flush, or an AVI's repeated frame, which a decoder would take for one
            errors = 0
            ours = packet.stream_index == self._stream.index
            if ours and self._avi_times is not None and self._avi_times.correct(packet):
                self.ledger.damage(self.seconds(packet.dts))
            self._note_position(packet)
            if ours:
                yield cast("Packet[VideoStream]", packet)

    def _is_stray(self, packet: Packet[Stream]) -> bool:
        """Garbage behind the end of a file, taken for the beginning of a packet."""
        time_s = _start_s(packet)
        end_s = self._stated_end_s
        return packet.is_corrupt and time_s is not None and end_s is not None and time_s > end_s + _STRAY_S

    def _note_position(self, packet: Packet[Stream]) -> None:
        ours = packet.stream_index == self._stream.index
        time_s = _start_s(packet) if self._has_times else None
        if time_s is not None and packet.time_base is not None:
            self.file_end_s = max(self.file_end_s, time_s + float((packet.duration or 0) * packet.time_base))
        if packet.is_corrupt:
            self._since_corrupt = 0
            if ours:
                self.ledger.damage(time_s)
        elif self._since_corrupt is not None:
            self._since_corrupt += 1
        if self._bytes.lost_before(packet):
            self.ledger.damage(time_s)
        if packet.pos is not None and packet.pos >= 0:
            self.read_until = max(self.read_until, packet.pos + packet.size)

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        context = self._stream.codec_context
        if packet is not None and not packet.is_discard:
            self.ledger.packet(self.seconds(packet.dts if packet.pts is None else packet.pts))
            self._key_seen = self._key_seen or packet.is_keyframe
        try:
            frames = context.decode(packet)
        except FFmpegEOFError:
            return []
        except MemoryError:
            raise
        except FFmpegError:
            if self._may_start_unkeyed and not self._key_seen and not self._frames:
                self.unkeyed += 1
            else:
                self.ledger.bad_packet()
            return []
        self._frames += len(frames)
        return frames


def _start_s(packet: Packet[Stream]) -> float | None:
    ticks = packet.dts if packet.pts is None else packet.pts
    return None if ticks is None or packet.time_base is None else float(ticks * packet.time_base)


def stated_end_s(container: InputContainer) -> float | None:
    """Where the container says that it ends, in seconds of its clock; None if it does not say."""
    return None if container.duration is None else ((container.start_time or 0) + container.duration) / 1e6


def _memory_is_left() -> bool:
    try:
        bytearray(_SOME_MEMORY_BYTES)
    except MemoryError:
        return False
    return True
