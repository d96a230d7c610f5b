"""``wtalkit train``: features and video-level labels in, a run folder with a model out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from wtalkit import runs
from wtalkit.annotations import Problems, load_annotations
from wtalkit.datasets import dataset as known_dataset
from wtalkit.errors import ConfigError
from wtalkit.features import FeatureFolder, preset
from wtalkit.methods import METHODS
from wtalkit.runs import Run
from wtalkit.training.fit import Report, fit, require_known, spell_out
from wtalkit.training.plan import resolve_parts
from wtalkit.training.recipes import load_recipe
from wtalkit.training.request import Changes, Request
from wtalkit.training.resuming import run_to_go_on_with


def train(
    method: str,
    *,
    base: str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
    features: str | os.PathLike[str] = "feats",
    annotations: str | os.PathLike[str] = "annotations.json",
    dataset: str | None = None,
    subset: str | None = None,
    assume_spec: str | None = None,
    recipe: str | None = None,
    overrides: Changes = (),
    seed: int | None = None,
    out: str | os.PathLike[str] = "runs",
    resume: bool | str | os.PathLike[str] = False,
    device: str = "auto",
    stamp: str | None = None,
    study: str | None = None,
    command: str = "",
    proposals: str | os.PathLike[str] | None = None,
    proposer: str | os.PathLike[str] | None = None,
    progress: Report | None = None,
    announce: Callable[[str], None] | None = None,
    stage: Callable[[str], None] | None = None,
) -> Run:
    """Train a method on the training subset's video-level labels.

    Args:
        method: a base, a plug-in, which is put on ``base``, or a method on proposals.
        base: the base under a plug-in; of a method on proposals the one that is trained first to make them.
        plugins: further plug-ins, in order.
        without: components to leave out; of a method on proposals also its proposer's.
        features: folder that ``extract`` filled.
        annotations: what happens in the videos; *when* is never looked at.
        dataset: a data set that the package knows (``thumos14``), whose labels are taken instead of ``annotations``.
        subset: the subset to train on; by its usual names when None.
        assume_spec: name of the spec of features that come without records.
        recipe: a bundled recipe or a TOML file; chosen by the features' backbone when None.
        overrides: changes to the recipe, ``KEY=VALUE`` texts or a mapping with dotted keys; ``proposer.KEY`` changes
            that of the proposer's training.
        seed: of everything random; 0 when None.
        out: folder of the runs.
        resume: go on with the newest unfinished run of this method instead of starting one, or with the run of this
            folder; one that is finished is given back as it is.
        device: ``auto``, ``cpu`` or ``cuda``.
        stamp: when the run starts, see :func:`wtalkit.runs.utc_stamp`; now when None.
        study: name of the group of trainings it belongs to, see :mod:`wtalkit.training.seeds`.
        command: the command line, kept with the run.
        proposals: a file of them, for a method on proposals; no proposer is trained then.
        proposer: a model (name, file or run) that makes them, instead; it goes into the model file.
        progress: called at every logged step with ``(step, steps, losses by name)``.
        announce: told, one sentence at a time, what was decided and what was left out.
        stage: told what is trained from here on, where a run trains a proposer first.

    Returns:
        The finished run.

    Raises:
        UsageError: options, recipe, features or annotations cannot be used, or there is nothing to resume.
        TrainingDiverged: a loss is no longer finite.
        MachineError: no such device, or the disk is full.
        KeyboardInterrupt: stopped; what was done is kept and can be resumed.
    """
    from wtalkit.backbones.device import resolve_device
    from wtalkit.training.second_stage import train_on_proposals

    source = Path(annotations) if dataset is None else known_dataset(dataset).path
    problems = Problems(source)
    request = Request(
        method=method,
        base=base,
        plugins=tuple(plugins),
        without=tuple(without),
        device=str(resolve_device(device)),
        folder=FeatureFolder(features, assume=None if assume_spec is None else preset(assume_spec)),
        labels=load_annotations(source, problems=problems),
        problems=problems,
        dataset=dataset,
        subset=subset,
        recipe=recipe,
        overrides=overrides,
        seed=seed,
        out=Path(out),
        resume=resume,
        stamp=stamp or runs.utc_stamp(datetime.now(UTC)),
        study=study,
        command=command,
        features=os.fspath(features),
        annotations=None if dataset is not None else os.fspath(annotations),
        progress=progress,
        say=announce or _say_nothing,
        stage=stage or _say_nothing,
    )
    entry = METHODS.get(method)
    if entry is not None and entry.role == "proposals":
        return train_on_proposals(request, proposals=proposals, proposer=proposer)
    if proposals is not None or proposer is not None:
        on_proposals = " and ".join(name for name, entry in METHODS.items() if entry.role == "proposals")
        raise ConfigError(
            f"{method} works on snippets and takes no proposals",
            remedy=f"--proposals and --proposer are for {on_proposals}",
        )
    return _train_on_snippets(request)


def _train_on_snippets(request: Request) -> Run:
    """Train a base with its plug-ins in a run of its own."""
    parts = resolve_parts(request.method, request.base, request.plugins)
    require_known(parts, request.without, request.folder.spec.dim)
    run = run_to_go_on_with(request.resume, request.out, parts, request.without)
    recipe = load_recipe(request.recipe_name(run), parts[0], parts[1:], request.overrides)
    plan = spell_out(request.plan(parts, request.without, recipe), request.folder.spec.dim)
    run, plan = request.started(run, plan)
    if run is not None and run.finished:
        return run
    data = request.training_set(plan)
    request.tell(data)
    with request.working_in(run, plan, data) as own:
        if run is None:
            plan.write(own.config)
        if not own.finished:
            fit(own, plan, data, request.progress, request.say)
        runs.mark_latest(request.out)
    return own


def _say_nothing(_: str) -> None:
    return
