"""Streaming: as many fields as frames, in order, whatever the number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.flow.scenes import disc_over_background
from wtalkit.flow import dis, get_flow, stream_flow, tvl1

FRAMES = disc_over_background(48, 64, frames=7)


@pytest.mark.parametrize("workers", [1, 2, None])
def test_streaming_equals_the_batch(workers: int | None) -> None:
    fields = list(stream_flow(iter(FRAMES), get_flow("tvl1"), workers=workers))
    assert len(fields) == len(FRAMES)
    np.testing.assert_array_equal(np.stack(fields[:-1]), tvl1(FRAMES))
    np.testing.assert_array_equal(fields[-1], fields[-2])


def test_dis_streams_too() -> None:
    fields = list(stream_flow(FRAMES, get_flow("dis"), workers=2))
    np.testing.assert_array_equal(np.stack(fields[:-1]), dis(FRAMES))


@pytest.mark.parametrize("name", ["tvl1", "dis", "none"])
def test_a_single_frame_gives_zeros(name: str) -> None:
    (field,) = stream_flow(FRAMES[:1], get_flow(name))
    assert field.shape == (2, 48, 64)
    assert field.dtype == np.float32
    assert not field.any()


def test_no_frames_no_fields() -> None:
    assert list(stream_flow([], get_flow("none"))) == []


def test_few_frames_are_taken_ahead() -> None:
    taken = 0

    def frames() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield FRAMES[0]

    fields = stream_flow(frames(), get_flow("none"), workers=2)
    for given in range(1, 101):
        next(fields)
        assert taken <= given + 8
    fields.close()  # type: ignore[attr-defined]
    assert taken < 120


def test_closing_early_stops_the_threads() -> None:
    before = set(threading.enumerate())
    slow = replace(get_flow("none"), pair=lambda a, b: (time.sleep(0.01), np.zeros((2, 48, 64), np.float32))[1])
    fields = stream_flow(iter(FRAMES), slow, workers=2)
    next(fields)
    assert set(threading.enumerate()) > before
    fields.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) == before


def test_an_error_in_a_thread_comes_out() -> None:
    frames = [FRAMES[0], FRAMES[1], FRAMES[2][:40]]
    fields = stream_flow(frames, get_flow("tvl1"), workers=2)
    with pytest.raises(ValueError, match=r"\(48, 64\) and \(40, 64\)"):
        list(fields)


def test_workers_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="got 0"):
        stream_flow(FRAMES, get_flow("none"), workers=0)
