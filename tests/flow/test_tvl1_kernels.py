"""The pieces of the solver against OpenCV's functions that do the same."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numba.core.caching import CacheImpl

from wtalkit.flow import tvl1_kernels as kernels


@pytest.mark.parametrize("size", [(40, 56), (21, 35), (5, 7), (1, 1), (2, 9)])
def test_median(size: tuple[int, int]) -> None:
    height, width = size
    image = np.random.default_rng(0).integers(0, 40, size).astype(np.float32)  # with ties
    plane, out = kernels._new_plane(height, width), kernels._new_plane(height, width)
    inner = np.s_[1 : height + 1, kernels.LEFT : kernels.LEFT + width]
    plane[inner] = image
    kernels._median5(plane, out, np.zeros((5, plane.shape[1]), np.float32), height, width)
    np.testing.assert_array_equal(out[inner], cv2.medianBlur(image, 5))


def test_resize_down_and_up() -> None:
    image = np.random.default_rng(0).random((37, 53), np.float32)
    down = np.empty((30, 42), np.float32)
    kernels._resize(image, down, 1.25, 1.25, np.float32(1))
    np.testing.assert_allclose(down, cv2.resize(image, None, fx=0.8, fy=0.8), atol=1e-5)
    up = np.empty((37, 53), np.float32)
    kernels._resize(down, up, 30 / 37, 42 / 53, np.float32(1.25))
    np.testing.assert_allclose(up, 1.25 * cv2.resize(down, (53, 37)), atol=1e-5)


def test_warp_reads_between_pixels_and_zeros_outside() -> None:
    height, width = 30, 41
    y, x = np.mgrid[:height, :width].astype(np.float32)
    first, second = np.random.default_rng(0).random((2, height, width), np.float32)
    flow = np.random.default_rng(1).normal(0, 20, (2, height, width))
    flow = (np.rint(flow * 32) / 32).astype(np.float32)  # OpenCV 4 rounds places to 1/32 px
    planes = [kernels._new_plane(height, width) for _ in range(6)]
    inner = np.s_[1 : height + 1, kernels.LEFT : kernels.LEFT + width]
    planes[0][inner], planes[1][inner] = flow
    kernels._warp(first, kernels._with_gradient(second), *planes)
    rho, gx, gy, inverse = (plane[inner] for plane in planes[2:])

    gradient_y, gradient_x = (np.pad(second, 1, mode="edge"),) * 2
    gradient_x = (gradient_x[1:-1, 2:] - gradient_x[1:-1, :-2]) / 2
    gradient_y = (gradient_y[2:, 1:-1] - gradient_y[:-2, 1:-1]) / 2
    warped, wanted_x, wanted_y = (
        cv2.remap(image, x + flow[0], y + flow[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        for image in (second, gradient_x, gradient_y)
    )
    np.testing.assert_allclose(gx, wanted_x, atol=1e-4)
    np.testing.assert_allclose(gy, wanted_y, atol=1e-4)
    np.testing.assert_allclose(rho, warped - wanted_x * flow[0] - wanted_y * flow[1] - first, atol=2e-3)
    far = (x + flow[0] < -3) | (x + flow[0] > width + 2)
    assert far.sum() > 20
    assert not gx[far].any()
    assert not inverse[far].any()


def test_numbers_that_are_none_stay_in_bounds() -> None:
    planes = [kernels._new_plane(8, 8) for _ in range(6)]
    planes[0][:], planes[1][:] = np.nan, np.inf
    kernels._warp(np.ones((8, 8), np.float32), kernels._with_gradient(np.ones((8, 8), np.float32)), *planes)


def test_compiles_without_a_folder_to_cache_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    @kernels._entry("int64(int64)")
    def double(number: int) -> int:
        return 2 * number

    answer: Callable[[int], int] = double
    assert answer(21) == 42
