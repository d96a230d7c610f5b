"""The form that infers gives the numbers of the plain network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.backbones.networks import backbone, inference, network, relative, rounding_to, windows
from wtalkit.backbones import load_backbone, preprocess_flow, preprocess_rgb
from wtalkit.backbones.convolution import fold
from wtalkit.backbones.i3d import Unit3D
from wtalkit.backbones.precision import resolve_precision
from wtalkit.backbones.stem import StemLayout
from wtalkit.errors import ConfigError, MachineError

SIZES = [(16, 32, 40), (9, 33, 47), (17, 48, 35), (24, 45, 64)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("channels", [2, 3])
def test_features_are_those_of_the_plain_network(size: tuple[int, int, int], packed: bool, channels: int) -> None:
    model = network(channels)
    x = 2 * torch.rand(2, channels, *size) - 1
    with torch.inference_mode():
        expected = model.extract_features(x)
        for merged in (False, True):
            found = inference(model, packed_stem=packed, merged=merged).extract_features(x)
            assert found.shape == expected.shape
            assert relative(found, expected) < 1e-5


@pytest.mark.parametrize("size", [*SIZES, (16, 30, 31), (15, 29, 30), (16, 224, 9)])
def test_both_layouts_of_the_first_convolution_are_exact(size: tuple[int, int, int]) -> None:
    unit = Unit3D(3, 4, (7, 7, 7), (2, 2, 2)).eval().double()
    levels = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8)
    x = (levels.double() * (2 / 255) - 1).permute(0, 4, 1, 2, 3)
    with torch.inference_mode():
        expected = unit(x)
        weight, bias = fold(unit)
        for packed in (False, True):
            layout = StemLayout(size, 3, packed)
            memory = layout.allocate(2, torch.device("cpu"), torch.float64)
            layout.write(levels, memory)
            layout.write(levels, memory)  # memory is used again
            found = F.conv3d(layout.read(memory), layout.kernel(weight), bias, 1 if packed else 2).relu()
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_levels_are_exact_in_bfloat16() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16, 1)
    for packed in (False, True):
        layout = StemLayout((1, 16, 16), 1, packed)
        memory = layout.allocate(1, torch.device("cpu"), torch.bfloat16)
        layout.write(levels, memory)
        assert sorted((memory[memory != 0].double() + 127.5).tolist()) == list(range(256))


def test_a_backbone_computes_what_the_plain_networks_do() -> None:
    both = backbone()
    rgb, flow = windows(3)
    plain = {"rgb": (network(3), preprocess_rgb), "flow": (network(2), preprocess_flow)}
    with torch.inference_mode():
        clips = [
            (model, prepare(x, both.spec)) for (model, prepare), x in zip(plain.values(), (rgb, flow), strict=True)
        ]
        features = torch.cat([model.extract_features(x).flatten(1) for model, x in clips], dim=1)
        logits = sum(model(x).mean(dim=2) for model, x in clips)
    assert relative(both.extract(rgb, flow), features) < 1e-5
    np.testing.assert_allclose(both.logits(rgb, flow), logits, rtol=1e-4, atol=1e-4)


def test_tensors_in_a_tensor_out() -> None:
    both = backbone()
    rgb, flow = windows(11)  # more than a batch
    assert both.batch_windows == 8
    found = both.features(torch.from_numpy(rgb), torch.from_numpy(flow))
    assert (found.shape, found.dtype, found.device) == ((11, both.dim), torch.float32, both.device)
    np.testing.assert_array_equal(found, both.extract(rgb, flow))
    for count in (1, 3):
        alone = both.extract(rgb[9 : 9 + count], flow[9 : 9 + count])
        np.testing.assert_allclose(alone, found[9 : 9 + count], rtol=1e-5, atol=1e-5)
    assert both.features(torch.from_numpy(rgb[:0]), torch.from_numpy(flow[:0])).shape == (0, both.dim)


def test_longer_windows_are_averaged() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 32, 3), np.uint8)
    flow = np.zeros((1, 32, 2, 32, 32), np.float32)
    both = backbone()
    with torch.inference_mode():
        expected = network(3).extract_features(preprocess_rgb(rgb, both.spec))
    assert expected.shape[2] == 3
    assert relative(both.extract(rgb, flow)[:, :128], expected.mean(dim=2).flatten(1)) < 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 2e-3), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("channels", [2, 3])
def test_halves_stay_within_a_hundredth(channels: int, dtype: torch.dtype, tolerance: float) -> None:
    model = network(channels, width=0.25)
    x = 2 * torch.rand(2, channels, 16, 64, 64) - 1
    with torch.inference_mode():
        expected = model.extract_features(x)
        net = inference(model, packed_stem=True, merged=True)
        with rounding_to(dtype):
            found = net.extract_features(x)
    assert 1e-5 < relative(found, expected) < tolerance


def test_float16_keeps_the_trained_network_within_a_hundredth() -> None:
    rgb, flow = windows(2, 96, 128)
    whole, half = load_backbone("i3d-mini"), load_backbone("i3d-mini")
    expected = whole.extract(rgb, flow)
    with rounding_to(torch.float16):
        found = half.extract(rgb, flow)
    for stream in (slice(0, 256), slice(256, 512)):
        assert relative(found[:, stream], expected[:, stream]) < 5e-3


def test_bfloat16_itself_is_what_rounding_gives() -> None:
    rgb, flow = (torch.from_numpy(x) for x in windows(1))
    whole, half = backbone(), backbone(precision="bfloat16")
    assert (whole.precision, half.precision) == ("float32", "bfloat16")
    found = half.features(rgb, flow)
    assert found.dtype == torch.float32
    assert 1e-5 < relative(found, whole.features(rgb, flow)) < 1.5e-2


def test_precisions() -> None:
    cpu = torch.device("cpu")
    assert resolve_precision("auto", cpu) == "float32"
    with pytest.raises(ConfigError, match=r"'half'.*auto, float32, tf32, float16, bfloat16"):
        resolve_precision("half", cpu)
    for name in ("tf32", "float16"):
        with pytest.raises(MachineError, match="only to be had on CUDA"):
            resolve_precision(name, cpu)
