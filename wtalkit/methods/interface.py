"""The nouns and roles every method speaks: what goes in, what comes out, and the four kinds of part.

A *base* (:class:`Method`) turns two feature streams into activations. A *plug-in* (:class:`Plugin`) sits around any
base and knows only its streams and its :class:`Outputs`. A *proposal method* (:class:`ProposalMethod`) scores
proposals another method made. :mod:`wtalkit.methods.composition` runs base and plug-ins in one fixed loop.

Symbols: B videos, T snippets (padded length), D width of one stream, C action classes, N proposals of all videos of a
batch, one video's below the other's. Index C on a class axis is background and always the last. A name ending in
``_logits`` is unbounded, every other score lies in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from wtalkit.errors import ModelError
from wtalkit.methods.options import Options
from wtalkit.timeline import Timeline

Aux: TypeAlias = dict[str, Tensor]
Streams: TypeAlias = dict[str, Tensor]
Fuse: TypeAlias = Callable[[Tensor, Tensor], Tensor]
SCORE_LOGITS = "score_logits"  # the entry of Outputs.extra that a decoder with score = "logits" looks at
Sampling: TypeAlias = Literal["random", "uniform", "full"]


@dataclass(frozen=True)
class VideoMeta:
    """Where the rows of a batch come from.

    Attributes:
        key: the video's key.
        n_snippets: snippets of the whole video (before resampling to a training length).
        timeline: map from snippets to seconds; None where seconds do not matter.
        duration_s: seconds of video.
        positions: (T,) index of the source snippet of every row; None means row i is snippet i.
    """

    key: str = ""
    n_snippets: int = 0
    timeline: Timeline | None = None
    duration_s: float | None = None
    positions: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Batch:
    """Feature streams of B videos, padded at the end to T snippets.

    Attributes:
        rgb: (B, T, D) float32, zero where padded.
        flow: (B, T, D) float32, zero where padded.
        mask: (B, T) bool, true on real snippets; padding is at the end, so a row is true, ..., true, false, ...
        labels: (B, C) multi-hot float; None at inference.
        meta: one entry per video.
        pairs: rows that share a class; may be empty.
        points: (B, T, C) float, 1 where a labelled frame of the class lies in the snippet; None without point labels.
    """

    rgb: Tensor
    flow: Tensor
    mask: Tensor
    labels: Tensor | None = None
    meta: tuple[VideoMeta, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    points: Tensor | None = None

    def __post_init__(self) -> None:
        if self.rgb.ndim != 3 or self.rgb.shape != self.flow.shape or self.mask.shape != self.rgb.shape[:2]:
            raise ValueError(
                f"a batch needs rgb and flow (B, T, D) and mask (B, T), got {tuple(self.rgb.shape)}, "
                f"{tuple(self.flow.shape)} and {tuple(self.mask.shape)}"
            )
        if self.mask.dtype != torch.bool:
            raise ValueError(f"a batch's mask is boolean, got {self.mask.dtype}")

    @classmethod
    def from_features(
        cls,
        features: Sequence[Tensor],
        labels: Tensor | None = None,
        *,
        meta: Sequence[VideoMeta] = (),
        pairs: Sequence[tuple[int, int]] = (),
    ) -> Batch:
        """Pad videos of ``(T_i, 2D)`` features, RGB first, to one batch."""
        widths = {tuple(video.shape[1:]) for video in features}
        if len(widths) != 1 or len(next(iter(widths))) != 1 or next(iter(widths))[0] % 2:
            raise ValueError(f"videos need features (T, 2D) of one even width, got {sorted(widths)}")
        padded = nn.utils.rnn.pad_sequence([video.float() for video in features], batch_first=True)  # (B, T, 2D)
        lengths = torch.tensor([len(video) for video in features], device=padded.device)
        mask = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
        rgb, flow = padded.chunk(2, dim=-1)
        return cls(rgb, flow, mask, labels, tuple(meta), tuple(pairs))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return replace(
            self,
            rgb=self.rgb.to(device, non_blocking=True),
            flow=self.flow.to(device, non_blocking=True),
            mask=self.mask.to(device, non_blocking=True),
            labels=None if self.labels is None else self.labels.to(device, non_blocking=True),
            points=None if self.points is None else self.points.to(device, non_blocking=True),
        )

    def __len__(self) -> int:
        return len(self.rgb)

    @cached_property
    def lengths(self) -> Tensor:
        """(B,) real snippets per video."""
        return self.mask.sum(dim=1)

    @cached_property
    def is_full(self) -> bool:
        """Whether no row is padded."""
        return bool(self.mask.all())

    @property
    def targets(self) -> Tensor:
        """The labels, for a loss.

        Raises:
            ValueError: the batch has none.
        """
        if self.labels is None:
            raise ValueError("a loss needs a batch with labels")
        return self.labels


@dataclass(frozen=True)
class Outputs:
    """What a snippet-level method returns; rows past a video's length are zero.

    Attributes:
        cas_logits: (B, T, C + 1), or (B, T, C) without background.
        attn: (B, T) class-agnostic actionness.
        act_scores: (B, T, C) probabilities; thresholded and scored by every decoder, read by every plug-in.
        video_scores: (B, C) probabilities.
        feat: (B, T, E) what the classifier saw.
        streams: ``{"rgb", "flow"}``, (B, T, D) each, after enhancement.
        stream_attn: ``{"rgb", "flow"}``, (B, T) each; may be empty.
        has_background: whether ``cas_logits`` has a background column.
        extra: tensors of the method's own; ``"score_logits"`` (B, T, C), where there is one, is what a decoder with
            ``score = "logits"`` scores by.
    """

    cas_logits: Tensor
    attn: Tensor
    act_scores: Tensor
    video_scores: Tensor
    feat: Tensor
    streams: Streams
    stream_attn: dict[str, Tensor] = field(default_factory=dict)
    has_background: bool = True
    extra: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ProposalBatch:
    """Proposals of B videos, one video's below the other's, without padding.

    Attributes:
        regions: (N, 3, 2D) float32: what lies to the left of a proposal, in it and to its right, RGB first, see
            :mod:`wtalkit.methods.regions`.
        segments: (N, 2) start and end in snippets.
        counts: proposals of each video; may be 0. They sum to N.
        labels: (B, C) multi-hot float; None at inference.
        meta: one entry per video.
    """

    regions: Tensor
    segments: Tensor
    counts: tuple[int, ...]
    labels: Tensor | None = None
    meta: tuple[VideoMeta, ...] = ()

    def __post_init__(self) -> None:
        total = sum(self.counts)
        if self.regions.ndim != 3 or self.regions.shape[:2] != (total, 3) or self.segments.shape != (total, 2):
            raise ValueError(
                f"a batch of {total} proposals needs regions (N, 3, 2D) and segments (N, 2), got "
                f"{tuple(self.regions.shape)} and {tuple(self.segments.shape)}"
            )

    def to(self, device: torch.device | str) -> ProposalBatch:
        """The same batch on another device."""
        return replace(
            self,
            regions=self.regions.to(device, non_blocking=True),
            segments=self.segments.to(device, non_blocking=True),
            labels=None if self.labels is None else self.labels.to(device, non_blocking=True),
        )

    def __len__(self) -> int:
        """Videos."""
        return len(self.counts)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Rows (N, ...) of all proposals, video by video."""
        return torch.split(x, list(self.counts))

    @property
    def targets(self) -> Tensor:
        """The labels, for a loss.

        Raises:
            ValueError: the batch has none.
        """
        if self.labels is None:
            raise ValueError("a loss needs a batch with labels")
        return self.labels


