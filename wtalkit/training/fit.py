"""From a plan and its data to a model file: build, train, choose the display threshold, save. For either stage."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wtalkit.errors import ConfigError, ModelError
from wtalkit.proposals import Proposer, Supervision, strongest
from wtalkit.runs import Run
from wtalkit.training.calibrate import Calibration, calibrate
from wtalkit.training.data import TrainingSet
from wtalkit.training.plan import Plan
from wtalkit.training.recipes import Recipe
from wtalkit.training.resuming import PROPOSALS_MARK
from wtalkit.training.timing import timed

if TYPE_CHECKING:
    from wtalkit.localization import DecoderSettings
    from wtalkit.methods.composition import Model
    from wtalkit.modelfile import LoadedModel
    from wtalkit.proposals import Pool

SMALL_DIM = 1024
Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Candidates:
    """What a method on proposals is trained on besides the videos.

    Attributes:
        pools: the proposals of each training video, in the data's order.
        proposer: the model that made them, to go into the model file; None where only a file of them is known.
    """

    pools: tuple[Pool, ...]
    proposer: LoadedModel | None

    @property
    def digest(self) -> str:
        """Changes when a proposal does."""
        digest = hashlib.sha256()
        for pool in self.pools:
            digest.update(len(pool).to_bytes(8, "little") + pool.seconds.tobytes())
        return digest.hexdigest()[:16]


def fit(
    run: Run,
    plan: Plan,
    data: TrainingSet,
    report: Report | None,
    say: Callable[[str], None],
    candidates: Candidates | None = None,
) -> None:
    """Train what ``plan`` says into ``run``, from its resume state if it has one.

    Args:
        run: its folder.
        plan: everything decided.
        data: the training videos.
        report: told how far the training is.
        say: told what came of it.
        candidates: proposals of the videos, for a method on proposals.

    Raises:
        TrainingDiverged: a loss is no longer finite; no model is written.
        KeyboardInterrupt: stopped; the resume state is written.
        MachineError: the disk is full; the last resume state is kept.
    """
    import torch

    from wtalkit.localization import DecoderSettings
    from wtalkit.training.batches import Batches
    from wtalkit.training.checkpoint import load_checkpoint
    from wtalkit.training.loop import Loop
    from wtalkit.training.proposal_batches import ProposalBatches, TrainingProposals
    from wtalkit.training.resident import hold

    data.account.write(run)
    settings = plan.recipe.settings
    device = torch.device(plan.device)
    decoder = DecoderSettings.from_dict(settings.decoder)
    with _reproducible(device, plan.seed, data.spec.dim):
        model = build(plan, len(data.classes), data.spec.dim)
        model.prepare(data)
        for note in model.base.notes():
            say(note)
        generator = np.random.default_rng(plan.seed)
        model.to(device)
        batches: Batches | ProposalBatches
        if candidates is None:
            batches = Batches(data, settings, generator, hold(data.arrays, device, settings.resident, say))
        else:
            proposals = TrainingProposals.of(data, candidates.pools).held_on(device, settings.resident, say)
            batches = ProposalBatches(proposals, settings, generator)
        loop = Loop(
            model,
            batches,
            settings,
            run,
            digest=data.digest if candidates is None else f"{data.digest}{PROPOSALS_MARK}{candidates.digest}",
            steps_per_epoch=math.ceil(len(data) / settings.videos_a_step),
            report=report,
        )
        if run.checkpoint.is_file():
            loop.resume(load_checkpoint(run.checkpoint))
            say(f"{loop.step} of {settings.steps} steps were done")
        with timed(run, lambda: loop.step, plan.device):
            loop.train()
        chosen = calibrate_model(model, data, decoder, plan, candidates)
    say(
        f"display threshold {chosen.threshold:.3f}: the classes shown in the training videos match their labels "
        f"with F1 {chosen.f1:.2f}; {chosen.displayed} segments in {len(data)} videos"
    )
    _save(run, plan, data, model, decoder, chosen, candidates)


def learns_from_points(parts: Sequence[str]) -> bool:
    """Whether one of the methods is told a labelled frame of every action.

    Raises:
        ModelError: there is no such method.
    """
    from wtalkit.methods import method_class

    return any(method_class(name).needs_points for name in parts)


def build(plan: Plan, num_classes: int, feature_dim: int) -> Model:
    """The composition with fresh weights.

    Raises:
        ModelError, ConfigError: as :func:`wtalkit.methods.create`.
    """
    from wtalkit.methods import create

    tables: dict[str, Any] = {name: table for name, table in plan.recipe.options.items() if table}
    own = tables.pop(plan.base, {})
    return create(
        plan.base,
        num_classes=num_classes,
        feature_dim=feature_dim,
        plugins=plan.plugins,
        without=plan.without,
        feature_rms=plan.recipe.settings.feature_rms or None,
        **tables,
        **own,
    )


def require_known(parts: Sequence[str], without: Sequence[str], feature_dim: int) -> None:
    """Make sure that methods and components exist, before anything is read.

    Raises:
        ModelError: one does not; the nearest name is suggested.
    """
    import torch

    from wtalkit.methods import create

    with torch.device("meta"):  # nothing is computed
        create(parts[0], num_classes=1, feature_dim=feature_dim, plugins=parts[1:], without=without)


def spell_out(plan: Plan, feature_dim: int) -> Plan:
    """The plan with every option of its methods and its decoder written out; wrong ones are found here.

    The decoder's defaults come first, the methods' own wishes over them, the recipe's over those.

    Raises:
        ConfigError: an unknown or unusable option.
    """
    import torch

    from wtalkit.localization import DecoderSettings

    with torch.device("meta"):
        model = build(plan, 1, feature_dim)
    recipe = plan.recipe
    _require_fitting(model, recipe)
    lengths = {
        name: {part.length_option: recipe.settings.length} for name, part in model.parts.items() if part.length_option
    }
    options = {
        name: part.options_type(**{**lengths.get(name, {}), **recipe.options[name]}).model_dump(
            mode="json", exclude_none=True
        )
        for name, part in model.parts.items()
    }
    try:
        decoder = DecoderSettings.from_dict({**model.decoder_settings(), **recipe.settings.decoder})
    except ModelError as error:
        names = ", ".join(DecoderSettings.model_fields)
        raise ConfigError(error.cause, file=f"recipe {recipe.name}", remedy=f"The decoder has {names}") from error
    settings = recipe.settings.model_copy(update={"decoder": decoder.to_dict()})
    return replace(plan, recipe=replace(recipe, options=options, settings=settings))


def _require_fitting(model: Model, recipe: Recipe) -> None:
    """Proposals are drawn for methods on proposals, snippets for all others.

    Raises:
        ConfigError: the recipe says otherwise.
    """
    from wtalkit.methods.composition import ProposalModel

    settings, on_proposals = recipe.settings, isinstance(model, ProposalModel)
    if on_proposals != (settings.sampling == "proposals"):
        kind = "methods on proposals" if on_proposals else "methods on snippets"
        needed = '"proposals"' if on_proposals else '"random", "slots", "uniform" or "full"'
        raise ConfigError(
            f"sampling = {settings.sampling!r} is not for {kind}", file=f"recipe {recipe.name}", remedy=f"Take {needed}"
        )
    if on_proposals and settings.compile:
        raise ConfigError(
            "compile = true is not for methods on proposals: every batch has another number of them",
            file=f"recipe {recipe.name}",
            remedy="Leave it out",
        )


def calibrate_model(
    model: Model, data: TrainingSet, decoder: DecoderSettings, plan: Plan, candidates: Candidates | None = None
) -> Calibration:
    """Run the model over the training videos and choose the display threshold by their labels."""
    from wtalkit.localization import display
    from wtalkit.localizer import Localizer

    length = plan.recipe.settings.inference_length
    localizer = Localizer(model, decoder, data.classes, data.spec.timeline, length)
    shown = []
    for row, (array, duration_s) in enumerate(zip(data.arrays, data.durations, strict=True)):
        if candidates is None:
            found = localizer.candidates(array, duration_s)
        else:
            found = localizer.judge(array, candidates.pools[row], duration_s)
        shown.append(display(found, None))
    names = [data.label_names(row) for row in range(len(data))]
    return calibrate(shown, names, plan.recipe.settings.calibration)


def supervision_of(parts: Sequence[str], proposals: Proposer | None = None) -> Supervision:
    """What the labels of a training say, those that its proposals are learnt from included."""
    own: Supervision = "point-level" if learns_from_points(parts) else "video-level"
    return own if proposals is None else strongest(own, proposals.supervision)


def _save(
    run: Run,
    plan: Plan,
    data: TrainingSet,
    model: Model,
    decoder: DecoderSettings,
    chosen: Calibration,
    candidates: Candidates | None,
) -> None:
    from wtalkit.modelfile import ModelHeader, save_model

    provenance = {
        **plan.facts(),
        "training_videos": len(data),
        "data_digest": data.digest,
        "calibration": {"f1": chosen.f1, "best_f1": chosen.best_f1, "displayed": chosen.displayed},
    }
    provenance.pop("proposals", None)  # a field of its own in the header
    header = ModelHeader.of(
        model,
        data.classes,
        wtalkit=plan.wtalkit,
        feature_spec=data.spec.to_dict(),
        decoder=decoder.to_dict(),
        display_threshold=chosen.threshold,
        max_length=plan.recipe.settings.inference_length,
        supervision=supervision_of(plan.parts, plan.proposals),
        proposals=plan.proposals,
        provenance=provenance,
    )
    save_model(run.model, model, header, proposer=None if candidates is None else candidates.proposer)


@contextmanager
def _reproducible(device: Any, seed: int, dim: int) -> Iterator[None]:
    """Seed torch (dropout, fresh weights) and use deterministic kernels; the caller's own state comes back."""
    import torch

    gpus = [device.index or 0] if device.type == "cuda" else []
    memory: Any = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    with torch.random.fork_rng(devices=gpus), few_threads(dim if device.type == "cpu" else None):
        torch.manual_seed(seed)
        # CUDA would need an environment variable for it and lacks some kernels; the promise is made for the CPU.
        torch.use_deterministic_algorithms(device.type == "cpu")
        memory.fill_uninitialized_memory = False  # slow, and nothing of ours reads memory it has not written
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0])
            memory.fill_uninitialized_memory = before[1]


@contextmanager
def few_threads(dim: int | None) -> Iterator[None]:
    """One thread for features up to 1024 wide.

    Small matrices gain nothing from more threads, which on a busy machine mostly wait for each other; and the results
    are the same whatever the number of cores.

    Args:
        dim: width of the features; None leaves the threads as they are.
    """
    import torch

    threads = torch.get_num_threads()
    if dim is not None and dim <= SMALL_DIM:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
