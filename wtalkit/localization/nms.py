"""Non-maximum suppression in time: the soft kinds of the authors' codes, and the hard one.

``soft_nms`` follows ``soft_nms`` of CO2-Net (``utils/wsad_utils.py``) and P-MIL (``utils.py``), which agree bit for
bit, and the BSN variant that ACRNet uses. Candidates are only ever compared with candidates of their own class:
``soft_nms`` takes those of one video and class, ``soft_nms_by_class`` those of all classes of a video.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtalkit.localization.nms_kernel import suppress

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Kind = Literal["gaussian", "linear", "hard", "bsn"]  # in the order in which the kernel numbers them


def soft_nms(
    segments: ArrayLike,
    scores: ArrayLike,
    *,
    kind: Kind = "gaussian",
    sigma: float = 0.3,
    tiou: float = 0.7,
    min_score: float | None = None,
    plus_one: bool = False,
) -> tuple[Indices, Floats]:
    """Lower the scores of segments that overlap better ones (``hard``: remove them).

    The best segment left is taken, the others' scores are multiplied by a weight of their IoU with it, and so on.
    ``gaussian``: ``exp(-iou^2 / sigma)``; ``linear``: ``1 - iou`` where iou > tiou; ``hard``: removed where
    iou >= tiou; ``bsn``: ``exp(-iou^2 / sigma)`` where iou > tiou.

    Args:
        segments: start and end, any unit, [N, 2].
        scores: any sign, [N].
        kind: the weight.
        sigma: width of the Gaussian; ``bsn``: its alpha.
        tiou: IoU from which a segment is touched; ``bsn``: its low bound; unused by ``gaussian``.
        min_score: stop when no score left reaches it; None keeps every segment.
        plus_one: add 1 to all lengths, as the authors' codes do in snippet units.

    Returns:
        Indices of the segments kept and their new scores, by descending new score.

    Raises:
        ValueError: unknown kind, shapes that do not fit, or numbers that are not finite.
    """
    boxes, values = _checked(segments, scores, kind, sigma)
    bounds = np.array([0, len(values)])
    return _suppressed(boxes, values, bounds, kind, sigma, tiou, min_score, plus_one)


def soft_nms_by_class(
    segments: Floats | Indices,
    scores: Floats,
    label: Indices,
    *,
    kind: Kind,
    sigma: float,
    tiou: float,
    min_score: float | None,
    plus_one: bool,
) -> tuple[Indices, Floats]:
    """What :func:`soft_nms` gives for the segments of each class on their own, in one call; nothing is checked.

    Args:
        segments: finite start and end, the end not before the start, [N, 2].
        scores: finite, [N].
        label: class of each, rising, [N].

    Returns:
        Indices of the segments kept and their new scores, class by class, by descending new score within one.
    """
    bounds = np.concatenate([[0], np.nonzero(label[1:] != label[:-1])[0] + 1, [len(label)]])
    return _suppressed(segments, scores, bounds, kind, sigma, tiou, min_score, plus_one)


def hard_nms(segments: ArrayLike, scores: ArrayLike, tiou: float, *, plus_one: bool = False) -> Indices:
    """Indices of the segments kept, by descending score: none has IoU >= tiou with a better one."""
    return soft_nms(segments, scores, kind="hard", tiou=tiou, plus_one=plus_one)[0]


def temporal_iou(segment: ArrayLike, others: ArrayLike, *, plus_one: bool = False) -> Floats:
    """IoU of one segment ``[2]`` with others ``[N, 2]``, [N]; two segments of zero length have IoU 0."""
    one, many = np.asarray(segment, dtype=np.float64), np.asarray(others, dtype=np.float64).reshape(-1, 2)
    extra = 1.0 if plus_one else 0.0
    inter = (np.minimum(one[1], many[:, 1]) - np.maximum(one[0], many[:, 0]) + extra).clip(0)
    union = (one[1] - one[0] + extra) + (many[:, 1] - many[:, 0] + extra) - inter
    iou: Floats = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return iou


def _suppressed(
    boxes: Floats | Indices,
    scores: Floats,
    bounds: Indices,
    kind: Kind,
    sigma: float,
    tiou: float,
    min_score: float | None,
    plus_one: bool,
) -> tuple[Indices, Floats]:
    """Indices and new scores of what is kept of the groups that ``bounds`` part."""
    sizes = bounds[1:] - bounds[:-1]
    first = bounds[:-1].repeat(sizes)  # of each row's group
    by_start = np.lexsort((boxes[:, 1], boxes[:, 0], first))  # equal ones side by side
    starts, ends = np.ascontiguousarray(boxes[by_start].T, dtype=np.float64)
    scores = scores[by_start]
    numbers = by_start - first
    least = -np.inf if min_score is None else float(min_score)
    extra = 1.0 if plus_one else 0.0
    counts = suppress(starts, ends, scores, numbers, bounds, get_args(Kind).index(kind), sigma, tiou, least, extra)
    if counts.sum() < len(scores):
        taken = np.arange(len(scores)) - first < counts.repeat(sizes)
        first, numbers, scores = first[taken], numbers[taken], scores[taken]
    # Negative scores *rise* when they are multiplied, so the order of taking need not be the order of the scores.
    ranked = np.lexsort((-scores, first))
    return (first + numbers)[ranked], scores[ranked]


def _checked(segments: ArrayLike, scores: ArrayLike, kind: str, sigma: float) -> tuple[Floats, Floats]:
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
    if kind in ("gaussian", "bsn") and not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    boxes, values = np.asarray(segments, dtype=np.float64), np.array(scores, dtype=np.float64)
    if values.ndim != 1 or boxes.size != 2 * values.size or (boxes.size and boxes.shape != (len(values), 2)):
        raise ValueError(f"expected segments [N, 2] and scores [N], got {boxes.shape} and {values.shape}")
    boxes = boxes.reshape(-1, 2)
    if not (np.isfinite(boxes).all() and np.isfinite(values).all()):
        raise ValueError("segments and scores must be finite numbers")
    if (boxes[:, 1] < boxes[:, 0]).any():
        raise ValueError("a segment ends before it starts")
    return boxes, values
