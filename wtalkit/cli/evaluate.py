"""``wtalkit evaluate``: mAP of a model or of a predictions file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wtalkit.cli.options import (
    AssumeSpec,
    Dataset,
    Debug,
    Features,
    GroundTruth,
    Json,
    Model,
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtalkit.evaluation.analysis import Analysis
    from wtalkit.evaluation.preparing import Prepared
    from wtalkit.evaluation.rules import Rules

_COLUMN = 7
"""Characters a column of numbers takes, at most."""
_GAP = 2


def command(
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score this predictions file instead of a model.")
    ] = None,
    model: Model = None,
    features: Features = None,
    ground_truth: GroundTruth = None,
    subset: Subset = None,
    tiou: Tiou = None,
    dataset: Dataset = None,
    protocol: Protocol = None,
    nms: Nms = None,
    rule: Rule = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="X", help="Show published rows beside: paper:SEAL, paper:TSSAM, CO2-Net, ..."),
    ] = None,
    analysis: Annotated[
        bool,
        typer.Option("--analysis", help="Also average recall, kinds of error, kinds of instance, and how sure it is."),
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all numbers there, a line each.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all tables there.", show_default=False)
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw the analysis there, as SVG and PNG.", show_default=False),
    ] = None,
    assume_spec: AssumeSpec = None,
    proposals: Proposals = None,
    json: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Score a model or a predictions file.

    A model is run over the features of the test videos. The scores are mAP per tIoU, and AP per class.
    """
    from wtalkit.answer import to_text
    from wtalkit.project import Project
    from wtalkit.scoring import evaluate

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    _require_drawing(plots)
    truth = ground_truth or (None if dataset or protocol else Project.load().annotations)
    read = [Path(each) for each in (predictions, truth, proposals, model) if each is not None]
    _require_places({"--csv": csv, "--markdown": markdown}, plots, read)
    wanted = _Wanted(dataset or protocol)
    with terminal.status("scoring"):
        result = evaluate(
            predictions, model=model, features=features, ground_truth=ground_truth, subset=subset, tiou=tiou,
            dataset=dataset, protocol=protocol, nms=nms, rules=parse_rules(rule or ()), against=against,
            assume_spec=assume_spec, proposals=proposals, observe=wanted if analysis or plots is not None else None,
        )  # fmt: skip
        if wanted.analysis is not None:
            result["analysis"] = wanted.analysis.to_dict()
        written = _write(result, wanted.analysis, csv, markdown, plots)
    if predictions is None:
        terminal.remark(f"model {result['model']['name']} ({result['model']['chosen_by']})")
    if dataset or protocol or nms or rule:
        terminal.remark(told_protocol(result["protocol"]))
    for note in result["notes"]:
        terminal.remark(note)
    for warning in result["warnings"]:
        terminal.warn(warning)
    if json:
        terminal.document(to_text(result))
    else:
        _show(terminal, result, wanted.analysis)
    subset_text = f" of subset {result['subset']}" if result["subset"] else ""
    summary = f"{count(result['videos'], 'video')}{subset_text}, {count(result['instances'], 'instance')}"
    done = f", written to {' and '.join(map(str, written))}" if written else ""
    terminal.next_step(f"{summary}{done}. Next: wtalkit detect VIDEO, for footage of your own")
    return 0


class _Wanted:
    """Takes what is scored and analyses it; edges of buckets are those for ``name``, a data set or a protocol."""

    def __init__(self, name: str | None) -> None:
        self.analysis: Analysis | None = None
        self._name = name

    def __call__(self, prepared: Prepared, thresholds: tuple[float, ...], rules: Rules) -> None:
        from wtalkit.evaluation.analysis import analyse_prepared, buckets_of

        self.analysis = analyse_prepared(prepared, thresholds, rules, buckets=buckets_of(self._name))


