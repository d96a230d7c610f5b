"""Curves small enough for a page: a few thousand points, a byte each."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtalkit.localizer import Curves

POINTS = 4000
"""Most points of a curve: more than a wide screen has pixels, so that there is something left to zoom into."""
CLASSES = 40
"""Most classes of a video whose curve is kept: the worthiest, and of equals those that rise highest."""
_STEPS = 255


def curves_data(curves: Curves, labels: Sequence[str], worth: Mapping[str, float] | None = None) -> dict[str, Any]:
    """The curves of the ``labels`` as the page reads them.

    Curves of more than :data:`POINTS` snippets keep the highest of each bin: a short action must not vanish.

    Args:
        curves: of one video.
        labels: those of interest, in the order of the page's class numbers.
        worth: by label; of more than :data:`CLASSES` classes the worthiest keep their curve.

    Returns:
        ``{"t0", "dt", "n", "lo", "hi", "classes": [number], "data": [base64 of n bytes], "attention": base64}``;
        byte b stands for ``lo + b / 255 * (hi - lo)``, for attention always for ``b / 255``.
    """
    import numpy as np

    columns = [(number, curves.labels.index(label)) for number, label in enumerate(labels) if label in curves.labels]
    values = _finite(curves.activations[:, [column for _, column in columns]])  # (T, K)
    if len(columns) > CLASSES:
        known = worth or {}
        worths = [known.get(labels[number], -math.inf) for number, _ in columns]
        peaks = values.max(axis=0, initial=-math.inf)
        best = np.sort(np.lexsort((-peaks, np.negative(worths)))[:CLASSES])
        columns, values = [columns[index] for index in best], values[:, best]
    size = max(1, -(-len(values) // POINTS))
    values = _highest_of_bins(values, size)
    lo, hi = min(0.0, float(values.min(initial=0))), max(float(values.max(initial=0)), 1e-6)
    times_s = curves.times_s
    step_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else 0.0
    attention = None
    if curves.attention is not None:
        seen = _highest_of_bins(_finite(curves.attention)[:, None], size)[:, 0]
        attention = _bytes(np.clip(seen, 0, 1), 0.0, 1.0)
    return {
        "t0": round((float(times_s[0]) if len(times_s) else 0.0) + step_s * (size - 1) / 2, 4),
        "dt": round(step_s * size, 6),
        "n": len(values),
        "lo": round(lo, 4),
        "hi": round(hi, 4),
        "classes": [number for number, _ in columns],
        "data": [_bytes(column, lo, hi) for column in values.T],
        "attention": attention,
    }


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    return np.nan_to_num(values, posinf=0.0, neginf=0.0)


def _highest_of_bins(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(T, K) -> (ceil(T / size), K)."""
    import numpy as np

    if size == 1:
        return values
    return np.maximum.reduceat(values, np.arange(0, len(values), size), axis=0)


def _bytes(values: NDArray[np.float32], lo: float, hi: float) -> str:
    import numpy as np

    scaled = np.rint((values - lo) / (hi - lo) * _STEPS)
    return b64encode(np.clip(scaled, 0, _STEPS).astype(np.uint8).tobytes()).decode("ascii")
