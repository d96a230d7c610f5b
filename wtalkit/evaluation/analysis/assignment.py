"""Which instance each detection takes: the official matching, told by name.

:func:`wtalkit.evaluation.tables.match_all` decides which detections are right. Of these alone the instance is looked
up, by the same rule: the free one of highest IoU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wtalkit.evaluation.average_precision import Booleans, ClassMatches, Floats, Indices, temporal_iou
from wtalkit.evaluation.tables import GroundTruth, Scored

NONE = -1
"""In place of an instance: the detection is wrong."""


@dataclass(frozen=True)
class Ranked:
    """The detections of one class, by descending score, and the instances they take.

    Attributes:
        label: the class.
        rows: number of each detection among all, [N].
        taken: instance that each takes at each threshold, :data:`NONE` for a wrong one, [t, N].
        instances: numbers of the class's instances among all, [G].
    """

    label: str
    rows: Indices
    taken: Indices
    instances: Indices

    @property
    def hit(self) -> Booleans:
        """Whether each detection is a true positive, [t, N]."""
        right: Booleans = self.taken != NONE
        return right


def assign(
    matches: Sequence[ClassMatches], scored: Scored, truth: GroundTruth, thresholds: Sequence[float]
) -> list[Ranked]:
    """The instances behind matches.

    Args:
        matches: of these detections and instances at these thresholds.
        scored: all detections.
        truth: all instances.
        thresholds: IoU thresholds.
    """
    found = []
    for index, match in enumerate(matches):
        own = np.nonzero(scored.label == index)[0]
        rows = own[scored.scores[own].argsort()[::-1]]  # the very order of the matching
        instances = np.nonzero(truth.label == index)[0]
        in_video = {
            int(video): instances[truth.video[instances] == video] for video in np.unique(truth.video[instances])
        }
        taken = np.full(match.hit.shape, NONE, dtype=np.intp)
        free = np.ones((len(thresholds), len(truth.segments)), dtype=bool)
        for place in np.nonzero(match.hit.any(axis=0))[0].tolist():
            candidates = in_video[int(match.video[place])]
            iou = temporal_iou(scored.segments[rows[place]][None], truth.segments[candidates])  # (1, G)
            preferred = candidates[iou.argsort(axis=1)[0, ::-1]]
            for level in np.nonzero(match.hit[:, place])[0].tolist():
                instance = preferred[free[level, preferred].argmax()]
                free[level, instance], taken[level, place] = False, instance
        found.append(Ranked(match.label, rows, taken, instances))
    return found


def best_overlaps(scored: Scored, truth: GroundTruth) -> tuple[Floats, Indices]:
    """Highest IoU of every detection with an instance of any class in its video, and that instance's class, [N] each.

    0 and -1 in a video without instances. Of equal overlaps the first instance counts.
    """
    iou, label = np.zeros(len(scored)), np.full(len(scored), -1, dtype=np.intp)
    by_video = scored.video.argsort(kind="stable")
    for video in np.unique(truth.video):
        first, stop = np.searchsorted(scored.video[by_video], [video, video + 1])
        rows, instances = by_video[first:stop], np.nonzero(truth.video == video)[0]
        # Two empty segments at one place overlap as officially: in full.
        overlaps = np.nan_to_num(temporal_iou(scored.segments[rows], truth.segments[instances]), nan=1.0)
        iou[rows], label[rows] = overlaps.max(axis=1), truth.label[instances[overlaps.argmax(axis=1)]]
    return iou, label
