"""How well short and long, rare and frequent instances are found, and which are missed.

Source: sensitivity and false negative analysis of DETAD (Alwassel et al., "Diagnosing Error in Temporal Action
Detectors", ECCV 2018; ``src/sensitivity_analysis.py``, ``src/false_negative_analysis.py`` of HumamAlwassel/DETAD).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wtalkit.evaluation.analysis.assignment import NONE, Ranked
from wtalkit.evaluation.analysis.characteristics import Characteristic
from wtalkit.evaluation.analysis.normalised import normalised_ap, precision_at_hits
from wtalkit.evaluation.average_precision import Booleans
from wtalkit.evaluation.tables import GroundTruth

LEAST_PRECISION = 0.05
"""An instance counts as found only where the normalised precision of its class is still above this."""


@dataclass(frozen=True)
class Bucket:
    """Instances that are alike.

    Attributes:
        size: ``XS`` to ``XL``.
        range: what that means, ``3-6 s``.
        instances: how many there are.
        map_n: normalised mAP over the classes that have some of them; None without any.
        missed: share of them that nothing finds; None without any.
    """

    size: str
    range: str
    instances: int
    map_n: float | None
    missed: float | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "range": self.range,
            "instances": self.instances,
            "map_n": self.map_n,
            "missed": self.missed,
        }


@dataclass(frozen=True)
class Sensitivity:
    """Normalised mAP and misses by characteristic, means over the thresholds.

    Attributes:
        map_n: of all instances.
        missed: of all instances.
        buckets: by characteristic.
    """

    map_n: float
    missed: float
    buckets: dict[str, tuple[Bucket, ...]]

    def to_dict(self) -> dict[str, Any]:
        return {
            "map_n": self.map_n,
            "missed": self.missed,
            "buckets": {name: [each.to_dict() for each in some] for name, some in self.buckets.items()},
        }


def sensitivity(ranked: Sequence[Ranked], truth: GroundTruth, found: Sequence[Characteristic]) -> Sensitivity:
    """Normalised mAP and misses, of all instances and of each bucket.

    For a bucket the instances are its own, and the detections all but those that take an instance outside of it.

    Args:
        ranked: the detections with the instances they take at each threshold.
        truth: all instances.
        found: the instances by characteristic.
    """
    typical = len(truth.segments) / len(ranked)
    missed = _missed(ranked, len(truth.segments), typical)
    everything = np.ones(len(truth.segments), dtype=bool)
    buckets = {}
    for each in found:
        rows = []
        for number, (size, text) in enumerate(zip(each.sizes, each.ranges, strict=True)):
            inside = each.bucket == number
            some = bool(inside.any())
            rows.append(
                Bucket(
                    size,
                    text,
                    int(inside.sum()),
                    _map_n(ranked, inside, typical) if some else None,
                    float(missed[:, inside].mean()) if some else None,
                )
            )
        buckets[each.name] = tuple(rows)
    return Sensitivity(_map_n(ranked, everything, typical), float(missed.mean()), buckets)


def _map_n(ranked: Sequence[Ranked], inside: Booleans, typical: float) -> float:
    """Mean over thresholds, and classes that have instances inside."""
    values = []
    for one in ranked:
        positives = int(inside[one.instances].sum())
        if positives:
            for taken in one.taken:
                kept = taken[(taken == NONE) | inside[taken]]
                values.append(normalised_ap(kept != NONE, positives, typical))
    return float(np.mean(values))


def _missed(ranked: Sequence[Ranked], instances: int, typical: float) -> Booleans:
    """Whether each instance is missed at each threshold, [t, G]."""
    missed = np.ones((len(ranked[0].taken), instances), dtype=bool)
    for one in ranked:
        for level, taken in enumerate(one.taken):
            precision = precision_at_hits(taken != NONE, len(one.instances), typical)
            missed[level, taken[taken != NONE][precision > LEAST_PRECISION]] = False
    return missed
