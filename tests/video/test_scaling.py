from __future__ import annotations

import numpy as np
import pytest

from wtalkit.video import resize, resize_short_side, short_side_size


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [((340, 256), 256, (340, 256)), ((1920, 1080), 256, (455, 256)), ((320, 568), 96, (96, 170)), ((3, 2), 1, (2, 1))],
)
def test_short_side_size_keeps_the_shape(size: tuple[int, int], short_side: int, expected: tuple[int, int]) -> None:
    assert short_side_size(*size, short_side) == expected


def test_shrinking_averages_what_a_pixel_covers() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    mean = image.reshape(10, 4, 15, 4, 3).mean((1, 3))
    assert np.abs(resize_short_side(image, 10) - mean).max() <= 0.51


def test_enlarging_interpolates() -> None:
    image = np.array([[0, 100]], np.uint8).repeat(2, 0)
    assert resize(image, 4, 2)[0].tolist() == [0, 25, 75, 100]


def test_same_size_grey_and_single_channel() -> None:
    image = np.zeros((20, 30, 1), np.uint8)
    assert resize_short_side(image, None) is image
    assert resize_short_side(image, 20) is image
    assert resize_short_side(image, 10).shape == (10, 15, 1)
    assert resize_short_side(image[..., 0], 10).shape == (10, 15)
    with pytest.raises(ValueError, match="short_side"):
        short_side_size(4, 4, 0)