def _require_drawing(plots: Path | None) -> None:
    """Make sure that plots can be drawn, before anything is scored.

    Raises:
        MachineError: they cannot.
    """
    if plots is not None:
        from wtalkit.evaluation.analysis.drawing import require_matplotlib

        require_matplotlib()


def _require_places(files: Mapping[str, Path | None], plots: Path | None, read: Sequence[Path]) -> None:
    """Make sure that all has a place, apart from what is read, before anything is scored.

    Raises:
        UsageError: something has not.
    """
    from wtalkit.places import require_apart, require_different, require_file, require_folder

    require_different(files)
    for option, path in files.items():
        if path is not None:
            require_file(path, option=option)
            require_apart(path, read, option=option)
    if plots is not None:
        require_folder(plots, "plots need", option="--plots")


def _write(
    result: dict[str, Any], analysis: Analysis | None, csv: Path | None, markdown: Path | None, plots: Path | None
) -> list[Path]:
    """The files that were asked for; gives them."""
    from wtalkit.atomic import write_text

    written = []
    if csv is not None or markdown is not None:
        from wtalkit.evaluation.analysis import to_csv, to_markdown

        for path, write in ((csv, to_csv), (markdown, to_markdown)):
            if path is not None:
                write_text(path, write(result, analysis))
                written.append(path)
    if plots is not None and analysis is not None:
        from wtalkit.evaluation.analysis import write_plots

        write_plots(analysis, plots)
        written.append(plots)
    return written


def _show(terminal: Terminal, result: dict[str, Any], analysis: Analysis | None) -> None:
    """Average precision in percent, a row per class and the mean of them last."""
    from wtalkit.proposals import attribution

    rows = [(label, values) for label, values in sorted(result["per_class"].items())]
    keys = _fitting(list(result["map"]), max(len(label) for label, _ in rows))
    table = [(label, *_percent(values, keys, sum(values.values()) / len(values))) for label, values in rows]
    table.append(("mAP", *_percent(result["map"], keys, result["average_map"])))
    terminal.table(("AP in %", *keys, "mean"), table, right=range(1, len(keys) + 2), gap=_GAP)
    if told := attribution(result.get("model", {})):
        terminal.write(told)
    if analysis is not None:
        _show_analysis(terminal, result, analysis)
    if "against" in result:
        terminal.write()
        _show_against(terminal, result)


def _show_analysis(terminal: Terminal, result: dict[str, Any], analysis: Analysis) -> None:
    """What there is beside AP by class, a table per subject."""
    from wtalkit.evaluation.analysis import tables

    for table in tables(result, analysis):
        if table.name != "classes":
            terminal.write()
            terminal.write(table.title)
            terminal.table(table.columns, table.text, right=range(1, len(table.columns)), gap=_GAP)


def _show_against(terminal: Terminal, result: dict[str, Any]) -> None:
    """The mean beside published ones, and below it what has to be known to compare them."""
    from wtalkit.against import all_keys, cells

    keys = all_keys(result)
    while True:
        header, lines, footnotes = cells(result, keys)
        widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
        if len(keys) == 1 or sum(widths) + _GAP * (len(widths) - 1) <= _room():
            break
        keys = keys[::-1][::2][::-1]  # the last is the average that papers are compared by
    terminal.table(header, lines, right=range(2, len(header) - 1), gap=_GAP)
    for footnote in footnotes:
        terminal.write(footnote)


def _percent(values: dict[str, float], keys: list[str], mean: float) -> list[str]:
    return [f"{100 * value:.1f}" for value in (*(values[key] for key in keys), mean)]


def _fitting(keys: list[str], label_width: int) -> list[str]:
    """As many thresholds as the terminal has room for; the mean is over all of them anyway."""
    while len(keys) > 1 and label_width + _COLUMN * (len(keys) + 1) > _room():
        keys = keys[::2]
    return keys


def _room() -> int:
    """Columns of the terminal; without one, as many as anything needs."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
