"""Sliding windows over a stream of frames, a batch at a time; frames are dropped once no window needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtalkit.timeline import Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FrameAndFlow = tuple[NDArray[np.uint8], NDArray[np.float32] | None]


@dataclass(frozen=True)
class WindowBatch:
    """Consecutive windows of one video.

    Attributes:
        rgb: uint8 ``[B, window, H, W, 3]``.
        flow: float32 ``[B, window, 2, H, W]`` in pixels, field i from frame i to the next; None without flow.
    """

    rgb: NDArray[np.uint8]
    flow: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.rgb)


def window_batches(frames: Iterable[FrameAndFlow], timeline: Timeline, size: int) -> Iterator[WindowBatch]:
    """Cut frames (with their flow) into windows, ``size`` at a time; the tail shorter than a window is dropped."""
    span = (size - 1) * timeline.stride + max(timeline.window, timeline.stride)
    held: list[FrameAndFlow] = []
    for frame in frames:
        held.append(frame)
        if len(held) == span:
            yield _stack(held, timeline, size)
            del held[: size * timeline.stride]
    if rest := timeline.snippet_count(len(held)):
        yield _stack(held, timeline, rest)


def _stack(held: list[FrameAndFlow], timeline: Timeline, count: int) -> WindowBatch:
    import numpy as np

    windows = [held[first : first + timeline.window] for first in range(0, count * timeline.stride, timeline.stride)]
    rgb = np.stack([np.stack([image for image, _ in window]) for window in windows])
    if held[0][1] is None:
        return WindowBatch(rgb, None)
    flow = np.stack([np.stack([field for _, field in window if field is not None]) for window in windows])
    return WindowBatch(rgb, flow)
