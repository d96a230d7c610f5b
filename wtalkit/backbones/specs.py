"""What each backbone expects of its input and gives back; weights never travel without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wtalkit.errors import ConfigError
from wtalkit.suggest import remedy
from wtalkit.timeline import Timeline

Stream = Literal["rgb", "flow"]


@dataclass(frozen=True)
class BackboneSpec:
    """Input and output of one backbone.

    Attributes:
        name: as given to ``--backbone``.
        fps: frames per second it was trained at.
        window: frames of one clip.
        stride: frames from one clip to the next.
        resize: shorter side in pixels, before cropping.
        crop: side of the centre crop in pixels; None keeps the full frame.
        flow_bound_px: flow is cut to [-bound, bound]; it scales with the resolution.
        width: factor on I3D's channel counts.
        stream_dim: numbers a stream gives per clip.
        num_classes: outputs of its classifier; None leaves it to the weight files.
    """

    name: str
    fps: float
    window: int
    stride: int
    resize: int
    crop: int | None
    flow_bound_px: float
    width: float
    stream_dim: int
    num_classes: int | None

    @property
    def timeline(self) -> Timeline:
        return Timeline(self.fps, self.window, self.stride)


BACKBONES = {
    # Kinetics-400, the features of the field: 25 fps, 16 frames every 16, 224 of 256 px.
    "i3d": BackboneSpec("i3d", 25.0, 16, 16, 256, 224, 20.0, 1.0, 1024, 400),
    # Pre-trained on rendered clips of 128x96. +-20 px belong to 340x256; 8 px is the same share of the width at 96 px.
    "i3d-mini": BackboneSpec("i3d-mini", 12.5, 16, 4, 96, None, 8.0, 0.25, 256, None),
}


def get_spec(name: str) -> BackboneSpec:
    """The spec of backbone ``name``.

    Raises:
        ConfigError: no such backbone; the message names the nearest and all valid ones.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    raise ConfigError(f"unknown backbone {name!r}", remedy=remedy(name, BACKBONES))
