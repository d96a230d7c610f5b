"""Find when actions happen in videos, learnt from labels that only say what happens.

Each command of the command line is a function here: :func:`extract`, :func:`train`, :func:`detect`, :func:`evaluate`,
:func:`compare`. They are imported on first use, so that ``import wtalkit`` stays instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wtalkit.errors import WtalkitError
from wtalkit.segments import Detections, Segment

if TYPE_CHECKING:
    from wtalkit.detection import detect
    from wtalkit.extraction import extract
    from wtalkit.forecast import estimate
    from wtalkit.scoring import evaluate
    from wtalkit.studies import compare
    from wtalkit.training import train

__version__ = "0.1.0"

__all__ = [
    "Detections",
    "Segment",
    "WtalkitError",
    "__version__",
    "compare",
    "detect",
    "estimate",
    "evaluate",
    "extract",
    "train",
]

_HOMES = {
    "compare": "wtalkit.studies",
    "detect": "wtalkit.detection",
    "estimate": "wtalkit.forecast",
    "evaluate": "wtalkit.scoring",
    "extract": "wtalkit.extraction",
    "import_pack": "wtalkit.importing",
    "train": "wtalkit.training",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
