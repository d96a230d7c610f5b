from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtalkit.backbones import InceptionI3D
from wtalkit.backbones.i3d import SameMaxPool3d, Unit3D, same_padding


def padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros by the reference's rule, written out."""
    pads: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads)


SIZES = list(itertools.product((2, 3, 8), (7, 8), (9, 14)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)), ((3, 3, 3), (1, 1, 1))],
)
def test_pooling_is_that_of_the_reference(
    size: tuple[int, int, int], kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    x = F.relu(torch.randn(2, 3, *size))
    expected = F.max_pool3d(padded(x, kernel, stride), kernel, stride)
    torch.testing.assert_close(SameMaxPool3d(kernel, stride)(x), expected, rtol=0, atol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "stride"), [((7, 7, 7), (2, 2, 2)), ((3, 3, 3), (1, 1, 1)), ((1, 1, 1), (1, 1, 1))])
def test_convolution_is_that_of_the_reference(
    size: tuple[int, int, int], kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    x = torch.randn(1, 3, *size)
    unit = Unit3D(3, 4, kernel, stride).eval()
    expected = F.relu(unit.bn(F.conv3d(padded(x, kernel, stride), unit.conv3d.weight, stride=stride)))  # type: ignore[misc]
    torch.testing.assert_close(unit(x), expected)


def test_the_odd_zero_goes_behind() -> None:
    assert same_padding(224, 7, 2) == (2, 3)
    assert same_padding(112, 3, 2) == (0, 1)
    assert same_padding(7, 3, 2) == (1, 1)
    assert same_padding(14, 2, 2) == (0, 0)


@pytest.mark.parametrize(("size", "frames"), [((32, 32), 16), ((48, 64), 16), ((33, 47), 24), ((96, 128), 9)])
def test_any_size_gives_one_vector_per_eight_frames(size: tuple[int, int], frames: int) -> None:
    model = InceptionI3D(2, 7, width=0.125).eval()
    x = torch.rand(2, 2, frames, *size)
    steps = -(-frames // 8) - 1
    with torch.inference_mode():
        assert model.extract_features(x).shape == (2, 128, steps, 1, 1)
        assert model(x).shape == (2, 7, steps)


@pytest.mark.parametrize(("width", "dim"), [(1.0, 1024), (0.5, 512), (0.25, 256), (0.001, 4)])
def test_width_scales_every_channel_count(width: float, dim: int) -> None:
    with torch.device("meta"):
        model = InceptionI3D(3, 400, width=width)
    assert model.feature_dim == dim
    assert model.logits.conv3d.weight.shape == (400, dim, 1, 1, 1)


def test_memory_format_does_not_change_the_numbers() -> None:
    model = InceptionI3D(3, 5, width=0.25).eval()
    x = torch.rand(1, 3, 16, 64, 64)
    with torch.inference_mode():
        plain = model(x)
        model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        last = model(x.to(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(plain, last, rtol=1e-4, atol=1e-5)


def test_it_can_be_trained() -> None:
    model = InceptionI3D(3, 5, width=0.125, dropout=0.3)
    assert model.dropout.p == 0.3
    loss = model(torch.rand(2, 3, 16, 32, 32)).logsumexp(dim=1).mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert isinstance(model.get_submodule("Mixed_5c.b3b.bn"), nn.BatchNorm3d)
