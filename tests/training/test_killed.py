"""Trainings that die, in real processes: killed anywhere, stopped by hand, two at once, a disk that fills up.

In CI a sample of the moments; all of them with ``pytest tests/training/test_killed.py -m exhaustive``.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.training.conftest import write_project
from tests.training.forks import STAMP, Forks, forks
from wtalkit.modelfile import load_model
from wtalkit.runs import Run, all_runs, is_marked, newest, resolve
from wtalkit.training.checkpoint import load_checkpoint

SETTINGS = ("batch_size=3", "length=30", "log_every=1", "checkpoint_every=2", "ema=0.9", "min_snippets=24")
CO2NET = ("train", "--method", "co2net", "--device", "cpu", "--set", "steps=8")
PMIL = (
    *("train", "--method", "pmil", "--base", "co2net", "--device", "cpu", "--set", "steps=4"),
    *("--set", "proposer.steps=4", "--set", "proposer.batch_size=3", "--set", "proposer.checkpoint_every=2"),
)
FILES = {"config.toml", "metrics.jsonl", "model.safetensors", "resume.safetensors", "status.jsonl", "timing.json"}
CHANGES = {"co2net": 58, "pmil": 93}
"""How many an unbroken training makes to files and folders."""


@pytest.fixture(scope="module")
def starter() -> Iterator[Forks]:
    with forks() as found:
        yield found


@dataclass(frozen=True)
class Training:
    """One command, a project to run it in, and what came of it when nothing happened."""

    name: str
    words: tuple[str, ...]
    project: Path
    whole: Run
    seconds: float

    def copy(self, folder: Path) -> Path:
        """The project before the training."""
        return shutil.copytree(self.project, folder / "project", ignore=shutil.ignore_patterns("runs"))

    def require_equal(self, project: Path) -> None:
        """The runs of ``project`` are what the unbroken training left, to the byte, and nothing else."""
        runs = project / "runs"
        assert {path.name for path in runs.iterdir()} == {self.whole.name, "latest"}
        assert resolve(runs / "latest") == newest(runs)
        run = Run(runs / self.whole.name)
        names = {path.relative_to(self.whole.folder) for path in self.whole.folder.rglob("*") if path.is_file()}
        assert {path.relative_to(run.folder) for path in run.folder.rglob("*") if path.is_file()} == names
        for name in names:
            if name.name != "timing.json":
                assert (run.folder / name).read_bytes() == (self.whole.folder / name).read_bytes(), name


def train(starter: Forks, folder: Path, name: str, words: tuple[str, ...]) -> Training:
    project = write_project(folder / name)
    for file in project.features.glob("video 03.*"):
        file.unlink()
    words = (*words, *(word for setting in SETTINGS for word in ("--set", setting)))
    begun = time.monotonic()
    command = starter.start(project.folder, *words)
    assert command.end() == 0, command.said
    seconds = time.monotonic() - begun
    (run,) = all_runs(project.runs)
    assert {path.name for path in run.folder.iterdir()} - {"proposer"} == FILES
    return Training(name, words, project.folder, run, seconds)


@pytest.fixture(scope="module")
def co2net(starter: Forks, tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train(starter, tmp_path_factory.mktemp("whole"), "co2net", CO2NET)


@pytest.fixture(scope="module")
def pmil(starter: Forks, tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train(starter, tmp_path_factory.mktemp("whole"), "pmil", PMIL)


def recover(starter: Forks, training: Training, project: Path) -> None:
    """Do what the messages tell a person whose machine died: resume, or start where nothing was begun."""
    for path in project.rglob("model.safetensors"):
        load_model(path)  # whatever has this name is whole
    begun = all_runs(project / "runs")
    done = [run for run in begun if run.finished and (project / "runs" / "latest").exists()]
    command = starter.start(project, *training.words, "--resume")
    if command.end() == 2:
        assert "there is no unfinished run" in command.said
        assert begun == done, "what was begun can be gone on with"
        if not begun:
            command = starter.start(project, *training.words)
    assert done or command.end() == 0, command.said
    training.require_equal(project)


def kill_at(starter: Forks, training: Training, folder: Path, number: int) -> None:
    """Kill before a change to a file, recover."""
    project = training.copy(folder)
    command = starter.start(project, *training.words, kill_at=number)
    assert command.end() == (-signal.SIGKILL if number <= CHANGES[training.name] else 0), command.said
    recover(starter, training, project)


def kill_after(starter: Forks, training: Training, folder: Path, seed: int) -> None:
    """Kill at a random moment, resume and kill again, recover."""
    moments, project = random.Random(seed), training.copy(folder)
    for words in (training.words, (*training.words, "--resume")):
        command = starter.start(project, *words)
        time.sleep(moments.uniform(0, training.seconds))
        command.signal(signal.SIGKILL)
        assert command.end() in (-signal.SIGKILL, 0, 2), command.said
    recover(starter, training, project)


def every(changes: int, step: int) -> list[object]:
    """Every ``step``-th number up to ``changes`` and one, the rest for those who have time."""
    return [
        number if number % step == 1 else pytest.param(number, marks=pytest.mark.exhaustive)
        for number in range(1, changes + 2)
    ]


@pytest.mark.parametrize("number", every(CHANGES["co2net"], 5))
def test_case_17_killed_before_a_change_to_a_file(
    starter: Forks, co2net: Training, tmp_path: Path, number: int
) -> None:
    kill_at(starter, co2net, tmp_path, number)


@pytest.mark.parametrize("number", every(CHANGES["pmil"], 14))
def test_case_17_killed_before_a_change_to_a_file_of_two_stages(
    starter: Forks, pmil: Training, tmp_path: Path, number: int
) -> None:
    kill_at(starter, pmil, tmp_path, number)


@pytest.mark.parametrize(
    "seed", [seed if seed < 5 else pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(20)]
)
@pytest.mark.parametrize("name", ["co2net", pytest.param("pmil", marks=pytest.mark.exhaustive)])
def test_case_17_killed_at_random(
    starter: Forks, request: pytest.FixtureRequest, tmp_path: Path, name: str, seed: int
) -> None:
    kill_after(starter, request.getfixturevalue(name), tmp_path, seed)


def temporaries(folder: Path) -> list[str]:
    """The files which the tensors' library names itself, in folders that come and go."""
    return [name for _, _, names in os.walk(folder) for name in names if re.fullmatch(r"\.tmp.{6}", name)]


