"""Gradients of several batches to one step: the same as of one large batch, in the memory of a small one."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import Project
from tests.training.test_loop import assert_same, interrupt_at
from tests.training.test_second_stage import on_proposals
from wtalkit.errors import ConfigError, TrainingDiverged
from wtalkit.methods.interface import Term
from wtalkit.runs import Run
from wtalkit.training.loop import Loop, averaged

# No random number but the order of the videos, and no loss that looks at several videos at once.
PLAIN = {"sampling": "uniform", "similar_pairs": 0, "acrnet.dropout": 0.0, "acrnet.head_dropout": 0.0, "log_every": 1}


def lines(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.metrics.read_text().splitlines()]


def test_two_small_batches_equal_one_large(project: Project) -> None:
    large = project.train(out=project.folder / "large", overrides={**PLAIN, "batch_size": 4})
    small = project.train(out=project.folder / "small", overrides={**PLAIN, "batch_size": 2, "accumulate": 2})
    apart = project.train(out=project.folder / "apart", overrides={**PLAIN, "batch_size": 2})
    assert len(lines(small)) == len(lines(large)) == 12
    for mine, theirs in zip(lines(small), lines(large), strict=True):
        assert mine["total"] == pytest.approx(theirs["total"], rel=1e-3)
        assert mine["losses"] == pytest.approx(theirs["losses"], rel=1e-3)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)
    assert lines(apart)[0]["grad_norm"] != pytest.approx(lines(large)[0]["grad_norm"], rel=1e-3)
    mine, theirs = load_file(small.model), load_file(large.model)
    assert all(torch.allclose(mine[name], theirs[name], atol=2e-4) for name in theirs)


def test_one_batch_a_step_is_the_default(project: Project) -> None:
    plain = project.train(out=project.folder / "plain")
    said = project.train(out=project.folder / "said", overrides={"accumulate": 1})
    assert_same(plain, said)
    assert "accumulate = 1\n" in plain.config.read_text()


@pytest.mark.parametrize("method", ["acrnet", "clasnet"])
def test_interrupted_and_resumed_equals_unbroken(project: Project, method: str) -> None:
    chosen = {"accumulate": 3, "batch_size": 2, "similar_pairs": 1, "ema": 0.9, "sampling": "random"}
    whole = project.train(method, out=project.folder / "whole", overrides=chosen)
    with pytest.raises(KeyboardInterrupt):
        project.train(method, progress=interrupt_at(6), overrides=chosen)
    assert_same(project.train(method, resume=True, overrides=chosen), whole)
    with pytest.raises(ConfigError, match="other values of accumulate"):
        with pytest.raises(KeyboardInterrupt):
            project.train(method, progress=interrupt_at(6), overrides=chosen)
        project.train(method, resume=True, overrides={**chosen, "accumulate": 2})


@pytest.mark.parametrize("method", ["pmil", "seal"])
def test_on_proposals(project: Project, method: str) -> None:
    chosen = {"accumulate": 2, "proposer.accumulate": 2}
    whole = on_proposals(project, method, out=project.folder / "whole", overrides=chosen)
    with pytest.raises(KeyboardInterrupt):
        on_proposals(project, method, overrides=chosen, progress=interrupt_at(4))
    resumed = on_proposals(project, method, resume=True, overrides=chosen)
    assert_same(resumed, whole)
    once = on_proposals(project, method, out=project.folder / "once")
    assert resumed.metrics.read_text() != once.metrics.read_text()


def test_an_epoch_has_fewer_steps(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine videos are through after three steps of four, be it at once or in two halves."""
    seen: list[int] = []
    progress = Loop._progress
    monkeypatch.setattr(Loop, "_progress", lambda self: seen.append(progress(self).epoch) or progress(self))
    project.train(overrides={"steps": 7, "batch_size": 2, "accumulate": 2})
    assert seen == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2]


def test_nan_in_the_last_batch_of_a_step_stops(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    add = Loop._add_gradients
    calls: list[int] = []

    def poisoned(self: Loop) -> Any:
        calls.append(self.step)
        total, terms = add(self)
        if len(calls) == 6:
            return total * torch.nan, {name: Term(term.value * torch.nan, term.weight) for name, term in terms.items()}
        return total, terms

    monkeypatch.setattr(Loop, "_add_gradients", poisoned)
    with pytest.raises(TrainingDiverged, match=r"step 3: base\.cas is nan"):
        project.train(overrides={"accumulate": 2})


def test_a_loss_that_a_batch_lacks_counts_nothing_there() -> None:
    one, two = {"a": Term(torch.tensor(2.0), 0.5), "b": Term(torch.tensor(4.0))}, {"a": Term(torch.tensor(6.0), 0.5)}
    total, terms = averaged([(torch.tensor(5.0), one), (torch.tensor(3.0), two)])
    assert float(total) == 4.0
    assert {name: (float(term.value), term.weight) for name, term in terms.items()} == {
        "a": (4.0, 0.5),
        "b": (2.0, 1.0),
    }
    assert float(total) == sum(float(term.value) * term.weight for term in terms.values())


@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_wrong_numbers(project: Project, value: float) -> None:
    with pytest.raises(ConfigError, match="accumulate"):
        project.train(overrides={"accumulate": value})
