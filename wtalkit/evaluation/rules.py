"""What is done to predictions and ground truth before they are matched: named switches.

The arithmetic of mAP is the same in all public codes; their numbers differ by what is scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from wtalkit.datasets import VideoList
from wtalkit.errors import ConfigError
from wtalkit.suggest import remedy

Nms = Literal["none", "softnms", "lac"]
NMS: tuple[Nms, ...] = get_args(Nms)


@dataclass(frozen=True)
class Rules:
    """One setting of every switch; the default is ``evaluate`` without a protocol.

    Attributes:
        videos: which videos count: ``all`` of the subset, or THUMOS14's 213 test videos without the one or the three
            that others leave out (:data:`wtalkit.datasets.LEFT_OUT`).
        unknown_videos: what is found in videos that do not count: ``left-out``, or ``wrong`` as any false positive.
        clip: ``video`` cuts predictions at the start and the end of their video.
        units: ``seconds`` as they are, or ``snippets`` of 16 frames at 25 fps: the ground truth rounded to whole
            ones, predictions to hundredths.
        nms: what is suppressed before scoring, per video and class, see :mod:`wtalkit.evaluation.suppression`.
        ambiguous: whether predictions that touch an ambiguous interval are dropped, by whole ``snippets`` or by
            ``seconds``, see :mod:`wtalkit.evaluation.ambiguous`.
        order: of the instances of a video, which decides where a prediction has the same IoU with two: as the
            ``file`` has them, or as THUMOS14's ``annotators`` wrote them down, which most codes keep.
    """

    videos: VideoList = "all"
    unknown_videos: Literal["left-out", "wrong"] = "left-out"
    clip: Literal["video", "none"] = "video"
    units: Literal["seconds", "snippets"] = "seconds"
    nms: Nms = "none"
    ambiguous: Literal["none", "snippets", "seconds"] = "none"
    order: Literal["file", "annotators"] = "file"

    def changed(self, switches: Mapping[str, str]) -> Rules:
        """The same with other settings of some switches.

        Raises:
            ConfigError: there is no such switch, or no such setting of it.
        """
        choices = {name: get_args(kind) for name, kind in get_type_hints(Rules).items()}
        for name, value in switches.items():
            if name not in choices:
                raise ConfigError(f"there is no rule {name!r}", remedy=remedy(name, choices))
            if value not in choices[name]:
                raise ConfigError(f"the rule {name} has no setting {value!r}", remedy=remedy(value, choices[name]))
        given: dict[str, Any] = dict(switches)
        return replace(self, **given)

    def to_dict(self) -> dict[str, str]:
        """The switches by name, in the order in which they are applied."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


PLAIN = Rules()
