"""Times side by side: forms of one computation take turns, so that whatever else the machine does hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import perf_counter

Times = dict[str, tuple[float, ...]]


def interleaved(forms: Mapping[str, Callable[[], None]], repeats: int, wait: Callable[[], None]) -> Times:
    """Seconds of every form in every round, after one round that warms up.

    Args:
        forms: what is measured, by name.
        repeats: rounds.
        wait: called before the clock is read; waits for a device that works on its own.
    """
    for form in forms.values():
        form()
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(repeats):
        for name, form in forms.items():
            wait()
            started = perf_counter()
            form()
            wait()
            times[name].append(perf_counter() - started)
    return {name: tuple(seconds) for name, seconds in times.items()}


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times as fast: the median over the rounds."""
    return median(one / other for one, other in zip(slow, fast, strict=True))
