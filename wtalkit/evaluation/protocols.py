"""Protocols: the settings of all switches under which public codes score, and what a command line makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wtalkit.datasets import dataset as dataset_named
from wtalkit.errors import ConfigError, UsageError
from wtalkit.evaluation.rules import PLAIN, Rules
from wtalkit.evaluation.thresholds import DEFAULT_TIOU, checked, parse_tiou
from wtalkit.suggest import remedy


@dataclass(frozen=True)
class Protocol:
    """How one public code scores.

    Attributes:
        name: as on the command line.
        source: the code.
        dataset: the ground truth taken when none is named.
        tiou: thresholds taken when none are named, as ``--tiou`` takes them.
        rules: the switches.
        bound: whether it makes sense for ``dataset`` only.
    """

    name: str
    source: str
    dataset: str
    tiou: str
    rules: Rules
    bound: bool = True


_SEVEN = "0.1,0.2,0.3,0.4,0.5,0.6,0.7"
_OF_SNIPPETS = Rules(videos="wtal-212", clip="none", units="snippets", ambiguous="snippets", order="annotators")
PROTOCOLS: dict[str, Protocol] = {
    each.name: each
    for each in (
        Protocol(
            "thumos14-co2net",
            "harlanhong/MM2021-CO2-Net @ e879687, eval/eval_detection.py",
            "thumos14",
            f"{_SEVEN},0.8,0.9",
            _OF_SNIPPETS,
        ),
        Protocol(
            "thumos14-pmil",
            "RenHuan1999/CVPR2023_P-MIL @ 855e683, eval_detection.py",
            "thumos14",
            _SEVEN,
            _OF_SNIPPETS,
        ),
        Protocol(
            "thumos14-lac",
            "Pilhyeon/Learning-Action-Completeness-from-Points @ 1ef066a, eval/eval_detection.py",
            "thumos14",
            _SEVEN,
            Rules(videos="wtal-210", clip="none", order="annotators"),
        ),
        Protocol(
            "activitynet",
            "activitynet/ActivityNet @ 82304fa, Evaluation/eval_detection.py",
            "activitynet1.3",
            "0.5:0.95:0.05",
            Rules(unknown_videos="wrong", clip="none"),
            bound=False,
        ),
    )
}


@dataclass(frozen=True)
class Setup:
    """How predictions are scored.

    Attributes:
        protocol: the one that was asked for, if any.
        dataset: the built-in data set that is the ground truth; None for a file.
        thresholds: tIoU.
        rules: the switches, those changed by hand included.
    """

    protocol: Protocol | None
    dataset: str | None
    thresholds: tuple[float, ...]
    rules: Rules

    @classmethod
    def of(
        cls,
        *,
        protocol: str | None = None,
        dataset: str | None = None,
        from_file: bool = False,
        tiou: str | Sequence[float] | None = None,
        rules: Mapping[str, str] | None = None,
    ) -> Setup:
        """What the options say together.

        Args:
            protocol: name of one.
            dataset: name of a built-in data set; the protocol's own when None.
            from_file: whether the ground truth is a file instead.
            tiou: thresholds, also as text; the protocol's own when None.
            rules: settings that differ from the protocol's.

        Raises:
            ConfigError: there is no such protocol, data set, rule, setting or threshold.
            UsageError: the options contradict each other.
        """
        if dataset is not None and from_file:
            raise UsageError(
                f"the data set {dataset} comes with its ground truth", remedy="Leave out --dataset, or --ground-truth"
            )
        chosen = None if protocol is None else _named(protocol)
        known = None if dataset is None else dataset_named(dataset).name
        if chosen is not None and known is None and not from_file:
            known = chosen.dataset
        if chosen is not None and chosen.bound and known not in (None, chosen.dataset):
            raise UsageError(
                f"the protocol {chosen.name} is for {chosen.dataset}, not for {known}",
                remedy="Take --protocol activitynet, which serves every data set, or leave --dataset out",
            )
        if tiou is None:
            tiou = DEFAULT_TIOU if chosen is None else chosen.tiou
        return cls(
            chosen,
            known,
            parse_tiou(tiou) if isinstance(tiou, str) else checked(tiou),
            (PLAIN if chosen is None else chosen.rules).changed(rules or {}),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values: every switch with its setting."""
        return {
            "name": None if self.protocol is None else self.protocol.name,
            "source": None if self.protocol is None else self.protocol.source,
            "dataset": self.dataset,
            "tiou": list(self.thresholds),
            **self.rules.to_dict(),
        }


def _named(name: str) -> Protocol:
    found = PROTOCOLS.get(name.casefold())
    if found is None:
        raise ConfigError(f"there is no protocol {name!r}", remedy=remedy(name, PROTOCOLS))
    return found
