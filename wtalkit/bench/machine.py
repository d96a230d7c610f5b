"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from wtalkit import __version__
from wtalkit.cores import available_cores


def describe(device: str) -> dict[str, Any]:
    """The machine as far as times depend on it, as plain values."""
    import torch

    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "wtalkit": __version__,
    }
    if hasattr(os, "getloadavg"):
        facts["load"] = round(os.getloadavg()[0], 1)  # what others did meanwhile: ratios survive it, times do not
    return facts


def sentence(facts: dict[str, Any]) -> str:
    """The machine in one line."""
    where = f"{facts['gpu']}, " if facts["gpu"] else ""
    load = f", load {facts['load']:g}" if "load" in facts else ""
    return (
        f"{where}{facts['processor']}, {facts['cores']} cores, {facts['threads']} threads, torch {facts['torch']}, "
        f"Python {facts['python']}{load}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
