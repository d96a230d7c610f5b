"""Files that were good: cut, flipped, overwritten, shifted, with packets or headers gone, with something behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from tests.faults.corpus_case import (
    DAMAGE,
    FRAME_S,
    LENGTH_S,
    STEADY,
    Case,
    Expected,
    either,
    of_bytes,
    partial,
    refused,
    whole,
)
from tests.faults.corpus_sources import DAMAGED, FPS, FRAMES, KEYS_EVERY, SOURCES, WINDOW_FRAMES, Good, Source, Workshop

NOTHING = (
    r"^(index \(moov\) missing|not a video|no video stream|video codec unknown|over limit: the picture size is missing"
    r"|decoded 0\.00 of [\d.]+ s: no frame could be decoded|no frame could be decoded)"
)
"""How a file is described of which nothing can be had."""
TOO_SHORT = r"^too short \(\d+ < 16 frames\)"
TRANSPORT_PACKET = 188
FIRST, LAST = 22, 26
"""Frames in the middle that are damaged."""


def damaged() -> Iterator[Case]:
    """All cases made from :data:`DAMAGED`."""
    for source in DAMAGED:
        for percent in (20, 65, 99):
            yield _case(source, "cut", f"cut-{percent}", _cut, percent)
        yield _case(source, "overwritten", "zeros", _overwritten, "zeros")
        yield _case(source, "overwritten", "random", _overwritten, "random")
        yield _case(source, "bits flipped", "flip", _flipped, 1)
        yield _case(source, "bytes removed or inserted", "removed", _removed)
        yield _case(source, "something behind", "trailing", _trailing)
    for name in ("mkv-h264", "avi-mpeg4", "faststart-h264", "ts-h264"):
        yield _case(SOURCES[name], "cut", "cut-header", _cut_header)
        yield _case(SOURCES[name], "cut", "cut-85", _cut, 85)
        yield _case(SOURCES[name], "bits flipped", "flips", _flipped, 6)
        yield _case(SOURCES[name], "bytes removed or inserted", "inserted", _inserted)
    yield _case(SOURCES["faststart-av1"], "overwritten", "zero-packet", _zero_packet)
    for name in ("ts-h264", "ts-mpeg2video"):
        yield _case(SOURCES[name], "cut", "cut-edge", _cut_at_edge)
    for name in ("mkv-h264", "faststart-h264", "ts-h264", "avi-mpeg4", "flv-flv", "nut-mpeg4"):
        for which in ("first", "key", "other", "last"):
            yield _case(SOURCES[name], "packets dropped", f"drop-{which}", _dropped, which)
    for name, mark in _HEADERS:
        yield _case(SOURCES[name], "headers damaged", f"no-{re.sub('[^a-z0-9]', '', mark.lower())}", _header, mark)
    for name in ("mp4-h264", "faststart-h264"):
        yield _case(SOURCES[name], "headers damaged", "moov-renamed", _renamed)
    for name in ("ts-h264", "mpg-mpeg2video", "mkv-h264", "mp4-h264", "avi-mpeg4", "flv-flv", "ogv-vp8"):
        yield _case(SOURCES[name], "something behind", "twice", _twice)


def _case(source: Source, family: str, fault: str, make: object, *words: object) -> Case:
    def content(workshop: Workshop) -> tuple[bytes, Expected]:
        return make(source, workshop.good(source.name), *words)  # type: ignore[operator, no-any-return]

    return Case(f"{fault}-{source.name}.{source.suffix}", family, of_bytes(content))


def _cut(source: Source, good: Good, percent: int) -> tuple[bytes, Expected]:
    at = len(good.content) * percent // 100
    if source.suffix == "ts" and at % TRANSPORT_PACKET in (0, TRANSPORT_PACKET - 1):
        at += 7
    return good.content[:at], _after_cut(source, good, at)


def _cut_at_edge(source: Source, good: Good) -> tuple[bytes, Expected]:
    at = len(good.content) * 6 // 10 // TRANSPORT_PACKET * TRANSPORT_PACKET
    expected = _after_cut(source, good, at)
    reason = "a transport stream states no length, and whole packets are left"
    return good.content[:at], either(reason, "whole", "partial", duration_s=expected.duration_s, times_s=STEADY,
                                     unsure_s=expected.unsure_s)  # fmt: skip


def _cut_header(source: Source, good: Good) -> tuple[bytes, Expected]:
    at = {"mkv": 300, "avi": 200, "mp4": 600, "ts": 100}[source.suffix]
    return good.content[:at], refused(NOTHING)


def _after_cut(source: Source, good: Good, at: int) -> Expected:
    """What is left of a file of which only the first bytes are there."""
    if source.index_last:
        return refused(r"^index \(moov\) missing, download incomplete\?")
    begun = sum(start < at for start in good.starts)
    complete = sum(end <= at for end in _next_starts(good))
    bounds = (max(0, complete - 2) / FPS - 0.02, begun / FPS + 0.02)
    unsure = ((complete / FPS - FRAME_S, 9.0),)
    if begun == FRAMES:
        paged = len(set(good.starts)) < FRAMES
        ends = (start + size for start, size in zip(good.starts, good.sizes, strict=True))
        if source.suffix == "mxf":
            reason = "every frame is there, but FFmpeg does not open it without what stands behind them"
            return either(reason, "whole", "partial", "refused", cause=NOTHING)
        if not paged and all(end <= at for end in ends):
            return whole()  # only an index is cut
        if source.suffix == "mpg":
            reason = "every frame is there: only padding is cut"
            return either(reason, "whole", "partial", duration_s=bounds, unsure_s=unsure)
    if begun < WINDOW_FRAMES:
        return refused(f"{DAMAGE}|{NOTHING}|{TOO_SHORT}")
    return partial(duration_s=bounds, unsure_s=unsure)


def _next_starts(good: Good) -> list[int]:
    """Where each frame surely has ended: pages hold several frames, and begin where the last one did."""
    ends = []
    for start in good.starts:
        later = [other for other in good.starts if other > start]
        ends.append(min(later) if later else len(good.content))
    return ends


def _span(good: Good) -> tuple[int, int]:
    """The bytes of the damaged frames, from the inside of the first to the inside of the last."""
    return good.middle(FIRST), max(good.starts[LAST] + good.sizes[LAST] // 4, good.middle(FIRST) + 600)


def _around(good: Good, start: int, end: int) -> tuple[tuple[float, float], float]:
    """Which seconds depend on the bytes between two places, and from when on all is well again."""
    first = max(0, sum(other <= start for other in good.starts) - 1)
    first = good.starts.index(good.starts[first])  # the first of its page
    last = sum(other < end for other in good.starts)
    if len(set(good.starts)) < FRAMES:  # a page is lost as a whole, and the next key frame with it
        last = good.next_key(last) + 1
    return (first / FPS - FRAME_S, good.next_key(last) / FPS + FRAME_S), good.next_key(last) / FPS


def _overwritten(source: Source, good: Good, with_what: str) -> tuple[bytes, Expected]:
    start, end = _span(good)
    new = bytes(end - start) if with_what == "zeros" else np.random.default_rng(start).bytes(end - start)
    content = good.content[:start] + new + good.content[end:]
    if source.resyncs:
        unsure, after_s = _around(good, start, end)
        return content, partial(unsure_s=(unsure,), right_after_s=after_s + 2 * KEYS_EVERY / FPS - 0.1)
    return content, partial(duration_s=(FIRST / FPS - 0.1, LENGTH_S + 0.02), unsure_s=((FIRST / FPS - FRAME_S, 9.0),))


def _zero_packet(source: Source, good: Good) -> tuple[bytes, Expected]:
    """One whole packet of zeros, which AV1 reads as nothing at all."""
    start, size = good.starts[FIRST], good.sizes[FIRST]
    content = good.content[:start] + bytes(size) + good.content[start + size :]
    unsure, after_s = _around(good, start, start + size)
    return content, partial(unsure_s=(unsure,), right_after_s=after_s + FRAME_S)


def _flipped(source: Source, good: Good, count: int) -> tuple[bytes, Expected]:
    content = bytearray(good.content)
    random = np.random.default_rng(len(content))
    places = [good.middle(FIRST)] if count == 1 else [good.middle(frame) for frame in range(20, 20 + count)]
    for place in places:
        content[place] ^= 1 << int(random.integers(8))
    unsure, after_s = _around(good, places[0], places[-1] + 1)
    reason = "a flipped bit may give another legal picture"
    return bytes(content), either(reason, "whole", "partial", unsure_s=(unsure,), right_after_s=after_s + 0.04)


def _removed(source: Source, good: Good) -> tuple[bytes, Expected]:
    start, end = _span(good)
    return good.content[:start] + good.content[end:], _shifted(source, good, start, end)


def _inserted(source: Source, good: Good) -> tuple[bytes, Expected]:
    start = good.middle(FIRST)
    content = good.content[:start] + np.random.default_rng(start).bytes(3001) + good.content[start:]
    if source.suffix in ("avi", "ts"):
        reason = "one frame has bytes too many, which may give another legal picture"
        unsure, after_s = _around(good, start, start + 1)
        return content, either(reason, "whole", "partial", unsure_s=(unsure,), right_after_s=after_s + 0.8)
    return content, _shifted(source, good, start, start + 1)


def _shifted(source: Source, good: Good, start: int, end: int) -> Expected:
    """Behind this place bytes stand elsewhere than they did."""
    if source.index_last:
        return refused(r"^index \(moov\) missing")  # its place is where the size of what stands before says
    unsure, after_s = _around(good, start, end)
    if source.finds_back:
        return partial(unsure_s=(unsure,), right_after_s=after_s + 2 * KEYS_EVERY / FPS - 0.1)
    return partial(
        duration_s=(unsure[0] - 0.5, LENGTH_S + 0.02),
        unsure_s=((unsure[0], 9.0),),
        warning="frames are missing inside" if source.suffix in ("avi", "mxf") else "",
    )


def _trailing(source: Source, good: Good) -> tuple[bytes, Expected]:
    return good.content + np.random.default_rng(5).bytes(2999), whole()


def _twice(source: Source, good: Good) -> tuple[bytes, Expected]:
    content = good.content + good.content
    joined = tuple(STEADY) if source.suffix == "mp4" else None
    if source.suffix in ("ts", "mpg"):  # made to be joined so
        return content, whole(
            duration_s=(2 * LENGTH_S - 0.05, 2 * LENGTH_S + 0.05), times_s=joined, warning="time stamps start anew"
        )
    if joined:
        return content, whole()
    reason = "the second video may be read on or left out; neither is damage"
    return content, either(
        reason, "whole", "partial", duration_s=(LENGTH_S - 0.02, 2 * LENGTH_S + 0.05), times_s=joined
    )


def _dropped(source: Source, good: Good, which: str) -> tuple[bytes, Expected]:
    """One packet left out while the rest was copied to a new file."""
    number = {"first": 0, "key": 20, "other": 24, "last": FRAMES - 1}[which]
    content = _remuxed(source, good, number)
    reason = "what depends on the frame may be refused or guessed"
    facts: dict[str, object] = {
        "duration_s": (LENGTH_S - 0.02, LENGTH_S + 0.02),
        "unsure_s": ((number / FPS - FRAME_S, good.next_key(number + 1) / FPS + FRAME_S),),
    }
    if which == "last":
        facts["duration_s"] = (LENGTH_S - FRAME_S - 0.02, LENGTH_S + 0.02)
    if which == "first":  # the clock may begin with any frame up to the next key frame
        facts["duration_s"] = (LENGTH_S - (KEYS_EVERY + 1) / FPS, LENGTH_S + 0.02)
        facts["shift_s"] = (0.0, KEYS_EVERY / FPS)
    if source.suffix == "avi":  # which has no times: what is left moves up
        facts.update(times_s=None, duration_s=(LENGTH_S - (KEYS_EVERY + 1) / FPS, LENGTH_S + 0.02))
    if which in ("other", "last"):
        return content, whole(**facts)  # a legal file of a variable rate
    return content, either(reason, "whole", "partial", **facts)


def _remuxed(source: Source, good: Good, without: int) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, f"a.{source.suffix}"), Path(folder, f"b.{source.suffix}")
        before.write_bytes(good.content)
        with av.open(before) as reading, av.open(after, "w", options=source.container) as writing:
            stream = writing.add_stream_from_template(reading.streams.video[0])
            packets = [packet for packet in reading.demux(video=0) if packet.size]
            for number, packet in enumerate(packets):
                if number != without:
                    packet.stream = stream
                    writing.mux(packet)
        return after.read_bytes()


_HEADERS: tuple[tuple[str, str], ...] = (
    ("faststart-h264", "ftyp"),
    ("faststart-h264", "moov"),
    ("faststart-h264", "trak"),
    ("faststart-h264", "stsz"),
    ("faststart-h264", "stts"),
    ("faststart-h264", "stco"),
    ("faststart-h264", "stsc"),
    ("faststart-h264", "avcC"),
    ("faststart-h264", "mdhd"),
    ("mkv-h264", "\x1aE\xdf\xa3"),
    ("mkv-h264", "\x15I\xa9f"),
    ("mkv-h264", "\x16T\xaek"),
    ("avi-mpeg4", "RIFF"),
    ("avi-mpeg4", "hdrl"),
    ("avi-mpeg4", "strf"),
    ("avi-mpeg4", "idx1"),
    ("flv-flv", "FLV"),
    ("wmv-wmv2", "0&\xb2u"),
    ("ogv-vp8", "OggS"),
    ("ivf-vp9", "DKIF"),
    ("nut-mpeg4", "nut/multimedia"),
)


def _header(source: Source, good: Good, mark: str) -> tuple[bytes, Expected]:
    """A mark and what follows it overwritten."""
    raw = mark.encode("latin-1")
    at = (
        good.content.rindex(raw) if mark == "idx1" else good.content.rindex(raw, 0, 4000)
    )  # Matroska names its elements in front, too
    length = {"ftyp": 4, "nut/multimedia": 14, "stsz": 220, "stts": 24, "stco": 24, "stsc": 24, "idx1": 820}.get(
        mark, 40
    )
    keep = len(raw) if mark in ("stsz", "stts", "stco", "stsc") else 0  # a table of zeros, else no table at all
    content = good.content[: at + keep] + bytes(length - keep) + good.content[at + length :]
    if mark in ("ftyp", "idx1", "nut/multimedia", "RIFF"):
        return content, whole()  # told by other marks
    if mark in ("\x15I\xa9f", "OggS"):
        reason = "the length is lost" if mark != "OggS" else "pages further on may be enough"
        return content, either(
            reason, "whole", "partial", "refused", cause=NOTHING, duration_s=(1.5, 2.02), times_s=None
        )
    return content, refused(NOTHING)


def _renamed(source: Source, good: Good) -> tuple[bytes, Expected]:
    return good.content.replace(b"moov", b"lost", 1), refused(r"^index \(moov\) missing, download incomplete\?")
