"""``wtalkit train``: features and video-level labels in, a run folder with a model out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wtalkit import __version__, runs
from wtalkit.annotations import load_annotations, resolve_subset
from wtalkit.errors import ConfigError, FeaturesError, UsageError
from wtalkit.features import FeatureFolder, preset
from wtalkit.runs import Run
from wtalkit.training.data import load_training_set
from wtalkit.training.fit import Report, fit, require_known, spell_out
from wtalkit.training.plan import Plan, resolve_parts
from wtalkit.training.recipes import default_recipe, load_recipe

Changes = Mapping[str, Any] | Sequence[str]


def train(
    method: str,
    *,
    base: str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
    features: str | os.PathLike[str] = "feats",
    annotations: str | os.PathLike[str] = "annotations.json",
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
    progress: Report | None = None,
    announce: Callable[[str], None] | None = None,
) -> Run:
    """Train a method on the training subset's video-level labels.

    Args:
        method: a base, or a plug-in, which is put on ``base``.
        base: the base under a plug-in.
        plugins: further plug-ins, in order.
        without: components to leave out.
        features: folder that ``extract`` filled.
        annotations: what happens in the videos; *when* is never looked at.
        subset: the subset to train on; by its usual names when None.
        assume_spec: name of the spec of features that come without records.
        recipe: a bundled recipe or a TOML file; chosen by the features' backbone when None.
        overrides: changes to the recipe, ``KEY=VALUE`` texts or a mapping with dotted keys.
        seed: of everything random; 0 when None.
        out: folder of the runs.
        resume: go on with the newest unfinished run of this method instead of starting one, or with the run of this
            folder; one that is finished is given back as it is.
        device: ``auto``, ``cpu`` or ``cuda``.
        stamp: when the run starts, see :func:`wtalkit.runs.utc_stamp`; now when None.
        study: name of the group of trainings it belongs to, see :mod:`wtalkit.training.seeds`.
        command: the command line, kept with the run.
        progress: called at every logged step with ``(step, steps, losses by name)``.
        announce: told, one sentence at a time, what was decided and what was left out.

    Returns:
        The finished run.

    Raises:
        UsageError: options, recipe, features or annotations cannot be used, or there is nothing to resume.
        TrainingDiverged: a loss is no longer finite.
        MachineError: no such device, or the disk is full.
        KeyboardInterrupt: stopped; what was done is kept and can be resumed.
    """
    from wtalkit.backbones.device import resolve_device

    say = announce or _say_nothing
    target = resolve_device(device)
    folder = FeatureFolder(features, assume=None if assume_spec is None else preset(assume_spec))
    labels = load_annotations(annotations)
    parts = resolve_parts(method, base, plugins)
    require_known(parts, without, folder.spec.dim)
    run = _to_go_on_with(resume, Path(out), parts, without)
    if recipe is None and run is None:
        recipe = default_recipe(folder.spec.backbone)
        say(f"recipe {recipe}, the one for {folder.spec.backbone} features")
    source = recipe if run is None or recipe is not None else str(run.config)
    asked = Plan(
        method=method,
        base=parts[0],
        plugins=parts[1:],
        without=tuple(without),
        recipe=load_recipe(source or "", parts[0], parts[1:], overrides),
        seed=seed or 0,
        subset=resolve_subset("train", labels, configured=subset),
        features=os.fspath(features),
        annotations=os.fspath(annotations),
        device=str(target),
        stamp=stamp or runs.utc_stamp(datetime.now(UTC)),
        command=command,
        wtalkit=__version__,
        study=study,
    )
    plan = spell_out(asked, folder.spec.dim)
    if run is not None:
        plan = _kept_plan(run, plan, seed)
        if run.finished:
            say(f"{run.folder} is finished")
            return run
        say(f"going on with {run.folder}")
    members = _members(Path(out), study) if run is None else {}
    for member, kept in members.items():
        _require_unchanged(member, kept.changed_settings(plan))
    data = load_training_set(labels, folder, subset=plan.subset, min_snippets=plan.recipe.settings.min_snippets)
    for note in data.notes:
        say(note)
    say(f"{len(data)} training videos, {len(data.classes)} classes, labels only")
    if run is None:
        _require_same_data(members, data.digest)
        run = runs.create(out, method, plan.stamp)
        plan.write(run.config)
    fit(run, plan, data, progress, say)
    runs.mark_latest(out)
    return run


def _say_nothing(_: str) -> None:
    return


def _to_go_on_with(
    resume: bool | str | os.PathLike[str], out: Path, parts: Sequence[str], without: Sequence[str]
) -> Run | None:
    """The run that ``resume`` means, None for a new one.

    Raises:
        UsageError: there is none, or it is one of other parts.
    """
    if isinstance(resume, bool):
        return _unfinished(out, parts, without) if resume else None
    named = Run(Path(resume))
    run = named if named.config.is_file() else runs.resolve(resume)
    if run is None or not run.config.is_file():
        raise UsageError("is not the folder of a run", file=resume)
    kept = Plan.read(run.config)
    if (kept.parts, sorted(kept.without)) != (tuple(parts), sorted(without)):
        raise UsageError(f"is a run of {' + '.join(kept.parts)}, or one without other parts", file=run.folder)
    return run


def _members(out: Path, study: str | None) -> dict[Run, Plan]:
    """The runs of a study with what was asked of them: whatever joins them has their settings and data."""
    plans = {run: Plan.read(run.config) for run in runs.all_runs(out) if run.config.is_file()} if study else {}
    return {run: kept for run, kept in plans.items() if kept.study == study}


def _require_same_data(members: Iterable[Run], digest: str) -> None:
    """A study's trainings see the same videos, labels, lengths and kind of features.

    Raises:
        FeaturesError: a member has seen others.
    """
    for member in members:
        if _data_of(member) not in (None, digest):
            raise FeaturesError(
                "was trained on other features or labels, so this training cannot join its study",
                file=member.folder,
                remedy="Start a new study without --resume",
            )


def _data_of(run: Run) -> str | None:
    """Digest of a run's training data; None where the run holds nothing yet."""
    from wtalkit.modelfile import read_header
    from wtalkit.training.checkpoint import read_digest

    if run.finished:
        return read_header(run.model).provenance.get("data_digest")
    return read_digest(run.checkpoint) if run.checkpoint.is_file() else None


