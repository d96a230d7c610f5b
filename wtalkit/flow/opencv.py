"""Flow by OpenCV: DIS for a fast preview, DualTVL1 as the reference that our own TV-L1 is held against."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from wtalkit.errors import MachineError
from wtalkit.flow.parameters import TvL1Parameters, check_pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DIS_SMALLEST = 32
"""DIS needs a patch of 8 px at its second scale and some room around it: smaller frames are padded to this many px."""

_of_thread = threading.local()  # OpenCV's algorithm objects keep buffers: one of each kind per thread


@cache
def load_cv2() -> Any:
    """Import cv2 once and keep it to one thread: pairs are what we spread over cores.

    The setting holds for the whole process, which OpenCV offers no way around.
    """
    import cv2

    cv2.setNumThreads(1)
    return cv2


def dis_version() -> str:
    """The version of ``dis``: OpenCV's own, because its numbers follow it, and the preset."""
    return f"opencv-{load_cv2().__version__}-dis-medium"


def dis_pair(gray_a: NDArray[np.uint8], gray_b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """DIS flow (Kroeger et al., ECCV 2016) with OpenCV's preset MEDIUM.

    Raises:
        ValueError: the frames are not grey uint8 ``[H, W]`` of one size.
    """
    check_pair(gray_a, gray_b)
    cv2 = load_cv2()
    if not hasattr(_of_thread, "dis"):
        _of_thread.dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = gray_a.shape
    down, right = max(0, _DIS_SMALLEST - height), max(0, _DIS_SMALLEST - width)
    if down or right:
        gray_a, gray_b = (cv2.copyMakeBorder(g, 0, down, 0, right, cv2.BORDER_REPLICATE) for g in (gray_a, gray_b))
    return _planes(_of_thread.dis.calc(gray_a, gray_b, None)[:height, :width])


def dual_tvl1_pair(
    gray_a: NDArray[np.uint8], gray_b: NDArray[np.uint8], parameters: TvL1Parameters
) -> NDArray[np.float32]:
    """OpenCV's DualTVL1, float32 ``[2, H, W]``.

    Raises:
        ValueError: the frames are not grey uint8 ``[H, W]`` of one size.
        MachineError: this OpenCV was built without its contrib modules.
    """
    check_pair(gray_a, gray_b)
    solvers = _of_thread.__dict__.setdefault("dual_tvl1", {})
    if parameters not in solvers:
        solvers[parameters] = _dual_tvl1(parameters)
    return _planes(solvers[parameters].calc(gray_a, gray_b, None))


def _dual_tvl1(parameters: TvL1Parameters) -> Any:
    cv2 = load_cv2()
    if not hasattr(cv2, "optflow"):
        raise MachineError(
            "this OpenCV lacks DualTVL1",
            remedy="Uninstall every opencv package, then install opencv-contrib-python-headless",
        )
    p = parameters
    return cv2.optflow.DualTVL1OpticalFlow_create(
        float(p.tau), float(p.lambda_), float(p.theta), int(p.nscales), int(p.warps), float(p.epsilon),
        int(p.innerIterations), int(p.outerIterations), float(p.scaleStep), float(p.gamma), int(p.medianFiltering),
        False,
    )  # fmt: skip


def _planes(field: Any) -> NDArray[np.float32]:
    import numpy

    return cast("NDArray[np.float32]", numpy.ascontiguousarray(field.transpose(2, 0, 1), numpy.float32))
