"""Training: video-level labels in, a run with a model out. Importing this package does not import torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtalkit.training.trainer import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    if name == "train":
        return import_module("wtalkit.training.trainer").train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
