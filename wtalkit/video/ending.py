"""What the bytes at the end of a file tell of its wholeness: marks and sizes that FFmpeg does not pass on."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal

Ending = Literal["whole", "cut", "unfinished"]
"""``cut``: bytes are missing. ``unfinished``: the mark at the end is, for a cut or for a recording that broke off."""

_TAIL_BYTES = 1 << 20
_TRANSPORT = ((188, 0), (192, 4), (204, 0))  # bytes of a packet, place of the sync byte: plain, M2TS, error correction
_SYNC = b"\x47"
_SEGMENT = b"\x18\x53\x80\x67"  # Matroska's element around all others
_BEHIND_CLUSTERS = (b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"\x10\x43\xa7\x70", b"\x19\x41\xa4\x69", b"\xec")
_OGG_PAGE = b"OggS"
_OGG_HEADER_BYTES = 27
_OGG_LAST = 4  # flag of a page
_NUT_INDEX = b"NX\xdd\x67\x2f\x23\xe6\x4e"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def ending_of(container: str, path: Path, read_until: int) -> Ending | None:
    """How the file ends; None where nothing in it tells.

    Args:
        container: FFmpeg's name of the format.
        path: the file.
        read_until: where the last packet of any stream ends, in bytes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        match container:
            case "mpegts":
                return _transport_stream(file, size)
            case "matroska,webm":
                return _matroska(file, size, read_until)
            case "ogg":
                return _ogg(_tail(file, size))
            case "nut":
                return None if _NUT_INDEX in _tail(file, size) else "unfinished"
            case "asf":
                return _asf(file, size)
    return None


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - _TAIL_BYTES))
    return file.read()


def _transport_stream(file: BinaryIO, size: int) -> Ending | None:
    """It states no length, but its file is a whole number of packets, unless it was cut."""
    for length, sync in _TRANSPORT:
        last = size // length * length
        file.seek(max(0, last - length))
        rest = file.read()
        begun = rest[length + sync : length + sync + 1]
        if rest[sync : sync + 1] == _SYNC and begun in (_SYNC, b"") and size % length:
            return "cut"
    return None


def _matroska(file: BinaryIO, size: int, read_until: int) -> Ending | None:
    head = file.read(4096)
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if at < len(_SEGMENT):
        return None
    first = head[at]
    length = 9 - first.bit_length()  # of the number that follows (RFC 8794, 4)
    number = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    if length > 8 or number == (1 << 7 * length) - 1:
        return None  # a live recording
    if at + length + number <= size:
        return "whole"
    file.seek(read_until)
    return "whole" if file.read(4).startswith(_BEHIND_CLUSTERS) else "cut"


def _ogg(tail: bytes) -> Ending | None:
    at = tail.rfind(_OGG_PAGE)
    if at < 0:
        return None
    page = tail[at:]
    segments = page[26] if len(page) >= _OGG_HEADER_BYTES else 0
    length = _OGG_HEADER_BYTES + segments + sum(page[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + segments])
    if len(page) < _OGG_HEADER_BYTES + segments or len(page) < length:
        return "unfinished"  # the length that FFmpeg gives is that of the pages before
    return "whole" if page[5] & _OGG_LAST else "unfinished"


def _asf(file: BinaryIO, size: int) -> Ending | None:
    head = file.read(1 << 16)
    at = head.find(_ASF_PROPERTIES)
    stated = int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0
    if stated == 0:
        return None  # a broadcast
    return "whole" if stated <= size else "cut"
