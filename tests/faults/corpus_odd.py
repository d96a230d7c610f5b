"""Good videos that are unusual: rates, clocks, shapes, pixels, company, and too few frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from tests.faults.corpus_case import FRAME_S, LENGTH_S, Build, Case, Expected, partial, refused, whole
from tests.faults.corpus_sources import FPS, FRAMES, OPTIONS, WINDOW_FRAMES, Workshop
from tests.faults.videos import numbered

IRREGULAR_MS = tuple(accumulate((0, *((17, 40, 90, 33, 8, 120)[index % 6] for index in range(FRAMES - 1)))))
ROUNDING_S = 0.003  # containers that count milliseconds


def odd() -> Iterator[Case]:
    """All of them."""
    yield from _rates()
    yield from _clocks()
    yield from _shapes()
    yield from _pixels()
    yield from _company()
    yield from _short()
    yield from _no_pictures()
    for suffix, codec, pix_fmt in (
        ("avi", "magicyuv", "gbrp"),
        ("mkv", "snow", "yuv420p"),
        ("flv", "flashsv", "bgr24"),
    ):
        size = (128, 96) if codec == "snow" else (64, 48)
        refusal = refused(rf"^video codec {codec} is not accepted\. Re-encode it, for example: ffmpeg")
        yield _fresh(f"{codec}.{suffix}", "exotic codecs", refusal, codec=codec, pix_fmt=pix_fmt, size=size)


def _fresh(name: str, family: str, expected: Expected, **how: Any) -> Case:
    def build(workshop: Workshop, path: Path) -> Expected:
        path.write_bytes(workshop.fresh(name, **how))
        return expected

    return Case(name, family, build)


def _steady(rate: Fraction, frames: int) -> Expected:
    times_s = [float(number / rate) for number in range(frames)]
    length_s = float(frames / rate)
    return whole(times_s=times_s, duration_s=(length_s - ROUNDING_S, length_s + ROUNDING_S))


def _rates() -> Iterator[Case]:
    rates = {
        "film": Fraction(24000, 1001),
        "ntsc": Fraction(30000, 1001),
        "fields": Fraction(60000, 1001),
        "fifty": Fraction(50),
        "slow": Fraction(12),
        "fast": Fraction(120),
    }
    for name, rate in rates.items():
        frames = 200 if rate > 100 else 100 if rate > 40 else FRAMES
        for suffix in ("mp4", "mkv", "ts", "avi") if name in ("film", "fields") else ("mp4",):
            codec = "mpeg4" if suffix == "avi" else "libx264"
            how = {"fps": rate, "numbers": range(frames), "codec": codec}
            yield _fresh(f"rate-{name}.{suffix}", "rates", _steady(rate, frames), **how)
    for suffix, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("mov", "libx264"), ("ts", "libx264"), ("flv", "flv"),
                          ("webm", "libvpx"), ("nut", "mpeg4")):  # fmt: skip
        times_s = [ms / 1000 for ms in IRREGULAR_MS]
        expected = whole(times_s=times_s, duration_s=(times_s[-1], times_s[-1] + 0.16))
        yield _fresh(f"vfr.{suffix}", "rates", expected, times_ms=IRREGULAR_MS, codec=codec)


def _clocks() -> Iterator[Case]:
    for suffix in ("mp4", "mkv", "ts", "flv", "mov"):
        yield _fresh(f"late.{suffix}", "clocks", whole(), start=50)
    for suffix in ("mp4", "mkv", "ts", "flv"):
        yield _fresh(f"reordered.{suffix}", "clocks", whole(), bf="3", preset="veryfast")
    yield _fresh("reordered.avi", "clocks", whole(), codec="mpeg4", bf="2")
    yield _fresh("reordered.mpg", "clocks", whole(duration_s=(1.94, 2.06)), codec="mpeg2video", bf="2")
    for name, flags in (("negative-cts", "negative_cts_offsets"), ("fragmented", "frag_keyframe+empty_moov")):
        how: dict[str, Any] = {"bf": "3", "preset": "veryfast", "container_options": {"movflags": flags}}
        yield _fresh(f"reordered-{name}.mp4", "clocks", whole(), **how)
    early_ms = [(number - 10) * 40 for number in range(60)]
    shown = whole(times_s=[(number - 10) * FRAME_S for number in range(60)])
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    for suffix in ("mp4", "mov"):
        yield _fresh(f"edit-list.{suffix}", "clocks", shown, times_ms=early_ms, numbers=range(60),
                     container_options=options)  # fmt: skip


def _shapes() -> Iterator[Case]:
    for suffix in ("mp4", "mov", "mkv"):
        for degrees in (90, 180, 270):
            how = {"rotation": degrees, "turned": (-degrees // 90) % 4}
            yield _fresh(f"turned-{degrees}.{suffix}", "shapes", whole(), **how)
    for name, size, codec, pix_fmt in (
        ("odd.mp4", (67, 49), "libx264", "yuv444p"),
        ("odd.mkv", (65, 51), "ffv1", "yuv420p"),
        ("odd.mov", (71, 53), "mjpeg", "yuvj420p"),
        ("odd.avi", (66, 50), "mpeg4", "yuv420p"),
        ("odd.webm", (69, 47), "libvpx-vp9", "yuv420p"),
        ("wide.mp4", (320, 32), "libx264", "yuv420p"),
        ("tall.mp4", (64, 400), "libx264", "yuv420p"),
    ):
        yield _fresh(name, "shapes", whole(), size=size, codec=codec, pix_fmt=pix_fmt)
    wide = {"x264-params": "sar=4/3"}
    yield _fresh("wide-pixels.mp4", "shapes", whole(stretched=True), **wide)
    yield _fresh("wide-pixels.mkv", "shapes", whole(stretched=True), **wide)
    # FFmpeg begins anew with every frame whose pixels have so absurd a shape, and only key frames come out.
    absurd = partial(unsure_s=((0.0, 9.0),), duration_s=(1.6, 2.02))
    yield _fresh("absurd-pixels.mp4", "shapes", absurd, **{"x264-params": "sar=1/100"})


def _pixels() -> Iterator[Case]:
    for name, codec, pix_fmt, options in (
        ("ten-bits.mp4", "libx264", "yuv420p10le", {}),
        ("ten-bits.mkv", "libx265", "yuv420p10le", {}),
        ("ten-bits-av1.mp4", "libsvtav1", "yuv420p10le", {}),
        ("444.mp4", "libx264", "yuv444p", {}),
        ("422.mkv", "libx264", "yuv422p10le", {}),
        ("rgb.mkv", "libx264rgb", "rgb24", {}),
        ("grey.mkv", "ffv1", "gray", {}),
        ("sixteen-bits.mkv", "ffv1", "yuv444p16le", {}),
        ("alpha.mov", "png", "rgba", {}),
        ("alpha.mkv", "ffv1", "bgra", {}),
        ("full-range.mp4", "libx264", "yuvj420p", {}),
        ("lossless.mp4", "libx264", "yuv444p", {"qp": "0"}),
        ("top-first.mp4", "libx264", "yuv420p", {"x264-params": "tff=1"}),
        ("bottom-first.ts", "libx264", "yuv420p", {"x264-params": "bff=1"}),
        ("interlaced.mkv", "mpeg2video", "yuv420p", {"flags": "+ildct+ilme"}),
        ("all-keys.mp4", "libx264", "yuv420p", {"g": "1"}),
        ("one-key.mp4", "libx264", "yuv420p", {"g": "250"}),
        ("slices.mp4", "libx264", "yuv420p", {"x264-params": "slices=3"}),
        ("refresh.mp4", "libx264", "yuv420p", {"x264-params": "intra-refresh=1:keyint=20"}),
    ):
        yield _fresh(name, "pixels and coding", whole(), codec=codec, pix_fmt=pix_fmt, **options)


def _short() -> Iterator[Case]:
    for suffix, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4"), ("ts", "libx264")):
        for frames in (1, 2, 7, WINDOW_FRAMES - 1):
            # Nothing tells how long the only frame of a transport stream lasts; FFmpeg takes the shortest for no file.
            cause = (
                r"^(too short \(\d+ < 16|not a video)" if suffix == "ts" else rf"^too short \({frames} < 16 frames\)"
            )
            how = {"numbers": range(frames), "codec": codec}
            yield _fresh(f"frames-{frames}.{suffix}", "too short", refused(cause), **how)
    least = WINDOW_FRAMES * FRAME_S
    yield _fresh("frames-16.mp4", "too short", whole(duration_s=(least - 0.01, least + 0.01)), numbers=range(16))
    yield _fresh("dense.mp4", "too short", refused(r"^too short \(10 < 16 frames\)"), fps=50, numbers=range(20))


def _no_pictures() -> Iterator[Case]:
    for name, codec in (("sound.mp4", "aac"), ("sound.mkv", "aac"), ("sound.avi", "pcm_s16le"), ("sound.ts", "mp2"),
                        ("sound.wav", "pcm_s16le"), ("sound.flv", "aac")):  # fmt: skip
        yield Case(
            name, "no video stream", _written(refused(r"^no video stream"), lambda box, c=codec: [_Sound(box, c)])
        )
    cover = _written(refused(r"^no video stream"), lambda box: [_Sound(box, "aac"), _Cover(box)])
    yield Case("song.mp4", "no video stream", cover)
    for suffix in ("mp4", "mkv", "mov"):
        cause = r"^(no video stream|(decoded 0\.00 of [\d.]+ s: )?no frame could be decoded|not a video)"
        yield Case(
            f"no-frames.{suffix}", "no video stream", _written(refused(cause), lambda box: [_Video(box, frames=0)])
        )


def _company() -> Iterator[Case]:
    makers: dict[str, Callable[[Any], Sequence[Any]]] = {
        "with-sound": lambda box: [_Video(box), _Sound(box, "aac", LENGTH_S)],
        "sound-first": lambda box: [_Sound(box, "aac", LENGTH_S), _Video(box)],
        "longer-sound": lambda box: [_Video(box), _Sound(box, "aac", 3.5)],
        "shorter-sound": lambda box: [_Video(box), _Sound(box, "aac", 0.5)],
        "two-videos": lambda box: [_Video(box), _Video(box, first=100)],
        "data": lambda box: [_Video(box), _Data(box)],
    }
    for name, tracks in makers.items():
        for suffix in ("mp4", "mkv", "ts"):
            if (name, suffix) not in (("data", "mkv"), ("data", "mp4")):  # which take no data
                yield Case(f"{name}.{suffix}", "several streams", _written(whole(), tracks))
    old = _written(whole(), lambda box: [_Video(box, codec="mpeg4"), _Sound(box, "pcm_s16le", LENGTH_S)])
    yield Case("with-sound.avi", "several streams", old)
    for name, tracks in (("cover-first", lambda box: [_Cover(box), _Video(box)]),
                         ("cover-last", lambda box: [_Video(box), _Cover(box)])):  # fmt: skip
        yield Case(f"{name}.mp4", "several streams", _written(whole(), tracks))
    subtitles = _written(whole(), lambda box: [_Video(box), _Subtitles(box)])
    yield Case("subtitles.mkv", "several streams", subtitles)


def _written(expected: Expected, tracks: Callable[[Any], Sequence[Any]]) -> Build:
    """A file of several tracks, their packets in order of time."""

    def build(workshop: Workshop, path: Path) -> Expected:
        with av.open(path, "w") as box:
            made = list(tracks(box))
            packets = [packet for track in made for packet in track.packets()]
            if not packets:
                box.start_encoding()
            for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
                box.mux(packet)
        return expected

    return build


class _Video:
    def __init__(self, box: Any, *, frames: int = FRAMES, first: int = 0, codec: str = "libx264") -> None:
        self._numbers = range(first, first + frames)
        self._stream = box.add_stream(codec, rate=FPS, options={"g": "10", **OPTIONS.get(codec, {})})
        self._stream.width, self._stream.height, self._stream.pix_fmt = 64, 48, "yuv420p"
        self._stream.codec_context.thread_count = 1

    def packets(self) -> list[Any]:
        made = []
        for index, number in enumerate(self._numbers):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            made += self._stream.encode(frame)
        return [*made, *(self._stream.encode(None) if self._numbers else [])]


class _Sound:
    def __init__(self, box: Any, codec: str, seconds: float = 1.0) -> None:
        self._rate, self._seconds = 48000, seconds
        self._stream = box.add_stream(codec, rate=self._rate, layout="mono")

    def packets(self) -> list[Any]:
        made = []
        size = 1152 if self._stream.codec_context.name == "mp2" else 1024
        for start in range(0, int(self._seconds * self._rate), size):
            format = self._stream.codec_context.format.name
            silence = np.zeros((1, size), np.float32 if format.startswith("flt") else np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format=format, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, start, Fraction(1, self._rate)
            made += self._stream.encode(frame)
        return [*made, *self._stream.encode(None)]


class _Cover:
    def __init__(self, box: Any) -> None:
        self._stream = box.add_stream("mjpeg", rate=1)
        self._stream.width, self._stream.height, self._stream.pix_fmt = 64, 48, "yuvj420p"
        self._stream.disposition = Disposition.attached_pic

    def packets(self) -> list[Any]:
        frame = av.VideoFrame.from_ndarray(numbered(255), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        return [*self._stream.encode(frame), *self._stream.encode(None)]


class _Data:
    def __init__(self, box: Any) -> None:
        self._stream = box.add_data_stream()

    def packets(self) -> list[Any]:
        return [_packet(self._stream, b"some data", index * 400, 400) for index in range(4)]


class _Subtitles:
    def __init__(self, box: Any) -> None:
        self._stream = box.add_mux_stream("subrip")

    def packets(self) -> list[Any]:
        return [_packet(self._stream, f"line {index}".encode(), index * 500, 500) for index in range(4)]


def _packet(stream: Any, content: bytes, start_ms: int, lasts_ms: int) -> Any:
    packet = av.Packet(content)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = start_ms
    packet.duration = lasts_ms
    return packet
