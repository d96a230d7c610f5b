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

_READ_ERRORS_IN_A_ROW = 8  # after these the rest of the file counts as missing
_CHUNK_HEADER_BYTES = 8  # AVI: the index points at the chunk, FFmpeg at its content
_SKIPPED_BYTES = 1024  # more than Matroska's own elements between two packets


class PacketDecoder:
    """Yields the frames of one stream in the decoder's order, which is the order of presentation.

    Attributes:
        ledger: told of every packet.
        file_end_s: end of the last packet of any stream read so far, in the container's clock.
        cut_inside_packet: the last packet of the file was not whole.
        unkeyed: packets before the first key frame that could not be decoded; a recording may start so.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, ledger: GapLedger) -> None:
        self.ledger = ledger
        self.file_end_s = 0.0
        self.cut_inside_packet = False
        self.unkeyed = 0
        self._container = container
        self._stream = stream
        self._frames = 0
        self._key_seen = False
        self._next_byte: int | None = None
        self._index = stream.index_entries if container.format.name == "avi" else None
        self._cursor = 0  # in the index
        self._shift = 0  # frames the index is ahead of FFmpeg's count
        # A Matroska demuxer jumps over damage in silence; only a hole in the bytes read tells.
        self._watch_bytes = "matroska" in container.format.name
        self._may_start_unkeyed = container.format.name in ("mpegts", "mpeg")

    def __iter__(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            yield from self._decode(packet)
        yield from self._decode(None)

    def seconds(self, ticks: int | None) -> float | None:
        """A time stamp of the stream in seconds of the container's clock."""
        time_base = self._stream.time_base
        return None if ticks is None or time_base is None else float(ticks * time_base)

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """The stream's packets; the other streams' are read for where the file ends."""
        errors = 0
        packets = self._container.demux()
        while errors < _READ_ERRORS_IN_A_ROW:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegEOFError):
                return
            except FFmpegError:
                errors += 1
                self.ledger.damage(self.file_end_s)
                packets = self._container.demux()  # the iterator is used up by the error
                continue
            if packet.size == 0:
                continue  # PyAV's request to flush, or an AVI's repeated frame, which a decoder would take for one
            errors = 0
            if self._index is not None and packet.stream_index == self._stream.index:
                self._correct_avi_time(packet)
            self._note_position(packet)
            if packet.stream_index == self._stream.index:
                yield cast("Packet[VideoStream]", packet)

    def _note_position(self, packet: Packet[Stream]) -> None:
        ticks = packet.dts if packet.pts is None else packet.pts
        time_s = None if ticks is None or packet.time_base is None else float(ticks * packet.time_base)
        if time_s is not None:
            self.file_end_s = max(self.file_end_s, time_s + float((packet.duration or 0) * packet.time_base))
        if packet.is_corrupt and packet.stream_index == self._stream.index:
            self.ledger.damage(time_s)
        self.cut_inside_packet = packet.is_corrupt
        if self._watch_bytes and packet.pos is not None and packet.pos >= 0:
            if self._next_byte is not None and packet.pos - self._next_byte > _SKIPPED_BYTES:
                self.ledger.damage(time_s)
            self._next_byte = packet.pos + packet.size

    def _correct_avi_time(self, packet: Packet[Stream]) -> None:
        """Give an AVI packet the time of the index at the file's end.

        FFmpeg counts the chunks it meets, so after a damaged stretch all times would be early.
        """
        entries = self._index
        if entries is None or packet.pos is None or packet.dts is None:
            return
        while self._cursor < len(entries) and entries[self._cursor].pos < packet.pos - _CHUNK_HEADER_BYTES:
            self._cursor += 1
        if self._cursor < len(entries) and entries[self._cursor].pos == packet.pos - _CHUNK_HEADER_BYTES:
            shift = entries[self._cursor].timestamp - packet.dts
            if shift > self._shift:
                self._shift = shift
                self.ledger.damage(self.seconds(packet.dts + shift))
        packet.dts += self._shift
        if packet.pts is not None:
            packet.pts += self._shift

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        context = self._stream.codec_context
        if packet is not None and not packet.is_discard:
            self.ledger.packet(self.seconds(packet.dts if packet.pts is None else packet.pts))
            self._key_seen = self._key_seen or packet.is_keyframe
        try:
            frames = context.decode(packet)
        except FFmpegEOFError:
            return []
        except FFmpegError:
            if self._may_start_unkeyed and not self._key_seen and not self._frames:
                self.unkeyed += 1
            else:
                self.ledger.bad_packet()
            return []
        self._frames += len(frames)
        return frames
