"""Check a data set before days are spent on it: its videos, its features, its labels, and whether they fit together."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtalkit.checking.checker import Files, check
    from wtalkit.checking.report import CheckedFeatures, CheckedVideo, Finding, Report

__all__ = ["CheckedFeatures", "CheckedVideo", "Files", "Finding", "Report", "check"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'checker' if name in ('Files', 'check') else 'report'}"), name)
