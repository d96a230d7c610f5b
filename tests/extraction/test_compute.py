"""Where flow and features are computed: on the cores, and on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.extraction.conftest import picture
from wtalkit.backbones import Backbone, load_backbone
from wtalkit.backbones.preprocess import to_gray
from wtalkit.extraction import VideoFeaturizer
from wtalkit.extraction.compute import CpuCompute, compute_for, gray_of
from wtalkit.flow import get_flow, tvl1

MakeVideo = Callable[..., Path]

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_gray_is_opencvs_to_the_last_bit() -> None:
    every = np.arange(256, dtype=np.uint8)
    grid = np.stack(np.meshgrid(every, every, every[::5], indexing="ij"), axis=-1).reshape(1, 256, -1, 3)
    np.testing.assert_array_equal(gray_of(torch.from_numpy(grid))[0].numpy(), to_gray(grid[0]))


def test_tasks_of_the_cores_give_what_the_functions_give(mini: Backbone) -> None:
    frames = np.stack([picture(number, 64, 48) for number in range(20)])
    compute = CpuCompute(mini, get_flow("tvl1"), workers=2)
    rgb = compute.load(frames)
    grays = compute.gray(rgb)
    fields = compute.flow(grays).result()
    np.testing.assert_array_equal(fields.numpy(), tvl1(grays.numpy()))
    windows = rgb[None, :16], fields[None, :16]
    rows = compute.features(*windows).result()
    compute.close()
    np.testing.assert_allclose(rows, mini.features(*windows).numpy(), rtol=1e-4, atol=1e-5)


def test_threads_are_as_before_afterwards(mini: Backbone) -> None:
    before = torch.get_num_threads()
    compute = CpuCompute(mini, get_flow("dis"), workers=2)
    compute.features(torch.zeros(1, 16, 48, 64, 3, dtype=torch.uint8), torch.zeros(1, 16, 2, 48, 64)).result()
    compute.close()
    assert torch.get_num_threads() == before


@cuda
@pytest.mark.gpu
@pytest.mark.parametrize("flow", ["tvl1", "dis"])
def test_a_gpu_gives_the_cpus_features(make_video: MakeVideo, mini_weights: Path, mini: Backbone, flow: str) -> None:
    clip = make_video("clip.mp4", frames=150, width=128, height=96)
    there = load_backbone("i3d-mini", weights=mini_weights, device="cuda", precision="float32")
    ours = VideoFeaturizer(there, flow).features(clip)
    np.testing.assert_allclose(ours.array, VideoFeaturizer(mini, flow).features(clip).array, rtol=1e-2, atol=1e-2)


@cuda
@pytest.mark.gpu
def test_a_gpus_streams_do_not_disturb_each_other(make_video: MakeVideo, mini_weights: Path) -> None:
    """The same video many times at once gives the same rows many times."""
    there = load_backbone("i3d-mini", weights=mini_weights, device="cuda")
    featurizer = VideoFeaturizer(there, "tvl1")
    clip = make_video("clip.mp4", frames=300, width=128, height=96)
    first = featurizer.features(clip).array
    for _ in range(10):
        np.testing.assert_array_equal(featurizer.features(clip).array, first)


@cuda
@pytest.mark.gpu
def test_a_gpu_loads_and_greys_what_the_cpu_does(mini_weights: Path) -> None:
    compute = compute_for(load_backbone("i3d-mini", weights=mini_weights, device="cuda"), get_flow("tvl1"))
    frames = np.stack([picture(number, 64, 48) for number in range(5)])
    with compute.here():
        grays = compute.gray(compute.load(frames)).cpu().numpy()
    compute.close()
    np.testing.assert_array_equal(grays, np.stack([to_gray(frame) for frame in frames]))
