from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from wtalkit.video import VideoReader, describe_partial, probe

from .conftest import MakeVideo, numbered_image, read_number

CLIPS = [
    "arm_wrestling_demo.mp4",
    "av1_video.mkv",
    "bigbuckbunny.mp4",
    "bikes.mp4",
    "bt709_full_range.mp4",
    "cockatoo.mp4",
    "corrupted.mp4",
    "demo_skeleton.mp4",
    "echo-hereweare.webm",
    "flipping_a_pancake.mkv",
    "h264_10bits.mp4",
    "h265_10bits.mp4",
    "h265_video.mp4",
    "mmaction2_test.mp4",
    "nasa_13013.mp4",
    "ntu_S001C001P001R001A001_rgb.avi",
    "realshort.mp4",
    "test_video_structuralize.mp4",
    "ucf101_apply_eye_makeup.avi",
    "unordered.mov",
    "v_GGSY1Qvo990.mp4",
    "video_0.mov",
    "video_180.mov",
    "video_90.mov",
]


@pytest.fixture(scope="module")
def probed(shared_dir: Path) -> dict[str, dict[str, Any]]:
    rows = json.loads((shared_dir / "videos" / "probe.json").read_text())
    return {row["file"]: row for row in rows}


@pytest.mark.parametrize("clip", CLIPS)
def test_real_clip(shared_dir: Path, probed: dict[str, dict[str, Any]], clip: str) -> None:
    path, row = shared_dir / "videos" / clip, probed[clip]
    with VideoReader(path) as reader:
        assert sum(1 for _ in reader.timed_frames()) == row["frames_packetwise"]
    info, report = reader.info, reader.report
    assert info.average_fps == pytest.approx(float(Fraction(row["avg_fps"])))
    assert info.container_duration_s == pytest.approx(row["duration_container"], abs=1e-3)
    assert (info.coded_width, info.coded_height) == tuple(row["size"])
    assert (info.codec, info.pix_fmt, info.container) == (row["codec"], row["pix_fmt"], row["container"])
    assert (report.frames, report.bad_packets) == (row["frames_packetwise"], row["bad_packets"])
    if not row["audio"]:  # else the container's duration is the longer one of sound and pictures
        assert report.duration_s == pytest.approx(row["duration_container"], abs=1e-3)
    assert report.duration_s == pytest.approx(row["duration_container"], abs=0.1)
    if row["bad_packets"]:
        assert report.gaps == (pytest.approx((3.0, 3.1)),)
        assert describe_partial(report) == "decoded 4.90 of 5.00 s (1 bad packet, no picture at 3.00-3.10 s)"
    assert report.complete == (not row["bad_packets"])


def test_every_clip_is_covered(probed: dict[str, dict[str, Any]]) -> None:
    assert sorted(CLIPS) == sorted(probed)


def test_pictures_step_smoothly_in_shuffled_avi(shared_dir: Path) -> None:
    with VideoReader(shared_dir / "videos" / "ucf101_apply_eye_makeup.avi", short_side=60) as reader:
        frames = list(reader.frames())
    images = np.stack([frame.image for frame in frames]).astype(float)
    near, far = (np.abs(images[step:] - images[:-step]).mean() for step in (1, 2))
    assert near < 0.6 * far  # 0.95 in the order of the time stamps
    assert np.diff([frame.pts_s for frame in frames]) == pytest.approx(0.04)


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotation_makes_the_picture_upright(make_video: MakeVideo, rotation: int) -> None:
    upright = numbered_image(0b1101)
    stored = np.ascontiguousarray(np.rot90(upright, -rotation // 90))
    path = make_video(
        "video.mov", 3, size=(stored.shape[1], stored.shape[0]), image=stored, rotation=rotation, crf="10"
    )
    with VideoReader(path) as reader:
        images = [frame.image for frame in reader.frames()]
    assert (reader.info.width, reader.info.height, reader.info.rotation) == (160, 96, rotation % 360)
    assert images[0].shape == upright.shape
    assert read_number(images[0]) == 0b1101
    assert np.abs(images[0].astype(int) - upright).mean() < 4


@pytest.mark.parametrize(("clip", "clockwise"), [("video_0.mov", 0), ("video_90.mov", 1), ("video_180.mov", 2)])
def test_rotation_of_a_phone_clip(shared_dir: Path, clip: str, clockwise: int) -> None:
    """So turned, the letters on the keyboard in these clips stand upright (looked at)."""
    with av.open(shared_dir / "videos" / clip) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with VideoReader(shared_dir / "videos" / clip) as reader:
        assert np.array_equal(next(reader.frames()).image, np.rot90(stored, -clockwise))


def test_wide_pixels_become_square(make_video: MakeVideo) -> None:
    path = make_video(size=(160, 96), frames=3, sample_aspect_ratio=Fraction(4, 3))
    assert (probe(path).width, probe(path).height) == (213, 96)
    with VideoReader(path, short_side=48) as reader:
        assert next(reader.frames()).image.shape == (48, 107, 3)


@pytest.mark.parametrize(("codec", "size"), [("ffv1", (161, 97)), ("libx264", (162, 98)), ("mjpeg", (163, 99))])
def test_odd_sizes(make_video: MakeVideo, codec: str, size: tuple[int, int]) -> None:
    pix_fmt = {"mjpeg": "yuvj420p", "ffv1": "yuv420p"}.get(codec, "yuv420p")
    path = make_video("video.mkv", 5, codec=codec, size=size, pix_fmt=pix_fmt)
    with VideoReader(path) as reader:
        images = [frame.image for frame in reader.frames()]
    assert {image.shape for image in images} == {(size[1], size[0], 3)}
    assert [read_number(image) for image in images] == list(range(5))


@pytest.mark.parametrize(
    ("pix_fmt", "full_range"),
    [("yuv420p", False), ("yuv420p", True), ("yuv444p", False), ("yuv420p10le", False), ("yuv420p10le", True)],
)
def test_colours_survive(make_video: MakeVideo, pix_fmt: str, full_range: bool) -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 64, 200]], np.uint8)
    image = colours.repeat(32, 0)[None].repeat(96, 0)
    path = make_video(frames=3, size=(192, 96), pix_fmt=pix_fmt, full_range=full_range, image=image, crf="0")
    with VideoReader(path) as reader:
        decoded = next(reader.frames()).image
    assert reader.info.pix_fmt.replace("yuvj", "yuv") == pix_fmt
    centres = decoded[48, 16::32].astype(int)
    assert np.abs(centres - colours).max() <= 5
