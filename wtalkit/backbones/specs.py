"""The backbones by name: what each expects of its input, what it gives back, whose weights it takes.

Adding one of torchvision's or pytorchvideo's is one entry of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wtalkit.errors import ConfigError
from wtalkit.hub import HubFile
from wtalkit.suggest import remedy
from wtalkit.timeline import Timeline

Stream = Literal["rgb", "flow"]


@dataclass(frozen=True)
class BackboneSpec:
    """Input and output of one backbone; weights never travel without it.

    Attributes:
        name: as given to ``--backbone``.
        fps: frames per second it was trained at.
        window: frames of one clip.
        stride: frames from one clip to the next.
        resize: shorter side in pixels, before cropping.
        crop: side of the centre crop in pixels; None keeps the full frame.
        flow_bound_px: flow is cut to [-bound, bound]; it scales with the resolution. None without a flow stream.
        width: factor on I3D's channel counts.
        stream_dim: numbers a stream gives per clip.
        num_classes: outputs of its classifier; None leaves it to the weight files.
        streams: what it can look at.
        library: who builds the network: ``wtalkit`` (I3D), ``torchvision`` or ``pytorchvideo``.
        frames: how many of a window's frames it sees, spread evenly; None for all.
        head: of a library's network: the name of its last linear layer, whose input are the features.
        weights: of a library's network: the file it publishes.
        classes: what its classifier tells apart, a list of ``models/classes``; None where nobody outside cares.
    """

    name: str
    fps: float
    window: int
    stride: int
    resize: int
    crop: int | None
    flow_bound_px: float | None
    width: float
    stream_dim: int
    num_classes: int | None
    streams: tuple[Stream, ...] = ("rgb", "flow")
    library: Literal["wtalkit", "torchvision", "pytorchvideo"] = "wtalkit"
    frames: int | None = None
    head: str = ""
    weights: HubFile | None = None
    classes: str | None = None

    @property
    def timeline(self) -> Timeline:
        return Timeline(self.fps, self.window, self.stride)

    @property
    def picked(self) -> tuple[int, ...]:
        """Which frames of a window it sees: first, last, and evenly between them, as pytorchvideo's sampler does."""
        count = self.window if self.frames is None else self.frames
        return tuple(index * (self.window - 1) // (count - 1) for index in range(count))


def _of_torchvision(
    name: str, file: str, *, head: str, dim: int, fps: float, window: int, stride: int, resize: int, crop: int
) -> BackboneSpec:
    weights = HubFile(f"https://download.pytorch.org/models/{file}")
    return BackboneSpec(
        name, fps, window, stride, resize, crop, None, 1.0, dim, 400, streams=("rgb",), library="torchvision",
        head=head, weights=weights, classes=KINETICS,
    )  # fmt: skip


def _of_pytorchvideo(name: str, file: str, *, head: str, frames: int, every: int) -> BackboneSpec:
    weights = HubFile(f"https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/{file}")
    return BackboneSpec(
        name, 30.0, frames * every, 16, 256, 256, None, 1.0, 2048, 400, streams=("rgb",), library="pytorchvideo",
        frames=frames, head=head, weights=weights, classes=KINETICS,
    )  # fmt: skip


KINETICS = "kinetics400"

BACKBONES = {
    spec.name: spec
    for spec in (
        # Kinetics-400, the features of the field: 25 fps, 16 frames every 16, 224 of 256 px.
        BackboneSpec("i3d", 25.0, 16, 16, 256, 224, 20.0, 1.0, 1024, 400, classes=KINETICS),
        # Pre-trained on rendered clips of 128x96. +-20 px belong to 340x256; 8 px is the same share of the width at 96.
        BackboneSpec("i3d-mini", 12.5, 16, 4, 96, None, 8.0, 0.25, 256, None),
        # frames x every and the picture are those of pytorchvideo's hub; a window every 0.53 s throughout.
        _of_pytorchvideo("i3d_r50", "I3D_8x8_R50.pyth", head="blocks.6.proj", frames=8, every=8),
        _of_pytorchvideo("slow_r50", "SLOW_8x8_R50.pyth", head="blocks.5.proj", frames=8, every=8),
        _of_pytorchvideo("x3d_m", "X3D_M.pyth", head="blocks.5.proj", frames=16, every=5),
        # Rate and frames of a clip are those that torchvision states its accuracies for.
        _of_torchvision(
            "r3d_18", "r3d_18-b3b3357e.pth", head="fc", dim=512, fps=15, window=16, stride=8, resize=128, crop=112
        ),
        _of_torchvision(
            "mc3_18", "mc3_18-a90a0ba3.pth", head="fc", dim=512, fps=15, window=16, stride=8, resize=128, crop=112
        ),
        _of_torchvision(
            "r2plus1d_18", "r2plus1d_18-91a641e6.pth", head="fc", dim=512, fps=15, window=16, stride=8, resize=128,
            crop=112,
        ),
        # Stated for 128 frames, 8.5 s, too long to tell when; it takes 14 or more, and averages over them.
        _of_torchvision(
            "s3d", "s3d-d76dad2f.pth", head="classifier.1", dim=1024, fps=15, window=32, stride=8, resize=256, crop=224
        ),
        _of_torchvision(
            "mvit_v2_s", "mvit_v2_s-ae3be167.pth", head="head.1", dim=768, fps=7.5, window=16, stride=4, resize=256,
            crop=224,
        ),
        _of_torchvision(
            "swin3d_t", "swin3d_t-7615ae03.pth", head="head", dim=768, fps=15, window=32, stride=8, resize=256, crop=224
        ),
    )
}  # fmt: skip


def get_spec(name: str) -> BackboneSpec:
    """The spec of backbone ``name``.

    Raises:
        ConfigError: no such backbone; the message names the nearest and all valid ones.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    raise ConfigError(f"unknown backbone {name!r}", remedy=remedy(name, BACKBONES))