@dataclass(frozen=True)
class ProposalOutputs:
    """What a proposal method returns.

    Attributes:
        scores: (N, C + 1) probabilities of the classes, background last.
        attn: (N,) how likely a proposal is an action of any class.
        quality: (N,) how well it covers one: completeness (P-MIL) or process consistency (SEAL); ones without either.
        extra: tensors of the method's own, rows as above.
    """

    scores: Tensor
    attn: Tensor
    quality: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Term:
    """One loss: its plain value, and the weight (already scheduled) it enters the total with."""

    value: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Progress:
    """How far a training is; schedules read it."""

    epoch: int = 0
    max_epoch: int = 1
    step: int = 0
    max_step: int = 1

    def ramp(self, share: float) -> float:
        """Rise linearly from 0 to 1 over the first ``share`` of the steps; 1 from then on (and for ``share`` 0)."""
        span = share * self.max_step
        return 1.0 if span <= 0 else min(1.0, self.step / span)


class TrainVideo(NamedTuple):
    """One training video as :meth:`Part.prepare` sees it: features (T, 2D), labels (C,) multi-hot, its key."""

    features: Tensor
    labels: Tensor
    key: str = ""


class Part(nn.Module):
    """What bases, plug-ins and proposal methods have in common.

    Attributes:
        name: the name on the command line.
        components: the names ``--without`` accepts.
        options_type: the frozen hyper-parameters.
        removed: the components that were taken out.
        length_option: the option that is the training's ``length`` unless it is given; None if there is no such one.
        needs_points: whether it learns from a labelled frame per action (point-level labels) instead of labels per
            video alone.
    """

    name: ClassVar[str]
    components: ClassVar[tuple[str, ...]] = ()
    options_type: ClassVar[type[Options]] = Options
    length_option: ClassVar[str | None] = None
    needs_points: ClassVar[bool] = False

    def __init__(
        self, num_classes: int, feature_dim: int, options: Options, without: frozenset[str] = frozenset()
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.feature_dim = feature_dim
        self.removed = without

    def has(self, component: str) -> bool:
        """Whether ``component`` is in place."""
        return component not in self.removed

    def prepare(self, train_set: Iterable[TrainVideo]) -> None:
        """Compute buffers in one pass over the training videos, before the first step; most parts need none."""
        return

    def notes(self) -> list[str]:
        """What :meth:`prepare` found that a person should know, one sentence each."""
        return []


class Method(Part):
    """A base: two streams in, :class:`Outputs` out.

    Attributes:
        sampling: how training videos are brought to ``length`` snippets.
        length: snippets of a training sample; None takes videos whole.
    """

    sampling: ClassVar[Sampling] = "random"
    length: ClassVar[int | None] = None

    def encode(self, batch: Batch) -> Streams:
        """Give the streams plug-ins work on: the raw features unless a method says otherwise."""
        return {"rgb": batch.rgb, "flow": batch.flow}

    def fuse(self, rgb: Tensor, flow: Tensor) -> Tensor:
        """Join the streams, (B, T, D) twice, to what the classifier sees."""
        return torch.cat([rgb, flow], dim=-1)

    def predict(self, streams: Streams, batch: Batch, fuse: Fuse) -> Outputs:
        """Localize; ``fuse`` is this method's own, wrapped by the plug-ins."""
        raise NotImplementedError

    def losses(self, out: Outputs, batch: Batch, progress: Progress) -> dict[str, Term]:
        """Unweighted loss terms and their weights."""
        raise NotImplementedError

    def decoder_settings(self) -> dict[str, Any]:
        """Settings of the shared decoder that differ from its defaults."""
        return {}

    def official_decoder_settings(self) -> dict[str, Any]:
        """What beyond :meth:`decoder_settings` repeats the authors' own decoding to the digit, for their weights."""
        return {}

    @classmethod
    def from_official(cls, state: Mapping[str, Tensor]) -> OfficialWeights:
        """Read sizes off the authors' state dict and translate its names.

        Raises:
            ModelError: the method has no published weights, or these are not its.
        """
        raise NotImplementedError


class OfficialWeights(NamedTuple):
    """The authors' weights under our names, and what to build to hold them."""

    num_classes: int
    feature_dim: int
    options: dict[str, Any]
    state: dict[str, Tensor]


def official_shape(state: Mapping[str, Tensor], name: str, dims: int, method: str) -> tuple[int, ...]:
    """Shape of an entry of the authors' weights.

    Raises:
        ModelError: it is missing, or has not ``dims`` dimensions.
    """
    if name not in state:
        raise ModelError(f"these are not {method}'s weights: {name} is missing")
    shape = tuple(state[name].shape)
    if len(shape) != dims:
        raise ModelError(f"these are not {method}'s weights: {name} has shape {shape}, expected {dims} dimensions")
    return shape


class Plugin(Part):
    """Works around any base. At initialisation, in eval mode, it must not change any field of :class:`Outputs`."""

    def streams(self, streams: Streams, batch: Batch) -> tuple[Streams, Aux]:
        """Change the streams before the base sees them; keep in Aux what the other three calls need."""
        return streams, {}

    def fuse(self, rgb: Tensor, flow: Tensor, aux: Aux, inner: Fuse) -> Tensor:
        """Take the place of the base's fusion ``inner``."""
        return inner(rgb, flow)

    def refine(self, out: Outputs, aux: Aux) -> Outputs:
        """Change the outputs after the base."""
        return out

    def losses(self, out: Outputs, aux: Aux, batch: Batch, progress: Progress) -> dict[str, Term]:
        """Loss terms of the plug-in's own."""
        return {}

    def decoder_settings(self) -> dict[str, Any]:
        """Settings of the shared decoder this plug-in adds to its base's."""
        return {}


class ProposalMethod(Part):
    """Scores proposals that another method made, whole (second stage).

    Attributes:
        unique: score each segment once, however many levels and classes gave it.
    """

    unique: bool = True

    def predict(self, batch: ProposalBatch) -> ProposalOutputs:
        """Score every proposal of every video."""
        raise NotImplementedError

    def losses(self, out: ProposalOutputs, batch: ProposalBatch, progress: Progress) -> dict[str, Term]:
        """Unweighted loss terms and their weights (already scheduled)."""
        raise NotImplementedError

    def decoder_settings(self) -> dict[str, Any]:
        """Settings of the shared decoder that differ from its defaults."""
        return {}

    def official_decoder_settings(self) -> dict[str, Any]:
        """What beyond :meth:`decoder_settings` repeats the authors' own decoding to the digit, for their weights."""
        return {}

    @classmethod
    def from_official(cls, state: Mapping[str, Tensor]) -> OfficialWeights:
        """As :meth:`Method.from_official`."""
        raise NotImplementedError
