"""What CUDA code decides, checked without CUDA."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from wtalkit.backbones.convolution import ReluConvolution, Zeros
from wtalkit.backbones.precision import Precision, settings_of

CPU = torch.device("cpu")


def convolution(kernel: int) -> tuple[ReluConvolution, torch.Tensor, torch.Tensor]:
    weight = torch.randn(6, 5, kernel, kernel, kernel, dtype=torch.float64)
    bias = torch.randn(6, dtype=torch.float64)
    made = ReluConvolution(weight, bias, device=CPU, dtype=torch.float32, zeros=Zeros())
    x = torch.randn(2, 5, 4, 6, 7).to(memory_format=torch.channels_last_3d)
    return made, x, F.conv3d(x, weight.float(), bias.float(), padding=kernel // 2).relu()


def test_every_way_keeps_channels_last() -> None:
    made, x, expected = convolution(3)
    for way in (made, made._by_onednn):
        found = way(x)
        assert found.is_contiguous(memory_format=torch.channels_last_3d)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert made._shape(x) == list(expected.shape)


def test_a_product_is_a_convolution_of_single_pixels() -> None:
    made, x, expected = convolution(1)
    found = made._by_product(x, made.weight.flatten(1).mT)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_missing_engine_is_gone_around() -> None:
    made, x, expected = convolution(3)
    made._onednn, made._fused = False, True  # cuDNN's fused convolution is not to be had on a CPU
    for _ in range(2):
        torch.testing.assert_close(made(x), expected, rtol=1e-4, atol=1e-4)
        assert not made._fused


def test_zeros_share_memory_and_grow() -> None:
    zeros, like = Zeros(), torch.empty(0)
    large, small = zeros.of((2, 8, 3, 4, 4), like), zeros.of((1, 8, 3, 4, 4), like)
    assert large.shape == (2, 8, 3, 4, 4)
    assert large.is_contiguous(memory_format=torch.channels_last_3d)
    assert large.data_ptr() == small.data_ptr() != zeros.of((4, 8, 3, 4, 4), like).data_ptr()
    assert not large.any()


@pytest.mark.parametrize(("precision", "expected"), [("float32", "ieee"), ("tf32", "tf32"), ("float16", None)])
def test_settings_are_those_of_the_precision_and_given_back(precision: Precision, expected: str) -> None:
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul

    def now() -> tuple[object, ...]:
        return cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision

    before = now()
    with pytest.raises(KeyError), settings_of(precision, torch.device("cuda")):
        # Half precision leaves alone how float32 is rounded.
        assert now() == (True, *((expected, expected) if expected else before[1:]))
        raise KeyError
    assert now() == before
    with settings_of(precision, CPU):
        assert now() == before
