"""A workplace for the acceptance cases: a folder of videos, two of them good, and the command line in this process."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.faults import runs
from tests.faults.runs import GOOD, Cli, Run, decoder_of
from tests.faults.videos import write_numbered
from wtalkit.cli import main
from wtalkit.cli.progress import VideoProgress
from wtalkit.extraction.progress import Meter
from wtalkit.status import read_status

UNDER_WAY = 32
"""Frames read; the decoder is three chunks of 16 ahead at most."""
WhenUnderWay = Callable[[Path, Callable[[int], None]], None]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small only wait for each other's threads, the more so on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def what_others_keep() -> None:
    """Processes of other tests, such as a server they share, are not those of this one."""
    runs.BEFORE.clear()
    runs.BEFORE.update(runs.all_children())


@pytest.fixture(scope="session")
def good_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("good") / "good.mp4", range(40))


@pytest.fixture
def workplace(bundled: Path, good_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: ``videos/`` with two good videos, and settings that make features cheap."""
    folder = tmp_path / "work"
    (folder / "videos").mkdir(parents=True)
    for key in GOOD:
        shutil.copy(good_video, folder / "videos" / f"{key}.mp4")
    (folder / "wtalkit.toml").write_text('backbone = "i3d-mini"\nflow = "none"\nmodel = "samples"\n')
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def extract(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """``extract("--timeout", "1")``: of ``videos`` into ``feats``."""

    def run(*options: str, inputs: tuple[str, ...] = ("videos",), out: str = "feats") -> Run:
        capsys.readouterr()
        code = main(["extract", "--out", out, *options, "--", *inputs])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err, read_status(out))

    return run


@pytest.fixture
def detect(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """``detect("--all")``: in ``videos``, answers to ``answers``."""

    def run(*options: str, inputs: tuple[str, ...] = ("videos",), out: str = "answers") -> Run:
        capsys.readouterr()
        code = main(["detect", "--out", out, *options, "--", *inputs])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err, read_status(out))

    return run


@pytest.fixture
def process(workplace: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``wtalkit`` as a process of its own, in a group of its own, with its output in a file named ``log``."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, log: str = "log") -> subprocess.Popen[str]:
        with Path(log).open("w") as file:
            begun = subprocess.Popen(
                [sys.executable, "-m", "wtalkit", *words], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                text=True, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        started.append(begun)
        return begun

    yield start
    for begun in started:
        begun.kill()
        begun.wait()


@pytest.fixture
def when_under_way(monkeypatch: pytest.MonkeyPatch) -> WhenUnderWay:
    """``when_under_way(path, action)`` calls ``action(pid of its decoder)`` once, in the middle of that video."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system has no /proc, where the decoder's process is found")
    whole = Meter.read
    waiting: dict[Path, Callable[[int], None]] = {}

    def read(self: Meter, frames: int, decode_s: float) -> None:
        whole(self, frames, decode_s)
        if self._frames >= UNDER_WAY and (action := waiting.pop(self._path, None)) is not None:
            action(decoder_of(self._path))

    monkeypatch.setattr(Meter, "read", read)
    # It opens each video for a moment, in a decoder of its own, which would be taken for the one at work.
    monkeypatch.setattr(VideoProgress, "look_ahead", lambda *_: None)
    return waiting.__setitem__


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """``small_disk("feats", 64)`` is a folder on a disk of its own of 64 KiB."""
    mounted: list[Path] = []

    def make(name: str, kib: int) -> Path:
        folder = Path(name).absolute()
        folder.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={kib}k", "none", str(folder))
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", "-l", str(folder)], check=True)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only until the test is over."""
    changed: list[Path] = []

    def protect(folder: Path) -> None:
        if os.geteuid() == 0:  # whom permissions do not bind
            _mount("--bind", str(folder), str(folder))
            changed.append(folder.absolute())
            subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        else:
            folder.chmod(0o555)
            changed.append(folder.absolute())

    yield protect
    for folder in changed:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", "-l", str(folder)], check=True)
        else:
            folder.chmod(0o755)


def _mount(*words: str) -> None:
    """Mount, or skip the test where that is not allowed."""
    if shutil.which("mount") is None:
        pytest.skip("this system has no mount command")
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no permission to mount a disk for this test ({shlex.join(words)}: {done.stderr.strip()})")
