from __future__ import annotations

import resource
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wtalkit.video import FrameStream, nearest_in_time

from .conftest import MakeVideo, numbered_image, read_number


def obvious(times: list[float], last_s: float, fps: float) -> list[int]:
    count = max(1, round((times[-1] + last_s) * fps))
    distances = [np.abs(np.array(times) - k / fps) for k in range(count)]
    return [int(np.flatnonzero(distance <= distance.min() + 1e-6)[0]) for distance in distances]


def resampled(times: list[float], last_s: float, fps: float) -> list[int]:
    steps = [*np.diff(times), last_s]
    runs = nearest_in_time(((i, t, d) for i, (t, d) in enumerate(zip(times, steps, strict=True))), fps)
    return [index for index, repeats in runs for _ in range(repeats)]


@settings(deadline=None)
@given(
    steps=st.lists(st.one_of(st.floats(0.001, 2), st.sampled_from([0.0, 0.02, 0.04, 0.1])), max_size=40),
    last_s=st.floats(0, 1),
    fps=st.sampled_from([0.5, 1, 3.7, 10, 12.5, 25, 50]),
)
def test_nearest_in_time_is_the_obvious_version(steps: list[float], last_s: float, fps: float) -> None:
    times = [0.0, *np.cumsum(steps).tolist()]
    assert resampled(times, last_s, fps) == obvious(times, last_s, fps)


def test_nearest_in_time_of_nothing_is_nothing() -> None:
    assert list(nearest_in_time([], 25)) == []


@pytest.mark.parametrize("fps", [6.25, 12.5, 25, 30, 50])
def test_constant_rate(make_video: MakeVideo, fps: float) -> None:
    stream = FrameStream(make_video(frames=40), fps)
    numbers = [read_number(image) for image in stream]
    assert numbers == obvious([k / 25 for k in range(40)], 1 / 25, fps)
    assert stream.frame_count == len(numbers)
    assert stream.report.complete


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(50)])
def test_broadcast_rates(make_video: MakeVideo, rate: Fraction) -> None:
    numbers = [read_number(image) for image in FrameStream(make_video(frames=60, fps=rate), 25)]
    assert numbers == obvious([float(k / rate) for k in range(60)], float(1 / rate), 25)


@pytest.mark.parametrize("start_ms", [0, 7000])
@pytest.mark.parametrize("name", ["video.mkv", "video.mp4", "video.ts"])
def test_variable_rate_and_late_start(make_video: MakeVideo, name: str, start_ms: int) -> None:
    steps = np.random.default_rng(1).choice([20, 40, 50, 200, 900], 30)
    times = [start_ms + int(t) for t in np.cumsum([0, *steps])]
    path = make_video(name, frames=len(times), times=times, bf="2")
    stream = FrameStream(path, 25)
    numbers = [read_number(image) for image in stream]
    expected = obvious(
        [(t - start_ms) / 1000 for t in times], stream.report.duration_s - (times[-1] - start_ms) / 1000, 25
    )
    assert numbers == expected
    assert stream.report.gaps == ()
    assert stream.report.complete


def test_a_gap_is_bridged_by_the_nearest_frames(make_video: MakeVideo) -> None:
    times = [k * 40 for k in range(50) if not 20 <= k < 30]
    numbers = [read_number(image) for image in FrameStream(make_video("video.mkv", len(times), times=times), 25)]
    assert numbers == [*range(20), *[19] * 5, *[20] * 5, *range(20, 40)]


def test_avi_with_b_frames_keeps_the_order_of_pictures(make_video: MakeVideo) -> None:
    path = make_video("video.avi", 60, codec="mpeg4", bf="2")
    stream = FrameStream(path, 25)
    assert [read_number(image) for image in stream] == list(range(60))
    assert stream.report.duration_s == pytest.approx(2.4)


def test_edit_list_that_drops_the_start(make_video: MakeVideo) -> None:
    times = [(k - 10) * 40 for k in range(50)]
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    stream = FrameStream(make_video(frames=50, times=times, container_options=options), 25)
    assert [read_number(image) for image in stream] == list(range(10, 50))
    assert stream.report.complete


def test_short_side_and_info(make_video: MakeVideo) -> None:
    stream = FrameStream(make_video(size=(200, 120), frames=5), 25, short_side=60)
    assert {image.shape for image in stream} == {(60, 100, 3)}
    assert (stream.info.width, stream.info.height) == (200, 120)


def test_results_are_known_at_the_end_only(make_video: MakeVideo) -> None:
    stream = FrameStream(make_video(frames=5), 25)
    with pytest.raises(RuntimeError, match="only after the last"):
        _ = stream.frame_count
    with pytest.raises(RuntimeError, match="only after the last"):
        _ = stream.report
    assert len(list(stream)) == 5
    with pytest.raises(RuntimeError, match="decoded once"):
        list(stream)


def test_memory_does_not_grow_with_length(make_video: MakeVideo, tmp_path: Path) -> None:
    width, height, frames = 320, 240, 800
    path = make_video(frames=frames, size=(width, height), image=numbered_image(0, width, height), preset="ultrafast")
    stream = iter(FrameStream(path, 25))
    for _ in range(100):
        next(stream)
    early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in stream) == frames - 100
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early
    assert grown_kib * 1024 < 60 * width * height * 3  # 700 frames came
