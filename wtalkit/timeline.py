"""The one definition of time: which seconds of the source video a snippet stands for.

A video is resampled by timestamps to a constant rate and cut into windows of ``window`` frames, one every
``stride`` frames. Nobody else multiplies frames, strides and rates.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeline:
    """Map between snippets and seconds of the source video (whose first timestamp is 0).

    Attributes:
        fps: frames per second after resampling.
        window: frames a snippet sees.
        stride: frames from one snippet to the next.
    """

    fps: float
    window: int = 16
    stride: int = 16

    def __post_init__(self) -> None:
        if not (self.fps > 0 and self.window > 0 and self.stride > 0):
            raise ValueError(f"a timeline needs positive numbers, got {self}")

    def frame_count(self, duration_s: float) -> int:
        """Frames after resampling a video of ``duration_s`` seconds."""
        return max(1, round(duration_s * self.fps))

    def snippet_count(self, frames: int) -> int:
        """Snippets in ``frames`` resampled frames; the tail shorter than a window is dropped."""
        return 0 if frames < self.window else (frames - self.window) // self.stride + 1

    def window_s(self, index: int) -> tuple[float, float]:
        """Half-open interval ``[start, end)`` in seconds that snippet ``index`` sees."""
        first = index * self.stride
        return first / self.fps, (first + self.window) / self.fps

    def to_seconds(self, position: float) -> float:
        """Seconds of a snippet boundary: ``position`` i is where snippet i's own cell starts.

        Overlapping windows (stride < window) would claim the same second several times, so each snippet owns the
        middle ``stride`` frames of its window. With stride = window this is ``position * stride / fps``.
        """
        return (position * self.stride + (self.window - self.stride) / 2) / self.fps

    def to_position(self, seconds: float) -> float:
        """Inverse of :meth:`to_seconds`, in (fractional) snippets."""
        return (seconds * self.fps - (self.window - self.stride) / 2) / self.stride
