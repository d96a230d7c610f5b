"""Average recall at N proposals per video: is what happens among the first N guesses, whatever they are called?

Source of the measure: ``Evaluation/eval_proposal.py`` of activitynet/ActivityNet. It keeps the same share of every
video's proposals, such that N is their mean number per video; here N is the number in each video. The two agree where
every video has as many proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wtalkit.evaluation.average_precision import Floats, Indices, temporal_iou
from wtalkit.evaluation.tables import GroundTruth, Scored

SHOWN = (1, 5, 10, 50, 100)
"""Numbers of proposals that are reported."""

ACTIVITYNET = tuple(float(value) for value in np.linspace(0.5, 0.95, 10))
"""The thresholds of ActivityNet's proposal task."""


@dataclass(frozen=True)
class AverageRecall:
    """Share of the instances that one of the first N proposals of their video overlaps enough.

    Attributes:
        activitynet: mean over the thresholds of ActivityNet, for N from 1 to 100.
        given: mean over the thresholds given, for N from 1 to 100.
        proposals: mean number of proposals per video that has instances.
    """

    activitynet: tuple[float, ...]
    given: tuple[float, ...]
    proposals: float

    @property
    def area(self) -> float:
        """Area under the recall over N, from 1 to 100, of ActivityNet's thresholds; a fraction."""
        values = np.asarray(self.activitynet)
        return float(((values[1:] + values[:-1]) / 2).sum() / len(values))

    def to_dict(self) -> dict[str, Any]:
        """Recall at the numbers reported."""
        return {
            "0.50:0.95": {str(number): self.activitynet[number - 1] for number in SHOWN},
            "given": {str(number): self.given[number - 1] for number in SHOWN},
            "area": self.area,
            "proposals_per_video": self.proposals,
        }


def average_recall(scored: Scored, truth: GroundTruth, thresholds: Sequence[float]) -> AverageRecall:
    """Average recall of all detections taken as proposals: their labels do not count, repeated segments do.

    Args:
        scored: the detections.
        truth: the instances, pooled over all videos and classes.
        thresholds: IoU thresholds beside ActivityNet's.
    """
    ranks = _first_ranks(scored, truth, (*ACTIVITYNET, *thresholds))
    reached = [np.cumsum(np.bincount(row, minlength=SHOWN[-1] + 1)[: SHOWN[-1]]) for row in ranks]
    recall = np.array(reached) / len(truth.segments)
    holding = np.isin(scored.video, truth.video)
    return AverageRecall(
        tuple(recall[: len(ACTIVITYNET)].mean(axis=0).tolist()),
        tuple(recall[len(ACTIVITYNET) :].mean(axis=0).tolist()),
        float(holding.sum() / len(np.unique(truth.video))),
    )


def _first_ranks(scored: Scored, truth: GroundTruth, thresholds: Sequence[float]) -> Indices:
    """Place of the first proposal that reaches each instance, [t, G]; the number of places for none."""
    most = SHOWN[-1]
    ranks = np.full((len(thresholds), len(truth.segments)), most, dtype=np.intp)
    order = np.lexsort((-scored.scores, scored.video))  # stable: of equal scores the first in the file
    for video in np.unique(truth.video):
        first, stop = np.searchsorted(scored.video[order], [video, video + 1])
        rows, instances = order[first:stop][:most], np.nonzero(truth.video == video)[0]
        if len(rows):
            iou: Floats = np.nan_to_num(temporal_iou(truth.segments[instances], scored.segments[rows]), nan=1.0)
            reached = iou >= np.asarray(thresholds)[:, None, None]  # (t, G, N)
            ranks[:, instances] = np.where(reached.any(axis=2), reached.argmax(axis=2), most)
    return ranks
