"""A model, ready for videos and feature files: it says which features it needs, the rest follows."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wtalkit.errors import InputError, ModelError, ProposalsError, UsageError
from wtalkit.features import FeatureFile, FeatureSpec, read_features
from wtalkit.inputs import FEATURES_SUFFIX, Input
from wtalkit.localizer import Curves, Localizer
from wtalkit.proposals import Proposer, Supervision, strongest
from wtalkit.segments import Detections, Segment
from wtalkit.suggest import remedy, some_of
from wtalkit.video import PATIENCE_S, Limits
from wtalkit.zoo import Choice

if TYPE_CHECKING:
    from wtalkit.extraction import Progress, VideoFeaturizer
    from wtalkit.extraction.engine import EngineName, RunsVideos
    from wtalkit.localization import Proposals
    from wtalkit.modelfile import LoadedModel
    from wtalkit.proposals import ProposalFile


_FEW = 30
"""Names that are listed when another was asked for; of more only those that may have been meant."""


@dataclass(frozen=True)
class Show:
    """Which of a video's candidates are wanted.

    Attributes:
        threshold: least score, in place of the model's own.
        everything: every scored candidate, as scoring uses them, instead of what a person wants to see.
        classes: only these; None for all.
        label: this one happens, the question is when: scores are relative to the video, whatever its level.
    """

    threshold: float | None = None
    everything: bool = False
    classes: tuple[str, ...] | None = None
    label: str | None = None


class Detector:
    """A model, ready for videos and feature files.

    Attributes:
        choice: which model, and why.
        loaded: the model and its header.
        spec: the features it was trained on, or those of a zero-training model's backbone.
        localizer: what turns features into candidates.
        proposals: a file of proposals in use; None where the model makes its own, or works on snippets.
        progress: told how far the current video is, see :class:`wtalkit.extraction.VideoFeaturizer`.
        raw: where the raw proposals of each video are kept, by key; None keeps none.
        curves: where the curves of each video are kept, by key; None keeps none.
        judged: where every candidate of each video that is among the classes asked for is kept; None keeps none.
    """

    def __init__(
        self,
        choice: Choice,
        *,
        device: str = "auto",
        offline: bool = False,
        on_partial: Literal["error", "keep"] = "error",
        assume_spec: str | None = None,
        proposals: str | os.PathLike[str] | None = None,
        limits: Limits | None = None,
        timeout_s: float = PATIENCE_S,
        engine: EngineName = "local",
        address: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Load the model.

        Args:
            choice: which one.
            device: ``auto``, ``cpu`` or ``cuda``.
            offline: never fetch weights.
            on_partial: damaged videos are an ``error``, or ``keep`` what can be decoded.
            assume_spec: preset of features that come without a record.
            proposals: a file of proposals, for models that judge them.
            limits: what a video may claim.
            timeout_s: seconds without a sign of life after which a decoder counts as hung.
            engine: where the features of videos are computed, ``local`` or ``ray``.
            address: of the Ray cluster; None starts one on this machine.
            progress: told how far the videos are.

        Raises:
            ModelError: the file is not a model, or it judges proposals and there are none to be had.
            ProposalsError: the file of proposals cannot be used.
        """
        from wtalkit.features import preset

        self.choice = choice
        self.device_name, self.offline, self.on_partial, self.progress = device, offline, on_partial, progress
        self.limits, self.timeout_s = limits or Limits(), timeout_s
        self.engine_name, self.address = engine, address
        self.loaded: LoadedModel = self._load()
        if self.loaded.header.feature_spec is None:
            raise ModelError("does not say which features it was trained on, so it cannot be used", file=choice.path)
        self.spec = FeatureSpec.from_dict(self.loaded.header.feature_spec)
        self.assume = None if assume_spec is None else preset(assume_spec)
        self.localizer = Localizer.of(self.loaded, self.spec.timeline)
        self.proposals = self._proposals(proposals)
        self.raw: dict[str, Proposals] | None = None
        self.curves: dict[str, Curves] | None = None
        self.judged: dict[str, tuple[Segment, ...]] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.loaded.header.classes)

    @cached_property
    def featurizer(self) -> VideoFeaturizer:
        """What turns videos into this model's features; loaded on first use.

        Raises:
            ModelError: the backbone's weights or the flow are not those the model was trained with.
            MachineError: weights or device are not to be had.
        """
        featurizer = self._featurizer(self.spec.backbone, self.spec.flow, self.spec.fps, self.spec.stride)
        if differences := self.spec.differences(featurizer.spec):
            raise ModelError(
                f"was trained on other features than can be made here: {'; '.join(differences)} (the model's first)",
                file=self.choice.path,
                remedy="Train it again on features extracted here, or use another model",
            )
        return featurizer

    def _featurizer(
        self, backbone: str, flow: str, fps: float | None = None, stride: int | None = None
    ) -> VideoFeaturizer:
        from wtalkit.backbones import load_backbone
        from wtalkit.extraction import VideoFeaturizer
        from wtalkit.flow import get_flow

        # A cluster computes on its own devices; here the backbone only says what is to come out.
        device = self.device_name if self.engine_name == "local" else "cpu"
        return VideoFeaturizer(
            load_backbone(backbone, flow=flow, device=device, offline=self.offline),
            get_flow(flow, offline=self.offline),
            fps=fps,
            stride=stride,
            on_partial=self.on_partial,
            limits=self.limits,
            patience_s=self.timeout_s,
            progress=self._tell,
        )

    def _load(self) -> LoadedModel:
        if self.choice.zero_training is None:
            from wtalkit.modelfile import load_model

            return load_model(self.choice.path)
        from wtalkit.zero_training.loading import as_model
        from wtalkit.zoo import kinetics_classes

        wanted = self.choice.zero_training
        # The classifier comes with the backbone, which therefore is loaded now, and not again for the first video.
        self.featurizer = self._featurizer(wanted.backbone, wanted.flow)
        return as_model(
            self.choice.name, self.featurizer.backbone, self.featurizer.spec, kinetics_classes(), self.choice.path
        )

    @cached_property
    def engine(self) -> RunsVideos:
        """What makes the features of many videos; started on first use.

        Raises:
            MachineError: Ray is not installed, or the cluster cannot be reached.
        """
        from wtalkit.extraction.engine import engine_for

        return engine_for(
            self.engine_name, self.featurizer, address=self.address, device=self.device_name, precision="auto",
            offline=self.offline,
        )  # fmt: skip

    def close(self) -> None:
        """End the processes that decode videos; the next video starts new ones."""
        if "engine" in self.__dict__:
            self.engine.close()
            del self.__dict__["engine"]
        if "featurizer" in self.__dict__:
            self.featurizer.close()

    def _proposals(self, given: str | os.PathLike[str] | None) -> ProposalFile | None:
        """The file of proposals that takes the place of the model's own proposer; None where that one makes them."""
        from wtalkit.proposals import load_proposals

        header = self.loaded.header
        if not self.localizer.on_proposals:
            if given is not None:
                raise UsageError(
                    f"the model {self.choice.name} ({header.composition}) works on snippets and takes no --proposals"
                )
            return None
        if given is None and self.loaded.proposer is None:
            trained_on = header.proposals
            if trained_on is None or trained_on.path is None or not Path(trained_on.path).is_file():
                raise ModelError(
                    f"judges proposals and holds no model that makes them ({header.composition})",
                    file=self.choice.path,
                    remedy="Name a file of proposals with --proposals, or train with --proposer",
                )
            found = load_proposals(trained_on.path)
            if found.proposer.sha256 != trained_on.sha256:
                raise ModelError(
                    f"was trained on proposals in {trained_on.path}, which now holds others",
                    file=self.choice.path,
                    remedy="Name the file that is meant with --proposals",
                )
            return found
        return None if given is None else load_proposals(given)

    @property
    def proposer(self) -> Proposer | None:
        """Who makes the proposals; None for a method on snippets."""
        return self.loaded.header.proposals if self.proposals is None else self.proposals.proposer

    @property
    def supervision(self) -> Supervision:
        """What everything behind an answer was told in training."""
        own = self.loaded.header.supervision
        return own if self.proposals is None else strongest(own, self.proposals.proposer.supervision)

    def _tell(self, progress: Progress) -> None:
        if self.progress is not None:
            self.progress(progress)

    def checked(self, show: Show) -> Show:
        """The wish, sure to name only classes that the model knows.

        Raises:
            UsageError: it names another, or classes beside a label, or its threshold is not finite.
        """
        if show.threshold is not None and not math.isfinite(show.threshold):
            raise UsageError(f"the threshold {show.threshold} is no score", remedy="Give a number")
        if show.label is not None and show.classes is not None:
            raise UsageError("a label that is sure and classes to choose from exclude each other", remedy="Use one")
        for name in (*(show.classes or ()), *(() if show.label is None else (show.label,))):
            if name not in self.classes:
                raise UsageError(f"the model {self.choice.name} knows no class {name!r}", remedy=self._meant(name))
        return show

    def _meant(self, name: str) -> str:
        if len(self.classes) <= _FEW:
            return remedy(name, self.classes)
        lower = {each.lower(): each for each in self.classes}
        words = [each for each in lower if any(word in each for word in name.lower().split())]
        near = dict.fromkeys([*get_close_matches(name.lower(), lower, n=3, cutoff=0.5), *words])
        meant = f"Did you mean {some_of([lower[each] for each in near])}? " if near else ""
        return f"{meant}wtalkit models info {self.choice.name} lists all {len(self.classes)}"

    def features(self, each: Input) -> FeatureFile:
        """The features of an input: read, or computed.

        Raises:
            InputError: it cannot be read, or holds features of another spec than the model's.
        """
        if each.kind == "video":
            result: FeatureFile = self.featurizer.features(each.path, each.key)
            return result
        found = read_features(each.path, assume=self.assume)
        if found.record is None:
            raise InputError(
                "has no record beside it, so how it was made is unknown",
                file=each.path,
                remedy=f"Put {each.path.name.removesuffix(FEATURES_SUFFIX)}.json beside it, or name --assume-spec",
            )
        found.require(self.spec)
        return found

    def detect(self, each: Input, show: Show) -> Detections:
        """Find the actions in one input.

        Raises:
            InputError: the input is missing, unreadable, damaged or too short.
        """
        return self.judge(self.features(each), each, show)

    def judge(self, features: FeatureFile, each: Input, show: Show) -> Detections:
        """Find the actions in the features of an input.

        Raises:
            InputError: a file of proposals is in use and does not name this video.
        """
        from wtalkit.localization import display

        assert features.record is not None
        label = show.label
        candidates = self.candidates(features, each.key) if label is None else self.where(features, each.key, label)
        if show.classes is not None:
            candidates = [segment for segment in candidates if segment.label in show.classes]
        if self.judged is not None:
            self.judged[each.key] = tuple(candidates)
        threshold = show.threshold
        if threshold is None and not show.everything:
            threshold = self.loaded.header.display_threshold if label is None else _half_of_best(candidates)
        segments = [each for each in candidates if threshold is None or each.score >= threshold]
        if not show.everything:
            segments = display(segments, -math.inf if threshold is None else threshold)
        return Detections(
            key=each.key,
            path=str(each.path),
            segments=tuple(sorted(segments, key=lambda each: (each.start_s, each.end_s, each.label, -each.score))),
            duration_s=features.record.duration_s,
            status="ok" if features.record.complete else "partial",
            warnings=(*features.record.warnings, *self.warnings),
            best_score=max((segment.score for segment in candidates), default=None),
            threshold=threshold,
            expected_s=features.record.expected_duration_s,
            gaps=features.record.gaps,
            model=self.model_facts,
            spec=self.spec.to_dict(),
        )

    def candidates(self, features: FeatureFile, key: str) -> list[Segment]:
        """Every scored candidate after the decoder's Soft-NMS, what scoring uses.

        Raises:
            InputError: a file of proposals is in use and does not name this video.
        """
        return self._candidates(features, key, None)

    def where(self, features: FeatureFile, key: str, label: str) -> list[Segment]:
        """Every scored candidate of a class that is sure to happen; scores are relative to this video.

        Raises:
            InputError: a file of proposals is in use and does not name this video.
        """
        return self._candidates(features, key, label)

    def _candidates(self, features: FeatureFile, key: str, label: str | None) -> list[Segment]:
        assert features.record is not None
        given = None
        if self.proposals is not None:
            try:
                given = self.proposals.of(key)
            except ProposalsError as error:
                raise InputError(str(error).rstrip("."), file=features.path or key) from error
        keep = None if self.raw is None else partial(self.raw.__setitem__, key)
        show = None if self.curves is None else partial(self.curves.__setitem__, key)
        return self.localizer.candidates(
            features.array, features.record.duration_s, proposals=given, keep=keep, show=show, label=label
        )

    def keep_curves(self) -> None:
        """From now on keep the curves of every video in ``curves``.

        A model on proposals has those of the model inside it that makes them, and none where they come from a file.
        """
        self.curves = {}

    def keep_candidates(self) -> None:
        """From now on keep every candidate of every video in ``judged``, whatever is shown of them."""
        self.judged = {}

    def keep_raw_proposals(self) -> None:
        """From now on keep the raw proposals of every video in ``raw``.

        Raises:
            ModelError: the model judges proposals of a file, and there is nothing that makes them.
        """
        if self.proposals is not None:
            raise ModelError(
                f"judges proposals of {self.proposals.path} and makes none",
                file=self.choice.path,
                remedy="Name the model that makes them with --model",
            )
        self.raw = {}

    def raw_proposals(self, features: FeatureFile) -> Proposals:
        """Every candidate before any suppression, of the model or of the proposer inside it.

        Raises:
            ModelError: the model judges proposals and holds no proposer.
        """
        assert features.record is not None
        maker = self.localizer.proposer or self.localizer
        return maker.raw_proposals(features.array, features.record.duration_s)

    def write_raw_proposals(self, path: str | os.PathLike[str]) -> int:
        """Write what was kept in ``raw`` as a proposals file; gives how many proposals there are.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        from wtalkit.proposals import write_proposals

        header = (self.loaded.proposer or self.loaded).header
        proposer = self.loaded.as_proposer()
        # What is found again is the file; what made them is the model inside it that makes proposals.
        model = {
            **self.model_facts,
            "method": header.method,
            "plugins": list(header.plugins),
            "supervision": header.supervision,
            "proposer": None,
        }
        return write_proposals(
            path, (self.raw or {}).items(), classes=tuple(header.classes), proposer=proposer,
            model=model, spec=self.spec.to_dict(),
        )  # fmt: skip

    @property
    def warnings(self) -> tuple[str, ...]:
        """What every result must say about the model."""
        odd = () if self.proposals is None else self.proposals.warnings
        said = (self.demo_warning, self._zero_training_warning, self._supervision_warning)
        return (*filter(None, said), *odd)

    @property
    def _zero_training_warning(self) -> str | None:
        if self.choice.zero_training is None:
            return None
        return (
            f"zero-training model: {self.spec.backbone}'s own classifier of {len(self.classes)} Kinetics actions "
            "never learnt where an action begins and ends; its scores and threshold are not calibrated"
        )

    @property
    def _supervision_warning(self) -> str | None:
        """Said where the proposals are not of the kind that the model was trained on."""
        trained_on = self.loaded.header.proposals
        if self.proposals is None or trained_on is None:
            return None
        given = self.proposals.proposer
        if (given.name, given.supervision) == (trained_on.name, trained_on.supervision):
            return None
        return f"the model was trained on proposals of {trained_on}, these are of {self.proposals.proposer}"

    @property
    def demo_warning(self) -> str | None:
        """Said where the bundled model was taken because there was nothing else."""
        if not self.choice.is_demo:
            return None
        return (
            f"demo model: knows {len(self.classes)} rendered actions, its answers about real footage mean nothing; "
            "run wtalkit models pull i3d, or train one on your own videos with wtalkit extract and wtalkit train"
        )

    @cached_property
    def model_facts(self) -> dict[str, Any]:
        """What an output records about the model."""
        header = self.loaded.header
        return {
            "name": self.choice.name,
            "path": str(self.choice.path),
            "chosen_by": self.choice.reason,
            "demo": self.choice.is_demo,
            "zero_training": self.choice.zero_training is not None,
            "method": header.method,
            "plugins": list(header.plugins),
            "supervision": self.supervision,
            "proposer": None if self.proposer is None else self.proposer.to_dict(),
            "classes": list(self.classes),
            "display_threshold": header.display_threshold,
            "sha256": self.loaded.sha256,
        }


def _half_of_best(candidates: list[Segment]) -> float | None:
    """What is shown of a label that is sure: scores tell its segments apart, not whether it happens."""
    best = max((segment.score for segment in candidates), default=None)
    return best if best is None or best <= 0 else best / 2
