"""Measured rows as the cells of a table, for terminals and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wtalkit.bench.training import Row

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


def rate(seconds: float) -> str:
    """Turns a second with three digits."""
    return f"{1 / seconds:.3g}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
