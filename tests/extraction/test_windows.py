from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wtalkit.extraction.windows import Stretch, window_batches
from wtalkit.timeline import Timeline


def numbered(lengths: list[int]) -> list[Stretch]:
    """Stretches of frames and fields of one pixel that hold their own number."""
    stretches, first = [], 0
    for length in lengths:
        numbers = torch.arange(first, first + length)
        stretches.append(Stretch(numbers.byte().reshape(-1, 1, 1, 1), numbers.float().reshape(-1, 1, 1, 1)))
        first += length
    return stretches


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), max_size=6),
    window=st.integers(1, 16),
    stride=st.integers(1, 20),
    size=st.integers(1, 5),
)
def test_windows_are_those_of_the_timeline(lengths: list[int], window: int, stride: int, size: int) -> None:
    timeline = Timeline(25, window, stride)
    batches = list(window_batches(numbered(lengths), timeline, size))
    rows = [row.flatten().tolist() for batch in batches for row in batch.rgb]
    count = sum(lengths)
    assert rows == [list(range(i * stride, i * stride + window)) for i in range(timeline.snippet_count(count))]
    fields = [row.flatten().tolist() for batch in batches for row in batch.flow]
    assert fields == rows
    assert all(0 < len(batch) <= size for batch in batches)
    assert all(batch.rgb.is_contiguous() and batch.rgb.shape[1] == window for batch in batches)


@pytest.mark.parametrize("stride", [4, 16])
def test_no_flow(stride: int) -> None:
    frames = [Stretch(each.rgb, None) for each in numbered([16, 16, 8])]
    batches = list(window_batches(frames, Timeline(25, 16, stride), 2))
    assert batches
    assert all(batch.flow is None for batch in batches)


@pytest.mark.parametrize("stride", [3, 20])
def test_only_the_frames_that_are_picked(stride: int) -> None:
    timeline = Timeline(30, 16, stride)
    (picked, whole) = (
        torch.cat([batch.rgb.flatten(1) for batch in window_batches(numbered([16, 30, 9]), timeline, 2, frames)])
        for frames in ((0, 5, 15), None)
    )
    assert picked.tolist() == whole[:, [0, 5, 15]].tolist()
    assert len(picked) == timeline.snippet_count(55)
