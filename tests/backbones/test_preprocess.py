from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wtalkit.backbones import BACKBONES, preprocess_flow, preprocess_rgb
from wtalkit.backbones.preprocess import to_gray

I3D, MINI = BACKBONES["i3d"], BACKBONES["i3d-mini"]


def test_rgb_is_cropped_and_scaled() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 256, 340, 3), np.uint8)
    before = frames.copy()
    found = preprocess_rgb(frames, I3D)
    expected = 2 * (frames[:, :, 16:240, 58:282].astype(np.float64) / 255) - 1
    np.testing.assert_allclose(found.numpy(), expected.transpose(0, 4, 1, 2, 3), atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    np.testing.assert_array_equal(frames, before)


def test_without_a_crop_the_whole_frame_is_kept() -> None:
    assert preprocess_rgb(np.zeros((1, 16, 96, 128, 3), np.uint8), MINI).shape == (1, 3, 16, 96, 128)
    assert preprocess_flow(np.zeros((1, 16, 2, 96, 171), np.float32), MINI).shape == (1, 2, 16, 96, 171)


@settings(deadline=None)
@given(pixels=st.floats(-1000, 1000, width=32), name=st.sampled_from(["i3d", "i3d-mini"]))
def test_flow_is_cut_and_coded_in_8_bits(pixels: float, name: str) -> None:
    spec = BACKBONES[name]
    field = np.full((1, 1, 2, 224, 224), pixels, np.float32)
    found = preprocess_flow(field, spec)
    bound = spec.flow_bound_px
    coded = np.clip(np.round(128 + 255 / (2 * bound) * np.clip(pixels, -bound, bound)), 0, 255)
    exact = 128 + 255 / (2 * bound) * pixels  # float32 may round the other way right between two levels
    tolerance = 1e-5 if abs(exact % 1 - 0.5) > 1e-3 else 2 / 255 + 1e-5
    assert found.shape == (1, 2, 1, 224, 224)
    assert abs(float(found[0, 0, 0, 0, 0]) - (2 * coded / 255 - 1)) <= tolerance
    assert float(found.abs().max()) <= 1


def test_no_motion_is_level_128() -> None:
    found = preprocess_flow(np.zeros((1, 2, 2, 96, 96), np.float32), MINI)
    np.testing.assert_allclose(found.numpy(), 2 * 128 / 255 - 1, atol=1e-6)


def test_flow_keeps_its_channels_apart_and_its_input_untouched() -> None:
    field = np.zeros((1, 3, 2, 4, 4), np.float32)
    field[:, :, 0], field[:, :, 1] = 4, -4
    found = preprocess_flow(torch.from_numpy(field), MINI)
    assert (found[:, 0] > 0.4).all()
    assert (found[:, 1] < -0.4).all()
    assert set(np.unique(field)) == {-4.0, 4.0}


def test_the_bound_scales_with_the_resolution() -> None:
    """The same motion, seen at both resolutions, looks alike to both backbones."""
    assert MINI.flow_bound_px / MINI.resize == pytest.approx(I3D.flow_bound_px / I3D.resize, rel=0.1)


def test_a_picture_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="200x224"):
        preprocess_rgb(np.zeros((1, 1, 224, 200, 3), np.uint8), I3D)


def test_grey_weighs_red_green_blue() -> None:
    frame = np.zeros((1, 3, 3), np.uint8)
    frame[0] = np.diag([255, 255, 255])
    assert to_gray(frame)[0].tolist() == [76, 150, 29]
