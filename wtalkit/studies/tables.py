"""A comparison as text: cells for a terminal, Markdown, CSV. Scores are in percent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from wtalkit.studies.comparison import Comparison, Row
from wtalkit.studies.groups import Figure

Cells = list[str]


def cells(comparison: Comparison, keys: Sequence[str] | None = None) -> tuple[Cells, list[Cells]]:
    """The header and the lines, a line of differences under every row but the base's.

    Args:
        comparison: what to show.
        keys: the thresholds and averages shown; all when None.
    """
    shown = all_keys(comparison) if keys is None else list(keys)
    timed = any(row.group.seconds is not None for row in comparison.rows)
    header = ["mAP in %", "seeds", *shown, *(["training"] if timed else [])]
    lines = []
    for row in comparison.rows:
        figures, seconds = row.figures, row.group.seconds
        duration = [] if not timed else ["" if seconds is None else f"{seconds.mean:.0f} s"]
        lines.append(
            [row.group.name, str(len(row.group.members)), *(percent(figures[key]) for key in shown), *duration]
        )
        if row.differences:
            signed = [f"{100 * row.differences[key]:+.1f}" for key in shown]
            lines.append([f"  to {comparison.base}", "", *signed, *([""] if timed else [])])
    return header, lines


def all_keys(comparison: Comparison) -> list[str]:
    """Thresholds, then averages."""
    return list(comparison.rows[0].figures)


def percent(figure: Figure) -> str:
    """``38.3 ± 0.4``; one training has no spread."""
    return f"{100 * figure.mean:.1f}" + ("" if figure.std is None else f" ± {100 * figure.std:.1f}")


def to_markdown(comparison: Comparison) -> str:
    """A table of Markdown."""
    header, lines = cells(comparison)
    rule = ["---", *("---:" for _ in header[1:])]
    return "".join(f"| {' | '.join(_escaped(line))} |\n" for line in (header, rule, *lines))


def to_csv(comparison: Comparison) -> str:
    """A line per row: every figure's mean, sample standard deviation and difference to the base."""
    keys = all_keys(comparison)
    figures = [f"{key} {kind}" for key in keys for kind in ("mean", "std", "difference")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["name", "base", "plugins", "without", "proposer", "supervision", "n", "seeds", *figures, "training_seconds"]
    )
    for row in comparison.rows:
        plan, seconds = row.group.plan, row.group.seconds
        writer.writerow(
            [
                _text(row.group.name),
                plan.base,
                " ".join(plan.plugins),
                " ".join(plan.without),
                "" if plan.proposals is None else _text(plan.proposals.name),
                row.group.supervision,
                len(row.group.members),
                " ".join(str(member.plan.seed) for member in row.group.members),
                *(number for key in keys for number in _numbers(row, key)),
                "" if seconds is None else f"{seconds.mean:.1f}",
            ]
        )
    return out.getvalue()


def _numbers(row: Row, key: str) -> Cells:
    figure, difference = row.figures[key], row.differences.get(key)
    return [f"{100 * value:.3f}" if value is not None else "" for value in (figure.mean, figure.std, difference)]


def _escaped(line: Iterable[str]) -> Cells:
    return [cell.strip().replace("|", "\\|") for cell in line]


def _text(name: str) -> str:
    """A name from outside, such that no spreadsheet takes it for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name
