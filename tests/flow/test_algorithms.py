"""Flow algorithms by name, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.flow.scenes import translated
from wtalkit.errors import ConfigError
from wtalkit.flow import FLOWS, dis, get_flow
from wtalkit.flow.algorithms import RAFT


@pytest.mark.parametrize("name", [name for name in FLOWS if name not in RAFT])  # which have tests of their own
def test_each_name_gives_a_field(name: str) -> None:
    flow = get_flow(name)
    frames = translated(32, 40, (1, 0))
    field = flow.pair(frames[0], frames[1])
    assert flow.name == name
    assert field.shape == (2, 32, 40)
    assert field.dtype == np.float32


def test_versions_tell_what_made_the_numbers() -> None:
    assert get_flow("tvl1").version == "wtalkit-tvl1-1"
    assert get_flow("dis").version == f"opencv-{cv2.__version__}-dis-medium"


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"tvl1, dis, raft, raft-small, none \(did you mean tvl1\?\)"):
        get_flow("tv-l1")


def test_importing_the_package_is_light() -> None:
    code = "import sys, wtalkit.flow; sys.exit(any(m in sys.modules for m in ('numpy', 'numba', 'cv2', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_dis_finds_a_translation() -> None:
    field = dis(translated(72, 96, (1.5, -0.5)))[0]
    assert abs(np.median(field[0]) - 1.5) < 0.15
    assert abs(np.median(field[1]) + 0.5) < 0.15


@pytest.mark.parametrize("size", [(16, 16), (33, 17), (1, 1)])
def test_dis_takes_tiny_frames(size: tuple[int, int]) -> None:
    assert dis(translated(*size, (0, 0))).shape == (1, 2, *size)
