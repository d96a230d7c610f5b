"""How much memory a piece of work needs at most, beyond what is there already."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def peak_growth(action: Callable[[], object], device: torch.device | None = None) -> int | None:
    """Bytes that ``action`` needed at most beyond what was held before; None where the system does not tell.

    Args:
        action: the work.
        device: on CUDA the device's memory is asked, elsewhere the process's (Linux tells its peak anew on request).
    """
    if device is not None and device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        action()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - held
    _give_back()
    try:
        _CLEAR.write_text("5")
    except OSError:
        return None
    before = _status("VmRSS")
    action()
    return _status("VmHWM") - before


def _give_back() -> None:
    """Return what was freed to the system: what is kept for later use would hide what the work needs."""
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _status(key: str) -> int:
    lines = _STATUS.read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{key}:")).split()[1])
