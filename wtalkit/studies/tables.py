"""A comparison as text: cells for a terminal, Markdown, CSV. Scores are in percent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from wtalkit.evaluation.analysis.tables import unformulated
from wtalkit.evaluation.paired import INTERVAL, Difference
from wtalkit.proposals import proposer_of
from wtalkit.studies.comparison import Comparison, Row
from wtalkit.studies.groups import Figure

Cells = list[str]
COVERED = f"{100 * (INTERVAL[1] - INTERVAL[0]):g} %"
"""How much of the draws an interval covers."""


def cells(comparison: Comparison, keys: Sequence[str] | None = None) -> tuple[Cells, list[Cells]]:
    """The header and the lines; under every row but the base's its differences, and a line of their intervals.

    Args:
        comparison: what to show.
        keys: the thresholds and averages shown; all when None.
    """
    shown = all_keys(comparison) if keys is None else list(keys)
    timed = any(row.group.seconds is not None for row in comparison.rows)
    seeded = any(row.group.seeds for row in comparison.rows)
    header = ["mAP in %", *(["seeds"] if seeded else []), *shown, *(["training"] if timed else [])]
    lines = []
    for row in comparison.rows:
        figures, seconds = row.figures, row.group.seconds
        duration = [] if not timed else ["" if seconds is None else f"{seconds.mean:.0f} s"]
        seeds = [str(len(row.group.seeds) or "")] if seeded else []
        lines.append([row.group.title, *seeds, *(percent(figures[key]) for key in shown), *duration])
        if row.differences:
            blank, rest = [""] * len(seeds), [""] * len(duration)
            lines.append([f"  to {comparison.base}", *blank, *(_signed(row, key) for key in shown), *rest])
            if row.paired:
                lines.append([f"  {COVERED}", *blank, *(_interval(row.paired[key]) for key in shown), *rest])
    return header, lines


def all_keys(comparison: Comparison) -> list[str]:
    """Thresholds, then averages."""
    return list(comparison.rows[0].figures)


def percent(figure: Figure) -> str:
    """``38.3 ± 0.4``; one training has no spread."""
    return f"{100 * figure.mean:.1f}" + ("" if figure.std is None else f" ± {100 * figure.std:.1f}")


def _signed(row: Row, key: str) -> str:
    """``+5.2 p=.02``, or the difference alone where it was not tested."""
    difference = f"{100 * row.differences[key]:+.1f}"
    return f"{difference} p={short(row.paired[key].p)}" if key in row.paired else difference


def _interval(difference: Difference) -> str:
    return f"[{100 * difference.low:.1f}, {100 * difference.high:.1f}]"


def short(p: float) -> str:
    """A p-value with two digits, three where it is small: ``.35``, ``.02``, ``.002``."""
    return f"{p:.{2 if round(p, 3) >= 0.01 else 3}f}".removeprefix("0")


def to_markdown(comparison: Comparison) -> str:
    """A table of Markdown."""
    header, lines = cells(comparison)
    rule = ["---", *("---:" for _ in header[1:])]
    return "".join(f"| {' | '.join(_escaped(line))} |\n" for line in (header, rule, *lines))


def to_csv(comparison: Comparison) -> str:
    """A line per row: every figure's mean, sample standard deviation, and difference to the base with its test."""
    keys = all_keys(comparison)
    figures = [f"{key} {kind}" for key in keys for kind in ("mean", "std", "difference", "low", "high", "p")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["name", "base", "plugins", "without", "proposer", "supervision", "n", "seeds", *figures, "training_seconds"]
    )
    for row in comparison.rows:
        facts, seconds = row.group.to_dict(), row.group.seconds
        proposer = proposer_of(facts)
        writer.writerow(
            [
                unformulated(row.name),
                facts["base"] or "",
                " ".join(facts["plugins"]),
                " ".join(facts["without"]),
                "" if proposer is None else unformulated(proposer.name),
                unformulated(str(facts["supervision"] or "")),
                len(row.group.seeds) or 1,
                " ".join(map(str, row.group.seeds)),
                *(number for key in keys for number in _numbers(row, key)),
                "" if seconds is None else f"{seconds.mean:.1f}",
            ]
        )
    return out.getvalue()


def _numbers(row: Row, key: str) -> Cells:
    figure, tested = row.figures[key], row.paired.get(key)
    ends = (None, None) if tested is None else (tested.low, tested.high)
    values = (figure.mean, figure.std, row.differences.get(key), *ends)
    p = "" if tested is None else f"{tested.p:.4f}"
    return [*(f"{100 * value:.3f}" if value is not None else "" for value in values), p]


def _escaped(line: Iterable[str]) -> Cells:
    return [cell.strip().replace("|", "\\|") for cell in line]
