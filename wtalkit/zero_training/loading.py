"""A backbone and its classifier in the shape of a model that was trained here, so that all the rest goes on as ever."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.errors import ModelError
from wtalkit.methods.composition import Composition, MethodSpec
from wtalkit.modelfile import LoadedModel, ModelHeader
from wtalkit.zero_training.classifier import BackboneClassifier
from wtalkit.zero_training.settings import DECODER, DISPLAY_THRESHOLD, MAX_LENGTH

if TYPE_CHECKING:
    from wtalkit.backbones import MakesFeatures
    from wtalkit.features import FeatureSpec


def as_model(
    name: str, backbone: MakesFeatures, spec: FeatureSpec, classes: tuple[str, ...], path: Path
) -> LoadedModel:
    """The model that a backbone's classifier is.

    Args:
        name: of the zero-training model.
        backbone: with its weights.
        spec: of its features.
        classes: names of the classifier's outputs.
        path: where the weights lie.

    Raises:
        ModelError: the classifier has another number of outputs.
    """
    weight, bias = backbone.classifier()
    if len(bias) != len(classes):
        raise ModelError(
            f"the weights of {spec.backbone} tell {len(bias)} classes apart, not the {len(classes)} of Kinetics-400",
            file=path,
            remedy=f"Replace them with the published ones: wtalkit models pull {spec.backbone} --force",
        )
    model = Composition(MethodSpec(name, len(classes), spec.dim), BackboneClassifier(weight, bias)).eval()
    header = ModelHeader(
        method=name, feature_dim=spec.dim, classes=classes, feature_spec=spec.to_dict(), decoder=DECODER.to_dict(),
        display_threshold=DISPLAY_THRESHOLD, max_length=MAX_LENGTH, supervision="unknown",
        provenance={"weights": backbone.weights_note, "by": "the publisher of the backbone"},
    )  # fmt: skip
    return LoadedModel(header, model, path, backbone.weights_hash)
