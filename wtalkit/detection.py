"""From a video, or its features, to segments: the model says which features it needs, the rest follows."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wtalkit.errors import InputError, ModelError, UsageError, WtalkitError
from wtalkit.features import FeatureFile, FeatureSpec, read_features
from wtalkit.inputs import FEATURES_SUFFIX, Failure, Input, gather
from wtalkit.project import Project
from wtalkit.segments import Detections, Segment
from wtalkit.suggest import remedy
from wtalkit.zoo import Choice, choose_model

if TYPE_CHECKING:
    from wtalkit.extraction import Progress, VideoFeaturizer
    from wtalkit.modelfile import LoadedModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Show:
    """Which of a video's candidates are wanted.

    Attributes:
        threshold: least score, in place of the model's own.
        everything: every scored candidate, as scoring uses them, instead of what a person wants to see.
        classes: only these; None for all.
    """

    threshold: float | None = None
    everything: bool = False
    classes: tuple[str, ...] | None = None


def detect(
    path: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    threshold: float | None = None,
    everything: bool = False,
    classes: Sequence[str] | None = None,
    device: str = "auto",
    offline: bool = False,
) -> Detections:
    """Find the actions in one video.

    Args:
        path: a video, or a ``.npy`` feature file with its record beside it.
        model: a bundled model's name, a ``.safetensors`` file, a run's folder or ``"latest"``; by default the newest
            run of the current folder, else what its ``wtalkit.toml`` names, else the bundled model.
        threshold: least score to report, in place of the model's own.
        everything: report every scored candidate.
        classes: report only these.
        device: ``auto``, ``cpu`` or ``cuda``.
        offline: never use the network.

    Raises:
        InputError: the file is missing, unreadable, damaged or too short.
        ModelError: the model cannot be used, or its backbone's weights are not those it was trained on.
        MachineError: the device or the weights are not to be had.
    """
    found, failures = gather([path], features=True)
    if failures:
        raise InputError(failures[0].cause, file=path)
    if len(found) > 1 or Path(path).is_dir():
        raise InputError("is a folder, detect() takes one video", file=path, remedy="Use detect_many")
    choice = choose_model(None if model is None else os.fspath(model), Project.load())
    detector = Detector(choice, device=device, offline=offline)
    names = None if classes is None else tuple(classes)
    return detector.detect(found[0], detector.checked(Show(threshold, everything, names)))


def detect_many(
    inputs: Iterable[Input], detector: Detector, show: Show, *, starting: Callable[[Input], None] | None = None
) -> Iterator[Detections | Failure]:
    """Find the actions in one input after the other; one that fails never stops the others.

    Args:
        inputs: what :func:`wtalkit.inputs.gather` found.
        detector: the model, loaded once.
        show: which candidates are wanted.
        starting: called before each input.
    """
    for each in inputs:
        if starting is not None:
            starting(each)
        try:
            yield detector.detect(each, show)
        except InputError as error:
            yield Failure.of(each.path, error)
        except (WtalkitError, MemoryError):
            raise
        except Exception as error:
            log.debug("%s", each.path, exc_info=True)
            yield Failure(str(each.path), f"a defect of wtalkit: {type(error).__name__}: {error}. --debug shows where")


class Detector:
    """A model, ready for videos and feature files.

    Attributes:
        choice: which model, and why.
        loaded: the model and its header.
        spec: the features it was trained on.
        progress: told how far the current video is, see :class:`wtalkit.extraction.VideoFeaturizer`.
    """

    def __init__(
        self,
        choice: Choice,
        *,
        device: str = "auto",
        offline: bool = False,
        on_partial: Literal["error", "keep"] = "error",
        assume_spec: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Load the model.

        Raises:
            ModelError: the file is not a model.
        """
        from wtalkit.features import preset
        from wtalkit.modelfile import load_model

        self.choice = choice
        self.loaded: LoadedModel = load_model(choice.path)
        if self.loaded.header.feature_spec is None:
            raise ModelError("does not say which features it was trained on, so it cannot be used", file=choice.path)
        self.spec = FeatureSpec.from_dict(self.loaded.header.feature_spec)
        self.device_name, self.offline, self.on_partial, self.progress = device, offline, on_partial, progress
        self.assume = None if assume_spec is None else preset(assume_spec)

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
        from wtalkit.backbones import load_backbone
        from wtalkit.extraction import VideoFeaturizer
        from wtalkit.flow import get_flow

        backbone = load_backbone(self.spec.backbone, flow=self.spec.flow, device=self.device_name, offline=self.offline)
        featurizer = VideoFeaturizer(
            backbone,
            get_flow(self.spec.flow),
            fps=self.spec.fps,
            stride=self.spec.stride,
            on_partial=self.on_partial,
            progress=self._tell,
        )
        if differences := self.spec.differences(featurizer.spec):
            raise ModelError(
                f"was trained on other features than can be made here: {'; '.join(differences)} (the model's first)",
                file=self.choice.path,
                remedy="Train it again on features extracted here, or use another model",
            )
        return featurizer

    def _tell(self, progress: Progress) -> None:
        if self.progress is not None:
            self.progress(progress)

    def checked(self, show: Show) -> Show:
        """The wish, sure to name only classes that the model knows.

        Raises:
            UsageError: it names another.
        """
        for name in show.classes or ():
            if name not in self.classes:
                raise UsageError(
                    f"the model {self.choice.name} knows no class {name!r}", remedy=remedy(name, self.classes)
                )
        return show

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
        from wtalkit.localization import display

        features = self.features(each)
        assert features.record is not None
        candidates = self.candidates(features)
        if show.classes is not None:
            candidates = [segment for segment in candidates if segment.label in show.classes]
        threshold = show.threshold
        if threshold is None and not show.everything:
            threshold = self.loaded.header.display_threshold
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
            model=self.model_facts,
            spec=self.spec.to_dict(),
        )

    def candidates(self, features: FeatureFile) -> list[Segment]:
        """Every scored candidate after the decoder's Soft-NMS, what scoring uses."""
        from wtalkit.localization import DecoderSettings, decode
        from wtalkit.methods import run_windows

        assert features.record is not None
        header = self.loaded.header
        activations = run_windows(self.loaded.model, features.array, self.spec.timeline, max_length=header.max_length)
        return decode(
            activations.act_scores,
            activations.attn,
            activations.video_scores,
            classes=self.classes,
            timeline=self.spec.timeline,
            duration_s=features.record.duration_s,
            settings=DecoderSettings.from_dict(header.decoder),
            plugin_attn=activations.plugin_attn,
            score_logits=activations.score_logits,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What every result must say about the model."""
        return (self.demo_warning,) if self.demo_warning else ()

    @property
    def demo_warning(self) -> str | None:
        """Said where the bundled model was taken because there was nothing else."""
        if not self.choice.is_demo:
            return None
        return (
            f"demo model: knows {len(self.classes)} rendered actions, its answers about real footage mean nothing; "
            "train one on your own videos with wtalkit extract and wtalkit train"
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
            "method": header.method,
            "plugins": list(header.plugins),
            "classes": list(self.classes),
            "display_threshold": header.display_threshold,
            "sha256": self.loaded.sha256,
        }
