"""What runs on the nodes of a Ray cluster: a worker process makes the features of one video after the other.

A worker keeps the backbone and its decoder process for the next video. When it dies its decoder notices, by the end of
its pipe, and leaves too.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wtalkit import __version__
from wtalkit.errors import MachineError, WtalkitError
from wtalkit.extraction.engine import LocalEngine
from wtalkit.extraction.featurizer import OnPartial, VideoFeaturizer
from wtalkit.extraction.lanes import Done
from wtalkit.extraction.progress import Progress
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import FeatureFile
from wtalkit.flow import get_flow
from wtalkit.inputs import Failure, Input
from wtalkit.video import Limits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureOrder:
    """What the workers are to make; together with a video it decides every byte of the features.

    Attributes:
        backbone: its name; a worker loads the weights of that name from its own machine.
        flow: name of the flow algorithm.
        fps: frames per second after resampling.
        stride: frames from one window to the next.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: numbers that the backbone computes in, as of ``load_backbone``.
        on_partial: what to do with damaged videos.
        offline: never fetch weights.
        limits: what a video may claim.
        patience_s: seconds without a sign of life after which a decoder counts as hung.
        spec: what must come out, the hash of the weights included.
        version: of wtalkit.
    """

    backbone: str
    flow: str
    fps: float
    stride: int
    device: str
    precision: str
    on_partial: OnPartial
    offline: bool
    limits: Limits
    patience_s: float
    spec: FeatureSpec
    version: str

    def to_json(self) -> str:
        return json.dumps({**vars(self), "limits": asdict(self.limits), "spec": self.spec.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> FeatureOrder:
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "limits": Limits(**values["limits"]), "spec": FeatureSpec.from_dict(values["spec"])})


@dataclass(frozen=True)
class Made:
    """What became of a video on a node.

    Attributes:
        result: its features or its failure.
        progress: the last that was told of it.
        node: which one.
        readable: whether this node can read the file.
    """

    result: FeatureFile | Failure
    progress: Progress | None
    node: str
    readable: bool


@dataclass(frozen=True)
class Refused:
    """Why a node cannot work on any video.

    Attributes:
        cause: what is wrong with the node.
        file: the file concerned.
        remedy: what to do about it.
        node: which one.
    """

    cause: str
    file: str | None
    remedy: str | None
    node: str


def features_of(version: str, order: str, key: str, path: str, cores: int | None) -> Made | Refused:
    """The features of one video; the body of a Ray task.

    Args:
        version: wtalkit of the machine that asks. It comes first and as text: what another version sends may be
            nothing this one can read.
        order: a :class:`FeatureOrder` as JSON.
        key: names the video.
        path: where every node finds it, absolute.
        cores: cores that compute on the CPU.
    """
    import ray

    node = f"{platform.node()} ({ray.util.get_node_ip_address()})"  # type: ignore[no-untyped-call]
    if version != __version__:
        cause = f"has wtalkit {__version__}, the machine that asks has {version}"
        return Refused(cause, None, "Install the same version on all nodes", node)
    try:
        return _made(_featurizer(order, cores), Input(key, Path(path)), node)
    except WtalkitError as error:
        return Refused(error.cause, error.file, error.remedy, node)


def _made(featurizer: VideoFeaturizer, video: Input, node: str) -> Made:
    last: Progress | None = None
    for event in LocalEngine(featurizer).features([video]):
        if isinstance(event, Progress):
            last = event
        elif isinstance(event, Done):
            return Made(event.result, last, node, os.access(video.path, os.R_OK))
    raise AssertionError("a lane ended without an outcome")


_loaded: dict[tuple[str, int | None, str], VideoFeaturizer] = {}
"""The featurizer of this process, kept for the next video of the same order."""


def _featurizer(order: str, cores: int | None) -> VideoFeaturizer:
    """The one for an order, loaded by the first video.

    Raises:
        MachineError: weights or device are not to be had here, or other features would come out than are wanted.
    """
    wanted = FeatureOrder.from_json(order)
    device = _device(wanted.device)
    name = (order, cores, device)
    if name not in _loaded:
        while _loaded:
            _loaded.popitem()[1].close()
        started = time.perf_counter()
        _loaded[name] = _load(wanted, cores, device)
        log.info("loaded %s in %.1f s", wanted.spec, time.perf_counter() - started)
    return _loaded[name]


def _load(order: FeatureOrder, cores: int | None, device: str) -> VideoFeaturizer:
    from wtalkit.backbones import load_backbone

    featurizer = VideoFeaturizer(
        load_backbone(order.backbone, flow=order.flow, device=device, offline=order.offline, precision=order.precision),
        get_flow(order.flow, offline=order.offline),
        fps=order.fps,
        stride=order.stride,
        workers=cores,
        on_partial=order.on_partial,
        limits=order.limits,
        patience_s=order.patience_s,
    )
    if featurizer.spec != order.spec:
        differing = "; ".join(order.spec.differences(featurizer.spec))
        raise MachineError(
            f"would make other features than are wanted: {differing} (wanted first)",
            remedy="Give all nodes the same weights and the same versions",
        )
    return featurizer


def _device(name: str) -> str:
    """The device of this task. Ray lends a GPU by its id; all of the node's are visible, see ``RayEngine``."""
    if name != "cuda":
        return name
    import ray

    return cuda_device(ray.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def cuda_device(lent: Sequence[int | str], visible: str | None) -> str:
    """What torch calls the GPU that Ray lends: its place among those that are visible to this process."""
    if not lent:
        return "cuda"
    ids = [] if visible is None else [each.strip() for each in visible.split(",")]
    first = str(lent[0])
    return f"cuda:{ids.index(first) if first in ids else first}"
