"""Sliding windows over a stream of frames, a batch at a time; frames are dropped once no window needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wtalkit.timeline import Timeline

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames with their flow.

    Attributes:
        rgb: uint8 ``[n, H, W, 3]``.
        flow: float32 ``[n, 2, H, W]`` in pixels, field i from frame i to the next; None without flow.
    """

    rgb: Tensor
    flow: Tensor | None

    def __len__(self) -> int:
        return len(self.rgb)


@dataclass(frozen=True)
class WindowBatch:
    """Consecutive windows of one video.

    Attributes:
        rgb: uint8 ``[B, window, H, W, 3]``, or fewer frames where only some were picked.
        flow: float32 ``[B, window, 2, H, W]`` in pixels; None without flow.
    """

    rgb: Tensor
    flow: Tensor | None

    def __len__(self) -> int:
        return len(self.rgb)


def window_batches(
    stretches: Iterable[Stretch], timeline: Timeline, size: int, picked: Sequence[int] | None = None
) -> Iterator[WindowBatch]:
    """Cut frames (with their flow) into windows, ``size`` at a time; the tail shorter than a window is dropped.

    Args:
        stretches: the frames.
        timeline: where windows begin and how long they are.
        size: windows of a batch.
        picked: which frames of a window are wanted; all by default.
    """
    wanted = None if picked is None or len(picked) == timeline.window else list(picked)
    span = (size - 1) * timeline.stride + max(timeline.window, timeline.stride)
    held: list[Stretch] = []
    count = 0
    for stretch in stretches:
        held.append(stretch)
        count += len(stretch)
        while count >= span:
            frames = _joined(held)
            yield _windows(frames, timeline, size, wanted)
            held = [_rest(frames, size * timeline.stride)]
            count = len(held[0])
    if count and (rest := timeline.snippet_count(count)):
        yield _windows(_joined(held), timeline, rest, wanted)


def _joined(held: list[Stretch]) -> Stretch:
    import torch

    if len(held) == 1:
        return held[0]
    flows = [each.flow for each in held if each.flow is not None]
    return Stretch(torch.cat([each.rgb for each in held]), torch.cat(flows) if flows else None)


def _rest(frames: Stretch, first: int) -> Stretch:
    """What later windows still need, copied so that the rest can go."""
    return Stretch(frames.rgb[first:].clone(), None if frames.flow is None else frames.flow[first:].clone())


def _windows(frames: Stretch, timeline: Timeline, count: int, wanted: list[int] | None) -> WindowBatch:
    rgb, flow = frames.rgb, frames.flow
    return WindowBatch(
        _cut(rgb, timeline, count, wanted), None if flow is None else _cut(flow, timeline, count, wanted)
    )


def _cut(frames: Tensor, timeline: Timeline, count: int, wanted: list[int] | None) -> Tensor:
    """``[n, ...]`` to ``[count, window, ...]``, a copy of its own where windows overlap."""
    windows = frames.unfold(0, timeline.window, timeline.stride)[:count].movedim(-1, 1)  # [count, window, ...]
    return windows.contiguous() if wanted is None else windows[:, wanted]