def _unfinished(out: Path, parts: Sequence[str], without: Sequence[str]) -> Run:
    """The newest unfinished run of a composition.

    Raises:
        UsageError: there is none.
    """
    others = []
    for run in reversed(runs.all_runs(out)):
        if run.finished:
            continue
        kept = Plan.read(run.config)
        if (kept.parts, sorted(kept.without)) == (tuple(parts), sorted(without)):
            return run
        others.append(run.name)
    of_others = f" (unfinished, but of other parts: {', '.join(others)})" if others else ""
    raise UsageError(
        f"there is no unfinished run of {' + '.join(parts)} to resume{of_others}",
        file=out,
        remedy="Start one without --resume",
    )


def _kept_plan(run: Run, asked: Plan, seed: int | None) -> Plan:
    """The plan a run was started with; what was asked for now must agree with it.

    Raises:
        ConfigError: a setting, the subset or the seed is another.
    """
    kept = Plan.read(run.config)
    changed = kept.changed_settings(asked)
    if seed is not None and seed != kept.seed:
        changed.append("seed")
    _require_unchanged(run, changed)
    return replace(kept, device=asked.device)


def _require_unchanged(run: Run, changed: Sequence[str]) -> None:
    if changed:
        raise ConfigError(
            f"was started with other values of {', '.join(changed)}",
            file=run.folder,
            remedy="A run keeps its settings; start a new one without --resume",
        )
