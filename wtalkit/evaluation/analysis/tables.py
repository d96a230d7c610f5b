"""An analysis as tables: for a terminal, as Markdown, as CSV. Scores are in percent."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wtalkit.evaluation.analysis.errors import Kind
from wtalkit.evaluation.thresholds import tiou_key

if TYPE_CHECKING:
    from wtalkit.evaluation.analysis.report import Analysis

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows with a name each.

    Attributes:
        name: what it is called in CSV.
        title: what it says, for a heading.
        columns: what is in the first column, and the names of the others.
        rows: the name of a row, then its cells: fractions as floats, counts as integers.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def text(self) -> list[list[str]]:
        """The rows as people read them."""
        return [[_shown(cell) for cell in row] for row in self.rows]


def tables(result: Mapping[str, Any], analysis: Analysis | None = None) -> list[Table]:
    """Everything that is known, a table per subject.

    Args:
        result: what :func:`wtalkit.evaluate` said.
        analysis: of the same detections; without it there are mAP and the classes only.
    """
    if analysis is None:
        return [_map(result, None), _classes(result, None)]
    return [
        _map(result, analysis),
        _scores(analysis),
        _classes(result, analysis),
        _recall(analysis),
        _profile(analysis),
        _gains(analysis),
        _buckets(analysis),
    ]


def to_markdown(result: Mapping[str, Any], analysis: Analysis | None = None) -> str:
    """All tables with a heading each."""
    parts = []
    for table in tables(result, analysis):
        rule = ["---", *("---:" for _ in table.columns[1:])]
        lines = (table.columns, rule, *table.text)
        parts.append(f"## {table.title}\n\n" + "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines))
    return "\n".join(parts)


def to_csv(result: Mapping[str, Any], analysis: Analysis | None = None) -> str:
    """All tables as lines of ``table, row, column, value``: shares and scores in percent, counts as they are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "row", "column", "value"])
    for table in tables(result, analysis):
        for name, *cells in table.rows:
            for column, cell in zip(table.columns[1:], cells, strict=True):
                if cell is not None:
                    value = f"{100 * cell:.3f}" if isinstance(cell, float) else unformulated(str(cell))
                    writer.writerow([table.name, unformulated(str(name)), column, value])
    return out.getvalue()


def unformulated(text: str) -> str:
    """Text from outside, such that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _map(result: Mapping[str, Any], analysis: Analysis | None) -> Table:
    scores: dict[str, float] = {**result["map"], "mean": result["average_map"]}
    rows: list[tuple[Cell, ...]] = [("mAP", *scores.values())]
    if analysis is not None and analysis.interval is not None:
        for name, end, values in zip(("low", "high"), analysis.interval, (analysis.low, analysis.high), strict=True):
            rows.append((f"{name} ({100 * end:g} %)", *(values[key] for key in scores)))
    return Table("map", "mAP over tIoU", ("mAP in %", *scores), tuple(rows))


def _scores(analysis: Analysis) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = (
        ("classification mAP", analysis.classification_map),
        ("normalised mAP", analysis.sensitivity.map_n),
        ("instances missed", analysis.sensitivity.missed),
        ("area under average recall", analysis.recall.area),
    )
    return Table("scores", "Other scores", ("in %", "score"), rows)


def _classes(result: Mapping[str, Any], analysis: Analysis | None) -> Table:
    keys = list(result["map"])
    rows: list[tuple[Cell, ...]] = []
    counted = {} if analysis is None else {each.label: (each.instances, each.predictions) for each in analysis.classes}
    for label, values in sorted(result["per_class"].items()):
        ap = [float(values[key]) for key in keys]
        rows.append((label, *counted.get(label, ()), *ap, sum(ap) / len(ap)))
    columns = ("AP in %", *(("instances", "predictions") if counted else ()), *keys, "mean")
    return Table("classes", "AP by class", columns, tuple(rows))


def _recall(analysis: Analysis) -> Table:
    found = analysis.recall.to_dict()
    rows: list[tuple[Cell, ...]] = [("0.50:0.95", *found["0.50:0.95"].values())]
    rows.append((span(list(analysis.map)), *found["given"].values()))
    title = "Average recall at N proposals per video"
    return Table("recall", title, ("tIoU", *found["0.50:0.95"]), tuple(rows))


def _profile(analysis: Analysis) -> Table:
    errors = analysis.errors
    titles = tuple(kind.title for kind in Kind)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{number}-{number + 1} G", count, *shares.values())
        for number, (count, shares) in enumerate(zip(errors.counts, errors.shares, strict=True))
    )
    title = f"What the detections are, at tIoU {_diagnosed(analysis)}"
    return Table("profile", title, ("rank", "detections", *titles), rows)


def _gains(analysis: Analysis) -> Table:
    rows = tuple((kind.title, gain) for kind, gain in analysis.errors.gains.items())
    title = f"Gain in normalised mAP without the errors of a kind, at tIoU {_diagnosed(analysis)}"
    return Table("gains", title, ("errors", "gain"), rows)


def _buckets(analysis: Analysis) -> Table:
    found = analysis.sensitivity
    total = sum(each.instances for each in analysis.classes)
    rows: list[tuple[Cell, ...]] = [("all", "", total, found.map_n, found.missed)]
    for name, buckets in found.buckets.items():
        rows += [(f"{name} {each.size}", each.range, each.instances, each.map_n, each.missed) for each in buckets]
    title = f"By kind of instance, at tIoU {_diagnosed(analysis)}"
    return Table("sensitivity", title, ("instances", "range", "number", "normalised mAP", "missed"), tuple(rows))


def _diagnosed(analysis: Analysis) -> str:
    return span([tiou_key(value) for value in analysis.diagnosed])


def span(keys: Sequence[str]) -> str:
    """``0.50``, or the first and the last threshold: ``0.10:0.70``."""
    return keys[0] if len(keys) == 1 else f"{keys[0]}:{keys[-1]}"


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{100 * cell:.1f}" if isinstance(cell, float) else str(cell)


def _escaped(cell: str) -> str:
    return cell.strip().replace("|", "\\|").replace("\n", " ")
