"""Networks with weights under which activations keep their size, as trained ones do, and inputs for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from wtalkit.backbones import BACKBONES, Backbone, InceptionI3D
from wtalkit.backbones.convolution import ReluConvolution
from wtalkit.backbones.i3d_inference import Form, I3DInference
from wtalkit.backbones.specs import Stream

CPU = torch.device("cpu")
CHANNELS: dict[Stream, int] = {"rgb": 3, "flow": 2}


def network(channels: int, width: float = 0.125, classes: int = 5) -> InceptionI3D:
    draw = torch.Generator().manual_seed(channels)
    model = InceptionI3D(channels, classes, width=width).eval()
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            std = math.sqrt(2 / module.weight[0].numel())
            module.weight.data.normal_(0, std, generator=draw)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=draw)
        if isinstance(module, nn.BatchNorm3d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=draw)
            module.running_var.uniform_(0.5, 1.5, generator=draw)
            module.weight.data.uniform_(0.8, 1.2, generator=draw)
            module.bias.data.normal_(0, 0.1, generator=draw)
    return model


def inference(model: InceptionI3D, *, packed_stem: bool = False, merged: bool = False) -> I3DInference:
    form = Form(packed_stem=packed_stem, merged=merged, graphs=False)
    return I3DInference(model, device=CPU, dtype=torch.float32, form=form)


def backbone(device: torch.device = CPU, *, precision: str = "auto", form: Form | None = None) -> Backbone:
    models = {name: network(channels) for name, channels in CHANNELS.items()}
    spec = BACKBONES["i3d-mini"]
    return Backbone(spec, models, weights_hash="0" * 16, device=device, precision=precision, form=form)


def windows(count: int, height: int = 32, width: int = 40) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (count, 16, height, width, 3), np.uint8)
    return rgb, random.normal(0, 3, (count, 16, 2, height, width)).astype(np.float32)


def relative(found: Tensor | np.ndarray, expected: Tensor | np.ndarray) -> float:
    """Greatest relative distance of a row."""
    one, other = (torch.as_tensor(x).flatten(1).double().cpu() for x in (found, expected))
    return float(((one - other).norm(dim=1) / other.norm(dim=1)).max())


@contextmanager
def rounding_to(dtype: torch.dtype) -> Iterator[None]:
    """Networks in float32 whose weights and outputs of every convolution are rounded; sums stay float32.

    That is what tensor cores do, and quicker here than ``dtype`` itself. It stays in the weights of networks that ran.
    """
    original, seen = ReluConvolution.__call__, set[int]()

    def rounded(self: ReluConvolution, x: Tensor) -> Tensor:
        if id(self) not in seen:
            seen.add(id(self))
            self.weight, self.bias = (value.to(dtype).float() for value in (self.weight, self.bias))
            self._laid_out = None
        return original(self, x).to(dtype).float()

    ReluConvolution.__call__ = rounded  # type: ignore[method-assign]
    try:
        yield
    finally:
        ReluConvolution.__call__ = original  # type: ignore[method-assign]
