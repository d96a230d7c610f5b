"""What a device can do at most, measured: the rates that the stages' rows are held against."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch

COPY = "copy bandwidth, bytes/s"
MATRIX_BF16 = "matrix rate bf16, FLOP/s"
MATRIX_FP32 = "matrix rate fp32, FLOP/s"

_ROUNDS = 7


def measure_limits(device: torch.device) -> dict[str, float]:
    """Copy bandwidth (bytes read and written) and matrix rates of ``device``, units a second.

    The rate of bf16 is measured on a GPU only: few processors have units for it.
    """
    on_gpu = device.type == "cuda"
    limits = {COPY: _copy(device, 2**30 if on_gpu else 2**27)}
    if on_gpu:
        limits[MATRIX_BF16] = _matrix(device, torch.bfloat16, 8192)
    limits[MATRIX_FP32] = _matrix(device, torch.float32, 8192 if on_gpu else 1024)
    return limits


def _copy(device: torch.device, size: int) -> float:
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    return 2 * size / _seconds(lambda: target.copy_(source), device)


def _matrix(device: torch.device, dtype: torch.dtype, side: int) -> float:
    one = torch.randn(side, side, device=device).to(dtype)
    other = torch.randn(side, side, device=device).to(dtype)
    out = torch.empty_like(one)
    return 2 * side**3 / _seconds(lambda: torch.mm(one, other, out=out), device)


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    """Median seconds of one call, after two that warm up."""
    times = []
    for _ in range(_ROUNDS + 2):
        _wait(device)
        started = perf_counter()
        action()
        _wait(device)
        times.append(perf_counter() - started)
    return median(times[2:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
