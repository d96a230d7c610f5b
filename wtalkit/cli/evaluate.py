"""``wtalkit evaluate``: mAP of a model or of a predictions file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from wtalkit.cli.options import (
    AssumeSpec,
    Debug,
    Features,
    GroundTruth,
    Json,
    Model,
    Proposals,
    Quiet,
    Subset,
    Verbose,
)
from wtalkit.cli.terminal import Terminal, count

_COLUMN = 7
"""Characters a column of numbers takes."""


def command(
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score this predictions file instead of a model.")
    ] = None,
    model: Model = None,
    features: Features = None,
    ground_truth: GroundTruth = None,
    subset: Subset = None,
    tiou: Annotated[
        str, typer.Option(metavar="A:B:STEP", help="tIoU thresholds, both ends included; 0.5 and 0.5,0.75 work too.")
    ] = "0.1:0.7:0.1",
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
    from wtalkit.scoring import evaluate

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    with terminal.status("scoring"):
        result = evaluate(
            predictions, model=model, features=features, ground_truth=ground_truth, subset=subset, tiou=tiou,
            assume_spec=assume_spec, proposals=proposals,
        )  # fmt: skip
    if predictions is None:
        terminal.remark(f"model {result['model']['name']} ({result['model']['chosen_by']})")
    for warning in result["warnings"]:
        terminal.warn(warning)
    if json:
        terminal.document(to_text(result))
    else:
        _show(terminal, result)
    subset_text = f" of subset {result['subset']}" if result["subset"] else ""
    summary = f"{count(result['videos'], 'video')}{subset_text}, {count(result['instances'], 'instance')}"
    terminal.next_step(f"{summary}. Next: wtalkit detect VIDEO, for footage of your own")
    return 0


def _show(terminal: Terminal, result: dict[str, Any]) -> None:
    """Average precision in percent, a row per class and the mean of them last."""
    from wtalkit.proposals import attribution

    rows = [(label, values) for label, values in sorted(result["per_class"].items())]
    keys = _fitting(list(result["map"]), max(len(label) for label, _ in rows))
    table = [(label, *_percent(values, keys, sum(values.values()) / len(values))) for label, values in rows]
    table.append(("mAP", *_percent(result["map"], keys, result["average_map"])))
    terminal.table(("AP in %", *keys, "mean"), table, right=range(1, len(keys) + 2), gap=2)
    if told := attribution(result.get("model", {})):
        terminal.write(told)


def _percent(values: dict[str, float], keys: list[str], mean: float) -> list[str]:
    return [f"{100 * value:.1f}" for value in (*(values[key] for key in keys), mean)]


def _fitting(keys: list[str], label_width: int) -> list[str]:
    """As many thresholds as the terminal has room for; the mean is over all of them anyway."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    while len(keys) > 1 and label_width + _COLUMN * (len(keys) + 1) > room:
        keys = keys[::2]
    return keys
