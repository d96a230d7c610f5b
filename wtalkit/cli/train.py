"""``wtalkit train``: a model from features and the labels of each video."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wtalkit.cli.options import (
    AnnotationsFile,
    AssumeSpec,
    Debug,
    Device,
    DeviceName,
    Features,
    LogJson,
    Quiet,
    Subset,
    Verbose,
)
from wtalkit.cli.terminal import Terminal
from wtalkit.errors import ConfigError
from wtalkit.status import STATUS_FILE

if TYPE_CHECKING:
    from wtalkit.project import Project
    from wtalkit.runs import Run
    from wtalkit.training.seeds import Study


def command(
    method: Annotated[
        str, typer.Option(metavar="M", help="A base, a plug-in or a method on proposals, see wtalkit methods.")
    ],
    base: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            help="Base under a plug-in, or that is trained first to make proposals. Default: the method's own.",
            show_default=False,
        ),
    ] = None,
    plugin: Annotated[
        list[str] | None, typer.Option(metavar="P", help="A further plug-in.", show_default=False)
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="PART[,PART]", help="Components to leave out.", show_default=False)
    ] = None,
    proposals: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For methods on proposals: take these (detect --raw-proposals) and train no base.",
            show_default=False,
        ),
    ] = None,
    proposer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|RUN", help="The same: a model that is there already makes them.", show_default=False
        ),
    ] = None,
    features: Features = None,
    annotations: AnnotationsFile = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="Take the labels of a data set that wtalkit knows: thumos14, activitynet1.2, activitynet1.3.",
            show_default=False,
        ),
    ] = None,
    subset: Subset = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A bundled recipe or a .toml file. Default: by features and labels.",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the recipe.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of everything random. Default: 0.", show_default=False, min=0)
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N,N,N", help="A study: train once with each of these seeds.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the runs. Default: runs, or what wtalkit.toml says.", show_default=False
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run or study.")] = False,
    assume_spec: AssumeSpec = None,
    device: Device = DeviceName.auto,
    log_json: LogJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Train a model on features and labels.

    The labels only say what happens in each video; when it happens is what the model learns.
    """
    from wtalkit import train
    from wtalkit.cli.step_progress import StepProgress
    from wtalkit.project import Project
    from wtalkit.runs import all_runs, is_done
    from wtalkit.training.seeds import parse_seeds

    if seed is not None and seeds is not None:
        raise ConfigError("--seed and --seeds exclude each other")
    if annotations is not None and dataset is not None:
        raise ConfigError("--annotations and --dataset exclude each other")
    terminal = Terminal(quiet=quiet, verbose=verbose, log_json=log_json)
    project = Project.load()
    known = dataset if dataset is not None or annotations is not None else project.settings.dataset
    labels = annotations or project.annotations
    if annotations is None and known is None and labels.is_dir():
        terminal.remark(f"labels from the folders in {labels}, each of which is named after what happens in it")
    folder = out or project.runs
    parts: dict[str, Any] = {"base": base, "plugins": tuple(plugin or ()), "without": _split(without)}
    study = None if seeds is None else _study(folder, method, parts, resume)
    trained: list[Run] = []
    before = set(all_runs(folder))
    done = {run for run in before if is_done(run)}
    try:
        for number in [seed] if study is None or seeds is None else study.in_order(parse_seeds(seeds)):
            member = study.members.get(number) if study is not None and number is not None else None
            with StepProgress(terminal, method, "" if study is None else f", seed {number}") as bar:
                run = train(
                    method, **parts,
                    features=features or project.features, annotations=labels, dataset=known,
                    subset=subset or project.settings.train_subset, assume_spec=assume_spec,
                    recipe=study.recipe if study is not None and recipe is None else recipe,
                    overrides=tuple(set_ or ()), seed=number, out=folder,
                    resume=resume if study is None else member.folder if member is not None else False,
                    study=None if study is None else study.name,
                    device=device.value, command=f"wtalkit {shlex.join(sys.argv[1:])}",
                    proposals=proposals, proposer=proposer, progress=bar.step, announce=bar.say, stage=bar.turn_to,
                )  # fmt: skip
            trained.append(run)
    except KeyboardInterrupt:
        given = {
            "--base": [base], "--plugin": plugin or (), "--without": without or (), "--features": [features],
            "--annotations": [annotations], "--dataset": [dataset], "--subset": [subset], "--seeds": [seeds],
            "--out": [out], "--assume-spec": [assume_spec], "--proposals": [proposals], "--proposer": [proposer],
        }  # fmt: skip
        again = [word for name, values in given.items() for value in values if value for word in (name, str(value))]
        command = shlex.join(["wtalkit", "train", "--method", method, *again, "--resume"])
        now = all_runs(folder)
        ended = [run for run in now if is_done(run) and run not in done]
        begun = [run for run in now if not is_done(run) and (resume or run not in before)]
        if begun or (study is not None and ended):
            terminal.fail(f"stopped. {command} goes on where it was.")
        elif ended:
            terminal.fail(f"stopped when the training had just ended: the model is in {ended[-1].model}")
        else:
            terminal.fail("stopped before anything was begun.")
        return 130
    for run in trained:
        terminal.write(f"model in {run.model}")
    _tell_left_out(terminal, trained)
    terminal.next_step(f"Next: {_next(project, out, study, dataset)}")
    return 0


def _tell_left_out(terminal: Terminal, trained: list[Run]) -> None:
    """What became of the videos that were not trained on as they should be, once for trainings with equal ones."""
    from wtalkit.status import read_status
    from wtalkit.training.accounting import summary
    from wtalkit.training.recipes import PROPOSER

    files: dict[str, Path] = {}
    for folder in (each for run in trained for each in (run.folder, run.folder / PROPOSER)):
        text = summary(read_status(folder).values())
        if text:
            files.setdefault(text, folder / STATUS_FILE)
    for text, file in files.items():
        terminal.warn(f"{text}; see {file}")


def _study(folder: Path, method: str, parts: dict[str, Any], resume: bool) -> Study:
    from wtalkit.runs import utc_stamp
    from wtalkit.training.seeds import new_study, study_to_resume

    if resume:
        return study_to_resume(folder, method, **parts)
    return new_study(folder, method, utc_stamp(datetime.now(UTC)))


def _split(names: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for each in names or () for part in each.split(",") if part.strip())


def _next(project: Project, out: Path | None, study: Study | None, dataset: str | None) -> str:
    from wtalkit.annotations import load_annotations

    elsewhere = out is not None and out.resolve() != project.runs.resolve()
    scored = dataset is not None or (
        project.annotations.exists() and load_annotations(project.annotations).has_segments
    )
    named = "" if dataset is None else f" --dataset {dataset}"
    if study is not None and scored and dataset is None:
        return f"wtalkit compare {out / study.name if out is not None and elsewhere else study.name}"
    if elsewhere:
        return f"wtalkit detect VIDEO --model {out}/latest"
    return f"wtalkit detect VIDEO, or wtalkit evaluate{named}" if scored else "wtalkit detect VIDEO"
