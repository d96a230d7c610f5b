"""A video at a constant rate: for every instant k / fps the source frame nearest in time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from wtalkit.timeline import Timeline
from wtalkit.video.info import DecodeReport, Limits, VideoInfo
from wtalkit.video.reader import VideoReader
from wtalkit.video.scaling import Image
from wtalkit.video.timestamps import TimedFrame

T = TypeVar("T")

_TIE_S = 1e-6  # two frames count as equally near within this; time stamps as floats are exact to far less


def nearest_in_time(frames: Iterable[tuple[T, float, float]], fps: float) -> Iterator[tuple[T, int]]:
    """Resample by timestamps to a constant rate.

    There are ``max(1, round(duration * fps))`` instants k / fps. Instant k takes the frame whose time is nearest to it,
    the earlier of two equally near ones. Over a gap the frames around it are repeated, so time is kept.

    Args:
        frames: of each frame anything, its time and its duration in seconds; times ascend from 0.
        fps: instants per second.

    Yields:
        A frame and how many instants in a row take it (1 or more); frames that no instant takes are left out.
    """
    timeline = Timeline(fps)
    decided: deque[tuple[T, int]] = deque()  # frame and its last instant + 1; given out once the video is that long
    held: tuple[T, float] | None = None
    given = count = 0
    end_s = 0.0
    for frame, time_s, duration_s in frames:
        end_s = max(end_s, time_s + duration_s)
        if held is not None and time_s <= held[1] + _TIE_S:
            continue  # two frames of one time: the first is taken
        if held is not None:
            first = count
            while abs(held[1] - count / fps) <= abs(time_s - count / fps) + _TIE_S:
                count += 1
            if count > first:
                decided.append((held[0], count))
        held = (frame, time_s)
        # The video lasts until time_s at least, so the instants up to there are wanted for sure.
        while decided and decided[0][1] <= timeline.frame_count(time_s):
            chosen, until = decided.popleft()
            yield chosen, until - given
            given = until
    if held is None:
        return
    total = timeline.frame_count(end_s)
    decided.append((held[0], max(total, count)))
    for chosen, until in decided:
        until = min(until, total)
        if until > given:
            yield chosen, until - given
            given = until


class FrameStream:
    """Iterates a video as uint8 RGB [H, W, 3] at a constant rate, upright, with square pixels, in constant memory.

    Args:
        path: a local file.
        fps: frames per second to give.
        short_side: px the smaller side is scaled to (see :func:`wtalkit.video.resize_short_side`); ``None`` keeps it.
        limits: what the file may claim.
        alive: called after each frame that is decoded, be it given or not.

    Raises:
        InputError: the file is no video that can be decoded.

    The array of one frame may be given several times in a row; do not write into it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float,
        *,
        short_side: int | None = None,
        limits: Limits | None = None,
        alive: Callable[[], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.fps = fps
        self._alive = alive
        self._reader = VideoReader(path, limits=limits, short_side=short_side)
        self._count: int | None = None

    @property
    def info(self) -> VideoInfo:
        """What the container and the first frame say."""
        return self._reader.info

    @property
    def report(self) -> DecodeReport:
        """The outcome; known once all frames were taken."""
        return self._reader.report

    @property
    def frame_count(self) -> int:
        """Frames given; known once all were taken."""
        if self._count is None:
            raise RuntimeError("the number of frames is known only after the last one")
        return self._count

    def __iter__(self) -> Iterator[Image]:
        count = 0
        with self._reader as reader:
            timed = ((frame, frame.time_s, frame.duration_s) for frame in self._watched(reader))
            for frame, repeats in nearest_in_time(timed, self.fps):
                image = reader.picture(frame)
                for _ in range(repeats):
                    count += 1
                    yield image
        self._count = count

    def _watched(self, reader: VideoReader) -> Iterator[TimedFrame]:
        for frame in reader.timed_frames():
            if self._alive is not None:
                self._alive()
            yield frame

    def close(self) -> None:
        """Release the file of a stream that is not read to its end."""
        self._reader.close()
