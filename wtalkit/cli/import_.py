"""``wtalkit import``: feature packs to a folder of features and annotations."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import Debug, Json, Quiet, Verbose
from wtalkit.cli.terminal import Terminal, count

if TYPE_CHECKING:
    from wtalkit.importing import ImportResult, LayoutName
    from wtalkit.project import Project

_MOST_ROWS = 20


class Layout(StrEnum):
    """How a pack is laid out."""

    auto = "auto"
    wtalc = "wtalc"
    cola = "cola"
    acmnet = "acmnet"
    pmil = "pmil"
    actionformer = "actionformer"
    hdf5 = "hdf5"


_LAYOUTS: dict[Layout, LayoutName] = {
    Layout.wtalc: "wtalc",
    Layout.cola: "cola",
    Layout.acmnet: "acmnet",
    Layout.pmil: "pmil",
    Layout.actionformer: "actionformer",
    Layout.hdf5: "hdf5",
}


class ModeName(StrEnum):
    """How arrays come into the folder."""

    auto = "auto"
    link = "link"
    copy = "copy"


def command(
    packs: Annotated[list[Path], typer.Argument(metavar="PACK", help="Folders or files of a pack, of one layout.")],
    layout: Annotated[Layout, typer.Option(help="How the pack is laid out; auto: found out.")] = Layout.auto,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="How its features were made. Default: by layout and data set.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the features. Default: feats, or what wtalkit.toml says.", show_default=False
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="thumos14, activitynet1.2 or activitynet1.3. Default: by the names of the videos.",
            show_default=False,
        ),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What happens in the videos. Default: a built-in data set's, else what the pack says.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        ModeName, typer.Option(help="Link the arrays that need no change, never copy, or never link.")
    ] = ModeName.auto,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Import again what is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at everything and write nothing.")] = False,
    json: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Make features and annotations of a feature pack.

    Everything in which the pack differs from the ground truth, from its preset or from itself is listed, and kept in
    DIR/import.json. What became of each video is in DIR/status.jsonl; the same command again does only what is missing.
    """
    from wtalkit.answer import to_text
    from wtalkit.cli.summary import summarize
    from wtalkit.importing import import_pack
    from wtalkit.project import Project
    from wtalkit.status import STATUS_FILE

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    project = Project.load()
    folder = project.features if out is None else out
    try:
        with _counted(terminal) as progress:
            result = import_pack(
                packs, folder, layout=_LAYOUTS.get(layout), preset=preset, dataset=dataset, annotations=annotations,
                mode=mode.value, overwrite=overwrite, dry_run=dry_run, progress=progress,
                project=project if out is None else None,
            )  # fmt: skip
    except KeyboardInterrupt:
        terminal.fail("stopped: what was imported is kept, and the same command goes on from there.")
        return 130
    if json:
        terminal.document(to_text(result.to_dict()))
    _tell(terminal, result)
    if not json:
        summarize(terminal, result.statuses, folder / STATUS_FILE)
    terminal.next_step(f"{_summary(result)}. Next: {_next(project, result)}")
    return 1 if result.failed else 0


@contextmanager
def _counted(terminal: Terminal) -> Iterator[Callable[[int, int], None] | None]:
    """A function to be told how many videos are through, which shows it where something can move."""
    if not terminal.live:
        yield None
        return
    from wtalkit.cli.terminal import stderr_console

    with stderr_console().status("opening the pack") as status:
        yield lambda done, total: status.update(f"{done}/{total} videos")


def _tell(terminal: Terminal, result: ImportResult) -> None:
    """Where it came from, what failed, and all that disagrees, the first few of each kind."""
    terminal.remark(f"layout {result.layout} · features {result.preset} · ground truth {result.truth or 'none'}")
    for note in result.notes:
        terminal.remark(note)
    for failure in result.failed:
        terminal.fail(f"{failure.path}: {failure.cause}")
    where = "" if result.dry_run else f", all in {result.out / 'import.json'}"
    for kind, number in result.counts.items():
        found = [each for each in result.disagreements if each.kind == kind]
        for each in found[:_MOST_ROWS]:
            terminal.warn(f"{kind}: {each}")
        if number > _MOST_ROWS:
            terminal.warn(f"{kind}: and {number - _MOST_ROWS} more{where}")


def _summary(result: ImportResult) -> str:
    would = "would be " if result.dry_run else ""
    copied = sum(how == "copied" for how in result.done.values())
    parts = [f"{count(len(result.done), 'video')} {would}imported to {result.out}"]
    parts += [f"{len(result.done) - copied} by link"] * bool(len(result.done) - copied)
    parts += [f"{len(result.skipped)} already there"] * bool(result.skipped)
    parts += [f"{len(result.failed)} failed"] * bool(result.failed)
    parts += [count(len(result.disagreements), "disagreement")] * bool(result.disagreements)
    if result.annotations_written:
        parts.append(f"annotations {would or 'are '}in {result.annotations}")
    return ", ".join(parts)


def _next(project: Project, result: ImportResult) -> str:
    if not result.done and not result.skipped:
        return "see what the messages above ask for"
    if result.dry_run:
        return "the same command without --dry-run"
    features = [] if result.out.resolve() == project.features.resolve() else ["--features", str(result.out)]
    if result.annotations is None:
        return "write what happens in each video to labels.csv (video,label), then wtalkit train --method clasnet"
    is_found = project.annotations.resolve() == result.annotations.resolve()
    named = [] if is_found else ["--annotations", str(result.annotations)]
    recipe = [] if result.dataset in (None, "thumos14") else ["--recipe", str(result.dataset)]
    return shlex.join(["wtalkit", "train", "--method", "clasnet", *recipe, *features, *named])
