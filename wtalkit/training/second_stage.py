"""Train a method on proposals: find or train who makes them, let it propose, then train the method on its proposals.

A proposer that is trained here has a run of its own in the folder ``proposer`` of the run. Whatever model made the
proposals goes into the model file, so that one file is all that ``detect`` needs.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit import runs
from wtalkit.errors import ConfigError, ModelError, ProposalsError
from wtalkit.methods import METHODS
from wtalkit.proposals import Proposer, load_proposals, pool
from wtalkit.runs import Run
from wtalkit.suggest import some_of
from wtalkit.training.accounting import WITHOUT_A_PROPOSAL
from wtalkit.training.data import TrainingSet
from wtalkit.training.fit import Candidates, build, few_threads, fit, require_known, spell_out, supervision_of
from wtalkit.training.plan import Plan, resolve_parts, split_without
from wtalkit.training.recipes import PROPOSER, load_recipe, proposer_recipe, split_changes
from wtalkit.training.request import Request
from wtalkit.training.resuming import kept_plan, members_of, require_unchanged, run_to_go_on_with

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtalkit.methods.composition import ProposalModel
    from wtalkit.modelfile import LoadedModel
    from wtalkit.proposals import ProposalFile


@dataclass(frozen=True)
class Maker:
    """Where the proposals come from; one of the three is there.

    Attributes:
        facts: what every result will say of it.
        parts: to be trained first: a base and its plug-ins.
        model: a model that is there already.
        file: a file of proposals.
    """

    facts: Proposer
    parts: tuple[str, ...] = ()
    model: LoadedModel | None = None
    file: ProposalFile | None = None


def train_on_proposals(
    request: Request, *, proposals: str | os.PathLike[str] | None, proposer: str | os.PathLike[str] | None
) -> Run:
    """Train ``request.method``; see :func:`wtalkit.train`."""
    own, dim = (request.method,), request.folder.spec.dim
    without, inner_without = split_without(request.method, request.without)
    maker = _maker(request, inner_without, proposals, proposer)
    changes, inner_changes = split_changes(request.overrides, maker.parts)
    if not maker.parts and (inner_without or inner_changes):
        stray = [*inner_without, *(f"proposer.{key}" for key in inner_changes)]
        raise ConfigError(f"no proposer is trained, so {stray[0]} means nothing", remedy="Leave it out")
    require_known(own, without, dim)
    run = run_to_go_on_with(request.resume, request.out, own, without, maker.facts)
    name = request.recipe_name(run)
    recipe = load_recipe(name, request.method, (), changes)
    plan = spell_out(request.plan(own, without, recipe, maker.facts), dim)
    inner = None
    if maker.parts:
        first = proposer_recipe(name, request.method, maker.parts, inner_changes, request.usual_recipe)
        method = next((part for part in (request.base, *request.plugins) if part), maker.parts[0])
        asked = replace(request.plan(maker.parts, inner_without, first), method=method, study=None)
        inner = spell_out(asked, dim)
    run, plan = request.started(run, plan)
    if inner is not None:
        inner = _kept_proposer(request, run, inner)
    if run is not None and run.finished:
        return run
    # All that can be wrong with what is given is found before anything is started.
    data = request.training_set(plan)
    taught = None
    if inner is not None and not (run is not None and _folder_of_proposer(run).finished):
        taught = request.training_set(inner)
    request.tell(data)
    candidates = None if maker.parts else _candidates(request, plan, maker, maker.model, data)
    with request.working_in(run, plan, data) as here:
        if run is None:
            if inner is not None:
                _folder_of_proposer(here).folder.mkdir(exist_ok=True)
                inner.write(_folder_of_proposer(here).config)
            plan.write(here.config)
        if not here.finished:
            if candidates is None and inner is not None:
                model = _trained(request, here, inner, maker, taught)
                candidates = _candidates(request, plan, maker, model, data)
            assert candidates is not None
            request.stage(request.method)
            empty = [key for key, found in zip(data.keys, candidates.pools, strict=True) if not len(found)]
            data = replace(data, account=data.account.without(empty, WITHOUT_A_PROPOSAL))
            fit(here, plan, data, request.progress, request.say, candidates)
        runs.mark_latest(request.out)
    return here


def _kept_proposer(request: Request, run: Run | None, inner: Plan) -> Plan:
    """The plan of the proposer's training that the run, or the study that a new one joins, was started with.

    Raises:
        ConfigError: what is asked for now is another one.
    """
    if run is not None:
        folder = _folder_of_proposer(run)
        if not folder.config.is_file() and run.finished:  # somebody cleaned up; the model file holds the proposer
            return inner
        return kept_plan(folder, inner, request.seed)
    for member in members_of(request.out, request.study):
        folder = _folder_of_proposer(member)
        if folder.config.is_file():
            require_unchanged(folder, Plan.read(folder.config).changed_settings(inner))
    return inner


def _folder_of_proposer(run: Run) -> Run:
    return Run(run.folder / PROPOSER)


def _maker(
    request: Request,
    without: tuple[str, ...],
    proposals: str | os.PathLike[str] | None,
    proposer: str | os.PathLike[str] | None,
) -> Maker:
    """Who makes the proposals: a file, a model, or what is trained first.

    Raises:
        ConfigError: several are named.
        ModelError: a model cannot make proposals, or works on other features.
        ProposalsError: the file cannot be used.
    """
    named = {
        "--proposals": proposals is not None,
        "--proposer": proposer is not None,
        "--base and --plugin": request.base is not None or bool(request.plugins),
    }
    if sum(named.values()) > 1:
        given = " and ".join(name for name, there in named.items() if there)
        raise ConfigError(f"{given} each name a proposer", remedy="Name one")
    if proposals is not None:
        file = load_proposals(proposals)
        for warning in file.warnings:
            request.say(warning)
        return Maker(file.proposer, model=_model_behind(file, request), file=file)
    if proposer is not None:
        model = _load(os.fspath(proposer), request)
        return Maker(model.as_proposer(), model=model)
    base = request.base or METHODS[request.method].default_base or ""
    parts = resolve_parts(base, None, request.plugins)
    entry = METHODS.get(parts[0])
    if entry is not None and entry.role == "proposals":
        raise ModelError(
            f"{request.method} judges proposals of a method on snippets, and {parts[0]} makes none",
            remedy="Name another --base",
        )
    require_known(parts, without, request.folder.spec.dim)
    facts = Proposer(
        method=parts[0],
        plugins=parts[1:],
        without=tuple(sorted(without)),
        supervision=supervision_of(parts),
        source="trained",
    )
    return Maker(facts, parts=parts)


def _load(name: str, request: Request) -> LoadedModel:
    """A model that makes proposals.

    Raises:
        ModelError: it makes none, or works on other features than those here.
    """
    from wtalkit.features import FeatureSpec
    from wtalkit.methods.composition import Composition
    from wtalkit.modelfile import load_model
    from wtalkit.project import Project
    from wtalkit.zoo import choose_model

    choice = choose_model(name, Project.load())
    if choice.zero_training is not None:
        raise ModelError(
            f"{choice.name} is a model without training, which cannot be put into a model file",
            remedy="Write its proposals with wtalkit detect --raw-proposals FILE, then name that with --proposals",
        )
    loaded = load_model(choice.path)
    loaded = loaded.proposer or loaded  # of a model on proposals, the one inside it that makes them
    if not isinstance(loaded.model, Composition):
        raise ModelError(f"a {loaded.header.method} model judges proposals and makes none", file=loaded.path)
    if loaded.header.feature_spec is None:
        raise ModelError("does not say which features it was trained on", file=loaded.path)
    if differences := FeatureSpec.from_dict(loaded.header.feature_spec).differences(request.folder.spec):
        raise ModelError(
            f"works on other features than {request.folder.path} holds: {'; '.join(differences)} (the model's first)",
            file=loaded.path,
            remedy="Take a proposer trained on these features",
        )
    return loaded


def _model_behind(file: ProposalFile, request: Request) -> LoadedModel | None:
    """The model that made a file of proposals, where it is still what and where it was."""
    path, digest = file.model.get("path"), file.model.get("sha256")
    needed = "so detect and evaluate will need --proposals with this one"
    if not file.raw or not isinstance(path, str) or not Path(path).is_file():
        request.say(f"{file.path} names no model that is here, {needed}")
        return None
    with Path(path).open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
            request.say(f"{path} is no longer the model that made {file.path}, {needed}")
            return None
    try:
        loaded = _load(path, request)
    except ModelError as error:
        request.say(f"{error.cause} ({path}), {needed}")
        return None
    request.say(f"the proposals were made by {path}, which goes into the model, too")
    return loaded


def _candidates(request: Request, plan: Plan, maker: Maker, model: LoadedModel | None, data: TrainingSet) -> Candidates:
    """The proposals of the training videos, and the model behind them, which makes them where there is no file.

    Raises:
        ProposalsError: a file holds none of these videos.
    """
    unique = _judge(plan, data.spec.dim).base.unique
    if maker.file is not None:
        seconds = [maker.file.seconds.get(key) for key in data.keys]
        missing = [key for key, found in zip(data.keys, seconds, strict=True) if found is None]
        if len(missing) == len(data):
            raise ProposalsError(f"holds proposals of none of the {len(data)} training videos", file=maker.file.path)
        if missing:
            request.say(f"{len(missing)} training videos have no proposals and teach nothing: {some_of(missing)}")
    else:
        assert model is not None
        seconds = _propose(model, data)
    pools = tuple(
        pool(
            () if found is None else found, timeline=data.spec.timeline, snippets=len(array), duration_s=duration_s,
            unique=unique,
        )
        for found, array, duration_s in zip(seconds, data.arrays, data.durations, strict=True)
    )  # fmt: skip
    total = sum(map(len, pools))
    request.say(f"{total} proposals in {len(data)} training videos, made by {maker.facts}")
    if not total:
        raise ProposalsError("there is not one proposal in the training videos", remedy="Take another proposer")
    return Candidates(pools, model)


def _judge(plan: Plan, feature_dim: int) -> ProposalModel:
    """The method without weights."""
    import torch

    from wtalkit.methods.composition import ProposalModel

    with torch.device("meta"):
        model = build(plan, 1, feature_dim)
    assert isinstance(model, ProposalModel)
    return model


def _trained(request: Request, run: Run, inner: Plan, maker: Maker, data: TrainingSet | None) -> LoadedModel:
    """The proposer of this run, trained on ``data`` now if it is not yet."""
    from wtalkit.modelfile import load_model

    folder = _folder_of_proposer(run)
    if data is not None and not folder.finished:
        request.say(f"no proposals were given: {maker.facts.name} is trained first, in {folder.folder}, to make them")
        request.stage(f"{maker.facts.name}, to make proposals")
        request.tell(data)
        fit(folder, inner, data, request.progress, request.say)
    return load_model(folder.model)


def _propose(loaded: LoadedModel, data: TrainingSet) -> list[NDArray[np.float64] | None]:
    """Seconds of every raw proposal in every training video."""
    from wtalkit.localizer import Localizer

    localizer = Localizer.of(loaded, data.spec.timeline)
    videos = zip(data.arrays, data.durations, strict=True)
    with few_threads(data.spec.dim):  # a sum's last digit may depend on their number, and resuming on the proposals
        return [localizer.raw_proposals(array, duration_s).seconds for array, duration_s in videos]
