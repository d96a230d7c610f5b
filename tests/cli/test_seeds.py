"""``wtalkit train --seeds``: a study, interrupted and gone on with."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest

from wtalkit import runs
from wtalkit.cli import main
from wtalkit.runs import Run
from wtalkit.training.loop import Loop
from wtalkit.training.timing import read_timing

TRAIN = ["train", "--method", "acrnet", "--set", "steps=3", "--set", "batch_size=2", "--set", "log_every=1"]


def seeds_of(found: list[Run]) -> dict[int, Run]:
    return {tomllib.loads(run.config.read_text())["run"]["seed"]: run for run in found}


def study_of(run: Run) -> str:
    return str(tomllib.loads(run.config.read_text())["run"]["study"])


def test_a_study_is_one_group(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--seeds", "3,4"]) == 0
    found = runs.all_runs("runs")
    assert sorted(seeds_of(found)) == [3, 4]
    (name,) = {study_of(run) for run in found}
    assert capsys.readouterr().out.splitlines()[-1] == f"Next: wtalkit compare {name}"


def test_resume_skips_goes_on_and_starts(
    features: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seed 0 is finished, 1 is stopped after a step, 2 never began."""
    advance, taken = Loop._advance, []

    def stop_at_the_fifth(self: Loop) -> object:
        taken.append(self.step)
        if len(taken) == 5:
            raise KeyboardInterrupt
        return advance(self)

    monkeypatch.setattr(Loop, "_advance", stop_at_the_fifth)
    assert main([*TRAIN, "--seeds", "0,1,2", "--set", "checkpoint_every=1"]) == 130
    assert "wtalkit train --method acrnet --seeds 0,1,2 --resume goes on" in capsys.readouterr().err
    monkeypatch.setattr(Loop, "_advance", advance)
    before = seeds_of(runs.all_runs("runs"))
    assert sorted(before) == [0, 1]
    assert (before[0].finished, before[1].finished) == (True, False)
    written = before[0].model.stat().st_mtime_ns

    assert main(["train", "--method", "acrnet", "--seeds", "0,1,2", "--resume"]) == 0  # the settings are kept
    captured = capsys.readouterr()
    assert f"{before[0].folder} is finished" in captured.err
    assert f"going on with {before[1].folder}" in captured.err
    after = seeds_of(runs.all_runs("runs"))
    assert sorted(after) == [0, 1, 2]
    assert all(run.finished for run in after.values())
    assert after[0].model.stat().st_mtime_ns == written
    assert len({study_of(run) for run in after.values()}) == 1
    configs = [tomllib.loads(run.config.read_text()) for run in after.values()]
    assert {config.pop("run")["recipe"] for config in configs} == {"samples"}
    assert configs[0] == configs[1] == configs[2]

    assert main([*TRAIN, "--seeds", "5"]) == 0  # a further study
    assert main(["train", "--method", "acrnet", "--seeds", "5", "--resume"]) == 0
    assert len(runs.all_runs("runs")) == 4


def test_the_command_to_go_on_names_the_parts(
    features: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advance = Loop._advance

    def stop(self: Loop) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(Loop, "_advance", stop)
    parts = ["--plugin", "clasnet", "--without", "brm,aas", "--out", "my runs"]
    assert main([*TRAIN, *parts]) == 130
    said = capsys.readouterr().err.partition("stopped. ")[2].partition(" goes on")[0]
    assert said == "wtalkit train --method acrnet --plugin clasnet --without brm,aas --out 'my runs' --resume"
    monkeypatch.setattr(Loop, "_advance", advance)
    assert main([*shlex.split(said)[1:], "--quiet"]) == 0


def test_a_study_keeps_its_settings(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--seeds", "0"]) == 0
    for seeds in ("0,1", "1"):
        assert main([*TRAIN, "--seeds", seeds, "--resume", "--set", "lr=0.1"]) == 2
        assert "was started with other values of lr" in capsys.readouterr().err
    assert len(runs.all_runs("runs")) == 1


def test_nothing_to_resume(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--seeds", "0,1", "--resume"]) == 2
    assert "runs: there is no study of acrnet to resume. Start one without --resume." in capsys.readouterr().err


def test_time_is_kept_apart_from_the_model(features: Path) -> None:
    assert main([*TRAIN, "--seeds", "0"]) == 0
    (run,) = runs.all_runs("runs")
    timing = read_timing(run)
    assert timing is not None
    assert timing.steps == 3
    assert timing.seconds > 0
    assert timing.device == "cpu"
    assert b"seconds" not in run.model.read_bytes()[:20_000]
    run.timing.write_text("{")
    assert read_timing(run) is None
