"""The long run: thousands of short videos, some of them broken, through ``wtalkit extract``, watched from outside.

    python tests/faults/long_run.py --videos 2000 --broken 0.05 --markdown

prints what memory, handles, processes and threads were in each stretch of the run, and fails if anything grows, if a
video is in the wrong state, or if a second run does not find that everything is there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY)] * (str(REPOSITORY) not in sys.path)

from tests import toys  # noqa: E402
from tests.faults.runs import temporaries  # noqa: E402
from tests.faults.videos import cut, write_numbered  # noqa: E402
from wtalkit.status import read_status  # noqa: E402

EVERY = 100
LOOK_S = 0.05
SHARE_MORE, BYTES_MORE = 0.03, 20 * 2**20
"""What memory may grow by from the first stretch after the beginning to the last: the larger of the two."""

SIZES = ((64, 48), (96, 72), (80, 60), (48, 64))
SUFFIXES = {".mp4": "libx264", ".mkv": "libx264", ".avi": "mpeg4", ".webm": "libvpx"}
CAUSES = {
    "empty": "empty file",
    "page": "not a video",
    "cut": "decoded ",
    "sound": "no video stream",
    "short": "too short",
}
"""Kinds of broken videos, and how the cause begins that is told of each."""


@dataclass(frozen=True)
class Stretch:
    """The most that was seen while some videos were worked on.

    Attributes:
        videos: through at its end.
        seconds: since the start.
        parent: bytes resident, of the command itself.
        decoders: likewise, of all its children.
        handles: of all processes.
        processes: number of them.
        threads: of the command itself.
    """

    videos: int
    seconds: float
    parent: int
    decoders: int
    handles: int
    processes: int
    threads: int

    def row(self) -> str:
        mib = [f"{size / 2**20:.0f}" for size in (self.parent, self.decoders)]
        cells = [self.videos, f"{self.seconds:.0f}", *mib, self.handles, self.processes, self.threads]
        return f"| {' | '.join(map(str, cells))} |"


HEADER = """\
| videos | seconds | memory of wtalkit, MiB | of its decoders, MiB | handles | processes | threads |
|---:|---:|---:|---:|---:|---:|---:|"""


@dataclass(frozen=True)
class LongRun:
    """What came of it.

    Attributes:
        stretches: in order.
        problems: what is not as it has to be.
        again_s: seconds of a second run, which finds everything there.
    """

    stretches: list[Stretch]
    problems: list[str]
    again_s: float

    def markdown(self) -> str:
        rows = "\n".join(stretch.row() for stretch in self.stretches)
        verdict = "\n".join(f"* {problem}" for problem in self.problems) or "Nothing grew, every state is right."
        return f"{HEADER}\n{rows}\n\nA second run over the finished folder: {self.again_s:.1f} s.\n\n{verdict}"


def write_videos(folder: Path, videos: int, broken: float) -> dict[str, str | None]:
    """Short videos under that many names; gives the beginning of the cause for the broken ones, None for the others."""
    distinct = folder / "distinct"
    good = [
        write_numbered(distinct / f"{number}{suffix}", range(34 + number % 4 * 4), size=size, codec=codec)
        for number, (size, (suffix, codec)) in enumerate(
            (size, kind) for size in SIZES for kind in SUFFIXES.items()
        )
    ]  # fmt: skip
    bad = {kind: _write_broken(distinct, kind) for kind in CAUSES}
    every, expected = round(1 / broken) if broken else videos + 1, {}
    (folder / "videos").mkdir()
    for number in range(videos):
        kind = None
        source = good[number % len(good)]
        if number % every == every - 1:
            kind = list(CAUSES)[number // every % len(CAUSES)]
            source = bad[kind]
        key = f"video {number:05}"
        os.link(source, folder / "videos" / f"{key}{source.suffix}")
        expected[key] = None if kind is None else CAUSES[kind]
    return expected


def _write_broken(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "page":
        path.write_text("<!DOCTYPE html><html><body>Sign in to download</body></html>")
    elif kind == "cut":
        write_numbered(path, range(100), noise=True, container_options={"movflags": "faststart"})
        cut(path, 0.5)
    elif kind == "sound":
        toys.write_video(path, audio_only=True)
    else:
        write_numbered(path, range(10))
    return path


def long_run(
    folder: Path, *, videos: int, broken: float, every: int = EVERY, workers: int = 2,
    told: Callable[[Stretch], None] = lambda _: None,
) -> LongRun:  # fmt: skip
    """Make the videos in ``folder``, extract them, watch, and extract them again."""
    expected = write_videos(folder, videos, broken)
    command = [
        *(sys.executable, "-m", "wtalkit", "extract", "videos", "--out", "feats"),
        *("--backbone", "i3d-mini", "--flow", "dis", "--workers", str(workers), "--offline"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            stretches = []
            for stretch in watch(process, folder / "feats" / "status.jsonl", every):
                stretches.append(stretch)
                told(stretch)
        finally:
            process.kill()
            process.wait()
    said = (folder / "log").read_text()
    problems = [] if process.returncode == bool(broken) else [f"exit {process.returncode}: {said[-500:]}"]
    problems += [*growth(stretches), *wrong_states(folder / "feats", expected)]
    before = _times(folder / "feats")
    begun = time.monotonic()
    again = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    again_s = time.monotonic() - begun
    done = sum(cause is None for cause in expected.values())
    if f"0 videos extracted to feats, {done} already there" not in again.stdout:
        problems.append(f"the second run says: {again.stdout[-500:]}")
    if _times(folder / "feats") != before:
        problems.append("the second run wrote what was there")
    return LongRun(stretches, problems, again_s)


def watch(process: subprocess.Popen[bytes], status: Path, every: int) -> Iterator[Stretch]:
    """The most of everything in each stretch of ``every`` videos, while the process lives."""
    begun = time.monotonic()
    through = said = 0
    most = [0] * 5
    position = 0
    while process.poll() is None:
        most = [max(pair) for pair in zip(most, _look(process.pid), strict=True)]
        with suppress(FileNotFoundError), status.open("rb") as lines:
            lines.seek(position)
            read = lines.read()
            position += len(read)
            through += read.count(b"\n")
        if through // every > said:
            said = through // every
            yield Stretch(said * every, time.monotonic() - begun, *most)
            most = [0] * 5
        time.sleep(LOOK_S)


def _look(pid: int) -> tuple[int, int, int, int, int]:
    """Memory of a process and of its children, their handles, their number, and its threads."""
    parent, threads, handles = _process(pid)
    decoders, count = 0, 1
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                with suppress(OSError, ValueError):
                    size, _, its_handles = _process(child)
                    decoders, handles, count = decoders + size, handles + its_handles, count + 1
    return parent, decoders, handles, count, threads


def _process(pid: int) -> tuple[int, int, int]:
    """Bytes resident, threads, handles; zeros for one that is gone."""
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return int(lines["VmRSS"].split()[0]) * 1024, int(lines["Threads"]), handles
    except (OSError, KeyError):
        return 0, 0, 0


def growth(stretches: list[Stretch]) -> list[str]:
    """What grew from the stretch after the first to the last one."""
    if len(stretches) < 3:
        return ["too few videos to see anything grow"]
    first, last = stretches[1], stretches[-1]
    problems = []
    for name in ("parent", "decoders"):
        before, after = getattr(first, name), getattr(last, name)
        if after > before + max(SHARE_MORE * before, BYTES_MORE):
            problems.append(f"memory ({name}) grew from {before / 2**20:.0f} to {after / 2**20:.0f} MiB")
    for name in ("handles", "processes", "threads"):
        before, after = (max(getattr(each, name) for each in some) for some in (stretches[:2], stretches[2:]))
        if after > before:
            problems.append(f"the number of {name} grew from {before} to {after}")
    return problems


def wrong_states(feats: Path, expected: dict[str, str | None]) -> list[str]:
    """Videos whose status is not what it has to be, and files that should not be there."""
    found = read_status(feats)
    problems = [f"{key}: has a status, but is no video" for key in found.keys() - expected.keys()]
    for key, cause in expected.items():
        status = found.get(key)
        if status is None:
            problems.append(f"{key}: has no status")
        elif status.state != ("done" if cause is None else "failed"):
            problems.append(f"{key}: is {status.state}, expected {cause or 'done'}")
        elif cause is not None and not (status.cause or "").startswith(cause):
            problems.append(f"{key}: {status.cause}, expected {cause}")
    names = {f"{key}.{kind}" for key, cause in expected.items() if cause is None for kind in ("npy", "json")}
    there = {path.name for path in feats.iterdir()} - {"status.jsonl"}
    problems += [f"{name}: is missing" for name in names - there]
    problems += [f"{name}: is a stray file" for name in there - names]
    problems += [f"{path.name}: half-written" for path in temporaries(feats)]
    return problems


def _times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def main() -> int:
    parser = argparse.ArgumentParser(description="A long run of wtalkit extract, watched from outside.")
    parser.add_argument("--videos", type=int, default=2000)
    parser.add_argument("--broken", type=float, default=0.05, help="share of broken videos")
    parser.add_argument("--every", type=int, default=EVERY, help="videos of a stretch")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--markdown", action="store_true", help="print the table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = long_run(
            Path(folder), videos=given.videos, broken=given.broken, every=given.every, workers=given.workers,
            told=lambda stretch: print(stretch.row(), file=sys.stderr, flush=True),
        )  # fmt: skip
    print(run.markdown() if given.markdown else "\n".join(run.problems) or "nothing grew, every state is right")
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
