"""``wtalkit annotations``: make annotations from annotations."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wtalkit.cli.options import Debug, Quiet, Subset, Verbose
from wtalkit.cli.terminal import Terminal, count

if TYPE_CHECKING:
    from wtalkit.annotations import Annotations

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
    from wtalkit.errors import UsageError
    from wtalkit.project import Project

    terminal = Terminal(quiet=quiet, verbose=verbose)
    project = Project.load()
    source = project.annotations if annotations is None else annotations
    _require_free(out, overwrite)
    if out.exists() and source.exists() and out.samefile(source):
        raise UsageError(
            "is what the points are drawn from, and would lose its segments", file=out, remedy="Name another --out"
        )
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


@app.command("split")
def split_command(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .json file to write, such as annotations.json.")],
    annotations: Annotated[
        Path | None,
        typer.Argument(
            metavar="ANNOTATIONS",
            help="What happens in the videos: a file, or a folder per class. "
            "Default: annotations.json, labels.csv, the folders in videos, or what wtalkit.toml says.",
            show_default=False,
        ),
    ] = None,
    test: Annotated[float, typer.Option(metavar="SHARE", help="Share of the videos that is set apart.")] = 0.2,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the choices.")] = 0,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Videos in whose names it finds the same text stay together; '^[^/]*/': those of a folder.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there: the file, and subsets that videos are in.")
    ] = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Set some videos apart to score with, and keep the split.

    Every class gets its share of both sides, also where videos have several. Videos that are in a subset stay there,
    unless --overwrite is given. Where some videos have segments, only these are set apart.
    """
    from wtalkit.annotations import load_annotations, resolve_subset, split_annotations
    from wtalkit.answer import to_text
    from wtalkit.atomic import write_text
    from wtalkit.project import Project

    terminal = Terminal(quiet=quiet, verbose=verbose)
    project = Project.load()
    source = project.annotations if annotations is None else annotations
    _require_free(out, overwrite)
    labels = load_annotations(source)
    made = split_annotations(labels, test=test, seed=seed, group=group, anew=overwrite)
    write_text(out, to_text(_document(source, made)))
    for warning in made.warnings:
        terminal.warn(warning)
    changed = sum(video.subset not in (None, made.videos[key].subset) for key, video in labels.videos.items())
    if changed:
        terminal.warn(
            f"{count(changed, 'video')} changed sides: do not score models with them that were trained before"
        )
    if not made.has_segments:
        terminal.remark("no video says when anything happens: wtalkit evaluate needs to know that of the test videos")
    first = resolve_subset("train", made)
    names = sorted(made.subsets, key=lambda name: name != first)
    terminal.write(", ".join(f"{count(len(made.subset(name)), 'video')} in {name}" for name in names))
    if not quiet:
        _show_classes(terminal, made, names)
    is_found = Project.load().annotations.resolve() == out.resolve()
    if is_found and source.resolve() != out.resolve():
        terminal.remark(f"from here on {out} is read where {source} was")
    again = () if is_found else ("--annotations", str(out))
    terminal.next_step(f"Next: {shlex.join(['wtalkit', 'train', '--method', 'clasnet', *again])}")
    return 0


def _document(source: Path, made: Annotations) -> dict[str, Any]:
    """The JSON document of ``made``; of a JSON file with all it holds besides."""
    from wtalkit.documents import read_json
    from wtalkit.errors import AnnotationsError

    if source.is_dir() or not source.name.lower().endswith((".json", ".json.gz")):
        return made.to_activitynet()
    document: dict[str, Any] = read_json(source, error=AnnotationsError)[0]
    for key, video in made.videos.items():
        document["database"][key]["subset"] = video.subset
    return document


def _show_classes(terminal: Terminal, made: Annotations, subsets: list[str]) -> None:
    """How many videos of each class are in each subset."""
    from wtalkit.annotations import class_counts

    rows = [(label, *(str(counts[name]) for name in subsets)) for label, counts in class_counts(made).items()]
    terminal.write()
    terminal.table(("class", *subsets), rows, right=range(1, len(subsets) + 1))


def _require_free(out: Path, overwrite: bool) -> None:
    """Stop unless ``out`` may be written.

    Raises:
        UsageError: it is no JSON file, or there is something already.
    """
    from wtalkit.errors import UsageError

    if out.suffix.lower() != ".json":
        raise UsageError("is no name for annotations, which are written as JSON", file=out, remedy="End it in .json")
    if not out.exists():
        return
    if out.is_dir():
        raise UsageError("is a folder, not a file", file=out)
    if not overwrite:
        raise UsageError("is there already", file=out, remedy="Use another --out, or --overwrite to replace it")
