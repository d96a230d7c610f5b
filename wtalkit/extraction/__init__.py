"""Extraction: videos in, features out, in one pass and without anything but the features touching the disk."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtalkit.extraction.batch import ExtractionResult, devices_for, extract
    from wtalkit.extraction.featurizer import PartialVideo, VideoFeaturizer
    from wtalkit.extraction.progress import Estimate, Progress

__all__ = ["Estimate", "ExtractionResult", "PartialVideo", "Progress", "VideoFeaturizer", "devices_for", "extract"]

_HOMES = {  # these import torch, OpenCV and PyAV, so only when asked for
    "Estimate": "progress",
    "ExtractionResult": "batch",
    "PartialVideo": "featurizer",
    "Progress": "progress",
    "VideoFeaturizer": "featurizer",
    "devices_for": "batch",
    "extract": "batch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
