"""What is known about a video before, and what is known after decoding it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

PATIENCE_S = 120.0
"""Seconds without a sign of life after which a decoder counts as hung."""

_EVEN = 1.2
_CLOCK_S = 0.002
"""Two times of a container that counts milliseconds may each be wrong by one."""


@dataclass(frozen=True)
class Limits:
    """What a video may claim before it is refused, so that a forged header cannot exhaust the machine.

    Attributes:
        pixels: width times height of one picture.
        fps: frames per second of the source.
        hours: length of the source.
        streams: streams in the container.
        memory: GiB that the process which decodes may take; frames it hands on do not count.
    """

    pixels: int = 8192 * 8192
    fps: float = 240.0
    hours: float = 24.0
    streams: int = 64
    memory: float = 8.0


@dataclass(frozen=True)
class VideoInfo:
    """What the container and the first frame say about a video.

    Attributes:
        path: the file.
        container: FFmpeg's name of the format, such as ``mov,mp4,m4a,3gp,3g2,mj2``.
        codec: name of the decoder.
        pix_fmt: pixel format of the decoded frames.
        width: px as displayed, after the sample aspect ratio and the rotation.
        height: px as displayed.
        coded_width: px as stored.
        coded_height: px as stored.
        sample_aspect_ratio: width of a stored pixel over its height.
        rotation: degrees counterclockwise the stored picture is turned by to stand upright: 0, 90, 180 or 270.
        average_fps: frames per second; 0 if the container does not say.
        container_duration_s: seconds, of the longest stream; ``None`` if the container does not say.
        stream_index: which stream of the container was taken.
        bytes: size of the file.
    """

    path: Path
    container: str
    codec: str
    pix_fmt: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    sample_aspect_ratio: Fraction
    rotation: int
    average_fps: float
    container_duration_s: float | None
    stream_index: int
    bytes: int


@dataclass(frozen=True)
class DecodeReport:
    """What came out of a whole decoding, and what did not.

    Attributes:
        frames: frames decoded.
        bad_packets: packets the decoder refused.
        duration_s: end of the last frame minus start of the first, in seconds; gaps inside count as time.
        expected_duration_s: what the container states for this stream; ``None`` if it does not say.
        gaps: half-open intervals in seconds (first frame at 0) for which the file has data that could not be decoded,
            a missing end included. Times a variable frame rate leaves out on purpose are no gaps.
        warnings: sentences for the user.
        complete: ``False`` if anything is missing, or if nothing in the file can tell.
        steps_s: seconds from a frame to the next, the shortest and the longest; zeros for a single frame.
    """

    frames: int
    bad_packets: int
    duration_s: float
    expected_duration_s: float | None
    gaps: tuple[tuple[float, float], ...]
    warnings: tuple[str, ...]
    complete: bool
    steps_s: tuple[float, float] = (0.0, 0.0)

    @property
    def variable_rate(self) -> bool:
        """Whether the time between frames changes by more than clocks of a thousandth of a second round."""
        shortest_s, longest_s = self.steps_s
        return longest_s > _EVEN * shortest_s + _CLOCK_S

    @property
    def decoded_s(self) -> float:
        """Seconds with a picture: the duration without the gaps inside."""
        return seconds_with_picture(self.duration_s, self.gaps)

    @property
    def ends_early_s(self) -> float:
        """Seconds missing at the end; 0 if none are."""
        if self.expected_duration_s is None or not self.gaps or self.gaps[-1][1] <= self.duration_s:
            return 0.0
        return self.expected_duration_s - self.duration_s


def seconds_with_picture(duration_s: float, gaps: Iterable[tuple[float, float]]) -> float:
    """The duration without the gaps inside it."""
    return duration_s - sum(end - start for start, end in gaps if end <= duration_s)


def describe_partial(report: DecodeReport) -> str:
    """Say in one clause what an incomplete decoding lacks, as ``decoded 0.96 of 4.00 s (the file ends early)``."""
    if report.frames == 0:
        return "no frame could be decoded"
    inner = [gap for gap in report.gaps if gap[1] <= report.duration_s]
    decoded_s = report.decoded_s
    causes = []
    if report.bad_packets:
        causes.append(f"{report.bad_packets} bad packet{'s' if report.bad_packets > 1 else ''}")
    if inner:
        shown = ", ".join(f"{start:.2f}-{end:.2f}" for start, end in inner[:3])
        causes.append(f"no picture at {shown}{' ...' if len(inner) > 3 else ''} s")
    if report.ends_early_s:
        causes.append("the file ends early")
    if report.expected_duration_s is None:
        return f"partial, duration unknown: decoded {decoded_s:.2f} s ({', '.join(causes) or 'no end marker'})"
    # A stream may hold a little more than it states: never claim 4.04 of 4.00 s.
    total_s = max(report.expected_duration_s, report.duration_s)
    return f"decoded {decoded_s:.2f} of {total_s:.2f} s ({', '.join(causes) or 'the file ends inside a frame'})"
