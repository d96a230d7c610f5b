"""Damaged files: what is left keeps its true times, and what is missing is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wtalkit.errors import InputError
from wtalkit.video import FrameStream, VideoReader, decode_check, describe_partial

from .conftest import MakeVideo, read_number

CONTAINERS = [
    ("video.mp4", "libx264", {"movflags": "faststart"}),
    ("video.mkv", "libx264", {}),
    ("video.webm", "libvpx", {}),
    ("video.avi", "mpeg4", {}),
    ("video.ts", "libx264", {}),
]
FRAMES = 100


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share) // 188 * 188 + 7])  # never at the edge of a TS packet
    return path


def damage(path: Path, start: float, end: float) -> Path:
    content = bytearray(path.read_bytes())
    first, last = int(len(content) * start), int(len(content) * end)
    content[first:last] = np.random.default_rng(0).bytes(last - first)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS)
def test_whole_file(make_video: MakeVideo, name: str, codec: str, options: dict[str, str]) -> None:
    report = decode_check(make_video(name, FRAMES, codec=codec, container_options=options, noise=True))
    assert (report.frames, report.bad_packets, report.gaps, report.warnings) == (FRAMES, 0, (), ())
    assert report.complete
    assert report.duration_s == pytest.approx(4.0)
    assert report.expected_duration_s == pytest.approx(4.0)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS)
def test_cut_file(make_video: MakeVideo, name: str, codec: str, options: dict[str, str], share: float) -> None:
    report = decode_check(cut(make_video(name, FRAMES, codec=codec, container_options=options, noise=True), share))
    assert not report.complete
    assert report.duration_s == pytest.approx(4 * share, abs=0.5)
    if name == "video.ts":  # states no length; it is noticed that the last packet is not whole
        assert "the file ends inside a frame" in report.warnings
    else:
        assert report.gaps[-1] == (pytest.approx(report.duration_s), pytest.approx(4.0))
        assert describe_partial(report).startswith(f"decoded {report.duration_s:.2f} of 4.00 s (")
        assert "the file ends early" in describe_partial(report)


@pytest.mark.parametrize(
    ("name", "codec", "options"), [("video.mkv", "libx264", {"live": "1"}), ("video.wmv", "wmv2", {})]
)
def test_no_duration_stated(make_video: MakeVideo, name: str, codec: str, options: dict[str, str]) -> None:
    report = decode_check(cut(make_video(name, FRAMES, codec=codec, container_options=options, noise=True), 0.5))
    assert not report.complete
    assert report.expected_duration_s is None
    assert any(warning.startswith("partial, duration unknown") for warning in report.warnings)
    assert describe_partial(report).startswith("partial, duration unknown: decoded ")


@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS)
def test_damage_in_the_middle(make_video: MakeVideo, name: str, codec: str, options: dict[str, str]) -> None:
    path = damage(make_video(name, FRAMES, codec=codec, container_options=options, noise=True), 0.4, 0.5)
    with VideoReader(path) as reader:
        frames = [(frame.pts_s, read_number(frame.image)) for frame in reader.frames()]
    report = reader.report
    assert not report.complete
    assert report.gaps
    assert min(start for start, _ in report.gaps) == pytest.approx(1.6, abs=0.5)
    assert max(end for _, end in report.gaps) == pytest.approx(2.0, abs=0.5)
    assert report.duration_s == pytest.approx(4.0)
    far_behind = [(time_s, number) for time_s, number in frames if time_s > 2.9]
    assert len(far_behind) >= 25
    for time_s, number in far_behind:
        assert time_s == pytest.approx(number / 25, abs=0.041)
    assert "no picture at" in describe_partial(report)


def test_damaged_start_keeps_the_times_behind_it(make_video: MakeVideo) -> None:
    path = make_video(frames=50, container_options={"movflags": "faststart"}, noise=True)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    content[start : start + 6000] = bytes(6000)
    path.write_bytes(content)
    stream = FrameStream(path, 25)
    numbers = [read_number(image) for image in stream]
    assert stream.report.bad_packets > 0
    assert stream.report.gaps[0][0] == 0
    assert len(numbers) == 50
    assert numbers[25:] == list(range(25, 50))


def test_nothing_left_but_the_index(make_video: MakeVideo) -> None:
    path = make_video(frames=50, container_options={"movflags": "faststart"}, noise=True)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"mdat") + 40])
    with pytest.raises(InputError, match=r"decoded 0.00 of 2.00 s: no frame could be decoded \(1 bad packet\)"):
        decode_check(path)


def test_recordings_joined_end_to_end(make_video: MakeVideo) -> None:
    one = make_video("one.ts", 50, noise=True).read_bytes()
    joined = make_video("two.ts", 50, noise=True)
    joined.write_bytes(one + joined.read_bytes())
    stream = FrameStream(joined, 25)
    numbers = [read_number(image) for image in stream]
    assert numbers == [*range(50), *range(50)]
    assert stream.report.warnings[0] == "time stamps start anew inside the file"
