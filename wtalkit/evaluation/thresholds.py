"""tIoU thresholds as people write them: ``0.1:0.7:0.1``, ``0.5``, ``0.5,0.75``."""

from __future__ import annotations

import math
from collections.abc import Iterable

from wtalkit.errors import ConfigError

DEFAULT_TIOU = "0.1:0.7:0.1"
_MOST = 1000


def parse_tiou(text: str) -> tuple[float, ...]:
    """Thresholds of ``a:b:step`` (both ends included), of one number, or of numbers with commas between.

    A range is ``numpy.linspace(a, b, round((b - a) / step) + 1)``, number for number.

    Raises:
        ConfigError: it is none of these, or a threshold is not above 0 and at most 1.
    """
    try:
        if ":" in text:
            first, last, step = (float(part) for part in text.split(":"))
            values = _range(first, last, step)
        else:
            values = [float(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError, OverflowError) as cause:
        raise ConfigError(f"--tiou {text!r} is not a threshold", remedy=_REMEDY) from cause
    return checked(values)


def checked(thresholds: Iterable[float]) -> tuple[float, ...]:
    """The thresholds, sure to be usable and to have different keys.

    Raises:
        ConfigError: there is none, one lies outside (0, 1], or two would share a key.
    """
    values = tuple(float(value) for value in thresholds)
    if not values:
        raise ConfigError("there is no tIoU threshold to score at", remedy=_REMEDY)
    for value in values:
        if not 0 < value <= 1:
            raise ConfigError(f"the tIoU threshold {value:g} does not lie above 0 and at most at 1", remedy=_REMEDY)
    keys = [tiou_key(value) for value in values]
    if len(set(keys)) < len(keys):
        raise ConfigError(f"two tIoU thresholds are the same to two digits: {', '.join(keys)}", remedy=_REMEDY)
    return values


def tiou_key(threshold: float) -> str:
    """How a threshold is written in results."""
    return f"{threshold:.2f}"


def _range(first: float, last: float, step: float) -> list[float]:
    import numpy as np

    if not (math.isfinite(first) and math.isfinite(last) and step > 0 and last >= first):
        raise ValueError("not a rising range")
    count = round((last - first) / step) + 1
    if count > _MOST:
        raise ValueError("too many thresholds")
    return [float(value) for value in np.linspace(first, last, count)]


_REMEDY = "Write it as 0.1:0.7:0.1, 0.5 or 0.5,0.75"
