"""Detection without training: a backbone's own classifier, snippet by snippet, in place of a trained model."""

from __future__ import annotations

from dataclasses import dataclass

from wtalkit.backbones.specs import BACKBONES

__all__ = ["ZERO_TRAINING", "ZeroTraining", "zero_training"]


@dataclass(frozen=True)
class ZeroTraining:
    """A backbone that is a model by itself.

    Attributes:
        backbone: its name.
        flow: name of the flow algorithm; ``"none"`` for RGB alone.
    """

    backbone: str
    flow: str


ZERO_TRAINING = {
    f"{spec.name}-{spec.classes}": ZeroTraining(spec.name, "tvl1" if "flow" in spec.streams else "none")
    for spec in BACKBONES.values()
    if spec.classes is not None
} | {"i3d-rgb-kinetics400": ZeroTraining("i3d", "none")}
"""By the name that ``--model`` takes."""


def zero_training(name: str, flow: str | None = None) -> ZeroTraining:
    """The one called ``name``, with another flow algorithm where it looks at flow and one is given."""
    found = ZERO_TRAINING[name]
    return found if flow is None or found.flow == "none" else ZeroTraining(found.backbone, flow)
