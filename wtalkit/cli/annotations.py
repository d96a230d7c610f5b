"""``wtalkit annotations``: make annotations from annotations."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wtalkit.cli.options import Debug, Quiet, Subset, Verbose
from wtalkit.cli.terminal import Terminal, count

app = typer.Typer(help="Make annotations from annotations.", no_args_is_help=False, rich_markup_mode=None)


class DistributionName(StrEnum):
    """Where in its segment a point lies."""

    gaussian = "gaussian"
    uniform = "uniform"
    middle = "middle"


@app.callback()
def kinds() -> None:
    """Make annotations from annotations."""


@app.command("points")
def points_command(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .json file to write.")],
    annotations: Annotated[
        Path | None,
        typer.Argument(
            metavar="ANNOTATIONS",
            help="Annotations with segments. Default: annotations.json, labels.csv, or what wtalkit.toml says.",
            show_default=False,
        ),
    ] = None,
    subset: Subset = None,
    distribution: Annotated[
        DistributionName,
        typer.Option(
            help="Where in its segment a point lies; gaussian: around the middle, deviating by a sixth of the length."
        ),
    ] = DistributionName.gaussian,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the choices.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Draw a labelled frame inside every training segment.

    For experiments: a real annotator clicks. The training videos lose their segments, the others keep theirs, so the
    new file serves both training and scoring.
    """
    from wtalkit.annotations import load_annotations, points_from_segments, resolve_subset
    from wtalkit.answer import to_text
    from wtalkit.atomic import write_text
    from wtalkit.project import Project

    terminal = Terminal(quiet=quiet, verbose=verbose)
    project = Project.load()
    source = project.annotations if annotations is None else annotations
    _require_free(out, source, overwrite)
    labels = load_annotations(source)
    chosen = resolve_subset("train", labels, configured=subset or project.settings.train_subset)
    made = points_from_segments(labels, subset=chosen, distribution=distribution.value, seed=seed)
    write_text(out, to_text(made.to_activitynet()))
    for warning in made.warnings:
        terminal.warn(warning)
    if not made.has_segments:
        terminal.remark(f"no segment is left in {out}: keep {source} to score with")
    marked = [len(video.points) for video in made.subset(chosen).videos.values() if video.points]
    where = f"{count(len(marked), 'video')}{'' if chosen is None else f' of subset {chosen}'}"
    terminal.write(
        f"{count(sum(marked), 'point')} in {where}, for experiments: a real annotator clicks, these are drawn"
    )
    again = () if subset is None else ("--subset", subset)
    step = shlex.join(["wtalkit", "train", "--method", "lac", "--annotations", str(out), *again])
    terminal.next_step(f"Next: {step}")
    return 0


def _require_free(out: Path, source: Path, overwrite: bool) -> None:
    """Stop unless ``out`` may be written.

    Raises:
        UsageError: it is no JSON file, it is what the points come from, or there is something already.
    """
    from wtalkit.errors import UsageError

    if out.suffix.lower() != ".json":
        raise UsageError("is no name for annotations, which are written as JSON", file=out, remedy="End it in .json")
    if not out.exists():
        return
    if source.exists() and out.samefile(source):
        raise UsageError(
            "is what the points are drawn from, and would lose its segments", file=out, remedy="Name another --out"
        )
    if out.is_dir():
        raise UsageError("is a folder, not a file", file=out)
    if not overwrite:
        raise UsageError("is there already", file=out, remedy="Use another --out, or --overwrite to replace it")
