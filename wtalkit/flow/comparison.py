"""Our TV-L1 against OpenCV's DualTVL1, pair by pair on the same core: how far apart, how much faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wtalkit.flow.batch import tvl1_pair
from wtalkit.flow.opencv import dual_tvl1_pair
from wtalkit.flow.parameters import TvL1Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]


@dataclass(frozen=True)
class FlowComparison:
    """Distances are between end points, averaged over a field, in pixels; times are CPU time of one thread."""

    pairs: int
    mean_endpoint_px: float
    worst_pair_px: float
    mean_motion_px: float
    """Average length of OpenCV's flow, to see the distances against."""
    own_pair_s: float
    opencv_pair_s: float

    @property
    def speedup(self) -> float:
        """Our pairs per second over OpenCV's."""
        return self.opencv_pair_s / self.own_pair_s


def compare_with_opencv(frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> FlowComparison:
    """Compute each pair of ``frames`` (grey uint8 ``[N, H, W]``, N >= 2) by both, in turns, with default parameters.

    Raises:
        ValueError: there are fewer than two frames, or they are not grey uint8 of one size.
    """
    if len(frames) < 2:
        raise ValueError(f"frames must hold at least two, got {len(frames)}")
    parameters = TvL1Parameters()
    tvl1_pair(frames[0], np.bitwise_not(frames[0]))  # compiles: not part of what is measured
    distances, motions = [], []
    own_s = opencv_s = 0.0
    for k in range(len(frames) - 1):
        own, seconds = _timed(lambda k=k: tvl1_pair(frames[k], frames[k + 1], parameters))  # type: ignore[misc]
        own_s += seconds
        reference, seconds = _timed(lambda k=k: dual_tvl1_pair(frames[k], frames[k + 1], parameters))  # type: ignore[misc]
        opencv_s += seconds
        distances.append(float(np.hypot(*(own - reference)).mean()))
        motions.append(float(np.hypot(*reference).mean()))
    pairs = len(distances)
    return FlowComparison(
        pairs, float(np.mean(distances)), max(distances), float(np.mean(motions)), own_s / pairs, opencv_s / pairs
    )


def _timed(compute: Callable[[], Field]) -> tuple[Field, float]:
    start = time.thread_time()
    field = compute()
    return field, time.thread_time() - start
