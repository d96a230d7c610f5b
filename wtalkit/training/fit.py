"""From a plan and its data to a model file: build, train, choose the display threshold, save."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wtalkit.errors import ConfigError, ModelError
from wtalkit.runs import Run
from wtalkit.training.calibrate import Calibration, calibrate
from wtalkit.training.data import TrainingSet
from wtalkit.training.plan import Plan
from wtalkit.training.timing import timed

if TYPE_CHECKING:
    from wtalkit.localization import DecoderSettings
    from wtalkit.methods.composition import Composition

Report = Callable[[int, int, dict[str, float]], None]


def fit(run: Run, plan: Plan, data: TrainingSet, report: Report | None, say: Callable[[str], None]) -> None:
    """Train what ``plan`` says into ``run``, from its resume state if it has one.

    Raises:
        TrainingDiverged: a loss is no longer finite; no model is written.
        KeyboardInterrupt: stopped; the resume state is written.
    """
    import torch

    from wtalkit.localization import DecoderSettings
    from wtalkit.training.batches import Batches
    from wtalkit.training.checkpoint import load_checkpoint
    from wtalkit.training.loop import Loop

    settings = plan.recipe.settings
    device = torch.device(plan.device)
    decoder = DecoderSettings.from_dict(settings.decoder)
    with _reproducible(device, plan.seed, small=data.spec.dim <= 1024):
        model = build(plan, len(data.classes), data.spec.dim)
        model.prepare(data)
        loop = Loop(
            model.to(device),
            Batches(data, settings, np.random.default_rng(plan.seed)),
            settings,
            run,
            digest=data.digest,
            steps_per_epoch=math.ceil(len(data) / settings.batch_size),
            report=report,
        )
        if run.checkpoint.is_file():
            loop.resume(load_checkpoint(run.checkpoint))
            say(f"{loop.step} of {settings.steps} steps were done")
        with timed(run, lambda: loop.step, plan.device):
            loop.train()
        chosen = calibrate_model(model, data, decoder, plan)
    say(
        f"display threshold {chosen.threshold:.3f}: the classes shown in the training videos match their labels "
        f"with F1 {chosen.f1:.2f}; {chosen.displayed} segments in {len(data)} videos"
    )
    _save(run, plan, data, model, decoder, chosen)


def build(plan: Plan, num_classes: int, feature_dim: int) -> Composition:
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


def calibrate_model(model: Composition, data: TrainingSet, decoder: DecoderSettings, plan: Plan) -> Calibration:
    """Run the model over the training videos and choose the display threshold by their labels."""
    from wtalkit.localization import decode, display
    from wtalkit.methods.windows import run_windows

    shown = []
    for array, duration_s in zip(data.arrays, data.durations, strict=True):
        found = run_windows(model, array, data.spec.timeline, max_length=plan.recipe.settings.inference_length)
        candidates = decode(
            found.act_scores,
            found.attn,
            found.video_scores,
            classes=data.classes,
            timeline=data.spec.timeline,
            duration_s=duration_s,
            settings=decoder,
            plugin_attn=found.plugin_attn,
            score_logits=found.score_logits,
        )
        shown.append(display(candidates, None))
    names = [data.label_names(row) for row in range(len(data))]
    return calibrate(shown, names, plan.recipe.settings.calibration)


def _save(
    run: Run, plan: Plan, data: TrainingSet, model: Composition, decoder: DecoderSettings, chosen: Calibration
) -> None:
    from wtalkit.modelfile import ModelHeader, save_model

    provenance = {
        **plan.facts(),
        "training_videos": len(data),
        "data_digest": data.digest,
        "calibration": {"f1": chosen.f1, "best_f1": chosen.best_f1, "displayed": chosen.displayed},
    }
    header = ModelHeader.of(
        model,
        data.classes,
        wtalkit=plan.wtalkit,
        feature_spec=data.spec.to_dict(),
        decoder=decoder.to_dict(),
        display_threshold=chosen.threshold,
        max_length=plan.recipe.settings.inference_length,
        provenance=provenance,
    )
    save_model(run.model, model, header)


@contextmanager
def _reproducible(device: Any, seed: int, small: bool) -> Iterator[None]:
    """Seed torch (dropout, fresh weights) and use deterministic kernels; the caller's own state comes back."""
    import torch

    gpus = [device.index or 0] if device.type == "cuda" else []
    memory: Any = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        # CUDA would need an environment variable for it and lacks some kernels; the promise is made for the CPU.
        torch.use_deterministic_algorithms(device.type == "cpu")
        if small and device.type == "cpu":
            # Small matrices gain nothing from more threads, which on a busy machine mostly wait for each other; and the
            # weights come out the same whatever the number of cores.
            torch.set_num_threads(1)
        memory.fill_uninitialized_memory = False  # slow, and nothing of ours reads memory it has not written
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(before[0])
            memory.fill_uninitialized_memory = before[1]
