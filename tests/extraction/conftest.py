"""Tiny videos and tiny weights."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from wtalkit.backbones import BACKBONES, Backbone, InceptionI3D, load_backbone


def picture(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A bright square that wanders over a smooth background."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 2 % 256, y * 3 % 256, (x + y) % 256], axis=-1).astype(np.uint8)
    left = (3 * index) % (width - 16)
    image[12:28, left : left + 16] = (250, 240, 30)
    return image


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """``make_video("a.mp4", frames=40)``: an H.264 video at 12.5 fps, index at the front."""

    def make(name: str, frames: int, *, width: int = 64, height: int = 48) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(25, 2), options={"crf": "18"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for index in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(index, width, height), format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def mini_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights of i3d-mini."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for stream, channels in (("rgb", 3), ("flow", 2)):
        model = InceptionI3D(channels, 5, width=BACKBONES["i3d-mini"].width)
        save_file(
            {name: value.contiguous() for name, value in model.state_dict().items()}, folder / f"{stream}.safetensors"
        )
    return folder


@pytest.fixture(scope="session")
def mini(mini_weights: Path) -> Backbone:
    return load_backbone("i3d-mini", weights=mini_weights)


@pytest.fixture(scope="session")
def mini_rgb(mini_weights: Path) -> Backbone:
    return load_backbone("i3d-mini", flow="none", weights=mini_weights)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small only wait for each other's threads, the more so on a busy machine."""
    torch.set_num_threads(1)
