"""``wtalkit train``: a model from features and the labels of each video."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import (
    AnnotationsFile,
    AssumeSpec,
    Debug,
    Device,
    DeviceName,
    Features,
    Quiet,
    Subset,
    Verbose,
)
from wtalkit.cli.terminal import Terminal, stderr_console
from wtalkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtalkit.project import Project
    from wtalkit.runs import Run


def command(
    method: Annotated[str, typer.Option(metavar="M", help="A base or a plug-in, see wtalkit methods.")],
    base: Annotated[
        str | None,
        typer.Option(metavar="B", help="Base under a plug-in. Default: the plug-in's own.", show_default=False),
    ] = None,
    plugin: Annotated[
        list[str] | None, typer.Option(metavar="P", help="A further plug-in.", show_default=False)
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="PART[,PART]", help="Components to leave out.", show_default=False)
    ] = None,
    features: Features = None,
    annotations: AnnotationsFile = None,
    subset: Subset = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A bundled recipe or a .toml file. Default: by the features.", show_default=False
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the recipe.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of everything random. Default: 0.", show_default=False)
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N,N,N", help="Train once with each of these seeds.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the runs. Default: runs, or what wtalkit.toml says.", show_default=False
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run.")] = False,
    assume_spec: AssumeSpec = None,
    device: Device = DeviceName.auto,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Train a model on features and labels.

    The labels only say what happens in each video; when it happens is what the model learns.
    """
    from wtalkit import train
    from wtalkit.project import Project

    terminal = Terminal(quiet=quiet, verbose=verbose)
    project = Project.load()
    chosen = _seeds(seed, seeds)
    trained: list[Run] = []
    try:
        for number in chosen:
            with _StepBar(terminal, method if number is None else f"{method}, seed {number}") as bar:
                run = train(
                    method, base=base, plugins=tuple(plugin or ()), without=_split(without),
                    features=features or project.features, annotations=annotations or project.annotations,
                    subset=subset or project.settings.train_subset, assume_spec=assume_spec, recipe=recipe,
                    overrides=tuple(set_ or ()), seed=number, out=out or project.runs, resume=resume,
                    device=device.value, command=f"wtalkit {shlex.join(sys.argv[1:])}",
                    progress=bar.step, announce=bar.say,
                )  # fmt: skip
            trained.append(run)
    except KeyboardInterrupt:
        terminal.fail(f"stopped. wtalkit train --method {method} --resume goes on where it was.")
        return 130
    for run in trained:
        terminal.write(f"model in {run.model}")
    terminal.next_step(f"Next: {_next(project, out)}")
    return 0


class _StepBar:
    """Progress of one training on stderr."""

    def __init__(self, terminal: Terminal, title: str) -> None:
        self.terminal, self.title = terminal, title
        self._tenth = -1
        self._update: Callable[[int, int, str], None] | None = None

    def __enter__(self) -> _StepBar:
        if self.terminal.live:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), MofNCompleteColumn(),
                TextColumn("{task.fields[losses]}", style="dim"), TimeRemainingColumn(compact=True),
            )  # fmt: skip
            bar = self._bar = Progress(*columns, console=stderr_console(), transient=True)
            task = bar.add_task(self.title, total=None, losses="")
            self._update = lambda step, steps, text: bar.update(task, completed=step, total=steps, losses=text)
            bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._update is not None:
            self._bar.stop()

    def step(self, step: int, steps: int, losses: dict[str, float]) -> None:
        """The training is at ``step`` of ``steps``."""
        text = f"loss {losses['total']:.3f}" if "total" in losses else ""
        if self._update is not None:
            self._update(step, steps, text)
        elif step * 10 // steps > self._tenth:
            self._tenth = step * 10 // steps
            self.terminal.remark(f"{self.title}  step {step} of {steps}  {text}")

    def say(self, sentence: str) -> None:
        """Something was decided."""
        self.terminal.remark(sentence)


def _seeds(seed: int | None, seeds: str | None) -> list[int | None]:
    if seeds is None:
        return [seed]
    if seed is not None:
        raise ConfigError("--seed and --seeds exclude each other")
    try:
        return [int(part) for part in seeds.split(",")]
    except ValueError as error:
        raise ConfigError(f"--seeds {seeds!r} is not a list of numbers", remedy="Write it as 0,1,2") from error


def _split(names: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for each in names or () for part in each.split(",") if part.strip())


def _next(project: Project, out: Path | None) -> str:
    from wtalkit.annotations import load_annotations

    if out is not None and out.resolve() != project.runs.resolve():
        return f"wtalkit detect VIDEO --model {out}/latest"
    scored = project.annotations.exists() and load_annotations(project.annotations).has_segments
    return "wtalkit detect VIDEO, or wtalkit evaluate" if scored else "wtalkit detect VIDEO"