def test_case_17_killed_while_tensors_are_written(starter: Forks, slow_one: Training, tmp_path: Path) -> None:
    """Their library has temporary files of its own."""
    project = slow_one.copy(tmp_path)
    folder = project / "runs" / slow_one.whole.name
    for _ in range(20):
        command = starter.start(project, *slow_one.words)
        last = time.monotonic() + 20
        while not temporaries(folder):
            if (folder / "model.safetensors").exists() or time.monotonic() > last:
                break
        command.signal(signal.SIGKILL)
        command.end()
        if temporaries(folder):
            break
        shutil.rmtree(project / "runs")
    else:
        pytest.skip("its temporary files are gone too soon to kill it while there is one")
    recover(starter, slow_one, project)


def test_case_17_a_killed_beginning_is_not_a_run(starter: Forks, co2net: Training, tmp_path: Path) -> None:
    """Its folder goes with the next start, one that a person made stays."""
    project = co2net.copy(tmp_path)
    assert starter.start(project, *co2net.words, kill_at=4).end() == -signal.SIGKILL
    (left,) = (project / "runs").iterdir()
    assert not (left / "config.toml").exists()
    for name in (f"{STAMP}-notes", "20250101T000000Z-acrnet"):
        (project / "runs" / name).mkdir()
        (project / "runs" / name / "notes.txt").write_text("mine")
    assert starter.start(project, *co2net.words, "--resume").end() == 2
    assert starter.start(project, *co2net.words).end() == 0
    for name in (f"{STAMP}-notes", "20250101T000000Z-acrnet"):
        shutil.rmtree(project / "runs" / name)
    co2net.require_equal(project)


LONG = ("--set", "steps=40")
"""So that there is time to do something to it."""


