"""The training loop: one optimizer step after the other, logged, saved, stopped cleanly and gone on with."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from wtalkit.atomic import disk_errors_named, write_text
from wtalkit.errors import FeaturesError, TrainingDiverged
from wtalkit.methods.composition import Model, total_loss
from wtalkit.methods.interface import Progress, Term
from wtalkit.runs import Run
from wtalkit.training import checkpoint as state
from wtalkit.training.batches import Batches
from wtalkit.training.checkpoint import Checkpoint
from wtalkit.training.forward import training_forward
from wtalkit.training.proposal_batches import ProposalBatches
from wtalkit.training.settings import TrainSettings

Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Step:
    """What one step came to.

    Attributes:
        step: its number, from 1.
        rate: learning rate.
        total: the weighted sum of the losses.
        norm: of the gradient, before clipping.
        terms: the losses by name; of several batches, their averages.
    """

    step: int
    rate: float
    total: Tensor
    norm: Tensor
    terms: Mapping[str, Term]

    def values(self) -> dict[str, float]:
        """``total`` and every loss, unweighted."""
        return {"total": float(self.total), **{name: float(term.value.detach()) for name, term in self.terms.items()}}

    def to_json(self) -> str:
        """The line of metrics.jsonl."""
        losses = self.values()
        total = losses.pop("total")
        weights = {name: float(term.weight) for name, term in self.terms.items()}
        record = {"step": self.step, "lr": self.rate, "total": total, "grad_norm": float(self.norm)}
        return json.dumps({**record, "losses": losses, "weights": weights})


class Loop:
    """A training between its steps.

    Args:
        model: a composition, or a method on proposals; trained in place.
        batches: where the next batch comes from.
        settings: steps, rate, schedule and the rest.
        run: where metrics and the resume state go.
        digest: of the data, so that no other is gone on with.
        steps_per_epoch: steps until every video was seen once.
        report: called at every logged step with ``(step, steps, losses by name)``.
    """

    def __init__(
        self,
        model: Model,
        batches: Batches | ProposalBatches,
        settings: TrainSettings,
        run: Run,
        *,
        digest: str,
        steps_per_epoch: int,
        report: Report | None = None,
    ) -> None:
        self.model, self.batches, self.settings, self.run = model, batches, settings, run
        self.step = 0
        self._digest, self._steps_per_epoch, self._report = digest, steps_per_epoch, report
        self._device = next(model.parameters()).device
        self._gpus = [self._device.index or 0] if self._device.type == "cuda" else []
        self._optimizer = torch.optim.Adam(
            model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
        )
        self._forward = training_forward(model, precision=settings.precision, compiled=settings.compile)
        self._average = (
            {name: value.detach().clone() for name, value in model.named_parameters()} if settings.ema else {}
        )

    def resume(self, found: Checkpoint) -> None:
        """Go on from a saved state.

        Raises:
            FeaturesError: it was trained on other data.
        """
        if found.digest != self._digest:
            raise FeaturesError(
                "the features, labels or proposals are not those this run was started with",
                file=self.run.folder,
                remedy="Start a new run without --resume",
            )
        self.model.load_state_dict(state.group(found.tensors, "model"))
        self._average = {name: value.to(self._device) for name, value in state.group(found.tensors, "average").items()}
        state.restore_optimizer(self._optimizer, self.model, state.group(found.tensors, "optimizer"))
        state.restore_random(state.group(found.tensors, "random"), self._gpus)
        self.batches.restore(found.batches)
        self.step = found.step
        _cut_metrics(self.run.metrics, self.step)

    def train(self) -> None:
        """Run all steps that are left; the model then is the trained one.

        Raises:
            TrainingDiverged: a loss or the gradient is no longer finite; the last good state is kept.
            KeyboardInterrupt: the step under way was finished and saved first.
            MachineError: the disk is full; the last state is kept.
        """
        if self.step == 0:
            _cut_metrics(self.run.metrics, 0)
            self.save()
        self.model.train()
        with _deferred_interrupt() as interrupted:
            while self.step < self.settings.steps:
                done = self._advance()
                try:
                    if self._is_due(self.settings.log_every):
                        self._log(done)
                        if self._report is not None:
                            self._report(self.step, self.settings.steps, done.values())
                    if interrupted():
                        raise KeyboardInterrupt
                except KeyboardInterrupt:
                    self.save()
                    raise
                if self._is_due(self.settings.checkpoint_every):
                    self.save()
            if interrupted():  # while the last state was written
                raise KeyboardInterrupt
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name in self._average:
                    parameter.copy_(self._average[name])
        self.model.eval()

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.settings.steps

    def _log(self, done: Step) -> None:
        """Add a line to metrics.jsonl; on the disk before the next resume state is, which cannot bring it back."""
        with disk_errors_named(self.run.metrics), self.run.metrics.open("a", encoding="utf-8") as metrics:
            metrics.write(done.to_json() + "\n")
            metrics.flush()
            os.fsync(metrics.fileno())

    def save(self) -> None:
        """Write the resume state.

        Raises:
            MachineError: the disk is full; the state before is kept.
        """
        tensors = {
            **state.named(self.model.state_dict(), "model"),
            **state.named(self._average, "average"),
            **state.named(state.optimizer_tensors(self._optimizer, self.model), "optimizer"),
            **state.named(state.random_tensors(self._gpus), "random"),
        }
        state.save_checkpoint(self.run.checkpoint, Checkpoint(self.step, self._digest, self.batches.state(), tensors))

    def _advance(self) -> Step:
        rate = learning_rate(self.settings, self.step)
        self._optimizer.zero_grad(set_to_none=True)
        total, terms = averaged([self._add_gradients() for _ in range(self.settings.accumulate)])
        parameters = [parameter for parameter in self.model.parameters() if parameter.grad is not None]
        norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        done = Step(self.step + 1, rate, total, norm, terms)
        self._require_finite(done)
        if self.settings.grad_clip:
            nn.utils.clip_grads_with_norm_(parameters, self.settings.grad_clip, norm)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        if self._average:
            with torch.no_grad():
                for name, parameter in self.model.named_parameters():
                    self._average[name].lerp_(parameter, 1 - self.settings.ema)
        self.step += 1
        return done

    def _add_gradients(self) -> tuple[Tensor, dict[str, Term]]:
        """Add one batch's share of a step to the gradients; its losses, nothing of which holds the batch in memory."""
        batch: Any = self.batches.draw().to(self._device)
        out, auxes = self._forward(batch)
        terms = self.model.losses(out, auxes, batch, self._progress())
        total = total_loss(terms)
        (total / self.settings.accumulate).backward()  # type: ignore[no-untyped-call]
        return total.detach(), {name: Term(term.value.detach(), term.weight) for name, term in terms.items()}

    def _progress(self) -> Progress:
        return Progress(
            epoch=self.step // self._steps_per_epoch,
            max_epoch=math.ceil(self.settings.steps / self._steps_per_epoch),
            step=self.step,
            max_step=self.settings.steps,
        )

    def _require_finite(self, done: Step) -> None:
        # Asked before the optimizer moves, so that what was saved, and what would be, is always good.
        if bool(torch.isfinite(done.total) & torch.isfinite(done.norm)):
            return
        bad = [
            f"{name} is {float(term.value.detach())}" for name, term in done.terms.items() if not term.value.isfinite()
        ]
        raise TrainingDiverged(
            f"step {done.step}: {', '.join(bad) or f'the gradient is {float(done.norm)}'}",
            file=self.run.folder,
            remedy=f"The last good state is in {self.run.checkpoint.name}. "
            f"Train anew with a lower rate (--set lr={self.settings.lr / 10:g}) or --set grad_clip=1.0",
        )


