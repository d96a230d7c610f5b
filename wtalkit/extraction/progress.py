"""How far the work is, and how long the rest will take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_RATE_OVER_S = 60.0
"""The rate is that of the last minute: a change of pace shows, a pause of seconds does not."""


@dataclass(frozen=True)
class Progress:
    """How far the extraction of one video is.

    Attributes:
        key: the video.
        path: its file.
        frames: resampled frames read so far.
        frames_expected: frames the container promises; None if it does not say.
        decode_fps: frames per second of time spent in decoding.
        flow_pairs_per_s: flow fields per second of wall time; 0 without flow.
        elapsed_s: seconds since the start of this video.
        frames_done: frames whose features are there.
        finished: the video is done.
    """

    key: str
    path: Path
    frames: int
    frames_expected: int | None
    decode_fps: float
    flow_pairs_per_s: float
    elapsed_s: float
    frames_done: int = 0
    finished: bool = False


class Meter:
    """Counts frames and seconds of one video and tells whoever wants to know."""

    def __init__(
        self,
        key: str,
        path: Path,
        *,
        expected: int | None,
        with_flow: bool,
        stride: int,
        tell: Callable[[Progress], None] | None,
    ) -> None:
        self._key, self._path, self._expected = key, path, expected
        self._with_flow, self._stride, self._tell = with_flow, stride, tell
        self._frames = self._done = 0
        self._decode_s = 0.0
        self._started = time.perf_counter()

    def read(self, frames: int, decode_s: float) -> None:
        """So many more frames were decoded, in so many seconds."""
        self._frames += frames
        self._decode_s += decode_s
        self.show()

    def computed(self, rows: int) -> None:
        """So many more rows are there."""
        self._done = min(self._done + rows * self._stride, self._frames)
        self.show()

    def show(self, *, finished: bool = False) -> None:
        if self._tell is None:
            return
        elapsed_s = time.perf_counter() - self._started
        self._tell(
            Progress(
                self._key,
                self._path,
                self._frames,
                self._frames if finished else self._expected,
                decode_fps=self._frames / max(self._decode_s, 1e-9),
                flow_pairs_per_s=self._frames / max(elapsed_s, 1e-9) if self._with_flow else 0.0,
                elapsed_s=elapsed_s,
                frames_done=self._frames if finished else self._done,
                finished=finished,
            )
        )


class Estimate:
    """Seconds left of a job of many videos, from the frames that are done and those that are to come.

    Videos of unknown length count as long as the known ones on average. Several threads may tell it what they know.

    Args:
        videos: how many there are.
        clock: seconds; :func:`time.monotonic` but for tests.
    """

    def __init__(self, videos: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._videos, self._clock = videos, clock
        self._lock = threading.Lock()
        self._expected: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._through: set[str] = set()
        self._idle: set[str] = set()
        self._total = 0
        self._history: deque[tuple[float, int]] = deque([(clock(), 0)])

    def expect(self, key: str, frames: int) -> None:
        """The video will have so many frames."""
        with self._lock:
            self._expected[key] = frames

    def update(self, key: str, frames: int) -> None:
        """So many frames of the video are done."""
        with self._lock:
            before = self._done.get(key, 0)
            if frames <= before:
                return
            self._done[key] = frames
            self._total += frames - before
            now = self._clock()
            self._history.append((now, self._total))
            while len(self._history) > 2 and now - self._history[1][0] >= _RATE_OVER_S:
                self._history.popleft()

    def finish(self, key: str, *, worked: bool = True) -> None:
        """The video is through; ``worked`` is False for one that needed no work."""
        with self._lock:
            self._through.add(key)
            if not worked:
                self._idle.add(key)

    @property
    def left_s(self) -> float | None:
        """Seconds left; None while nothing is known."""
        with self._lock:
            (then, before), (now, done) = self._history[0], self._history[-1]
            known = {key: frames for key, frames in self._expected.items() if key not in self._idle}
            if done <= before or now <= then or not known:
                return None
            rate = (done - before) / (self._clock() - then)
            to_come = known.keys() - self._through
            left = sum(max(known[key] - self._done.get(key, 0), 0) for key in to_come)
            unknown = self._videos - len(self._through | known.keys())
            return (left + unknown * sum(known.values()) / len(known)) / rate
