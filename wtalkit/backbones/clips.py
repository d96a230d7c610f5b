"""The video networks of torchvision and pytorchvideo as backbones: RGB windows in, the input of their classifier out.

Each sees its pictures through the library's own preprocessing, its head's last linear layer is taken out, and what
would have gone into it, averaged over places where the head averages, is the feature.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from wtalkit.backbones.batches import Batches
from wtalkit.backbones.precision import DTYPES, Precision, resolve_precision, settings_of
from wtalkit.backbones.preprocess import crop_rgb
from wtalkit.backbones.specs import BackboneSpec, Stream

if TYPE_CHECKING:
    from wtalkit.backbones.backbone import RgbWindows

_WINDOWS = {"cpu": 2, "cuda": 16}
"""At once; fewer after memory ran out."""
_MEAN, _STD = 0.45, 0.225  # pytorchvideo's, of all channels and networks


class ClipBackbone:
    """One of the libraries' networks, RGB only. It is used as :class:`wtalkit.backbones.Backbone` is.

    Args:
        spec: what goes in and comes out.
        network: with its weights; its classifier is taken out of it.
        weights_hash: identifies the weights file.
        device: where to compute.
        weights_note: where the weights come from, for people.
        warnings: what a features record should say about the weights.
        precision: as of :func:`resolve_precision`; halves are left to torch's autocast.

    Raises:
        ConfigError: not a precision.
        MachineError: the device does not have the precision.
    """

    streams: tuple[Stream, ...] = ("rgb",)

    def __init__(
        self,
        spec: BackboneSpec,
        network: nn.Module,
        *,
        weights_hash: str,
        device: torch.device,
        weights_note: str = "",
        warnings: tuple[str, ...] = (),
        precision: str = "auto",
    ) -> None:
        self.spec, self.device, self.dim = spec, device, spec.stream_dim
        self.weights_hash, self.weights_note, self.warnings = weights_hash, weights_note, warnings
        self.precision: Precision = resolve_precision(precision, device)
        self._classifier = take_classifier(network, spec)
        self._network = network.eval().requires_grad_(False).to(device)
        self._prepare = preprocessing(spec)
        self._batches = Batches(_WINDOWS[device.type], _release(device))

    @property
    def batch_windows(self) -> int:
        """Windows the backbone likes to get at a time."""
        return self._batches.size

    def features(self, rgb: Tensor, flow: Tensor | None = None) -> Tensor:
        """Features of windows.

        Args:
            rgb: the frames that ``spec.picked`` names, uint8 ``[B, frames, H, W, 3]``, on any device.
            flow: ignored.

        Returns:
            float32 ``[B, dim]`` on the backbone's device.

        Raises:
            DeviceFull: the device's memory does not suffice for one window.
        """
        with torch.inference_mode(), settings_of(self.precision, self.device):
            if len(rgb) == 0:
                return torch.empty(0, self.dim, device=self.device)
            return self._batches.run(lambda start, stop: self._batch(rgb[start:stop]), len(rgb))

    def logits(self, rgb: RgbWindows) -> Tensor:
        """Class logits float32 ``[B, classes]`` of windows uint8 ``[B, frames, H, W, 3]``."""
        weight, bias = self.classifier()
        return self.features(torch.from_numpy(rgb)).cpu() @ weight.T + bias

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Weights ``[classes, dim]`` and biases ``[classes]`` that turn features into class logits, on the CPU."""
        return self._classifier

    def _batch(self, windows: Tensor) -> Tensor:
        x = self._prepare(windows.to(self.device))
        dtype = DTYPES[self.precision]
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            found: Tensor = self._network(x)
            return found.flatten(1).float()


def build(spec: BackboneSpec) -> nn.Module:
    """The library's network with random weights, whole.

    Raises:
        MachineError: pytorchvideo is not installed.
    """
    if spec.library == "torchvision":
        from torchvision.models import get_model

        network: nn.Module = get_model(spec.name, weights=None)
        return network
    from wtalkit.errors import MachineError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it still calls torch.jit.script when imported
            hub = import_module(f"pytorchvideo.models.hub.{'x3d' if spec.name.startswith('x3d') else 'resnet'}")
    except ImportError as error:
        raise MachineError(f"{spec.name} needs pytorchvideo", remedy="Run pip install pytorchvideo") from error
    found: nn.Module = getattr(hub, spec.name)(pretrained=False)
    # X3D's softmax comes before the average over places; without it logits are averaged, which is linear in features.
    head: Any = found.get_submodule(spec.head.rpartition(".")[0])
    head.activation = None
    return found


def take_classifier(network: nn.Module, spec: BackboneSpec) -> tuple[Tensor, Tensor]:
    """Take the last linear layer (or 1x1x1 convolution) out; gives its weights ``[classes, dim]`` and biases."""
    layer = network.get_submodule(spec.head)
    assert isinstance(layer, (nn.Linear, nn.Conv3d)) and layer.bias is not None
    parent, _, name = spec.head.rpartition(".")
    setattr(network.get_submodule(parent), name, nn.Identity())
    return layer.weight.detach().flatten(1).float().cpu(), layer.bias.detach().float().cpu()


def preprocessing(spec: BackboneSpec) -> Callable[[Tensor], Tensor]:
    """From frames uint8 ``[B, T, H, W, 3]`` with their shorter side at ``spec.resize`` to the network's input.

    torchvision's is the transform that belongs to its weights; three of its networks and s3d thereby squeeze wide
    pictures, as they were trained.
    """
    if spec.library == "torchvision":
        from torchvision.models import get_model_weights

        transform = get_model_weights(spec.name).DEFAULT.transforms()
        return lambda frames: transform(frames.contiguous().permute(0, 1, 4, 2, 3))  # whose view needs whole windows

    def normalized(frames: Tensor) -> Tensor:
        x = crop_rgb(frames, spec).permute(0, 4, 1, 2, 3).float()
        return x.div_(255).sub_(_MEAN).div_(_STD)

    return normalized


def _release(device: torch.device) -> Callable[[], None]:
    return torch.cuda.empty_cache if device.type == "cuda" else lambda: None
