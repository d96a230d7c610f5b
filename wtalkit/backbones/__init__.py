"""Backbones: clips of frames and flow in, one feature vector per clip out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtalkit.backbones.specs import BACKBONES, BackboneSpec, get_spec

if TYPE_CHECKING:
    from wtalkit.backbones.i3d import InceptionI3D
    from wtalkit.backbones.preprocess import preprocess_flow, preprocess_rgb

__all__ = ["BACKBONES", "BackboneSpec", "InceptionI3D", "get_spec", "preprocess_flow", "preprocess_rgb"]

_HEAVY = {  # these import torch, so only when asked for
    "InceptionI3D": "wtalkit.backbones.i3d",
    "preprocess_flow": "wtalkit.backbones.preprocess",
    "preprocess_rgb": "wtalkit.backbones.preprocess",
}


def __getattr__(name: str) -> Any:
    if name in _HEAVY:
        from importlib import import_module

        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
