"""Both forms of a method's losses behind one signature, so that one can be measured, and tested, against the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from wtalkit.bench import loops
from wtalkit.bench.loops import Heads, Targets, Terms
from wtalkit.methods.acrnet import ACRNet
from wtalkit.methods.composition import Composition
from wtalkit.methods.interface import Batch, Outputs, Progress, Streams

Network = Callable[[Composition, Batch], Heads]
Vectorised = Callable[[Composition, Heads, Batch, Progress], Terms]


@dataclass(frozen=True)
class Form:
    """One method's losses, twice.

    Attributes:
        network: a batch through the network alone, to what the losses take.
        vectorised: the method's own losses.
        loop: the same, slowly.
        background: whether the class logits have a column for the background.
    """

    network: Network
    vectorised: Vectorised
    loop: Callable[[Heads, Targets, Any], Terms]
    background: bool


def targets(batch: Batch, progress: Progress) -> Targets:
    """What the loops are told of a batch."""
    lengths = batch.lengths.tolist()
    return Targets(lengths, batch.targets, batch.pairs, progress.step / max(progress.max_step, 1))


def _acrnet_network(model: Composition, batch: Batch) -> Heads:
    base = cast(ACRNet, model.base)
    rgb, flow = base.enhance(base.encode(batch), batch)
    cas, attn = base.activate(rgb, flow, batch)
    return Heads(cas, attn["rgb"], attn["flow"], rgb)


def _acrnet_losses(model: Composition, heads: Heads, batch: Batch, progress: Progress) -> Terms:
    base = cast(ACRNet, model.base)
    attn = {"rgb": heads.rgb, "flow": heads.flow}
    out = base.localize(heads.cas, attn, batch, feat=heads.feat, streams={})
    return _values(model, out, batch, progress)


def _network(model: Composition, batch: Batch) -> Heads:
    out, _ = model(batch)
    return Heads(out.cas_logits, out.stream_attn["rgb"], out.stream_attn["flow"], out.feat)


def _losses(model: Composition, heads: Heads, batch: Batch, progress: Progress) -> Terms:
    """Of CO2-Net and DELU, which read nothing else of the outputs."""
    nothing: Streams = {}
    out = Outputs(
        cas_logits=heads.cas,
        attn=(heads.rgb + heads.flow) / 2,
        act_scores=heads.cas[..., :-1],
        video_scores=heads.cas[:, 0, :-1],
        feat=heads.feat,
        streams=nothing,
        stream_attn={"rgb": heads.rgb, "flow": heads.flow},
    )
    return _values(model, out, batch, progress)


def _values(model: Composition, out: Outputs, batch: Batch, progress: Progress) -> dict[str, Tensor]:
    return {name: term.value for name, term in model.base.losses(out, batch, progress).items()}


FORMS = {
    "acrnet": Form(_acrnet_network, _acrnet_losses, loops.acrnet, background=False),
    "co2net": Form(_network, _losses, loops.co2net, background=True),
    "delu": Form(_network, _losses, loops.delu, background=True),
}
