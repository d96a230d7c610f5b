"""Frames in, fields out on a GPU, and what is said where CUDA, Triton or a parameter is not to be had."""

from __future__ import annotations

import threading
from collections import OrderedDict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from wtalkit.errors import ConfigError, MachineError
from wtalkit.flow.parameters import TvL1Parameters

if TYPE_CHECKING:
    import torch

    from wtalkit.flow.cuda.solver import TvL1Solver

_KEPT = 4
"""Solvers of one GPU, each with its memory: videos of a few sizes are at work at once."""
_FIELD_BYTES = 2**31
"""Of what is computed at a time for frames that lie on the CPU."""

_solvers: OrderedDict[tuple[Any, ...], TvL1Solver] = OrderedDict()
_lock = threading.Lock()


def solver_for(
    height: int, width: int, parameters: TvL1Parameters | None = None, device: torch.device | str = "cuda"
) -> TvL1Solver:
    """The solver for frames of one size; the last few are kept with their memory.

    Raises:
        MachineError: the device, or Triton, is not there.
        ConfigError: the parameters are computed by OpenCV only.
    """
    p = parameters or TvL1Parameters()
    found = require_cuda(device)
    if p.needs_opencv:
        raise ConfigError(
            f"TV-L1 with {'gamma' if p.gamma else 'medianFiltering=3'} is computed on the CPU only",
            remedy="Use device='cpu', or gamma=0 with medianFiltering 1 or 5",
        )
    from wtalkit.flow.cuda.solver import TvL1Solver

    key = (found, height, width, p)
    with _lock:
        if key not in _solvers:
            _solvers[key] = TvL1Solver(height, width, p, found)
        _solvers.move_to_end(key)
        here = [each for each in _solvers if each[0] == found]
        for each in here[:-_KEPT]:
            del _solvers[each]  # whoever still uses it keeps it alive
        return _solvers[key]


def require_cuda(device: torch.device | str) -> torch.device:
    """``device`` with its index.

    Raises:
        MachineError: it is not there, it is no CUDA device, or Triton is not installed.
    """
    import torch

    wanted = torch.device(device)
    if wanted.type != "cuda":
        raise MachineError(f"flow on {wanted} is not in this version", remedy="Use cpu, cuda or cuda:N")
    count = torch.cuda.device_count()
    if (wanted.index or 0) >= count:
        raise MachineError(
            f"flow on {wanted} is not to be had: {count} CUDA device{'' if count == 1 else 's'} found",
            remedy="Use device='cpu', or install a torch build that fits the driver",
        )
    if find_spec("triton") is None:
        raise MachineError(
            f"flow on {wanted} needs Triton, which is not installed", remedy="Install triton, or use device='cpu'"
        )
    return torch.device("cuda", torch.cuda.current_device() if wanted.index is None else wanted.index)


def tvl1_on_gpu(frames: Any, device: torch.device | str, parameters: TvL1Parameters) -> Any:
    """Flow from each frame to the next, computed on ``device``, given back as and where the frames are.

    Args:
        frames: grey uint8 ``[N, H, W]``, numpy or torch, checked.
    """
    import torch

    is_torch = isinstance(frames, torch.Tensor)
    source = frames.detach() if is_torch else torch.from_numpy(np.ascontiguousarray(frames))
    count, height, width = source.shape
    solver = solver_for(height, width, parameters, device)
    if source.device == solver.device:
        return solver.fields(source[:-1], source[1:])
    fields = torch.empty(count - 1, 2, height, width, device=source.device)
    pairs = max(1, _FIELD_BYTES // (8 * height * width))
    for start in range(0, count - 1, pairs):
        part = source[start : start + pairs + 1].to(solver.device)
        fields[start : start + pairs] = solver.fields(part[:-1], part[1:])
    return fields if is_torch else fields.numpy()
