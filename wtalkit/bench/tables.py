"""Measured rows as the cells of a table, for terminals and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wtalkit.bench import proposals, stages
    from wtalkit.bench.training import Row

STAGES_HEADER = ("stage", "case", "compared", "ours /s", "theirs /s", "ratio", "of limit", "agreement")
STAGES_NUMBERS = (3, 4, 5, 6)


def stage_cells(row: stages.Row) -> tuple[str, ...]:
    """One row's cells; rates are in the row's unit."""
    return (
        row.stage,
        row.case,
        f"{row.ours} to {row.theirs}" if row.theirs else row.ours,
        f"{number(row.ours_per_s)} {row.unit}",
        "" if row.theirs_per_s is None else number(row.theirs_per_s),
        "" if row.ratio is None else f"{number(row.ratio)} x",
        "" if row.share is None else f"{100 * row.share:.0f} % of {row.limit}",
        row.agreement,
    )


def number(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


TRAINING_HEADER = (
    "method", "classes", "width", "T", "batch", "part", "compared", "from it/s", "to it/s", "ratio", "network it/s",
)  # fmt: skip
NUMBERS = (1, 2, 3, 4, 7, 8, 9, 10)
"""Columns that are aligned to the right."""


def training_cells(row: Row) -> tuple[str, ...]:
    """One row's cells; rates are iterations a second."""
    size = row.size
    return (
        row.method,
        *map(str, (size.classes, size.width, size.length, size.batch)),
        row.part,
        f"{row.fast} to {row.slow}",
        rate(row.slow_s),
        rate(row.fast_s),
        f"{row.ratio:.1f} x",
        "" if row.network_s is None else rate(row.network_s),
    )


PROPOSALS_HEADER = (
    "method", "width", "videos", "proposals each", "theirs s", "ours s", "ratio", "ours /s", "theirs MB", "ours MB",
)  # fmt: skip
PROPOSALS_NUMBERS = tuple(range(1, len(PROPOSALS_HEADER)))


def proposals_cells(row: proposals.Row) -> tuple[str, ...]:
    """One row's cells; memory is in millions of bytes."""
    size = row.size
    return (
        row.method,
        *map(str, (size.width, size.videos, size.proposals)),
        "" if row.slow_s is None else f"{row.slow_s:.3g}",
        f"{row.fast_s:.3g}",
        "" if row.ratio is None else f"{row.ratio:.1f} x",
        f"{row.per_second:,.0f}",
        *("" if peak is None else f"{peak / 1e6:.0f}" for peak in (row.slow_bytes, row.fast_bytes)),
    )


def limit_sentence(limits: Mapping[str, float]) -> str:
    """What the device can do at most, in one line."""
    scales = {"bytes/s": (1e9, "GB/s"), "FLOP/s": (1e12, "TFLOP/s")}
    parts = []
    for name, value in limits.items():
        what, _, unit = name.rpartition(", ")
        scale, shown = scales.get(unit, (1.0, unit))
        parts.append(f"{what} {value / scale:.3g} {shown}")
    return "; ".join(parts)


def rate(seconds: float) -> str:
    """Turns a second with three digits."""
    return f"{1 / seconds:.3g}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
