"""In which numbers a backbone computes, and the settings of torch that decide it on CUDA."""

from __future__ import annotations

import threading
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


_lock = threading.Lock()
_users: list[Precision] = []
_before: list[tuple[bool, str, str]] = []


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
    with _lock:
        if not _before:
            _before.append(_settings())
        _users.append(precision)
        wanted = {"tf32": "tf32", "float32": "ieee"}.get(precision)
        _set(True, wanted, wanted)
    try:
        yield
    finally:
        with _lock:  # several GPUs have a thread each, and the settings are the process's
            _users.remove(precision)
            if not _users:
                _set(*_before.pop())


def _settings() -> tuple[bool, str, str]:
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    return cudnn.benchmark, cudnn.conv.fp32_precision, matmul.fp32_precision


def _set(benchmark: bool, convolutions: str | None, products: str | None) -> None:
    """None leaves a setting alone: half precision has nothing to do with how float32 is rounded."""
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    cudnn.benchmark = benchmark
    if convolutions is not None:
        cudnn.conv.fp32_precision = convolutions
    if products is not None:
        matmul.fp32_precision = products
