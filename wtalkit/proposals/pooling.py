"""One video's proposals as a second stage scores them: in snippets and in seconds, within the video, none empty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtalkit.timeline import Timeline

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """Proposals of one video, of all classes together.

    Attributes:
        segments: start and end in snippets, [M, 2], within ``[0, T]``.
        seconds: the same in seconds, [M, 2].
    """

    segments: Floats
    seconds: Floats

    def __len__(self) -> int:
        return len(self.segments)

    def take(self, rows: NDArray[np.int64]) -> Pool:
        """Only some of them."""
        return Pool(self.segments[rows], self.seconds[rows])


def pool(seconds: ArrayLike, *, timeline: Timeline, snippets: int, duration_s: float, unique: bool = True) -> Pool:
    """Bring proposals to the grid of a video's features.

    Args:
        seconds: start and end, [M, 2].
        timeline: of the features.
        snippets: T, how many there are.
        duration_s: seconds of video; proposals are clipped to it. What has no length then is left out: it covers no
            feature, and a proposal of no length overlaps nothing, not even itself.
        unique: keep one of several equal segments. Levels that lie close together, and classes that share an
            attention, cut out the same segment many times.
    """
    times = np.asarray(seconds, dtype=np.float64).reshape(-1, 2).clip(0.0, duration_s)
    slope = timeline.to_position(1.0) - timeline.to_position(0.0)
    # Timeline.to_position is linear, so it holds for arrays as well as for a number.
    places = (timeline.to_position(0.0) + times * slope).clip(0.0, snippets)
    lasting = (times[:, 1] > times[:, 0]) & (places[:, 1] > places[:, 0])
    times, places = times[lasting], places[lasting]
    if unique and len(times):
        _, first = np.unique(times, axis=0, return_index=True)
        kept = np.sort(first)
        times, places = times[kept], places[kept]
    return Pool(places, times)
