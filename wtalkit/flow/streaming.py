"""Flow of a video that is still being decoded: fields come out in order while later pairs are being computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from wtalkit.cores import available_cores
from wtalkit.flow.algorithms import FlowAlgorithm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Gray = NDArray[np.uint8]
    Field = NDArray[np.float32]

_PAIRS_AHEAD_PER_WORKER = 2
"""Enough to keep every thread at work, few enough to hold no more than a handful of frames."""


def stream_flow(
    gray_frames: Iterable[Gray], algorithm: FlowAlgorithm, *, workers: int | None = None
) -> Iterator[Field]:
    """Give a field for each frame: frame k to frame k + 1, the last one repeated, zeros for a single frame.

    Memory does not grow with the number of frames: at most two pairs a worker are taken ahead. Each pair is computed by
    one thread, so fields do not depend on ``workers``. Closing the generator early stops the threads.

    Args:
        gray_frames: uint8 ``[H, W]`` frames of one size; each must be an array of its own, not a buffer filled anew.
        algorithm: from ``get_flow``.
        workers: threads; as many as there are cores by default.

    Raises:
        ValueError: ``workers`` is below 1, or a frame is not grey uint8 of the size of the one before.
    """
    threads = available_cores() if workers is None else workers
    if threads < 1:
        raise ValueError(f"workers must be 1 or more, got {workers!r}")
    return _stream(iter(gray_frames), algorithm, threads)


def _stream(gray_frames: Iterator[Gray], algorithm: FlowAlgorithm, threads: int) -> Iterator[Field]:
    previous = next(gray_frames, None)
    if previous is None:
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="wtalkit-flow")
    ahead: deque[Future[Field]] = deque()
    field: Field | None = None
    try:
        for gray in gray_frames:
            ahead.append(pool.submit(algorithm.pair, previous, gray))
            previous = gray
            if len(ahead) > _PAIRS_AHEAD_PER_WORKER * threads:
                field = ahead.popleft().result()
                yield field
        while ahead:
            field = ahead.popleft().result()
            yield field
        yield _no_motion(previous) if field is None else field.copy()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _no_motion(gray: Gray) -> Field:
    import numpy

    return numpy.zeros((2, *gray.shape), numpy.float32)
