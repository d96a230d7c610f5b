"""The flow algorithms by name, each with the version that features remember it by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from wtalkit.errors import ConfigError
from wtalkit.hub import HubFile

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

RAFT = {
    "raft": HubFile("https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth"),
    "raft-small": HubFile("https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth"),
}
"""Those that are networks, with their weights: torchvision's ``Raft_Large_Weights.C_T_SKHT_V2`` and the small one's."""

FLOWS = ("tvl1", "dis", *RAFT, "none")
"""Names that ``get_flow`` knows."""


@dataclass(frozen=True)
class FlowAlgorithm:
    """One way to get from two frames to a field of motion."""

    name: str
    """One of ``FLOWS``."""
    version: str
    """Changes whenever the numbers change: features of another version are another kind of features."""
    pair: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]
    """Grey uint8 ``[H, W]`` twice -> float32 ``[2, H, W]`` in pixels; safe to call from several threads."""
    in_colour: bool = False
    """It looks at RGB frames ``[H, W, 3]`` instead."""
    on: Callable[[torch.device], Callable[[Tensor], Tensor]] | None = None
    """For a device the function from frames uint8 ``[n, H, W, 3]`` to fields float32 ``[n - 1, 2, H, W]`` there, both
    on the device; None where only ``pair`` is to be had."""


def get_flow(name: str, *, offline: bool = False) -> FlowAlgorithm:
    """Look up a flow algorithm.

    ``none`` gives fields of zeros: who asks for it should leave the flow stream out altogether. The weights of RAFT are
    fetched into the cache, once.

    Args:
        name: one of ``FLOWS``.
        offline: never fetch weights.

    Raises:
        ConfigError: ``name`` is none of ``FLOWS``.
        MachineError: its weights are not to be had.
    """
    check_flow(name)
    if name == "tvl1":
        from wtalkit.flow import batch

        return FlowAlgorithm("tvl1", batch.TVL1_VERSION, batch.tvl1_pair)
    if name == "dis":
        from wtalkit.flow import opencv

        return FlowAlgorithm("dis", opencv.dis_version(), opencv.dis_pair)
    if name in RAFT:
        from wtalkit.flow.raft import load_raft

        return load_raft(name, offline=offline)
    return FlowAlgorithm("none", "none", _no_motion)


def check_flow(name: str) -> None:
    """See that there is such a flow, without loading it.

    Raises:
        ConfigError: ``name`` is none of ``FLOWS``.
    """
    if name not in FLOWS:
        raise ConfigError(f"unknown flow {name!r}", remedy=_remedy(name))


def _remedy(name: str) -> str:
    nearest = get_close_matches(str(name).lower(), FLOWS, n=1, cutoff=0.5)
    return f"Choose one of {', '.join(FLOWS)}" + (f" (did you mean {nearest[0]}?)" if nearest else "")


def _no_motion(gray_a: NDArray[np.uint8], gray_b: NDArray[np.uint8]) -> NDArray[np.float32]:
    import numpy

    return numpy.zeros((2, *gray_a.shape), numpy.float32)
