"""Backbones with their weights: windows of frames and flow in, one row of features per window out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from wtalkit.backbones.batches import Batches
from wtalkit.backbones.cuda_graphs import CudaStreams
from wtalkit.backbones.device import resolve_device
from wtalkit.backbones.i3d import InceptionI3D
from wtalkit.backbones.i3d_inference import Form, I3DInference
from wtalkit.backbones.memory import Uploads, windows_at_once
from wtalkit.backbones.precision import DTYPES, Precision, resolve_precision, settings_of
from wtalkit.backbones.preprocess import crop_flow, crop_rgb, flow_levels
from wtalkit.backbones.specs import BackboneSpec, Stream, get_spec
from wtalkit.backbones.weights import combined_hash, load_state, published_as, read_state
from wtalkit.download import announce
from wtalkit.zoo import PUBLIC_FILES, not_there, present, pull_weights, weights_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtalkit.backbones.clips import ClipBackbone
    from wtalkit.download import Fetching

    RgbWindows = NDArray[np.uint8]  # (B, window, H, W, 3)
    FlowWindows = NDArray[np.float32]  # (B, window, 2, H, W), pixels

log = logging.getLogger(__name__)

_IN_CHANNELS = {"rgb": 3, "flow": 2}


class MakesFeatures(Protocol):
    """What extraction needs of a backbone: :class:`Backbone` (I3D) and :class:`ClipBackbone` are some.

    Attributes:
        spec: what goes in and comes out.
        streams: what it looks at.
        dim: columns of the features, all streams together.
        weights_hash: identifies the weight files.
        weights_note: where the weights come from, for people.
        warnings: what a features record should say about the weights.
        device: where it computes.
        precision: in which numbers.
    """

    spec: BackboneSpec
    streams: tuple[Stream, ...]
    dim: int
    weights_hash: str
    weights_note: str
    warnings: tuple[str, ...]
    device: torch.device
    precision: Precision

    @property
    def batch_windows(self) -> int:
        """Windows it likes to get at a time."""
        ...

    def features(self, rgb: Tensor, flow: Tensor | None) -> Tensor:
        """Features float32 ``[B, dim]`` of windows; of their frames those that ``spec.picked`` names."""
        ...

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Weights ``[classes, dim]`` and biases ``[classes]`` that turn features into class logits, on the CPU."""
        ...


class Backbone:
    """One or two streams of I3D.

    Args:
        spec: what goes in and comes out.
        models: the networks with their weights, by stream.
        weights_hash: identifies the weight files.
        device: where to compute.
        weights_note: where the weights come from, for people.
        warnings: what a features record should say about the weights.
        precision: ``auto``, ``float32``, ``tf32``, ``float16`` or ``bfloat16``, see :func:`resolve_precision`.
        form: which of several equal forms of the network to compute; by default the one for the device.

    Attributes:
        streams: ``("rgb", "flow")``, or ``("rgb",)`` alone.
        dim: columns of the features, all streams together.
        precision: in which numbers it computes; preprocessing, the last pooling and features always are float32.

    Raises:
        ConfigError: not a precision.
        MachineError: the device does not have the precision.
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
        precision: str = "auto",
        form: Form | None = None,
    ) -> None:
        self.spec = spec
        self.streams: tuple[Stream, ...] = tuple(models)
        self.weights_hash, self.weights_note, self.warnings = weights_hash, weights_note, warnings
        self.device = device
        self.dim = sum(model.feature_dim for model in models.values())
        self.precision: Precision = resolve_precision(precision, device)
        dtype = DTYPES[self.precision]
        form = Form.best(device) if form is None else form
        self._models = {
            name: I3DInference(model.eval(), device=device, dtype=dtype, form=form) for name, model in models.items()
        }
        on_gpu = device.type == "cuda"
        self._cuda = CudaStreams(self._models, device, graphs=form.graphs) if on_gpu else None
        self._uploads = Uploads(device) if on_gpu else None
        release = _nothing if self._cuda is None else self._cuda.clear  # no method of ours: a cycle would keep memory
        self._batches = Batches(windows_at_once(spec, self.streams, dtype, device), release)

    @property
    def batch_windows(self) -> int:
        """Windows the backbone likes to get at a time. More are taken in batches of this; fewer cost more each."""
        return self._batches.size

    def features(self, rgb: Tensor, flow: Tensor | None) -> Tensor:
        """Features of windows, RGB first; longer ones than 16 frames are averaged over time.

        Args:
            rgb: frames, uint8 ``[B, T, H, W, 3]``, on any device; pinned memory spares a copy.
            flow: their flow in pixels, float32 ``[B, T, 2, H, W]``; ignored without a flow stream.

        Returns:
            float32 ``[B, dim]`` on the backbone's device, which is not waited for.

        Raises:
            DeviceFull: the device's memory does not suffice for one window.
        """
        given: dict[Stream, Tensor] = {"rgb": rgb} if "rgb" in self.streams else {}
        if "flow" in self.streams:
            if flow is None:
                raise ValueError(f"{self.spec.name} has a flow stream and got no flow")
            given["flow"] = flow
        with torch.inference_mode(), settings_of(self.precision, self.device):
            if len(rgb) == 0:
                return torch.empty(0, self.dim, device=self.device)
            return self._batches.run(lambda start, stop: self._batch(given, slice(start, stop)), len(rgb))

    def extract(self, rgb: RgbWindows, flow: FlowWindows | None) -> NDArray[np.float32]:
        """Features float32 ``[B, dim]``, RGB first; longer windows than 16 frames are averaged over time."""
        found = self.features(torch.from_numpy(rgb), None if flow is None else torch.from_numpy(flow))
        features: NDArray[np.float32] = found.cpu().numpy()
        return features

    def logits(self, rgb: RgbWindows, flow: FlowWindows | None) -> NDArray[np.float32]:
        """Class logits float32 ``[B, classes]``, summed over the streams as in the paper's joint model."""
        found = self.features(torch.from_numpy(rgb), None if flow is None else torch.from_numpy(flow))
        with torch.inference_mode():
            parts = found.split_with_sizes([model.feature_dim for model in self._models.values()], dim=1)
            each = [model.logits(part) for model, part in zip(self._models.values(), parts, strict=True)]
            logits: NDArray[np.float32] = torch.stack(each).sum(dim=0).cpu().numpy()
        return logits

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Weights ``[classes, dim]`` and biases ``[classes]`` of the streams' average logits, on the CPU."""
        pairs = [model.classifier() for model in self._models.values()]
        weights, biases = zip(*pairs, strict=True)
        return torch.cat(weights, dim=1) / len(pairs), torch.stack(biases).mean(dim=0)

    def _batch(self, given: Mapping[Stream, Tensor], rows: slice) -> Tensor:
        levels: dict[Stream, Tensor] = {}
        for name, windows in given.items():
            x = (crop_rgb if name == "rgb" else crop_flow)(windows[rows], self.spec)
            x = x if self._uploads is None else self._uploads.to_device(x)
            levels[name] = x if name == "rgb" else flow_levels(x, self.spec)
        if self._cuda is not None:
            return self._cuda.features(levels, self._batches.size)
        return torch.cat([self._on_cpu(self._models[name], value) for name, value in levels.items()], dim=1)

    def _on_cpu(self, model: I3DInference, levels: Tensor) -> Tensor:
        frames, height, width = levels.shape[1:4]
        layout = model.layout((frames, height, width))
        memory = layout.allocate(len(levels), self.device, model.dtype)
        layout.write(levels, memory)
        return model.features(memory, layout)


