"""In which numbers a backbone computes, and the settings of torch that decide it on CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from wtalkit.errors import ConfigError, MachineError

Precision = Literal["float32", "tf32", "float16", "bfloat16"]
PRECISIONS = ("auto", "float32", "tf32", "float16", "bfloat16")
DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def resolve_precision(name: str, device: torch.device) -> Precision:
    """The precision called ``name``; ``"auto"`` is float16 on GPUs with tensor cores, else float32.

    Both halves are equally fast. float16 has three more bits, which here keep features within 2e-3 of float32 instead
    of 2e-2, and I3D's activations (13 at most in i3d-mini) are far from its end at 65504; bfloat16 has no such end.

    Args:
        name: one of ``PRECISIONS``; ``tf32`` is float32 with factors rounded to 10 bits, on CUDA.
        device: where it is to compute.

    Raises:
        ConfigError: not a precision.
        MachineError: the device does not have it.
    """
    if name not in PRECISIONS:
        raise ConfigError(f"unknown precision {name!r}", remedy=f"Use one of {', '.join(PRECISIONS)}")
    on_gpu = device.type == "cuda"
    if name == "auto":
        return "float16" if on_gpu and _generation(device) >= 7 else "float32"  # Volta and later
    if name in ("tf32", "float16") and not on_gpu:
        raise MachineError(f"precision {name!r} is only to be had on CUDA", remedy="Use float32 or auto")
    if name == "bfloat16" and on_gpu and _generation(device) < 8:  # Ampere and later
        raise MachineError(f"{torch.cuda.get_device_name(device)} does not compute in bfloat16", remedy="Use auto")
    return name  # type: ignore[return-value]


def _generation(device: torch.device) -> int:
    return torch.cuda.get_device_capability(device)[0]


@contextmanager
def settings_of(precision: Precision, device: torch.device) -> Iterator[None]:
    """Torch's settings while a backbone computes; what the program had comes back afterwards.

    By default torch lets convolutions of float32 round to TF32; here that takes ``precision="tf32"``. cuDNN measures
    its algorithms on the first call of a shape, since shapes are few and come again and again.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision
    wanted = "tf32" if precision == "tf32" else "ieee"
    try:
        cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision = True, wanted, wanted
        yield
    finally:
        cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision = before
