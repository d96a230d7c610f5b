"""From one video's features to scored candidates: one stage, or a proposer and the method that judges its proposals.

``detect``, ``evaluate``, the choice of the display threshold and the second stage's training all go through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wtalkit.errors import ModelError
from wtalkit.segments import Segment
from wtalkit.timeline import Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtalkit.localization import DecoderSettings, Proposals
    from wtalkit.methods.composition import Model
    from wtalkit.methods.windows import Activations
    from wtalkit.modelfile import LoadedModel
    from wtalkit.proposals import Pool


@dataclass(frozen=True)
class Curves:
    """What a model says of one video, snippet by snippet: what segments are cut out of.

    Attributes:
        times_s: seconds of the middles of the snippets, [T].
        labels: names of the C classes.
        activations: scores of the classes, float32 [T, C].
        attention: of the snippets whatever the class, float32 [T]; None where the model has none.
    """

    times_s: NDArray[np.float64]
    labels: tuple[str, ...]
    activations: NDArray[np.float32]
    attention: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        return f"Curves(T={len(self.times_s)}, classes={len(self.labels)})"


@dataclass(frozen=True)
class Localizer:
    """A model with what turns its answers into segments.

    Attributes:
        model: a base with its plug-ins, or a method on proposals.
        decoder: how activations, or scored proposals, become segments.
        classes: names of the actions.
        timeline: of the features.
        max_length: snippets of an inference window; methods on proposals need none.
        proposer: makes the proposals of a method on proposals; None where they come from a file.
    """

    model: Model
    decoder: DecoderSettings
    classes: tuple[str, ...]
    timeline: Timeline
    max_length: int
    proposer: Localizer | None = None

    @classmethod
    def of(cls, loaded: LoadedModel, timeline: Timeline) -> Localizer:
        """The localizer of a model file.

        Raises:
            ModelError: its decoder settings cannot be used.
        """
        from wtalkit.localization import DecoderSettings

        header = loaded.header
        inner = None if loaded.proposer is None else cls.of(loaded.proposer, timeline)
        decoder = DecoderSettings.from_dict(header.decoder)
        return cls(loaded.model, decoder, tuple(header.classes), timeline, header.max_length, inner)

    @property
    def on_proposals(self) -> bool:
        """Whether it judges proposals instead of snippets."""
        from wtalkit.methods.composition import ProposalModel

        return isinstance(self.model, ProposalModel)

    def candidates(
        self,
        features: NDArray[np.float32],
        duration_s: float,
        *,
        proposals: NDArray[np.float64] | None = None,
        keep: Callable[[Proposals], None] | None = None,
        show: Callable[[Curves], None] | None = None,
        label: str | None = None,
    ) -> list[Segment]:
        """Every scored candidate of one video after Soft-NMS.

        Args:
            features: (T, 2D), may be a memory map.
            duration_s: seconds of video.
            proposals: start and end in seconds, [M, 2], in place of the proposer's; for methods on proposals only.
            keep: given the raw proposals on the way, of the model or of its proposer; not those of a file.
            show: given the curves on the way, of the model or of its proposer.
            label: a class that is sure to happen: only its candidates, however low its scores are.

        Raises:
            ModelError: the model judges proposals, and there are none to be had.
        """
        from wtalkit.localization.decoder import suppress_overlaps

        if self.on_proposals:
            if proposals is None:
                found = self._proposer().raw_proposals(features, duration_s, show=show)
                proposals = found.seconds
                if keep is not None:
                    keep(found)
            return self.judge(features, self.pool(features, duration_s, proposals), duration_s, label=label)
        found = self._cut_out(features, show, label)
        if keep is not None:
            keep(found.within(duration_s))
        kept = suppress_overlaps(found, self.classes, duration_s, self.decoder)
        return sorted(kept, key=lambda segment: -segment.score)

    def raw_proposals(
        self, features: NDArray[np.float32], duration_s: float, *, show: Callable[[Curves], None] | None = None
    ) -> Proposals:
        """Every run of every level of a snippet-level model before any suppression, within the video.

        Raises:
            ModelError: the model judges proposals and makes none.
        """
        if self.on_proposals:
            raise ModelError(
                f"{self.model.spec.method} judges proposals and makes none",
                remedy="Take the model that makes them: a snippet-level method",
            )
        return self._cut_out(features, show).within(duration_s)

    def pool(self, features: NDArray[np.float32], duration_s: float, proposals: NDArray[np.float64]) -> Pool:
        """Proposals in seconds, [M, 2], as the method on proposals judges them in a video with these features."""
        from wtalkit.methods.composition import ProposalModel
        from wtalkit.proposals import pool

        assert isinstance(self.model, ProposalModel)
        unique = self.model.base.unique
        return pool(proposals, timeline=self.timeline, snippets=len(features), duration_s=duration_s, unique=unique)

    def judge(
        self, features: NDArray[np.float32], proposals: Pool, duration_s: float, *, label: str | None = None
    ) -> list[Segment]:
        """Candidates from proposals that are pooled already; with a label as for :meth:`candidates`."""
        from wtalkit.localization import decode_proposals
        from wtalkit.methods.composition import ProposalModel
        from wtalkit.methods.rescoring import run_proposals

        assert isinstance(self.model, ProposalModel)
        (found,) = run_proposals(self.model, [features], [proposals.segments])
        scores, classes, settings = found.scores, self.classes, self.decoder
        if label is not None:  # of a single class the decoder keeps that one
            scores, classes = scores[:, [classes.index(label), -1]], (label,)
            settings = replace(settings, gamma=0.0)  # that it happens is known
        return decode_proposals(
            scores, found.attn, found.quality, segments=proposals.segments, seconds=proposals.seconds,
            classes=classes, duration_s=duration_s, settings=settings,
        )  # fmt: skip

    def _proposer(self) -> Localizer:
        if self.proposer is None:
            raise ModelError(
                f"this {self.model.spec.method} model holds no proposer, so it needs every video's proposals",
                remedy="Name a file of them with --proposals, or train again with --proposer",
            )
        return self.proposer

    def _cut_out(
        self, features: NDArray[np.float32], show: Callable[[Curves], None] | None = None, label: str | None = None
    ) -> Proposals:
        """What the decoder cuts out of the snippet-level model's curves, not clipped to the video yet."""
        from wtalkit.methods.composition import Composition
        from wtalkit.methods.windows import run_windows

        assert isinstance(self.model, Composition)
        found = run_windows(self.model, features, self.timeline, max_length=self.max_length)
        if show is not None:
            show(self._curves(found))
        return self._decoded(found) if label is None else self._where(found, self.classes.index(label))

    def _decoded(self, found: Activations) -> Proposals:
        from wtalkit.localization import raw_proposals

        return raw_proposals(
            found.act_scores, found.attn, found.video_scores, timeline=self.timeline, settings=self.decoder,
            plugin_attn=found.plugin_attn, score_logits=found.score_logits,
        )  # fmt: skip

    def _where(self, found: Activations, index: int) -> Proposals:
        """Candidates of one class that is sure to happen: levels are shares of what its own curve spans in this video.

        Its video score, which says whether it happens, is left out, and so is the threshold on it.
        """
        import numpy as np

        curve = found.act_scores[:, index]
        span = float(np.ptp(curve))
        relative = (curve - curve.min()) / span if span > 0 else np.ones_like(curve)
        logits = None if found.score_logits is None else found.score_logits[:, [index]]
        alone = replace(found, act_scores=relative[:, None], video_scores=np.zeros(1, np.float32), score_logits=logits)
        cut = self._decoded(alone)
        return replace(cut, label=np.full_like(cut.label, index))

    def _curves(self, found: Activations) -> Curves:
        import numpy as np

        from wtalkit.zero_training.classifier import BackboneClassifier

        has_attention = not isinstance(getattr(self.model, "base", None), BackboneClassifier)
        times_s = np.array([self.timeline.to_seconds(index + 0.5) for index in range(found.T)])
        return Curves(times_s, self.classes, found.act_scores, found.attn if has_attention else None)
