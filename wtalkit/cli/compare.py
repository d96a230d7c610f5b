"""``wtalkit compare``: trainings side by side, mean and spread over seeds, difference to a base."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import AnnotationsFile, AssumeSpec, Debug, Features, Json, Quiet, Subset, Verbose
from wtalkit.cli.terminal import Terminal, count

if TYPE_CHECKING:
    from wtalkit.studies import Comparison


class TableFormat(StrEnum):
    """How a table is written."""

    table = "table"
    markdown = "markdown"
    csv = "csv"


_BY_SUFFIX = {".md": TableFormat.markdown, ".csv": TableFormat.csv}
_GAP = 2


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Runs, studies (train --seeds), 'latest', folders of runs. Default: all runs here.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="RUN|STUDY|ROW", help="Show the differences to this one.", show_default=False),
    ] = None,
    format: Annotated[
        TableFormat | None, typer.Option(help="Default: table, or by the ending of --out.", show_default=False)
    ] = None,
    features: Features = None,
    annotations: AnnotationsFile = None,
    subset: Subset = None,
    tiou: Annotated[
        str, typer.Option(metavar="A:B:STEP", help="tIoU thresholds, both ends included; 0.5 and 0.5,0.75 work too.")
    ] = "0.1:0.7:0.1",
    assume_spec: AssumeSpec = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the table there; .md, .csv and .json say how.", show_default=False),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Score anew what was scored before.")] = False,
    json: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Compare trainings: mAP, mean ± standard deviation over seeds.

    Runs that differ in nothing but the seed make one row.
    """
    from wtalkit import compare
    from wtalkit.answer import to_text
    from wtalkit.atomic import write_text
    from wtalkit.studies import to_csv, to_markdown

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    with terminal.status("scoring"):
        found = compare(
            runs or (), base=base, features=features, ground_truth=annotations, subset=subset, tiou=tiou,
            assume_spec=assume_spec, again=again,
            progress=lambda done, total, name: terminal.detail(f"[{done + 1}/{total}] {name}"),
        )  # fmt: skip
    for note in found.notes:
        terminal.remark(note)
    as_json = json or (out is not None and out.suffix == ".json")
    chosen = format or (_BY_SUFFIX.get(out.suffix, TableFormat.table) if out is not None else TableFormat.table)
    if as_json:
        text = to_text(found.to_dict())
    elif chosen is TableFormat.csv:
        text = to_csv(found)
    elif chosen is TableFormat.markdown or out is not None:
        text = to_markdown(found)
    else:
        text = ""
    if out is not None:
        write_text(out, text)
    elif text:
        terminal.document(text)
    else:
        _show(terminal, found)
    subset_text = f" of subset {found.subset}" if found.subset else ""
    scored = f"{count(found.videos, 'video')}{subset_text}, {count(found.instances, 'instance')}"
    if out is not None:
        terminal.next_step(f"{scored}, written to {out}.")
    elif text:
        terminal.remark(scored)
    else:
        terminal.next_step(f"{scored}. Next: wtalkit compare RUN... --base ROW --out table.md")
    return 0


def _show(terminal: Terminal, found: Comparison) -> None:
    from wtalkit.studies.tables import cells

    header, lines = cells(found, _fitting(found))
    terminal.table(header, lines, right=range(1, len(header)), gap=_GAP)


def _fitting(found: Comparison) -> list[str]:
    """All averages, and as many thresholds as the terminal has room for."""
    from wtalkit.studies.tables import cells

    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    thresholds, averages = list(found.rows[0].map), list(found.rows[0].averages)
    while thresholds:
        header, lines = cells(found, [*thresholds, *averages])
        widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
        if sum(widths) + _GAP * (len(widths) - 1) <= room:
            break
        thresholds = thresholds[::2] if len(thresholds) > 1 else []
    return [*thresholds, *averages]
