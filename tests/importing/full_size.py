"""The way of a researcher at full size, and what memory it takes: import, train, detect, evaluate on 412 videos.

    python -m tests.importing.full_size --out SCRATCH [--steps 20] [--markdown FILE]

Writes a pack in the layout of W-TALC and CO2-Net (one object array of ``[T, 2048]``, beside it the annotations) whose
videos, labels and lengths are those of THUMOS14; the features are drawn at random around the real segments, so
the scores mean nothing. Then runs the four commands as a person would, each in a process of its own, and samples the
memory of that process and its children: what is theirs, and what they share with files (which the system takes back
when it needs it).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtalkit.annotations import Annotations
from wtalkit.datasets import load_dataset

WIDTH = 2048
LIMIT_MIB = 4096
POLL_S = 0.02
METHOD = "clasnet"
LEFT_OUT = "video_test_0001292"
"""The one video that the packs of this family do not hold."""


@dataclass(frozen=True)
class Command:
    """One command that was run.

    Attributes:
        words: after ``wtalkit``.
        code: its exit code.
        own_mib: most memory of its own that it and its children took.
        file_mib: most pages of files that they had mapped.
        seconds: wall time.
    """

    words: tuple[str, ...]
    code: int
    own_mib: float
    file_mib: float
    seconds: float


def write_pack(folder: Path, truth: Annotations, width: int = WIDTH, seed: int = 0) -> Path:
    """A pack of the videos of ``truth``; gives its folder."""
    name = "Thumos14reduced"
    notes = folder / f"{name}-Annotations"
    notes.mkdir(parents=True)
    prototypes = np.random.default_rng(seed).gamma(2, 0.3, (len(truth.classes), width)).astype(np.float32)
    features = objects([simulated(number, video, truth, prototypes) for number, video in enumerate(truth.videos)])
    np.save(folder / f"{name}-I3D-JOINTFeatures.npy", features, allow_pickle=True)
    videos = list(truth.videos.values())
    for file, values in (
        ("labels.npy", [[each.label for each in video.segments] for video in videos]),
        ("labels_all.npy", [list(video.labels) for video in videos]),
        ("segments.npy", [[[each.start_s, each.end_s] for each in video.segments] for video in videos]),
    ):
        np.save(notes / file, objects(values), allow_pickle=True)
    np.save(notes / "duration.npy", np.array([video.duration_s for video in videos]))
    np.save(notes / "subset.npy", np.array([video.subset for video in videos], dtype="S"))
    np.save(notes / "videoname.npy", np.array(list(truth.videos), dtype="S"))
    np.save(notes / "classlist.npy", np.array(truth.classes, dtype="S"))
    np.save(notes / "extracted_fps.npy", np.full(len(videos), 10))
    return folder


def simulated(number: int, key: str, truth: Annotations, prototypes: np.ndarray) -> np.ndarray:
    """Features of one video: noise, and its classes' own pattern where they happen."""
    video = truth.videos[key]
    random = np.random.default_rng((1, number))
    snippets = max(2, int((video.duration_s or 1) * 25) // 16)
    rows = random.gamma(1, 0.2, (snippets, prototypes.shape[1])).astype(np.float32)
    for each in video.segments:
        inside = slice(int(each.start_s / 0.64), int(each.end_s / 0.64) + 1)
        rows[inside] += prototypes[truth.classes.index(each.label)]
    return np.asarray(np.maximum(rows - 0.2, 0), dtype=np.float32)


def objects(values: Sequence[Any]) -> np.ndarray:
    """An array of objects, also where all are of one shape."""
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array


def run(words: Sequence[str], folder: Path, log: Path) -> Command:
    """Run ``wtalkit WORDS`` in ``folder``, and look at its memory all the while."""
    begun = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "wtalkit", *words], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        own = of_files = 0
        while process.poll() is None:
            found = [memory(pid) for pid in family(process.pid)]
            own, of_files = max(own, sum(each[0] for each in found)), max(of_files, sum(each[1] for each in found))
            time.sleep(POLL_S)
    return Command(tuple(words), process.returncode, own / 1024, of_files / 1024, time.monotonic() - begun)


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def memory(pid: int) -> tuple[int, int]:
    """KiB that are its own (shared memory counts, once too often where children share it), and of files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return values.get("RssAnon", 0) + values.get("RssShmem", 0), values.get("RssFile", 0)


def researcher(out: Path, steps: int, width: int = WIDTH, videos: int | None = None) -> tuple[Path, list[Command]]:
    """Write the pack and run the commands; gives the project's folder and what was measured."""
    dataset = load_dataset("thumos14")
    keys = [key for key in dataset.videos if key != LEFT_OUT][slice(None, None, 1 if videos is None else 412 // videos)]
    pack = write_pack(out / "pack", dataset.only(set(keys)), width)
    project = out / "project"
    project.mkdir()
    (project / "test").mkdir()
    training = ("--recipe", "thumos14", "--device", "cpu", "--set", f"steps={steps}", "--set", "log_every=1")
    smaller = ("--set", "batch_size=2", "--set", "accumulate=4")
    found = [run(("import", str(pack), "--out", "feats"), project, out / "import.log")]
    for key in keys:
        if "_test_" in key:
            (project / "test" / f"{key}.npy").symlink_to(project / "feats" / f"{key}.npy")
            (project / "test" / f"{key}.json").symlink_to(project / "feats" / f"{key}.json")
    for words in (
        ("train", "--method", METHOD, *training, *smaller),
        ("detect", "test", "--all", "--device", "cpu", "--out", "found.json"),
        ("evaluate", "--protocol", "thumos14-co2net", "--json"),
        ("evaluate", "--protocol", "thumos14-co2net", "--predictions", "found.json", "--json"),
    ):
        found.append(run(words, project, out / f"{words[0]}{len(found)}.log"))
    return project, found


def to_markdown(found: Sequence[Command]) -> str:
    """A table of what was measured."""
    lines = ["| command | own memory | pages of files | wall |", "| --- | ---: | ---: | ---: |"]
    for each in found:
        words = " ".join(word if len(word) < 40 else ".../pack" for word in each.words)
        lines.append(
            f"| `wtalkit {words}` | {each.own_mib:,.0f} MiB | {each.file_mib:,.0f} MiB | {each.seconds:,.0f} s |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder for 2.5 GB of scratch")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    if options.out.exists():
        shutil.rmtree(options.out)
    options.out.mkdir(parents=True)
    _, found = researcher(options.out.resolve(), options.steps)
    text = to_markdown(found)
    print(text)
    print(json.dumps([each.__dict__ for each in found], default=list))
    if options.markdown is not None:
        options.markdown.write_text(text)
    return int(any(each.code for each in found) or any(each.own_mib > LIMIT_MIB for each in found))


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "120")
    sys.exit(main())
