"""Extract and detect that are killed, interrupted, asked to end, or run out of disk at random moments; then run again.

In CI a sample; more moments with ``pytest tests/faults/test_kills.py -m exhaustive``.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.forked import Starter, group_of, listens, send, until
from tests.faults.runs import bytes_of, temporaries
from tests.faults.videos import cut, write_numbered
from tests.training.forks import REPOSITORY, Command
from wtalkit.errors import InputError
from wtalkit.features import read_features
from wtalkit.status import read_status

if sys.platform != "linux":
    pytest.skip("processes are looked up in /proc", allow_module_level=True)

KEYS = tuple(f"video {number}" for number in range(10))
BROKEN = ("cut", "empty")
EXTRACT = ("extract", "videos", "--backbone", "i3d-mini", "--flow", "none", "--out")
DETECT = ("detect", "videos", "--model", "samples", "--out")
LONGEST_S = 20.0
"""Within which everything has to stop; on a machine that has time for it, it is a second (5 are promised)."""
PATIENCE_S = 180.0
"""Of a run to its end, on one that has none."""


@dataclass(frozen=True)
class Job:
    """A command, and what it leaves when nothing happens.

    Attributes:
        words: without the folder it writes to.
        folder: its current folder.
        whole: every file it writes.
        begin_s: seconds until it works on the first video.
        work_s: seconds from then to its end.
    """

    words: tuple[str, ...]
    folder: Path
    whole: dict[str, bytes]
    begin_s: float
    work_s: float
    starter: Starter

    def start(self, out: str, **options: int) -> Command:
        return self.starter.begin(self.folder, *self.words, out, log=f"{out}.log", **options)

    def complete(self, out: str) -> str:
        """Run it to the end; everything is there then, to the byte. Gives what it said."""
        command = self.start(out)
        assert command.end(PATIENCE_S) == 1, command.said  # for there are broken videos
        assert bytes_of(self.folder / out) == self.whole
        return command.said

    def moment(self, chance: random.Random, out: str) -> float:
        """Seconds into a run that goes on with what is in ``out``: anywhere in it."""
        left = 1 - len(list((self.folder / out).glob("*.json"))) / len(KEYS)
        return chance.uniform(0, self.begin_s + self.work_s * left)

    def require_sound(self, out: str) -> int:
        """No file under a final name is cut or taken for another; gives how many videos are through."""
        folder, through = self.folder / out, 0
        names = {path.name for path in folder.iterdir() if path not in temporaries(folder)} if folder.exists() else ()
        assert set(names) <= set(self.whole)
        for name in names:
            if name.endswith(".npy"):
                whole = (folder / name).read_bytes() == self.whole[name]
                assert whole == is_taken_for_whole(folder / name)
                through += whole
            elif name.endswith(".json"):
                assert (folder / name).read_bytes() == self.whole[name]
                through += ".npy" not in str(sorted(self.whole))
        if folder.exists():
            said = [status for status in read_status(folder).values() if status.state == "done"]
            assert len(said) <= through  # a line comes after the files it tells of
        return through


def is_taken_for_whole(array: Path) -> bool:
    try:
        return read_features(array).record is not None
    except InputError:
        return False


@pytest.fixture(scope="module")
def starter(toy_models: Path) -> Iterator[Starter]:
    found = Starter(toy_models)
    yield found
    found.close()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "work"
    for number, key in enumerate(KEYS):
        write_numbered(folder / "videos" / f"{key}.mp4", range(34 + number % 3 * 16))
    cut(write_numbered(folder / "videos" / "cut.mkv", range(60)), 0.5)
    (folder / "videos" / "empty.mp4").write_bytes(b"")
    return folder


def whole(starter: Starter, folder: Path, words: tuple[str, ...]) -> Job:
    out = f"whole-{words[0]}"
    begun = time.monotonic()
    command = starter.begin(folder, *words, out, log=f"{out}.log")
    until(lambda: (folder / out / "status.jsonl").exists(), "a first video")
    begin_s = time.monotonic() - begun
    assert command.end(PATIENCE_S) == 1, command.said
    files = bytes_of(folder / out)
    kinds = ("json", "npy") if words[0] == "extract" else ("json",)
    assert sorted(files) == sorted([*(f"{key}.{kind}" for key in KEYS for kind in kinds), "status.jsonl"])
    states = {key: status.state for key, status in read_status(folder / out).items()}
    assert states == {**dict.fromkeys(KEYS, "done"), **dict.fromkeys(BROKEN, "failed")}
    return Job(words, folder, files, begin_s, time.monotonic() - begun - begin_s, starter)


@pytest.fixture(scope="module")
def extract(starter: Starter, workplace: Path) -> Job:
    return whole(starter, workplace, EXTRACT)


@pytest.fixture(scope="module")
def detect(starter: Starter, workplace: Path) -> Job:
    return whole(starter, workplace, DETECT)


def several(count: int, fast: int) -> list[object]:
    """Seeds, the first few of them for CI."""
    return [seed if seed < fast else pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(count)]


Stop = Callable[[Command, random.Random], int]


def stop_again_and_again(job: Job, out: str, seed: int, times: int, stop: Stop, *, leaves_nothing: bool) -> None:
    """Stop a run at a random moment, the run that goes on with it, and so on; at the end let one run through.

    Args:
        job: what is stopped.
        out: where it writes to.
        seed: of the moments.
        times: how often it is stopped; a run that ends by itself does not count, and is started anew from nothing.
        stop: stops it; gives the exit code that means that it did.
        leaves_nothing: no half-written files may be there afterwards.
    """
    chance, pace = random.Random(seed), 1.0
    there = 0
    while times:
        moment = job.moment(chance, out) * pace
        command = job.start(out)
        time.sleep(moment)
        stopped = stop(command, chance)
        seconds = time.monotonic()
        code = command.end(LONGEST_S)
        until(lambda pid=command.pid: not group_of(pid), "the end of the decoders", LONGEST_S)
        print(
            f"{job.words[0]} stopped after {moment:.2f} s: exit {code}, all gone in {time.monotonic() - seconds:.2f} s"
        )
        now = job.require_sound(out)
        assert now >= there
        assert not (leaves_nothing and temporaries(job.folder / out))
        if code == stopped:
            times, there = times - 1, now
        else:  # -SIGTERM: it had just ended
            assert code in (1, -signal.SIGTERM) and bytes_of(job.folder / out) == job.whole, command.said
            shutil.rmtree(job.folder / out)
            there, pace = 0, pace * 0.8  # the machine is quicker than it was when the whole run was timed
    said = job.complete(out)
    assert len(re.findall(r"^\[.* is there already$", said, re.M)) == there
    if job.words[0] == "extract":
        assert f"{len(KEYS) - there} video{'s' * (there + 1 != len(KEYS))} extracted to {out}" in said


def kill(command: Command, chance: random.Random) -> int:
    send(command, signal.SIGKILL, group=chance.random() < 0.5)
    return -signal.SIGKILL


def press_ctrl_c(command: Command, chance: random.Random) -> int:
    until(lambda: group_of(command.pid) != [command.pid] or listens(command), "the beginning of the command")
    send(command, signal.SIGINT, group=chance.random() < 0.7)
    return 130


def ask_to_end(command: Command, chance: random.Random) -> int:
    until(lambda: group_of(command.pid) != [command.pid] or listens(command), "the beginning of the command")
    send(command, signal.SIGTERM, group=chance.random() < 0.5)
    return 143


@pytest.mark.parametrize("seed", several(8, 4))
def test_case_17_extract_is_killed_five_times(extract: Job, seed: int) -> None:
    stop_again_and_again(extract, f"killed-{seed}", seed, 5, kill, leaves_nothing=False)


@pytest.mark.parametrize("seed", several(4, 1))
def test_case_17_detect_is_killed_six_times(detect: Job, seed: int) -> None:
    stop_again_and_again(detect, f"killed-answers-{seed}", seed, 6, kill, leaves_nothing=False)


@pytest.mark.parametrize("number", [7, *range(41, 47), pytest.param(None, marks=pytest.mark.exhaustive)])
def test_case_17_extract_is_killed_before_a_change_to_a_file(extract: Job, number: int | None) -> None:
    """Where a random moment hardly ever falls: between two files, between a name and the next."""
    for each in range(1, 1000) if number is None else [number]:
        out = f"killed-at-{each}"
        command = extract.start(out, kill_at=each)
        if (code := command.end(PATIENCE_S)) == 1:
            assert number is None and each > 47
            break
        assert code == -signal.SIGKILL, command.said
        until(lambda pid=command.pid: not group_of(pid), "the end of the decoders", LONGEST_S)
        there = extract.require_sound(out)
        assert len(re.findall(r"^\[.* is there already$", extract.complete(out), re.M)) == there
        shutil.rmtree(extract.folder / out)


@pytest.mark.parametrize("seed", several(4, 2))
def test_case_18_ctrl_c_four_times(extract: Job, seed: int) -> None:
    stop_again_and_again(extract, f"stopped-{seed}", seed, 4, press_ctrl_c, leaves_nothing=True)


@pytest.mark.parametrize("seed", several(3, 1))
def test_case_18_detect_stops_on_ctrl_c(detect: Job, seed: int) -> None:
    stop_again_and_again(detect, f"stopped-answers-{seed}", seed, 3, press_ctrl_c, leaves_nothing=True)


@pytest.mark.parametrize("seed", several(3, 1))
def test_asked_to_end_as_by_a_batch_system(extract: Job, seed: int) -> None:
    """SIGTERM: in order, as on Ctrl-C; exit 143."""
    stop_again_and_again(extract, f"asked-{seed}", seed, 3, ask_to_end, leaves_nothing=True)


@pytest.mark.parametrize("seed", several(8, 2))
def test_case_18_ctrl_c_while_the_interpreter_starts(extract: Job, seed: int) -> None:
    """Before the command listens Python itself dies of the signal; nothing was begun then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wtalkit", *extract.words, f"early-{seed}"], cwd=extract.folder, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    time.sleep(random.Random(seed).uniform(0.1, 1.5))
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=LONGEST_S)
    in_site = process.returncode == 1 and said.startswith("Failed to import the site module")  # nothing of ours yet
    assert process.returncode in (130, -signal.SIGINT) or in_site, said
    assert group_of(process.pid) == []
    assert not temporaries(extract.folder / f"early-{seed}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """``disk(48)`` is a folder on a disk of its own of 48 KiB; another call makes the disk larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def size(kib: int) -> Path:
        nonlocal mounted
        options = f"{'remount,' * mounted}size={kib}k"
        mount = shutil.which("mount")
        command = [mount or "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if mount is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a disk of its own cannot be mounted here (that takes root)")
        mounted = True
        return folder

    yield size
    if mounted:
        subprocess.run(["umount", "-l", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kib", [16, 36, 52, 68])
def test_case_19_the_disk_fills_up(extract: Job, disk: Callable[[int], Path], kib: int) -> None:
    out = str(disk(kib) / "feats")
    command = extract.starter.begin(extract.folder, *extract.words, out, log=f"disk-{kib}.log")
    assert command.end(PATIENCE_S) == 3, command.said
    assert group_of(command.pid) == []
    there = extract.require_sound(out)
    told = re.fullmatch(
        r".*: no space left on the disk: the (\d+) videos left need about [\d.e-]+ GB\. "
        r"Free as much and run the same command again, it goes on where it stopped\.",
        command.said.splitlines()[-1],
    )
    assert told, command.said
    assert len(KEYS) - there <= int(told[1]) <= len(KEYS) + len(BROKEN)
    assert temporaries(Path(out)) == []
    lines = Path(out, "status.jsonl").read_text().splitlines()
    assert len(read_status(out)) >= len(lines) - 1  # the last may be cut
    disk(1024)
    command = extract.starter.begin(extract.folder, *extract.words, out, log=f"disk-{kib}-again.log")
    assert command.end(PATIENCE_S) == 1, command.said
    assert len(re.findall(r"^\[.* is there already$", command.said, re.M)) == there
    assert bytes_of(Path(out)) == extract.whole


@pytest.mark.parametrize("kib", [12, 28])
def test_case_19_the_disk_fills_up_with_answers(detect: Job, disk: Callable[[int], Path], kib: int) -> None:
    out = str(disk(kib) / "answers")
    command = detect.starter.begin(detect.folder, *detect.words, out, log=f"disk-answers-{kib}.log")
    assert command.end(PATIENCE_S) == 3, command.said
    assert "no space left on the disk" in command.said.splitlines()[-1]
    assert group_of(command.pid) == [] and temporaries(Path(out)) == []
    there = detect.require_sound(out)
    disk(1024)
    command = detect.starter.begin(detect.folder, *detect.words, out, log=f"disk-answers-{kib}-again.log")
    assert command.end(PATIENCE_S) == 1, command.said
    assert len(re.findall(r"^\[.* is there already$", command.said, re.M)) == there
    assert bytes_of(Path(out)) == detect.whole
