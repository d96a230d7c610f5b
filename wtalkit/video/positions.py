"""What the places of packets in a file tell: bytes that were jumped over in silence, and the true times in an AVI."""

from __future__ import annotations

from typing import Any

from av.index import IndexEntries
from av.packet import Packet

_SLACK_BYTES = {
    # More than the container's own bytes between two packets.
    "matroska,webm": 512,
    "flv": 64,
    "nut": 256,
    "ogg": 600,
    "ivf": 12,
}
_IN_BLOCKS = "asf"  # all of one size; they may end in padding, but in each of them some frame begins or goes on
_CHUNK_HEADER_BYTES = 8  # AVI: the index points at the chunk, FFmpeg at its content


class ByteWatch:
    """Notices bytes of a file that came in no packet: most demuxers look for the next one without a word.

    Args:
        container: FFmpeg's name of the format.
    """

    def __init__(self, container: str) -> None:
        self._slack = _SLACK_BYTES.get(container)
        self._in_blocks = container == _IN_BLOCKS
        self._block: int | None = None  # the smallest step from place to place
        self._place: int | None = None  # several packets may share one
        self._read = 0  # bytes of packets since then
        self._last = 0  # bytes of the packet before

    def lost_before(self, packet: Packet[Any]) -> bool:
        """Whether bytes are missing between the packets so far and this one; asked once for each, of all streams."""
        place, before, last = packet.pos, self._place, self._last
        self._last = packet.size
        if self._slack is None and not self._in_blocks:
            return False
        if before is None or place is None or place <= before:  # the rest of a packet, begun before another stream's
            self._place = place if before is None else before
            self._read += packet.size
            return False
        step = place - before
        unexplained = step - self._read
        self._place, self._read = place, packet.size
        if self._slack is not None:
            return unexplained > self._slack + step // 100  # page headers of a large packet
        self._block = block = min(step, self._block or step)
        return step >= 2 * block and last < step - 2 * block + block // 2


class AviTimes:
    """Gives the packets of an AVI the times of the index at its end.

    FFmpeg counts the chunks it meets, so behind a damaged stretch all times would be early.

    Args:
        entries: the index of the stream.
    """

    def __init__(self, entries: IndexEntries) -> None:
        self._entries = entries
        self._cursor = 0
        self._ahead = 0  # frames the index is ahead of FFmpeg's count

    def correct(self, packet: Packet[Any]) -> bool:
        """Set the packet's time; whether chunks before it were lost."""
        if packet.pos is None or packet.dts is None:
            return False
        entries, chunk = self._entries, packet.pos - _CHUNK_HEADER_BYTES
        while self._cursor < len(entries) and entries[self._cursor].pos < chunk:
            self._cursor += 1
        lost = False
        if self._cursor < len(entries) and entries[self._cursor].pos == chunk:
            ahead = entries[self._cursor].timestamp - packet.dts
            lost = ahead > self._ahead
            self._ahead = max(self._ahead, ahead)
        packet.dts += self._ahead
        if packet.pts is not None:
            packet.pts += self._ahead
        return lost