@pytest.fixture(scope="module")
def slow_one(starter: Forks, tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train(starter, tmp_path_factory.mktemp("whole"), "co2net", (*CO2NET, *LONG))


def stopped(starter: Forks, training: Training, folder: Path) -> Path:
    """A project whose training was stopped after some steps."""
    project = training.copy(folder)
    command = starter.start(project, *training.words)
    command.wait_until(project / "runs" / training.whole.name / "metrics.jsonl", '"step": 3')
    command.signal(signal.SIGINT)
    assert command.end() == 130, command.said
    return project


def test_case_18_ctrl_c_saves_and_says_how_to_go_on(starter: Forks, slow_one: Training, tmp_path: Path) -> None:
    project = slow_one.copy(tmp_path)
    command = starter.start(project, *slow_one.words)
    run = Run(project / "runs" / slow_one.whole.name)
    command.wait_until(run.metrics, '"step": 3')
    command.signal(signal.SIGINT)
    pressed = time.monotonic()
    assert command.end() == 130
    assert time.monotonic() - pressed < 5
    assert command.said.splitlines()[-1] == "stopped. wtalkit train --method co2net --resume goes on where it was."
    steps = len(run.metrics.read_text().splitlines())
    assert load_checkpoint(run.checkpoint).step == steps, "the step under way was finished and saved"
    assert {path.name for path in run.folder.iterdir()} == FILES - {"model.safetensors"}
    assert starter.start(project, "train", "--method", "co2net", "--device", "cpu", "--resume").end() == 0
    slow_one.require_equal(project)


@pytest.mark.parametrize("seed", range(4))
def test_case_18_whatever_ctrl_c_hits_its_message_is_true(
    starter: Forks, co2net: Training, tmp_path: Path, seed: int
) -> None:
    project = co2net.copy(tmp_path)
    command = starter.start(project, *co2net.words)
    command.wait_until(command.log, "recipe samples")
    time.sleep(random.Random(seed).uniform(0, 0.05 if seed < 2 else co2net.seconds))
    command.signal(signal.SIGINT)
    code = command.end(5)
    assert code in (0, 130), command.said
    if "stopped before anything was begun." in command.said:
        assert not all_runs(project / "runs")
        assert starter.start(project, *co2net.words).end() == 0
    elif "when the training had just ended" in command.said:
        assert (run := newest(project / "runs"))
        assert is_marked(run)
    elif code == 130:
        recover(starter, co2net, project)
    co2net.require_equal(project)


@pytest.mark.parametrize("killed", [False, True], ids=["both end", "the first is killed"])
def test_case_29_two_processes_resume_one_run(starter: Forks, slow_one: Training, tmp_path: Path, killed: bool) -> None:
    project = stopped(starter, slow_one, tmp_path)
    words = (*slow_one.words, "--resume")
    first = starter.start(project, *words)
    first.wait_until(first.log, "steps were done")
    first.signal(signal.SIGSTOP)
    log = first.log.rename(tmp_path / "first.txt")
    second = starter.start(project, *words)
    second.wait_until(second.log, f"another process is training runs/{slow_one.whole.name}: waiting for its end")
    first.signal(signal.SIGKILL if killed else signal.SIGCONT)
    assert first.end() == (-signal.SIGKILL if killed else 0), log.read_text()
    assert second.end() == 0, second.said
    assert ("is finished" in second.said) == (not killed)
    assert ("steps were done" in second.said) == killed
    slow_one.require_equal(project)


def test_case_29_two_processes_start_at_once(starter: Forks, co2net: Training, tmp_path: Path) -> None:
    """Each has a run of its own; ``latest`` names the second of them."""
    project = co2net.copy(tmp_path)
    both = [starter.start(project, *co2net.words) for _ in range(2)]
    assert [command.end() for command in both] == [0, 0]
    names = [co2net.whole.name, f"{co2net.whole.name}.2"]
    assert sorted(path.name for path in (project / "runs").iterdir()) == [*names, "latest"]
    assert resolve(project / "runs" / "latest") == newest(project / "runs") == Run(project / "runs" / names[1])
    for name in names:
        assert (project / "runs" / name / "model.safetensors").read_bytes() == co2net.whole.model.read_bytes()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a file system of its own cannot be mounted here (that takes root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that leaves about so many bytes of the disk free."""
    ballast = folder / "ballast"
    usage = shutil.disk_usage(folder)
    ballast.write_bytes(bytes(max(usage.free - leave, 0)))
    return ballast


@pytest.mark.parametrize("leave", [0, 20_000], ids=["nothing can be written", "the state cannot be written"])
def test_case_19_a_full_disk_keeps_the_state_before(
    starter: Forks, slow_one: Training, small_disk: Path, leave: int
) -> None:
    project = stopped(starter, slow_one, small_disk)
    run = Run(project / "runs" / slow_one.whole.name)
    before = run.checkpoint.read_bytes()
    assert len(before) > 20_000
    ballast = fill(small_disk, leave)
    command = starter.start(project, *slow_one.words, "--resume", log=project.parent.parent / "log.txt")
    assert command.end() == 3, command.said
    written = run.checkpoint if leave else run.status
    assert command.said.splitlines()[-1].endswith(
        f"{written.name}: no space left on the disk. Free some and run again."
    )
    assert run.checkpoint.read_bytes() == before
    assert {path.name for path in run.folder.iterdir()} <= FILES - {"model.safetensors"}
    ballast.unlink()
    recover(starter, slow_one, project)


def test_case_19_a_disk_too_full_for_the_model(starter: Forks, co2net: Training, small_disk: Path) -> None:
    project = co2net.copy(small_disk)
    assert starter.start(project, *co2net.words).end() == 0
    run = Run(project / "runs" / co2net.whole.name)
    run.model.unlink()
    (project / "runs" / "latest").unlink()
    assert co2net.whole.status.stat().st_size < 8192 < 12_288 < co2net.whole.model.stat().st_size
    ballast = fill(small_disk, 12_288)
    command = starter.start(project, *co2net.words, "--resume", log=project.parent.parent / "log.txt")
    assert command.end() == 3, command.said
    assert command.said.splitlines()[-1].endswith(
        "model.safetensors: no space left on the disk. Free some and run again."
    )
    assert not run.model.exists()
    ballast.unlink()
    recover(starter, co2net, project)


def test_case_20_a_disk_that_cannot_be_written_to(starter: Forks, co2net: Training, small_disk: Path) -> None:
    project = co2net.copy(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    command = starter.start(project, *co2net.words, log=small_disk.parent / "log.txt")
    assert command.end() == 3, command.said
    assert command.said.splitlines()[-1] == "runs: a run cannot be written here. Read-only file system."
