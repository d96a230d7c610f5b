"""Flow of a whole array of frames, numpy or torch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from wtalkit.cores import available_cores
from wtalkit.errors import MachineError
from wtalkit.flow.opencv import dis_pair, dual_tvl1_pair
from wtalkit.flow.parameters import TvL1Parameters, check_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]

Frames = TypeVar("Frames")

TVL1_VERSION = "wtalkit-tvl1-1"
"""Part of every feature file: raise it whenever the numbers of ``tvl1`` change by more than rounding."""


def tvl1(
    frames: Frames,
    *,
    device: Any = None,
    tau: float = 0.25,
    lambda_: float = 0.15,
    theta: float = 0.3,
    nscales: int = 5,
    warps: int = 5,
    epsilon: float = 0.01,
    innerIterations: int = 30,
    outerIterations: int = 10,
    scaleStep: float = 0.8,
    gamma: float = 0.0,
    medianFiltering: int = 5,
) -> Frames:
    """TV-L1 flow from each frame to the next: on the CPU with all cores at different pairs, or on a GPU.

    Args:
        frames: grey uint8 ``[N, H, W]``, numpy or torch.
        device: where it is computed: ``"cpu"``, ``"cuda"``, ``"cuda:N"``; where the frames are by default.

    The others are described at ``TvL1Parameters``.

    Returns:
        float32 ``[N - 1, 2, H, W]`` in pixels, channel 0 to the right, 1 down; numpy for numpy, torch for torch, there
        on the device of the frames.

    Raises:
        ValueError: the frames have another shape or type, or a parameter is out of range.
        MachineError: the device is not to be had, or its memory does not suffice.
        ConfigError: a GPU is to compute what only OpenCV does.
    """
    parameters = TvL1Parameters(
        tau,
        lambda_,
        theta,
        nscales,
        warps,
        epsilon,
        innerIterations,
        outerIterations,
        scaleStep,
        gamma,
        medianFiltering,
    )
    where = _device(device, frames)
    if where == "cpu":
        return cast(Frames, _each_pair(frames, lambda a, b: tvl1_pair(a, b, parameters)))
    _check_frames(frames)
    from wtalkit.flow.cuda.frames import tvl1_on_gpu

    return cast(Frames, tvl1_on_gpu(frames, where, parameters))


def tvl1_pair(
    gray_a: NDArray[np.uint8], gray_b: NDArray[np.uint8], parameters: TvL1Parameters | None = None
) -> NDArray[np.float32]:
    """TV-L1 flow from one frame to another, float32 ``[2, H, W]``.

    Raises:
        ValueError: the frames are not grey uint8 ``[H, W]`` of one size.
    """
    p = parameters or TvL1Parameters()
    check_pair(gray_a, gray_b)
    if p.needs_opencv:
        return dual_tvl1_pair(gray_a, gray_b, p)
    if np.array_equal(gray_a, gray_b):  # a repeated frame: the method gives zeros, this only sooner
        return np.zeros((2, *gray_a.shape), np.float32)
    from wtalkit.flow.tvl1_kernels import solve

    return solve(
        np.ascontiguousarray(gray_a), np.ascontiguousarray(gray_b), p.tau, p.lambda_, p.theta, p.nscales, p.warps,
        p.epsilon, p.innerIterations, p.outerIterations, p.scaleStep, p.medianFiltering > 1,
    )  # fmt: skip


def dis(frames: Frames, *, device: Any = None) -> Frames:
    """DIS flow from each frame to the next, on the CPU only; shapes and errors as for ``tvl1``."""
    where = _device(device, frames)
    if where != "cpu":
        raise MachineError(f"DIS flow on {where} is not in this version", remedy="Use device='cpu', or tvl1")
    return cast(Frames, _each_pair(frames, dis_pair))


def _device(device: Any, frames: Any) -> str:
    """Where to compute: as asked, else where the frames are."""
    wanted = str(device if device is not None else getattr(frames, "device", "cpu"))
    return "cpu" if wanted.split(":")[0] == "cpu" else wanted


def _check_frames(frames: Any) -> None:
    """See that frames are grey and uint8, numpy or torch."""
    kind, shape = str(getattr(frames, "dtype", "")), list(getattr(frames, "shape", []))
    if not hasattr(frames, "ndim") or kind.removeprefix("torch.") != "uint8" or len(shape) != 3 or 0 in shape:
        found = f"{kind} {shape}" if kind else type(frames).__name__
        raise ValueError(f"frames must be grey uint8 [N, H, W] and not empty, got {found}")


def _each_pair(frames: Any, pair: Pair) -> Any:
    _check_frames(frames)
    is_torch = not isinstance(frames, np.ndarray)
    array = frames.detach().cpu().numpy() if is_torch else frames
    count, height, width = array.shape
    fields = np.empty((count - 1, 2, height, width), np.float32)

    def compute(index: int) -> None:
        fields[index] = pair(array[index], array[index + 1])

    with ThreadPoolExecutor(available_cores(), thread_name_prefix="wtalkit-flow") as pool:
        for done in [pool.submit(compute, index) for index in range(count - 1)]:
            done.result()
    if is_torch:
        import torch

        return torch.from_numpy(fields).to(frames.device)
    return fields