def learning_rate(settings: TrainSettings, step: int) -> float:
    """The rate of a step, counted from 0; ``cosine`` would reach 0 at ``settings.steps``."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * (1 + math.cos(math.pi * step / settings.steps)) / 2


def averaged(batches: Sequence[tuple[Tensor, Mapping[str, Term]]]) -> tuple[Tensor, dict[str, Term]]:
    """Total and losses of a step, from those of its batches; a loss that a batch does not have counts 0 there."""
    total = torch.stack([total for total, _ in batches]).mean()
    found: dict[str, list[Term]] = {}
    for _, terms in batches:
        for name, term in terms.items():
            found.setdefault(name, []).append(term)
    return total, {
        name: Term(torch.stack([term.value for term in terms]).sum() / len(batches), terms[0].weight)
        for name, terms in found.items()
    }


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Let the step under way finish when Ctrl-C comes; a second Ctrl-C stops at once.

    Gives a function that says whether Ctrl-C came. SIGTERM is waited with likewise, where the command line has it stop
    in order. A signal that is ignored, as in jobs in a shell's background, stays ignored. Signals reach the main thread
    only; elsewhere nothing is changed.
    """
    seen = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in found.items() if callable(handler)}

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        if seen:
            raise KeyboardInterrupt
        seen = True
        with suppress(KeyboardInterrupt):  # what else the handler does, it does now
            before[signal.Signals(number)](number, frame)

    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cut_metrics(path: Path, step: int) -> None:
    """Drop the lines after ``step`` (they will come again) and one that was only half written."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            break
    write_text(path, "".join(kept))
