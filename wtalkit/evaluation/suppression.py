"""What some authors do to detections before they score them: suppression of overlaps, per video and class.

``softnms`` is that of CO2-Net, DELU and P-MIL, ``lac`` the hard one of LAC. Both add 1 to every length, whatever the
unit: in snippets that is the number of snippets, in seconds it makes short segments overlap more than they do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wtalkit.evaluation.average_precision import Indices
from wtalkit.evaluation.rules import Nms
from wtalkit.evaluation.tables import Scored

SETTINGS: dict[Nms, dict[str, Any]] = {
    "softnms": {"kind": "gaussian", "sigma": 0.3, "tiou": 0.7, "min_score": None, "plus_one": True},
    "lac": {"kind": "hard", "sigma": 0.3, "tiou": 0.7, "min_score": None, "plus_one": True},
}
"""Arguments of :func:`wtalkit.localization.soft_nms`; those that a kind has no use for are its defaults."""


def suppress(scored: Scored, film: Indices, nms: Nms) -> tuple[Scored, Indices]:
    """What is left of predictions, and the rows these were, [kept].

    Args:
        scored: finite ones.
        film: number of each one's video, [N]; unlike ``scored.video`` also where the ground truth does not know it.
        nms: the kind.

    Returns:
        By video, class and descending score, as the authors' loops append them.
    """
    if nms == "none" or not len(scored):
        return scored, np.arange(len(scored))
    from wtalkit.localization.nms import soft_nms_by_class

    group = film * (int(scored.label.max()) + 1) + scored.label
    order = group.argsort(kind="stable")
    kept, scores = soft_nms_by_class(scored.segments[order], scored.scores[order], group[order], **SETTINGS[nms])
    rows = order[kept]
    return Scored(scored.segments[rows], scores, scored.video[rows], scored.label[rows]), rows
