"""Scoring: mAP over temporal IoU, intervals over videos, predictions files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtalkit.evaluation.predictions import check_predictions, load_predictions, to_document, write_predictions
from wtalkit.evaluation.thresholds import DEFAULT_TIOU, parse_tiou, tiou_key

if TYPE_CHECKING:
    from wtalkit.evaluation.intervals import bootstrap
    from wtalkit.evaluation.scoring import evaluate_predictions, mean_average_precision

__all__ = [
    "DEFAULT_TIOU",
    "bootstrap",
    "check_predictions",
    "evaluate_predictions",
    "load_predictions",
    "mean_average_precision",
    "parse_tiou",
    "tiou_key",
    "to_document",
    "write_predictions",
]
_LAZY = {
    "bootstrap": "wtalkit.evaluation.intervals",
    "evaluate_predictions": "wtalkit.evaluation.scoring",
    "mean_average_precision": "wtalkit.evaluation.scoring",
}


def __getattr__(name: str) -> Any:
    """Import what needs numpy only when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
