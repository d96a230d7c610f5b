"""Times of frames: in order, without holes where the container left them out, restarted clocks joined."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame

from wtalkit.video.gaps import GapLedger

# AVI has no presentation times: with B-frames FFmpeg hands the times out in decoding order, so they come out shuffled
# by up to the decoder's reorder depth, which no codec allows to pass 16 frames.
_DEEP_LOOK_AHEAD = 16
_LOOK_AHEAD = 4
LONGEST_FRAME_S = 10.0  # where the container does not speak for more
WITHOUT_TIMES = (
    "h264",
    "hevc",
    "vvc",
    "mpegvideo",
    "m4v",
    "h261",
    "h263",
    "mjpeg",
    "obu",
    "av1",
    "vc1",
    "dirac",
    "cavsvideo",
)
"""FFmpeg's formats that are nothing but the bytes of one stream; it makes times up, not always evenly."""


@dataclass(frozen=True)
class TimedFrame:
    """A decoded frame and when it is shown.

    Attributes:
        frame: not yet converted to RGB.
        time_s: seconds in the container's clock.
        duration_s: seconds the container says it lasts, else the nominal time between frames.
    """

    frame: VideoFrame
    time_s: float
    duration_s: float


class Clock:
    """Gives frames their times, in order.

    The order of pictures is the decoder's, which is right: the times are sorted and dealt out anew. (In UCF101's AVI
    files the step from picture to picture is smooth in the decoder's order and jerky in that of its time stamps.)
    """

    def __init__(
        self,
        time_base: Fraction,
        frame_s: float,
        ledger: GapLedger,
        *,
        container: str,
        stated_end_s: float | None = None,
    ) -> None:
        self.warnings: list[str] = []
        self.restarted = False  # the container's times and durations no longer mean the whole file
        self._time_base = time_base  # frames flushed out of a decoder know no time base of their own
        self._frame_s = frame_s
        self._ledger = ledger
        self._shuffled = container == "avi"
        self._counted = container in WITHOUT_TIMES
        self._stated_end_s = stated_end_s
        self._depth = _DEEP_LOOK_AHEAD if self._shuffled else _LOOK_AHEAD
        self._offset_s = 0.0
        self._latest_s: float | None = None  # latest time seen
        self._previous_s: float | None = None  # time last dealt out

    def run(self, frames: Iterable[VideoFrame]) -> Iterator[TimedFrame]:
        """Yield every frame with its time; reads a few frames ahead."""
        waiting: deque[VideoFrame] = deque()
        times: list[float] = []
        for frame in frames:
            heapq.heappush(times, self._time_of(frame))
            waiting.append(frame)
            if len(waiting) > self._depth:
                yield self._deal(waiting.popleft(), heapq.heappop(times))
        while waiting:
            yield self._deal(waiting.popleft(), heapq.heappop(times))

    def _deal(self, frame: VideoFrame, time_s: float) -> TimedFrame:
        if self._previous_s is not None and time_s < self._previous_s:
            self._warn("time stamps out of order")
            time_s = self._previous_s
        self._previous_s = time_s
        duration_s = self._frame_s
        if frame.duration and not (self._shuffled or self._counted):  # AVI has a constant rate
            duration_s = self._believed(float(frame.duration * self._time_base), time_s)
        self._ledger.frame(time_s, duration_s)
        return TimedFrame(frame, time_s, duration_s)

    def _believed(self, duration_s: float, time_s: float) -> float:
        """A frame may last as long as the container says the video does; a forged one could last for years."""
        rest_s = 0.0 if self._stated_end_s is None else self._stated_end_s + self._offset_s - time_s
        return min(duration_s, max(rest_s, LONGEST_FRAME_S))

    def _time_of(self, frame: VideoFrame) -> float:
        if frame.pts is None or self._counted:
            time_s = 0.0 if self._latest_s is None else self._latest_s + self._frame_s
        else:
            time_s = float(frame.pts * self._time_base) + self._offset_s
            if self._latest_s is not None and time_s < self._latest_s - max(1.0, 2 * self._depth * self._frame_s):
                # Recordings joined end to end: time goes on where it was.
                self._warn("time stamps start anew inside the file")
                self.restarted = True
                self._ledger.forget_packets()
                joined_s = self._latest_s + self._frame_s
                self._offset_s += joined_s - time_s
                time_s = joined_s
        self._latest_s = time_s if self._latest_s is None else max(self._latest_s, time_s)
        return time_s

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
