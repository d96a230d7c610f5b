"""TV-L1 against known motion and against OpenCV's DualTVL1 with the same parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from tests.flow.scenes import disc_over_background, translated
from wtalkit.errors import MachineError
from wtalkit.flow import compare_with_opencv, tvl1
from wtalkit.flow.opencv import dual_tvl1_pair
from wtalkit.flow.parameters import TvL1Parameters


@pytest.mark.parametrize("motion", [(1.4, -0.7), (-3.25, 2.5), (0.0, 0.3)])
def test_finds_a_known_translation(motion: tuple[float, float]) -> None:
    field = tvl1(translated(72, 96, motion))[0]
    error = np.hypot(field[0] - motion[0], field[1] - motion[1])
    assert error[8:-8, 8:-8].mean() < 0.05


def test_no_motion_gives_zeros() -> None:
    frame = translated(40, 50, (0, 0), frames=1)[0]
    assert not tvl1(np.stack([frame, frame])).any()


def test_the_solver_itself_gives_zeros_where_nothing_moves() -> None:
    from wtalkit.flow.tvl1_kernels import solve

    frame = translated(40, 50, (0, 0), frames=1)[0]
    assert not solve(frame, frame, 0.25, 0.15, 0.3, 5, 5, 0.01, 30, 10, 0.8, True).any()


def test_agrees_with_opencv_on_a_moving_scene() -> None:
    comparison = compare_with_opencv(disc_over_background(96, 128, frames=3))
    assert comparison.pairs == 2
    assert comparison.mean_motion_px > 0.4
    assert comparison.worst_pair_px < 0.05


@pytest.mark.parametrize("clip", ["bikes.mp4", "cockatoo.mp4"])
def test_agrees_with_opencv_on_real_frames(shared_dir: Path, clip: str) -> None:
    comparison = compare_with_opencv(_gray(shared_dir / "videos" / clip, (128, 96), frames=3))
    assert comparison.worst_pair_px < 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"medianFiltering": 1, "warps": 2},
        {"nscales": 2, "scaleStep": 0.5, "lambda_": 0.05},
        {"tau": 0.1, "theta": 0.5, "innerIterations": 7, "outerIterations": 3, "epsilon": 0.001},
    ],
)
def test_each_parameter_means_what_it_means_to_opencv(options: dict[str, Any]) -> None:
    frames = disc_over_background(64, 80, frames=2, seed=3)
    reference = dual_tvl1_pair(frames[0], frames[1], TvL1Parameters(**options))
    assert np.hypot(*(tvl1(frames, **options)[0] - reference)).mean() < 0.05
    assert np.hypot(*(tvl1(frames)[0] - reference)).mean() > 0.05  # so the options did matter


@pytest.mark.parametrize("options", [{"gamma": 0.1}, {"medianFiltering": 3}])
def test_what_we_do_not_cover_is_opencv_itself(options: dict[str, Any]) -> None:
    frames = disc_over_background(32, 40, frames=2)
    np.testing.assert_array_equal(
        tvl1(frames, **options)[0], dual_tvl1_pair(frames[0], frames[1], TvL1Parameters(**options))
    )


def test_is_faster_than_opencv() -> None:
    assert compare_with_opencv(disc_over_background(96, 128, frames=2)).speedup > 6


def test_the_same_again_and_again() -> None:
    frames = disc_over_background(48, 64, frames=4)
    np.testing.assert_array_equal(tvl1(frames), tvl1(frames))


@pytest.mark.parametrize("size", [(16, 16), (33, 17), (9, 200), (1, 1), (2, 3)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    field = tvl1(translated(*size, (0.5, 0.5)))
    assert field.shape == (1, 2, *size)
    assert np.isfinite(field).all()


def test_torch_in_torch_out() -> None:
    frames = disc_over_background(32, 40, frames=3)
    fields = tvl1(torch.from_numpy(frames))
    assert isinstance(fields, torch.Tensor)
    assert fields.dtype == torch.float32
    np.testing.assert_array_equal(fields.numpy(), tvl1(frames))


def test_frames_may_be_views() -> None:
    frames = disc_over_background(32, 40, frames=3)
    np.testing.assert_array_equal(tvl1(frames.transpose(0, 2, 1)), tvl1(frames.transpose(0, 2, 1).copy()))


def test_one_frame_has_no_pair() -> None:
    assert tvl1(np.zeros((1, 20, 30), np.uint8)).shape == (0, 2, 20, 30)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"tau": 0}, "0"),
        ({"theta": float("nan")}, "nan"),
        ({"lambda_": -1.5}, "-1.5"),
        ({"nscales": 0}, "0"),
        ({"warps": 2.5}, "2.5"),
        ({"innerIterations": True}, "True"),
        ({"outerIterations": -1}, "-1"),
        ({"epsilon": -0.1}, "-0.1"),
        ({"scaleStep": 1.0}, "1.0"),
        ({"gamma": "a"}, "'a'"),
        ({"medianFiltering": 4}, "4"),
    ],
)
def test_parameters_out_of_range_are_refused(options: dict[str, Any], shown: str) -> None:
    name = next(iter(options))
    with pytest.raises(ValueError, match=f"{name} must be .* got {shown}"):
        tvl1(np.zeros((2, 16, 16), np.uint8), **options)


@pytest.mark.parametrize(
    "frames",
    [np.zeros((2, 16, 16, 3), np.uint8), np.zeros((2, 16, 16), np.float32), np.zeros((2, 0, 16), np.uint8), [1]],
)
def test_other_frames_are_refused(frames: Any) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[N, H, W\]"):
        tvl1(frames)


@pytest.mark.parametrize("device", ["mps", "meta"])
def test_another_device_is_refused(device: str) -> None:
    with pytest.raises(MachineError, match=device):
        tvl1(np.zeros((2, 16, 16), np.uint8), device=torch.device(device))


def _gray(path: Path, size: tuple[int, int], frames: int) -> list[np.ndarray[Any, Any]]:
    images = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            images.append(cv2.resize(frame.to_ndarray(format="gray"), size, interpolation=cv2.INTER_AREA))
            if len(images) == frames:
                break
    return images
