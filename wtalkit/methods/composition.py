"""One fixed loop runs a base and its plug-ins, so neither side knows the other; a proposal method runs alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from wtalkit.methods.interface import (
    Aux,
    Batch,
    Method,
    Outputs,
    Part,
    Plugin,
    Progress,
    ProposalBatch,
    ProposalMethod,
    ProposalOutputs,
    Term,
    TrainVideo,
)


@dataclass(frozen=True)
class MethodSpec:
    """Everything needed to build a composition again; a model file's header holds it.

    Attributes:
        method: name of the base, or of a proposal method.
        num_classes: action classes, background not counted.
        feature_dim: width of both streams together.
        plugins: names, in the order they run.
        without: components taken out, as ``part`` or ``plugin.part``.
        options: a table of options per part, by the part's name.
        feature_rms: root mean square the features are brought to; None leaves them as they are.
    """

    method: str
    num_classes: int
    feature_dim: int = 2048
    plugins: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    feature_rms: float | None = None


class Composition(nn.Module):
    """A base with its plug-ins; what :func:`wtalkit.methods.create` returns.

    Args:
        spec: how it was built.
        base: the method.
        plugins: in the order they run.
    """

    feature_scale: Tensor

    def __init__(self, spec: MethodSpec, base: Method, plugins: Sequence[Plugin] = ()) -> None:
        super().__init__()
        self.spec = spec
        self.base = base
        self.plugins = nn.ModuleDict({plugin.name: plugin for plugin in plugins})
        self.register_buffer("feature_scale", torch.ones(()))

    @property
    def parts(self) -> dict[str, Method | Plugin]:
        """The base and the plug-ins by name."""
        return {self.base.name: self.base, **self._plugins()}

    @property
    def components(self) -> dict[str, tuple[str, ...]]:
        """What ``--without`` accepts, by part."""
        return {name: part.components for name, part in self.parts.items()}

    def without(self, parts: Iterable[str]) -> Composition:
        """A fresh composition (new weights) of the same kind with further components taken out."""
        from wtalkit.methods import build

        model = build(replace(self.spec, without=(*self.spec.without, *parts)))
        assert isinstance(model, Composition)
        return model

    def prepare(self, train_set: Iterable[TrainVideo]) -> None:
        """Compute what is kept in buffers, before the first step; ``train_set`` is iterated several times."""
        _prepare(self, self.parts.values(), train_set)

    def forward(self, batch: Batch) -> tuple[Outputs, dict[str, Aux]]:
        """Run the loop; the second value is each plug-in's private state, for :meth:`losses`."""
        batch = replace(batch, rgb=batch.rgb * self.feature_scale, flow=batch.flow * self.feature_scale)
        streams = self.base.encode(batch)
        auxes: dict[str, Aux] = {}
        for name, plugin in self._plugins().items():
            streams, auxes[name] = plugin.streams(streams, batch)
        fuse = self.base.fuse
        for name, plugin in self._plugins().items():
            fuse = partial(plugin.fuse, aux=auxes[name], inner=fuse)
        out = self.base.predict(streams, batch, fuse)
        for name, plugin in self._plugins().items():
            out = plugin.refine(out, auxes[name])
        return out, auxes

    def losses(
        self, out: Outputs, auxes: Mapping[str, Aux], batch: Batch, progress: Progress | None = None
    ) -> dict[str, Term]:
        """All terms, named ``base.<term>`` and ``<plug-in>.<term>``."""
        progress = progress or Progress()
        terms = {f"base.{key}": term for key, term in self.base.losses(out, batch, progress).items()}
        for name, plugin in self._plugins().items():
            own = plugin.losses(out, auxes[name], batch, progress)
            terms.update({f"{name}.{key}": term for key, term in own.items()})
        return terms

    def decoder_settings(self) -> dict[str, Any]:
        """Settings of the shared decoder: the base's, with what the plug-ins add."""
        settings = self.base.decoder_settings()
        for plugin in self._plugins().values():
            for key, value in plugin.decoder_settings().items():
                settings[key] = {**settings.get(key, {}), **value} if isinstance(value, dict) else value
        return settings

    def _plugins(self) -> dict[str, Plugin]:
        return dict(self.plugins.items())  # type: ignore[arg-type]


class ProposalModel(nn.Module):
    """A proposal method, used as a :class:`Composition` is; :func:`wtalkit.methods.create` returns it.

    Args:
        spec: how it was built.
        base: the method.
    """

    feature_scale: Tensor

    def __init__(self, spec: MethodSpec, base: ProposalMethod) -> None:
        super().__init__()
        self.spec = spec
        self.base = base
        self.register_buffer("feature_scale", torch.ones(()))

    @property
    def parts(self) -> dict[str, ProposalMethod]:
        """The method by name."""
        return {self.base.name: self.base}

    @property
    def components(self) -> dict[str, tuple[str, ...]]:
        """What ``--without`` accepts, by part."""
        return {self.base.name: self.base.components}

    def prepare(self, train_set: Iterable[TrainVideo]) -> None:
        """As :meth:`Composition.prepare`."""
        _prepare(self, self.parts.values(), train_set)

    def forward(self, batch: ProposalBatch) -> tuple[ProposalOutputs, dict[str, Aux]]:
        """Score the proposals; the second value, plug-ins' state elsewhere, is empty."""
        return self.base.predict(replace(batch, regions=batch.regions * self.feature_scale)), {}

    def losses(
        self, out: ProposalOutputs, auxes: Mapping[str, Aux], batch: ProposalBatch, progress: Progress | None = None
    ) -> dict[str, Term]:
        """All terms, named ``base.<term>`` as those of a base."""
        terms = self.base.losses(out, batch, progress or Progress())
        return {f"base.{key}": term for key, term in terms.items()}

    def decoder_settings(self) -> dict[str, Any]:
        """Settings of the shared decoder."""
        return self.base.decoder_settings()


Model: TypeAlias = Composition | ProposalModel


def total_loss(terms: Mapping[str, Term]) -> Tensor:
    """The weighted sum that is differentiated."""
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()


def _prepare(model: Model, parts: Iterable[Part], train_set: Iterable[TrainVideo]) -> None:
    """Choose the scale of the features, then let every part see the training videos at that scale."""
    if model.spec.feature_rms is not None:
        model.feature_scale.fill_(model.spec.feature_rms / max(_root_mean_square(train_set), 1e-12))
    for part in parts:
        part.prepare(ScaledVideos(train_set, float(model.feature_scale)))


def _root_mean_square(train_set: Iterable[TrainVideo]) -> float:
    total, count = 0.0, 0
    for video in train_set:
        total += float(video.features.double().square().sum())
        count += video.features.numel()
    return float((total / max(count, 1)) ** 0.5)


class ScaledVideos:
    """The training videos as the parts see them: features scaled; iterable again and again."""

    def __init__(self, train_set: Iterable[TrainVideo], scale: float) -> None:
        self._train_set, self._scale = train_set, scale

    def __iter__(self) -> Iterator[TrainVideo]:
        return (video._replace(features=video.features * self._scale) for video in self._train_set)
