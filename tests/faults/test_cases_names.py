"""Acceptance case 21: names of every kind, each video with an output of its own that mirrors its folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.faults.runs import GOOD, Cli, temporaries
from tests.faults.videos import write_numbered

ODD = {
    "spaces": b"a b  c.mp4",
    "quotes": b'it\'s "so".mp4',
    "newline": b"one\ntwo.mp4",
    "escape": b"\x1b[31mred.mp4",
    "not UTF-8": b"bad\xff\xfename.mp4",
    "dash": b"-rf.mp4",
    "shell": b"$(touch canary);`touch canary`|x&.mp4",
    "percent": b"50%d-%s.mp4",
    "brackets": b"[bold red]x.mp4",
    "cyrillic": "матч.mp4".encode(),
    "254 bytes": b"x" * 250 + b".mp4",
}


@pytest.fixture
def odd(workplace: Path, good_video: Path) -> list[str]:
    """Keys of the videos in ``videos`` besides the good ones."""
    keys = []
    for name in ODD.values():
        path = Path("videos", os.fsdecode(name))
        shutil.copy(good_video, path)
        keys.append(path.stem)
    for folder in ("a", "b"):
        Path("videos", folder).mkdir()
        shutil.copy(good_video, f"videos/{folder}/x.mp4")
        keys.append(f"{folder}/x")
    return keys


@pytest.mark.parametrize("command", ["extract", "detect"])
def test_case_21_names(command: str, odd: list[str], extract: Cli, detect: Cli) -> None:
    """All are processed, outputs mirror the folders and hold their names; nothing reaches a shell or the terminal."""
    run, out, kinds = (
        (extract(), "feats", ("npy", "json")) if command == "extract" else (detect(), "answers", ("json",))
    )
    assert run.code == 0, run.err
    keys = [*odd, *GOOD]
    assert sorted(run.status) == sorted(keys)
    assert {each.state for each in run.status.values()} == {"done"}
    assert {Path(each.path) for each in run.status.values()} == set(Path("videos").rglob("*.mp4"))
    written = {path.relative_to(out).as_posix() for path in Path(out).rglob("*") if path.is_file()}
    assert written == {*(f"{key}.{kind}" for key in keys for kind in kinds), "status.jsonl"}
    assert temporaries(Path(out)) == []
    assert sorted(path.name for path in Path().iterdir()) == sorted([out, "videos", "wtalkit.toml"])  # no canary
    assert "\x1b" not in run.out + run.err and "one\ntwo" not in run.out + run.err
    for key in odd:
        assert json.loads(Path(out, f"{key}.json").read_text())


def test_case_21_names_as_arguments(odd: list[str], extract: Cli) -> None:
    """The same, each file named outright, the two of one name told apart by their folders."""
    given = [str(path) for path in sorted(Path("videos").rglob("*.mp4"))]
    os.chdir("videos")
    try:
        run = extract(
            "--backbone", "i3d-mini", "--flow", "none", inputs=tuple(name.removeprefix("videos/") for name in given)
        )
    finally:
        os.chdir("..")
    assert run.code == 0, run.err
    expected = {key if "/" not in key else f"{key}.mp4" for key in [*odd, *GOOD]}
    assert set(run.status) == expected
    assert {each.state for each in run.status.values()} == {"done"}


def test_case_21_names_too_long(workplace: Path, good_video: Path, extract: Cli, detect: Cli) -> None:
    """With 255 bytes, the most a name can have, KEY.json would have 256: that video fails and says why."""
    path = Path("videos", "y" * 251 + ".mp4")
    shutil.copy(good_video, path)
    assert len(path.name) == 255
    extract().failed(str(path), "its name is too long to name a features file")
    detect().failed(str(path), "its name is too long to name an answer's file", out="answers")
    assert detect(out="one.json").code == 0  # where all answers go to one file, it does not matter


def test_case_21_names_that_differ_in_the_extension(workplace: Path, extract: Cli) -> None:
    """Two videos of one name keep their extensions, so neither overwrites the other."""
    write_numbered(Path("videos/good-1.mkv"), range(60))
    run = extract()
    assert (run.code, sorted(run.status)) == (0, ["good-1.mkv", "good-1.mp4", "good-2"])
    sizes = [Path(f"feats/good-1.{kind}.npy").stat().st_size for kind in ("mkv", "mp4")]
    assert sizes[0] > sizes[1]