def _nothing() -> None:
    """There is no memory to give back."""


def load_backbone(
    name: str,
    *,
    flow: str = "tvl1",
    device: str | torch.device = "cpu",
    offline: bool = False,
    cache: Path | None = None,
    weights: Path | None = None,
    precision: str = "auto",
    progress: Callable[[Fetching], None] | None = None,
) -> MakesFeatures:
    """Load a backbone and its weights; published ones that are missing are fetched into the cache, once.

    Args:
        name: one of ``BACKBONES``.
        flow: name of the flow algorithm; ``"none"`` leaves the flow stream out, where the backbone has one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        offline: never fetch weights.
        cache: folder of downloads; the user's cache folder by default.
        weights: folder of the weight files, instead of where those of ``name`` usually are.
        precision: ``auto`` (float16 on GPUs with tensor cores, else float32), ``float32``, ``tf32``, ``float16`` or
            ``bfloat16``.
        progress: told while weights are fetched; by default lines in the log say so.

    Raises:
        ConfigError: no such backbone or precision.
        MachineError: the weights, the device, the precision or the network's library are not to be had.
    """
    spec = get_spec(name)
    resolved = device if isinstance(device, torch.device) else resolve_device(device)
    progress = progress or announce(log.warning)
    if spec.library != "wtalkit":
        return _load_clips(spec, resolved, offline, cache, weights, precision, progress)
    streams: tuple[Stream, ...] = ("rgb",) if flow == "none" else ("rgb", "flow")
    folder = weights if weights is not None else weights_folder(name, cache)
    missing = [stream for stream in streams if present(name, stream, folder) is None]
    if missing and weights is None and not offline and name in PUBLIC_FILES:
        pull_weights(name, missing, cache=cache, progress=progress)
    files = {stream: find_weights(name, stream, folder) for stream in streams}
    models = {stream: _load_stream(spec, stream, path) for stream, path in files.items()}
    weights_hash = combined_hash(files.values())
    note, warnings = _provenance(spec, files, weights_hash)
    return Backbone(
        spec,
        models,
        weights_hash=weights_hash,
        device=resolved,
        weights_note=note,
        warnings=warnings,
        precision=precision,
    )


def find_weights(name: str, stream: str, folder: Path) -> Path:
    """The weight file of one stream.

    Raises:
        MachineError: it is not there; the message names the exact path to put it to.
    """
    if (path := present(name, stream, folder)) is not None:
        return path
    raise not_there(name, stream, folder / (f"{stream}_imagenet.pt" if name == "i3d" else f"{stream}.safetensors"))


def _load_clips(
    spec: BackboneSpec,
    device: torch.device,
    offline: bool,
    cache: Path | None,
    weights: Path | None,
    precision: str,
    progress: Callable[[Fetching], None],
) -> ClipBackbone:
    """A network of torchvision's or pytorchvideo's with the weights its library publishes."""
    from wtalkit.backbones.clips import ClipBackbone, build

    file = spec.weights
    assert file is not None
    network = build(spec)  # before anything is fetched: its library may be missing
    path = (weights_folder(spec.name, cache) if weights is None else weights) / file.name
    if not path.is_file():
        if offline or weights is not None:
            raise not_there(spec.name, "rgb", path)
        pull_weights(spec.name, cache=cache, progress=progress)
    load_state(network, read_state(path), path)
    weights_hash = combined_hash([path])
    note = f"unrecognised weights (hash {weights_hash})"
    warnings: tuple[str, ...] = (note,)
    if file.sha256 is None:
        note, warnings = f"weights whose publisher states no hash (theirs: {weights_hash})", ()
    elif file.is_whole(path):
        note, warnings = "verified public weights", ()
    return ClipBackbone(
        spec, network, weights_hash=weights_hash, device=device, weights_note=note, warnings=warnings,
        precision=precision,
    )  # fmt: skip


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
