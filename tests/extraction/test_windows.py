from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtalkit.extraction.windows import window_batches
from wtalkit.timeline import Timeline


def numbered(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames and fields of one pixel that hold their own number."""
    return [(np.full((1, 1, 3), i, np.uint8), np.full((2, 1, 1), i, np.float32)) for i in range(count)]


@settings(deadline=None)
@given(count=st.integers(0, 120), window=st.integers(1, 16), stride=st.integers(1, 20), size=st.integers(1, 5))
def test_windows_are_those_of_the_timeline(count: int, window: int, stride: int, size: int) -> None:
    timeline = Timeline(25, window, stride)
    batches = list(window_batches(numbered(count), timeline, size))
    rows = [list(row[:, 0, 0, 0]) for batch in batches for row in batch.rgb]
    assert rows == [list(range(i * stride, i * stride + window)) for i in range(timeline.snippet_count(count))]
    fields = [list(row[:, 0, 0, 0]) for batch in batches for row in batch.flow]
    assert fields == rows
    assert all(0 < len(batch) <= size for batch in batches)


@pytest.mark.parametrize("stride", [4, 16])
def test_no_flow(stride: int) -> None:
    frames = [(image, None) for image, _ in numbered(40)]
    assert all(batch.flow is None for batch in window_batches(frames, Timeline(25, 16, stride), 2))
