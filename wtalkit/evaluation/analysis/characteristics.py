"""Buckets of instances, XS to XL: by length, by coverage of their video, by how many of the class are in the video.

Source: DETAD (Alwassel et al., "Diagnosing Error in Temporal Action Detectors", ECCV 2018), whose edges for THUMOS14
and ActivityNet are those of ``src/sensitivity_analysis.py`` of HumamAlwassel/DETAD. Other data has other lengths: there
the edges are its own quintiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from wtalkit.errors import ConfigError
from wtalkit.evaluation.average_precision import Floats, Indices
from wtalkit.evaluation.tables import GroundTruth
from wtalkit.suggest import remedy

Buckets = Literal["relative", "thumos14", "activitynet"]
BUCKETS: tuple[Buckets, ...] = get_args(Buckets)

SIZES = ("XS", "S", "M", "L", "XL")
NOWHERE = -1
"""The bucket of an instance whose characteristic is not known."""

_INF = float("inf")
_EDGES: dict[str, dict[str, tuple[float, ...]]] = {
    "thumos14": {
        "length": (0, 3, 6, 12, 18, _INF),
        "coverage": (0, 0.02, 0.04, 0.06, 0.08, 1),
        "instances": (0, 1, 40, 80, _INF),
    },
    "activitynet": {
        "length": (0, 30, 60, 120, 180, _INF),
        "coverage": (0, 0.2, 0.4, 0.6, 0.8, 1),
        "instances": (0, 1, 4, 8, _INF),
    },
}


@dataclass(frozen=True)
class Characteristic:
    """The instances in buckets.

    Attributes:
        name: ``length``, ``coverage`` or ``instances``.
        unit: of the edges: ``s``, ``%`` or nothing.
        edges: bucket b holds what lies above edge b and up to edge b + 1; the first edge belongs to the first bucket.
        bucket: of each instance, :data:`NOWHERE` where the characteristic is not known, [G].
    """

    name: str
    unit: str
    edges: tuple[float, ...]
    bucket: Indices

    @property
    def sizes(self) -> tuple[str, ...]:
        """What the buckets are called."""
        return SIZES[: len(self.edges) - 1]

    @property
    def ranges(self) -> tuple[str, ...]:
        """What the buckets hold, as people read it: ``3-6 s``, ``> 18 s``."""
        scale = 100 if self.unit == "%" else 1
        unit = f" {self.unit}" if self.unit else ""
        return tuple(_range(scale * low, scale * high, unit, whole=not self.unit) for low, high in pairwise(self.edges))


def buckets_of(dataset: str | None) -> Buckets:
    """DETAD's edges for a public data set, by its name (``activitynet1.3``); relative ones for any other data."""
    named: tuple[Buckets, ...] = ("thumos14", "activitynet")
    return next((each for each in named if (dataset or "").startswith(each)), "relative")


def characteristics(truth: GroundTruth, buckets: Buckets = "relative", *, second: float = 1.0) -> list[Characteristic]:
    """Length, coverage and number of instances, in this order.

    An instance that ends after its video covers no more than all of it. Where the length of the video is not known,
    neither is the coverage; a characteristic that no instance has is left out.

    Args:
        truth: the instances.
        buckets: whose edges: those of the instances themselves, or DETAD's for a dataset.
        second: what a second is in the unit of the segments.

    Raises:
        ConfigError: there are no such edges.
    """
    if buckets not in BUCKETS:
        raise ConfigError(f"there are no buckets {buckets!r}", remedy=remedy(buckets, BUCKETS))
    length = (truth.segments[:, 1] - truth.segments[:, 0]) / second
    with np.errstate(divide="ignore", invalid="ignore"):
        coverage = np.minimum(length / truth.durations[truth.video], 1)
    pair = truth.video * len(truth.labels) + truth.label
    _, place, count = np.unique(pair, return_inverse=True, return_counts=True)
    found = []
    for name, unit, values in (("length", "s", length), ("coverage", "%", coverage), ("instances", "", count[place])):
        known = values[~np.isnan(values)]
        if known.size:
            edges = _quintiles(known) if buckets == "relative" else _EDGES[buckets][name]
            found.append(Characteristic(name, unit, edges, _bucket(values, edges)))
    return found


def _quintiles(values: Floats) -> tuple[float, ...]:
    """Edges that put as many into each bucket as equal values allow, rounded to what people read."""
    inner = np.quantile(values, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")  # values that there are, so whole counts
    rounded = [float(f"{edge:.2g}") for edge in inner]
    steps = sorted({edge for edge in rounded if values.min() <= edge < values.max()})
    return (0.0, *(edge for edge in steps if edge > 0), _INF)


def _bucket(values: Floats, edges: tuple[float, ...]) -> Indices:
    place = np.searchsorted(np.asarray(edges[1:-1]), values, side="left").astype(np.intp)
    place[np.isnan(values)] = NOWHERE
    return place


def _range(low: float, high: float, unit: str, *, whole: bool) -> str:
    if whole and low + 1 == high:
        return f"{high:g}"
    if high == _INF:
        return f"> {low:g}{unit}"
    return f"{low + 1:g}-{high:g}" if whole else f"{low:g}-{high:g}{unit}"
