"""What ``tvl1`` says where a GPU is asked for and none, or not all of it, is to be had."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from wtalkit.errors import ConfigError, MachineError
from wtalkit.flow import dis, tvl1
from wtalkit.flow.cuda import frames as on_gpu

FRAMES = np.zeros((2, 16, 16), np.uint8)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)


def test_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(MachineError, match=r"cuda:0 is not to be had: 0 CUDA devices found. Use device='cpu'"):
        tvl1(FRAMES, device="cuda:0")


def test_a_device_too_far(one_gpu: None) -> None:
    with pytest.raises(MachineError, match="cuda:3 is not to be had: 1 CUDA device found"):
        tvl1(torch.from_numpy(FRAMES), device="cuda:3")


def test_without_triton(one_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_gpu, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="needs Triton, which is not installed"):
        tvl1(FRAMES, device="cuda")


@pytest.mark.parametrize("options", [{"gamma": 0.1}, {"medianFiltering": 3}])
def test_what_only_opencv_computes(one_gpu: None, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))}.* on the CPU only. Use device='cpu'"):
        tvl1(FRAMES, device="cuda", **options)


def test_frames_are_checked_first(one_gpu: None) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[N, H, W\] and not empty, got torch.float32 \[2, 16, 16\]"):
        tvl1(torch.zeros(2, 16, 16), device="cuda")


def test_dis_is_for_the_cpu() -> None:
    with pytest.raises(MachineError, match="DIS flow on cuda:1"):
        dis(FRAMES, device="cuda:1")


def test_the_package_does_not_import_triton() -> None:
    code = "import sys, wtalkit.flow.cuda.frames, wtalkit.flow.batch; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
