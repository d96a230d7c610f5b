"""The parameters of TV-L1, named as in OpenCV, and the frames it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True)
class TvL1Parameters:
    """Parameters of TV-L1 (Sanchez, Meinhardt-Llopis, Facciolo, IPOL 2013, section 3), defaults of OpenCV's DualTVL1.

    Raises:
        ValueError: a value is outside its range.
    """

    tau: float = 0.25
    """Time step of the dual update; the scheme converges for tau <= 0.25, more is taken but may not settle."""
    lambda_: float = 0.15
    """Weight of the data term: smaller is smoother."""
    theta: float = 0.3
    """Tightness of the link between the two halves of the splitting."""
    nscales: int = 5
    """Most scales of the pyramid; scales with fewer than 16 pixels across or down are left out."""
    warps: int = 5
    """How often a scale warps the second frame anew."""
    epsilon: float = 0.01
    """The inner iterations stop once the mean squared change of the field (px^2) falls to epsilon^2."""
    innerIterations: int = 30
    """Most iterations between two median filters."""
    outerIterations: int = 10
    """Most rounds of median filter and inner iterations in one warp."""
    scaleStep: float = 0.8
    """Size of a scale over the size of the finer one, in (0, 1)."""
    gamma: float = 0.0
    """Weight of the change of lighting; other than 0 it is computed by OpenCV."""
    medianFiltering: int = 5
    """Side of the median filter in pixels: 1 (none), 3 (computed by OpenCV) or 5."""

    @property
    def needs_opencv(self) -> bool:
        """Whether our own code does not cover these parameters, so that OpenCV's DualTVL1 computes them."""
        return self.gamma != 0 or self.medianFiltering == 3

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_number(field.name, getattr(self, field.name), integer=field.type == "int")
        for name in ("tau", "lambda_", "theta"):
            _require(1e-6 <= getattr(self, name) <= 1e6, name, getattr(self, name), "between 1e-6 and 1e6")
        for name in ("epsilon", "gamma"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("nscales", "warps", "innerIterations", "outerIterations"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        _require(0 < self.scaleStep < 1, "scaleStep", self.scaleStep, "between 0 and 1, both excluded")
        _require(self.medianFiltering in (1, 3, 5), "medianFiltering", self.medianFiltering, "1, 3 or 5")


def _check_number(name: str, value: Any, *, integer: bool) -> None:
    kind = "an integer" if integer else "a finite number"
    numeric = isinstance(value, Integral if integer else Real) and not isinstance(value, bool)
    if not numeric or not math.isfinite(value):
        raise ValueError(f"{name} must be {kind}, got {value!r}")


def _require(condition: bool, name: str, value: Any, allowed: str) -> None:
    if not condition:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def check_pair(gray_a: Any, gray_b: Any) -> None:
    """See that two frames are grey, uint8, not empty and of one size.

    Raises:
        ValueError: they are not.
    """
    for gray in (gray_a, gray_b):
        if getattr(gray, "ndim", None) != 2 or str(gray.dtype) != "uint8" or 0 in gray.shape:
            found = f"{getattr(gray, 'dtype', type(gray).__name__)} {getattr(gray, 'shape', '')}"
            raise ValueError(f"a frame must be grey uint8 [H, W] and not empty, got {found.strip()}")
    if gray_a.shape != gray_b.shape:
        raise ValueError(f"two frames of one video must have one size, got {gray_a.shape} and {gray_b.shape}")
