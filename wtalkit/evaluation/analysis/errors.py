"""What is wrong with the wrong detections, and what each kind of error costs.

Source: false positive analysis of DETAD (Alwassel et al., "Diagnosing Error in Temporal Action Detectors", ECCV 2018;
``src/action_detector_diagnosis.py`` and ``src/false_positive_analysis.py`` of HumamAlwassel/DETAD).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from wtalkit.evaluation.analysis.assignment import Ranked, best_overlaps
from wtalkit.evaluation.analysis.normalised import normalised_ap
from wtalkit.evaluation.average_precision import Indices
from wtalkit.evaluation.tables import GroundTruth, Scored

TOUCHING = 0.1
"""IoU below which a detection has nothing to do with any instance."""

GROUPS = 10
"""Slices of the ranking that are looked at, each as long as a class has instances."""


class Kind(IntEnum):
    """What a detection is, at one threshold."""

    RIGHT = 0
    DOUBLE = 1
    LABEL = 2
    LOCALIZATION = 3
    CONFUSION = 4
    BACKGROUND = 5

    @property
    def title(self) -> str:
        """DETAD's name for it."""
        return _TITLES[self]


ERRORS = tuple(Kind)[1:]
_TITLES = {
    Kind.RIGHT: "true positive",
    Kind.DOUBLE: "double detection",
    Kind.LABEL: "wrong label",
    Kind.LOCALIZATION: "localization",
    Kind.CONFUSION: "confusion",
    Kind.BACKGROUND: "background",
}


@dataclass(frozen=True)
class ErrorProfile:
    """Kinds of error among the best detections, and the gain of removing each, means over the thresholds.

    Attributes:
        shares: for each slice of the ranking the share of each kind; the k-th slice of a class with G instances is
            its detections (k - 1) G + 1 to k G, and those of all classes are put together. Empty once no class has as
            many detections.
        counts: detections in each slice.
        map_n: normalised mAP of the detections in these slices.
        gains: by how much it rises when all errors of a kind are removed.
    """

    shares: tuple[dict[Kind, float], ...]
    counts: tuple[int, ...]
    map_n: float
    gains: dict[Kind, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, kinds by title."""
        return {
            "slices": [
                {"detections": count, "shares": {kind.title: share for kind, share in shares.items()}}
                for count, shares in zip(self.counts, self.shares, strict=True)
            ],
            "map_n": self.map_n,
            "gains": {kind.title: gain for kind, gain in self.gains.items()},
        }


def error_profile(
    ranked: Sequence[Ranked], scored: Scored, truth: GroundTruth, thresholds: Sequence[float]
) -> ErrorProfile:
    """The profile of all detections.

    Args:
        ranked: the detections with the instances they take at these thresholds.
        scored: all detections.
        truth: all instances.
        thresholds: IoU thresholds.
    """
    best = [one.taken[:, : GROUPS * len(one.instances)] for one in ranked]  # no later detection changes an earlier one
    kinds = _kinds(ranked, best, scored, truth, thresholds)
    shares, counts = [], []
    for group in range(GROUPS):
        parts = [
            each[:, group * len(one.instances) : (group + 1) * len(one.instances)]
            for one, each in zip(ranked, kinds, strict=True)
        ]
        together = np.concatenate(parts, axis=1)
        if not together.size:
            break
        counts.append(together.shape[1])
        shares.append({kind: float((together == kind).mean()) for kind in Kind})
    typical = len(truth.segments) / len(ranked)
    all_of_them = _map_n(ranked, kinds, typical, removed=None)
    gains = {kind: _map_n(ranked, kinds, typical, removed=kind) - all_of_them for kind in ERRORS}
    return ErrorProfile(tuple(shares), tuple(counts), all_of_them, gains)


def _kinds(
    ranked: Sequence[Ranked],
    best: Sequence[Indices],
    scored: Scored,
    truth: GroundTruth,
    thresholds: Sequence[float],
) -> list[Indices]:
    """Kind of each class's best detections at each threshold, [t, N] for each class."""
    overlap, other = best_overlaps(scored, truth)
    level = np.asarray(thresholds)[:, None]
    found = []
    for index, (one, taken) in enumerate(zip(ranked, best, strict=True)):
        rows = one.rows[: taken.shape[1]]
        same = other[rows] == index
        wrong = np.where(
            overlap[rows] >= level,
            np.where(same, Kind.DOUBLE, Kind.LABEL),
            np.where(overlap[rows] >= TOUCHING, np.where(same, Kind.LOCALIZATION, Kind.CONFUSION), Kind.BACKGROUND),
        )
        found.append(np.where(taken >= 0, Kind.RIGHT, wrong).astype(np.intp))
    return found


def _map_n(ranked: Sequence[Ranked], kinds: Sequence[Indices], typical: float, *, removed: Kind | None) -> float:
    """Mean over classes and thresholds of the normalised AP, without the errors of one kind."""
    values = [
        normalised_ap(row[row != removed] == Kind.RIGHT, len(one.instances), typical)
        for one, each in zip(ranked, kinds, strict=True)
        for row in each
    ]
    return float(np.mean(values))
