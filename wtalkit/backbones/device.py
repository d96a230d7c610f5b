"""Which device to compute on: what was asked for, or an error; never quietly another one."""

from __future__ import annotations

import logging

import torch

from wtalkit.errors import ConfigError, MachineError

log = logging.getLogger(__name__)


def resolve_device(name: str = "auto") -> torch.device:
    """The device called ``name``: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; ``"auto"`` takes CUDA where there is one.

    Raises:
        MachineError: CUDA was asked for and is not there.
        ConfigError: not a device.
    """
    if name == "auto":
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        log.info("computing on %s", device)
        return device
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}", remedy="Use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is not supported", remedy="Use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        build = f"torch {torch.__version__}, built for {'CUDA ' + torch.version.cuda if torch.version.cuda else 'CPU'}"
        cause = f"device {name!r} is not to be had ({build}; {found} CUDA device{'' if found == 1 else 's'} found)"
        raise MachineError(cause, remedy="Use --device cpu, or install a torch build that fits the driver")
    return device
