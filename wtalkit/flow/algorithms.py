"""The flow algorithms by name, each with the version that features remember it by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from wtalkit.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOWS = ("tvl1", "dis", "none")
"""Names that ``get_flow`` knows."""


@dataclass(frozen=True)
class FlowAlgorithm:
    """One way to get from two frames to a field of motion."""

    name: str
    """``tvl1``, ``dis`` or ``none``."""
    version: str
    """Changes whenever the numbers change: features of another version are another kind of features."""
    pair: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]
    """Grey uint8 ``[H, W]`` twice -> float32 ``[2, H, W]`` in pixels; safe to call from several threads."""


def get_flow(name: str) -> FlowAlgorithm:
    """Look up a flow algorithm.

    ``none`` gives fields of zeros: who asks for it should leave the flow stream out altogether.

    Raises:
        ConfigError: ``name`` is none of ``FLOWS``.
    """
    if name == "tvl1":
        from wtalkit.flow import batch

        return FlowAlgorithm("tvl1", batch.TVL1_VERSION, batch.tvl1_pair)
    if name == "dis":
        from wtalkit.flow import opencv

        return FlowAlgorithm("dis", opencv.dis_version(), opencv.dis_pair)
    if name == "none":
        return FlowAlgorithm("none", "none", _no_motion)
    raise ConfigError(f"unknown flow {name!r}", remedy=_remedy(name))


def _remedy(name: str) -> str:
    nearest = get_close_matches(str(name).lower(), FLOWS, n=1, cutoff=0.5)
    return f"Choose one of {', '.join(FLOWS)}" + (f" (did you mean {nearest[0]}?)" if nearest else "")


def _no_motion(gray_a: NDArray[np.uint8], gray_b: NDArray[np.uint8]) -> NDArray[np.float32]:
    import numpy

    return numpy.zeros((2, *gray_a.shape), numpy.float32)
