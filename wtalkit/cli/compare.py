"""``wtalkit compare``: trainings and predictions side by side, mean and spread over seeds, difference to a base."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import (
    AssumeSpec,
    Dataset,
    Debug,
    Features,
    GroundTruth,
    Json,
    Nms,
    Proposals,
    Protocol,
    Quiet,
    Rule,
    Subset,
    Tiou,
    Verbose,
    parse_rules,
    told_protocol,
)
from wtalkit.cli.terminal import Terminal, count
from wtalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtalkit.studies import Comparison


class TableFormat(StrEnum):
    """How a table is written."""

    table = "table"
    markdown = "markdown"
    csv = "csv"


_JSON = "json"
_BY_SUFFIX = {".md": TableFormat.markdown.value, ".csv": TableFormat.csv.value, ".json": _JSON}
_GAP = 2


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Runs, studies (train --seeds), 'latest', folders of runs, predictions files. Default: all runs here.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|STUDY|FILE|ROW",
            help="Show the differences to this one, tested on draws of the videos.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        TableFormat | None, typer.Option(help="Default: table, or by the ending of --out.", show_default=False)
    ] = None,
    features: Features = None,
    ground_truth: GroundTruth = None,
    subset: Subset = None,
    tiou: Tiou = None,
    dataset: Dataset = None,
    protocol: Protocol = None,
    nms: Nms = None,
    rule: Rule = None,
    assume_spec: AssumeSpec = None,
    proposals: Proposals = None,
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
    """Compare trainings and predictions: mAP, mean ± standard deviation over seeds.

    Runs that differ in nothing but the seed make one row, and so does a predictions file.
    """
    from wtalkit import compare
    from wtalkit.answer import to_text
    from wtalkit.atomic import write_text
    from wtalkit.places import require_apart, require_file
    from wtalkit.project import Project
    from wtalkit.studies import to_csv, to_markdown

    form = _form(format, out, json=json)
    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    if out is not None:
        require_file(out)
        read = [ground_truth or Project.load().annotations, proposals, *map(Path, runs or ()), Path(base or "")]
        require_apart(out, [each for each in read if each is not None])
    with terminal.status("scoring"):
        found = compare(
            runs or (), base=base, features=features, ground_truth=ground_truth, subset=subset, tiou=tiou,
            dataset=dataset, protocol=protocol, nms=nms, rules=parse_rules(rule or ()), assume_spec=assume_spec,
            proposals=proposals, again=again,
            progress=lambda done, total, name: terminal.detail(f"[{done + 1}/{total}] {name}"),
        )  # fmt: skip
    if dataset or protocol or nms or rule:
        terminal.remark(told_protocol(found.protocol))
    for note in found.notes:
        terminal.remark(note)
    writers: dict[str, Callable[[Comparison], str]] = {
        _JSON: lambda found: to_text(found.to_dict()), TableFormat.csv: to_csv, TableFormat.markdown: to_markdown,
    }  # fmt: skip
    text = writers[form](found) if form in writers else ""
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


def _form(format: TableFormat | None, out: Path | None, *, json: bool) -> str:
    """``json`` or one of :class:`TableFormat`: what the options say together.

    Raises:
        UsageError: they contradict each other.
    """
    said = {"--json": _JSON} if json else {}
    if format is not None:
        said[f"--format {format.value}"] = format.value
    if out is not None and out.suffix.lower() in _BY_SUFFIX:
        said[f"--out {out}"] = _BY_SUFFIX[out.suffix.lower()]
    if len(set(said.values())) > 1:
        raise UsageError(f"{' and '.join(said)} contradict each other", remedy="Leave one of them out")
    form = next(iter(said.values()), TableFormat.table if out is None else TableFormat.markdown)
    if out is not None and form == TableFormat.table:
        raise UsageError("--format table is for the screen, not for a file", remedy="Take markdown or csv")
    return form


def _show(terminal: Terminal, found: Comparison) -> None:
    from wtalkit.studies.tables import cells

    header, lines = cells(found, _fitting(found))
    terminal.table(header, lines, right=range(1, len(header)), gap=_GAP)


def _fitting(found: Comparison) -> list[str]:
    """As many thresholds as the terminal has room for and all averages, or as many of these as it has room for."""
    from wtalkit.studies.tables import cells

    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    thresholds, averages = list(found.rows[0].map), list(found.rows[0].averages)
    while len(thresholds) + len(averages) > 1:
        header, lines = cells(found, [*thresholds, *averages])
        widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
        if sum(widths) + _GAP * (len(widths) - 1) <= room:
            break
        if thresholds:
            thresholds = thresholds[::2] if len(thresholds) > 1 else []
        else:
            averages = averages[1:]
    return [*thresholds, *averages]
