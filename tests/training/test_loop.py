"""Stopping and going on: the same weights as an unbroken run, whatever stopped it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import Project
from wtalkit.errors import ConfigError, FeaturesError, ModelError, TrainingDiverged, UsageError
from wtalkit.runs import Run, newest
from wtalkit.training.loop import Loop, learning_rate
from wtalkit.training.settings import TrainSettings

SCHEDULED = {"sampling": "random", "similar_pairs": 1, "ema": 0.9}


def assert_same(run: Run, other: Run) -> None:
    mine, theirs = load_file(run.model), load_file(other.model)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    assert run.metrics.read_text() == other.metrics.read_text()


def interrupt_at(step: int) -> object:
    def report(now: int, *_: object) -> None:
        if now == step:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("method", ["acrnet", "clasnet"])
@pytest.mark.parametrize("step", [3, 6, 9])
def test_interrupted_and_resumed_equals_unbroken(project: Project, method: str, step: int) -> None:
    whole = project.train(method, out=project.folder / "whole", overrides=SCHEDULED)
    with pytest.raises(KeyboardInterrupt):
        project.train(method, progress=interrupt_at(step), overrides=SCHEDULED)
    assert newest(project.runs) is None
    resumed = project.train(method, resume=True, overrides=SCHEDULED)
    assert_same(resumed, whole)
    assert newest(project.runs) == resumed


def test_options_that_are_lists_do_not_hinder_going_on(project: Project) -> None:
    chosen = {"plugins": ["fenet"], "overrides": {"fenet.lfeem.dilations": [1, 3], "steps": 4}}
    with pytest.raises(KeyboardInterrupt):
        project.train(**chosen, progress=interrupt_at(3))
    resumed = project.train(**chosen, resume=True)
    assert newest(project.runs) == resumed


def test_a_killed_run_goes_on_from_its_last_state(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = project.train(out=project.folder / "whole")
    advance = Loop._advance

    def killed(self: Loop) -> object:
        if self.step == 8:
            raise SystemError("as if the power had failed")
        return advance(self)

    monkeypatch.setattr(Loop, "_advance", killed)
    with pytest.raises(SystemError):
        project.train()
    monkeypatch.setattr(Loop, "_advance", advance)
    (run,) = [path for path in project.runs.iterdir()]
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 9, "to')  # a line that was half written, after lines that will come again
    said: list[str] = []
    resumed = project.train(resume=True, announce=said.append)
    assert "5 of 12 steps were done" in said
    assert_same(resumed, whole)


def test_a_run_killed_before_its_first_state_starts_over(project: Project) -> None:
    whole = project.train(out=project.folder / "whole")
    with pytest.raises(KeyboardInterrupt):
        project.train(progress=interrupt_at(3))
    (run,) = project.runs.iterdir()
    (run / "resume.safetensors").unlink()  # its lines of metrics will come again
    assert_same(project.train(resume=True), whole)


def test_ctrl_c_lets_the_step_finish(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = project.train(out=project.folder / "whole")
    advance = Loop._advance

    def pressed(self: Loop) -> object:
        if self.step == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(self)

    monkeypatch.setattr(Loop, "_advance", pressed)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        project.train()
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(Loop, "_advance", advance)
    said: list[str] = []
    resumed = project.train(resume=True, announce=said.append)
    assert "7 of 12 steps were done" in said
    assert_same(resumed, whole)


def test_ctrl_c_while_the_last_state_is_written_stops(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = project.train(out=project.folder / "whole")
    save = Loop.save

    def pressed(self: Loop) -> None:
        if self.step == 12:
            os.kill(os.getpid(), signal.SIGINT)
        save(self)

    monkeypatch.setattr(Loop, "save", pressed)
    with pytest.raises(KeyboardInterrupt):
        project.train()
    monkeypatch.setattr(Loop, "save", save)
    assert newest(project.runs) is None
    assert_same(project.train(resume=True), whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_do_not_mean_ctrl_c_are_left_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A job in a shell's background ignores SIGINT; SIGTERM means Ctrl-C only where the program says so."""
    advance = Loop._advance

    def pressed(self: Loop) -> object:
        if self.step == 6:
            os.kill(os.getpid(), number)
        return advance(self)

    monkeypatch.setattr(Loop, "_advance", pressed)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert project.train().finished
        signal.signal(number, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            project.train()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    monkeypatch.setattr(Loop, "_advance", advance)
    said: list[str] = []
    project.train(resume=True, announce=said.append)
    assert "7 of 12 steps were done" in said


def test_nan_stops_and_keeps_the_last_good_state(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = project.train(out=project.folder / "whole")
    advance = Loop._advance

    def poisoned(self: Loop) -> object:
        if self.step == 7:
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.nan)
        return advance(self)

    monkeypatch.setattr(Loop, "_advance", poisoned)
    with pytest.raises(TrainingDiverged, match=r"step 8: base\.cas is nan.*resume\.safetensors") as caught:
        project.train()
    assert caught.value.exit_code == 1
    assert newest(project.runs) is None
    monkeypatch.setattr(Loop, "_advance", advance)
    assert_same(project.train(resume=True), whole)


def test_an_infinite_gradient_stops(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.utils, "get_total_norm", lambda _: torch.tensor(torch.inf))
    with pytest.raises(TrainingDiverged, match="step 1: the gradient is inf"):
        project.train()


def test_resume_keeps_settings(project: Project) -> None:
    with pytest.raises(UsageError, match="no unfinished run of acrnet to resume"):
        project.train(resume=True)
    with pytest.raises(KeyboardInterrupt):
        project.train(progress=interrupt_at(3), seed=4)
    with pytest.raises(UsageError, match=r"no unfinished run of acrnet \+ clasnet .*of other parts"):
        project.train("clasnet", resume=True)
    with pytest.raises(ConfigError, match="was started with other values of lr"):
        project.train(resume=True, overrides={"lr": 0.5})
    with pytest.raises(ConfigError, match=r"other values of acrnet\.dropout, steps"):
        project.train(resume=True, overrides={"acrnet.dropout": 0.1, "steps": 100})
    with pytest.raises(ConfigError, match="other values of seed"):
        project.train(resume=True, seed=5)
    finished = project.train(resume=True, seed=4)
    assert finished.finished
    with pytest.raises(UsageError, match="no unfinished run"):
        project.train(resume=True)


def test_resume_needs_the_same_data(project: Project) -> None:
    with pytest.raises(KeyboardInterrupt):
        project.train(progress=interrupt_at(3))
    for file in project.features.glob("video 03.*"):
        file.unlink()
    with pytest.raises(FeaturesError, match="not those this run was started with"):
        project.train(resume=True)


def test_a_damaged_state_is_named(project: Project) -> None:
    with pytest.raises(KeyboardInterrupt):
        project.train(progress=interrupt_at(3))
    (run,) = project.runs.iterdir()
    (run / "resume.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(ModelError, match=r"resume\.safetensors: is not a resume state"):
        project.train(resume=True)


def test_metrics_hold_values_and_weights_apart(project: Project) -> None:
    seen: list[tuple[int, int, dict[str, float]]] = []
    run = project.train("clasnet", progress=lambda *given: seen.append(given))
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9, 12]
    for line, (step, steps, values) in zip(lines, seen, strict=True):
        assert (step, steps) == (line["step"], 12)
        assert line["losses"].keys() == line["weights"].keys() >= {"base.cas", "clasnet.contrast", "clasnet.brm"}
        total = sum(value * line["weights"][name] for name, value in line["losses"].items())
        assert line["total"] == pytest.approx(total, rel=1e-5)
        assert values == {"total": line["total"], **line["losses"]}


def test_learning_rates() -> None:
    plain = {"steps": 100, "batch_size": 1, "lr": 0.5, "length": 1, "sampling": "full"}
    constant = TrainSettings.model_validate(plain)
    cosine = TrainSettings.model_validate({**plain, "schedule": "cosine"})
    assert [learning_rate(constant, step) for step in (0, 50, 99)] == [0.5, 0.5, 0.5]
    assert [learning_rate(cosine, step) for step in (0, 50, 100)] == pytest.approx([0.5, 0.25, 0.0])
    # What torch's own schedule gives, without its rounding from step to step.
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    for step in range(100):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(learning_rate(cosine, step))
        optimizer.step()
        schedule.step()


def test_state_and_metrics_of_a_finished_run_stay(project: Project) -> None:
    run = project.train()
    assert {path.name for path in Path(run.folder).iterdir()} == {
        "config.toml", "metrics.jsonl", "model.safetensors", "resume.safetensors", "status.jsonl", "timing.json",
    }  # fmt: skip
