"""Optical flow between consecutive frames: ``tvl1`` (our own, compiled), ``dis`` (OpenCV, fast preview), ``raft`` and
``raft-small`` (torchvision) and ``none``.

Everything speaks the same shapes: grey uint8 frames in (RAFT: RGB), float32 fields ``[2, H, W]`` in pixels out,
channel 0 to the right and channel 1 down. This package imports neither numpy nor numba nor cv2 until a flow is
computed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wtalkit.flow.algorithms import FLOWS, FlowAlgorithm, check_flow, get_flow

if TYPE_CHECKING:
    from wtalkit.flow.batch import dis, tvl1
    from wtalkit.flow.comparison import FlowComparison, compare_with_opencv
    from wtalkit.flow.streaming import stream_flow

__all__ = [
    "FLOWS",
    "FlowAlgorithm",
    "FlowComparison",
    "check_flow",
    "compare_with_opencv",
    "dis",
    "get_flow",
    "stream_flow",
    "tvl1",
]

_LAZY = {
    "FlowComparison": "wtalkit.flow.comparison",
    "compare_with_opencv": "wtalkit.flow.comparison",
    "dis": "wtalkit.flow.batch",
    "stream_flow": "wtalkit.flow.streaming",
    "tvl1": "wtalkit.flow.batch",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
