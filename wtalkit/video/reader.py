"""One video, decoded once from start to end: upright RGB frames with their times, then the report."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from wtalkit.cores import available_cores
from wtalkit.errors import InputError
from wtalkit.video.container import CODECS, nominal_rate, open_video, over_limit
from wtalkit.video.gaps import GapLedger
from wtalkit.video.info import DecodeReport, Limits, VideoInfo
from wtalkit.video.packets import PacketDecoder, stated_end_s
from wtalkit.video.picture import geometry_of, upright_rgb
from wtalkit.video.scaling import Image
from wtalkit.video.timestamps import LONGEST_FRAME_S, Clock, TimedFrame
from wtalkit.video.verdict import expected_duration_s, judge

_FALLBACK_FPS = 25.0
_SLICE_THREADS = 4
"""Few videos have more slices a picture, and several are decoded at once."""


@dataclass(frozen=True)
class Frame:
    """A picture and when it is shown.

    Attributes:
        image: uint8 RGB [H, W, 3], upright, square pixels.
        pts_s: seconds since the start of the video.
        duration_s: seconds it lasts, as the container says.
    """

    image: Image
    pts_s: float
    duration_s: float

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({width}x{height} at {self.pts_s:.3f} s)"


class VideoReader:
    """Decodes one video file from start to end, in constant memory.

    Args:
        path: a local file.
        limits: what the file may claim.
        short_side: px the smaller side is scaled to; ``None`` keeps the size.

    Raises:
        InputError: the file is no video that can be decoded. Damage inside is no error: see :attr:`report`.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, limits: Limits | None = None, short_side: int | None = None
    ) -> None:
        self.path = Path(path)
        self._limits = limits or Limits()
        self._container, self._stream = open_video(path, self._limits)
        name, codec = self._container.format.name, self._stream.codec_context.name
        rate = self._stream.guessed_rate if nominal_rate(self._container, self._stream) else None
        frame_s = min(1 / (float(rate) if rate else _FALLBACK_FPS), LONGEST_FRAME_S)
        self._ledger = GapLedger(
            frame_s,
            constant_rate=name == "mxf" or (name in ("mpeg", "mpegts") and codec in ("mpeg1video", "mpeg2video")),
            all_pictures=codec in ("av1", "libdav1d"),  # which takes bytes that mean nothing to it without a word
        )
        self._decoder = PacketDecoder(self._container, self._stream, self._ledger)
        self._clock = Clock(
            self._stream.time_base or Fraction(1, 1000),
            frame_s,
            self._ledger,
            container=name,
            stated_end_s=stated_end_s(self._container),
        )
        self._reformatter = VideoReformatter()
        self._report: DecodeReport | None = None
        self._started = False
        try:
            self._open_decoder()
            self._start(short_side)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; the report, if there is one, stays."""
        self._container.close()

    @property
    def report(self) -> DecodeReport:
        """The outcome; known once all frames were taken."""
        if self._report is None:
            raise RuntimeError("the report is known only after the last frame")
        return self._report

    def frames(self) -> Iterator[Frame]:
        """All frames in order of time, each once. Can be used once."""
        for timed in self.timed_frames():
            yield Frame(self.picture(timed), timed.time_s, timed.duration_s)

    def timed_frames(self) -> Iterator[TimedFrame]:
        """Like :meth:`frames`, but not yet converted to RGB: see :meth:`picture`."""
        if self._started:
            raise RuntimeError("a video is decoded once; open it again for a second pass")
        self._started = True
        decoded, most = 0, max(1, int(self._limits.hours * 3600 * self._limits.fps))
        steps_s = (math.inf, 0.0)
        before_s: float | None = None
        for timed in self._timed:
            decoded += 1
            # The ledger heard of the first frame when it was peeked at, so the origin is known.
            time_s = timed.time_s - (self._ledger.origin_s or 0.0)
            if time_s > self._limits.hours * 3600:
                hours = f"{self._limits.hours:g}"
                raise over_limit(self.path, f"more than {hours} hours", hours, "hours")
            if decoded > most:  # time may stand still
                raise over_limit(self.path, f"more than {most} frames", f"{most}", "hours")
            if before_s is not None:
                steps_s = min(steps_s[0], time_s - before_s), max(steps_s[1], time_s - before_s)
            before_s = time_s
            yield TimedFrame(timed.frame, time_s, timed.duration_s)
        report = judge(self.path, self._container, self._stream, self._decoder, self._clock, decoded)
        self._report = replace(report, steps_s=steps_s) if decoded > 1 else report

    def picture(self, timed: TimedFrame) -> Image:
        """The frame as uint8 RGB [H, W, 3]: upright, square pixels, scaled."""
        return upright_rgb(timed.frame, self._geometry, self._reformatter)

    def _open_decoder(self) -> None:
        context = self._stream.codec_context
        # Frame threads swallow the errors at the end of a cut file; slices do not.
        context.thread_type = "SLICE"
        context.thread_count = min(_SLICE_THREADS, available_cores())
        # As an option of av.open it has no effect; here the codec refuses bigger pictures before it allocates them.
        context.options = {"max_pixels": str(self._limits.pixels), "codec_whitelist": ",".join(sorted(CODECS))}
        try:
            context.open(strict=False)
        except MemoryError:
            raise
        except FFmpegError as error:
            raise InputError(f"cannot be decoded ({error.strerror})", file=self.path) from error

    def _start(self, short_side: int | None) -> None:
        """Decode the first frame: rotation and pixel shape are often known from it only."""
        timed = self._clock.run(self._decoder)
        first = next(timed, None)
        if first is None:
            raise self._nothing_decoded()
        self._timed = chain((first,), timed)
        ratio = Fraction(self._stream.sample_aspect_ratio or 1)
        if not Fraction(1, 10) <= ratio <= 10:
            self._clock.warnings.append(f"pixel shape {ratio} taken for a mistake, 1 used")
            ratio = Fraction(1)
        self._geometry = geometry_of(first.frame, ratio, short_side)
        width, height = geometry_of(first.frame, ratio, None).displayed
        if width * height > self._limits.pixels:
            raise over_limit(self.path, f"pictures of {width}x{height}", f"{self._limits.pixels} pixels", "pixels")
        duration = self._container.duration
        self.info = VideoInfo(
            path=self.path,
            container=self._container.format.name,
            codec=self._stream.codec_context.name,
            pix_fmt=first.frame.format.name,
            width=width,
            height=height,
            coded_width=first.frame.width,
            coded_height=first.frame.height,
            sample_aspect_ratio=ratio,
            rotation=self._geometry.rotation,
            average_fps=float(self._stream.average_rate or 0),
            container_duration_s=None if duration is None else duration / 1e6,
            stream_index=self._stream.index,
            bytes=self.path.stat().st_size,
        )

    def _nothing_decoded(self) -> InputError:
        expected_s = expected_duration_s(self._container, self._stream, self._decoder)
        stated = "" if expected_s is None else f"decoded 0.00 of {expected_s:.2f} s: "
        bad = self._ledger.bad_packets
        cause = f"{bad} bad packet{'' if bad == 1 else 's'}" if bad else "the stream is empty"
        return InputError(f"{stated}no frame could be decoded ({cause})", file=self.path)


def probe(path: str | os.PathLike[str], *, limits: Limits | None = None) -> VideoInfo:
    """What the container and the first frame say; decodes a few frames.

    Raises:
        InputError: the file is no video that can be decoded.
    """
    with VideoReader(path, limits=limits) as reader:
        return reader.info


def decode_check(path: str | os.PathLike[str], *, limits: Limits | None = None) -> DecodeReport:
    """Decode everything, keep nothing, and report.

    Raises:
        InputError: the file is no video that can be decoded.
    """
    with VideoReader(path, limits=limits) as reader:
        for _ in reader.timed_frames():
            pass
        return reader.report
