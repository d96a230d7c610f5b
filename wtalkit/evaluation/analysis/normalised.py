"""Average precision that does not depend on how frequent a class is.

Source: Hoiem, Chodpathumwan and Dai, "Diagnosing Error in Object Detectors", ECCV 2012; as DETAD uses it (Alwassel et
al., "Diagnosing Error in Temporal Action Detectors", ECCV 2018; ``src/action_detector_diagnosis.py`` of
HumamAlwassel/DETAD, which rounds N down to a whole number; here it is not rounded).
"""

from __future__ import annotations

import numpy as np

from wtalkit.evaluation.average_precision import Booleans, Floats


def precision_at_hits(hit: Booleans, positives: int, typical: float) -> Floats:
    """Normalised precision R N / (R N + F) at every true positive: recall R, F false positives so far, [hits].

    Args:
        hit: whether each detection of a class is right, by descending score, [N].
        positives: instances of the class.
        typical: N, what the class is treated as having; with ``positives`` it is plain precision.
    """
    places = np.nonzero(hit)[0]
    true = np.arange(1, len(places) + 1)
    weighted = true * (typical / positives)
    precision: Floats = weighted / (weighted + (places + 1 - true))
    return precision


def normalised_ap(hit: Booleans, positives: int, typical: float) -> float:
    """Area under the envelope of normalised precision over recall (VOC 2011, all points), a fraction."""
    precision = precision_at_hits(hit, positives, typical)
    return float(np.maximum.accumulate(precision[::-1]).sum() / positives)
