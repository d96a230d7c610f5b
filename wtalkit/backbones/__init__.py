"""Backbones: clips of frames and flow in, one feature vector per clip out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtalkit.backbones.specs import BACKBONES, BackboneSpec, get_spec

if TYPE_CHECKING:
    from wtalkit.backbones.backbone import Backbone, MakesFeatures, load_backbone
    from wtalkit.backbones.clips import ClipBackbone
    from wtalkit.backbones.device import resolve_device
    from wtalkit.backbones.i3d import InceptionI3D
    from wtalkit.backbones.preprocess import preprocess_flow, preprocess_rgb

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneSpec",
    "ClipBackbone",
    "InceptionI3D",
    "MakesFeatures",
    "get_spec",
    "load_backbone",
    "preprocess_flow",
    "preprocess_rgb",
    "resolve_device",
]

_HEAVY = {  # these import torch, so only when asked for
    "Backbone": "wtalkit.backbones.backbone",
    "ClipBackbone": "wtalkit.backbones.clips",
    "MakesFeatures": "wtalkit.backbones.backbone",
    "load_backbone": "wtalkit.backbones.backbone",
    "resolve_device": "wtalkit.backbones.device",
    "InceptionI3D": "wtalkit.backbones.i3d",
    "preprocess_flow": "wtalkit.backbones.preprocess",
    "preprocess_rgb": "wtalkit.backbones.preprocess",
}


def __getattr__(name: str) -> Any:
    if name in _HEAVY:
        from importlib import import_module

        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
