"""``detect --format``: files and folders in the formats of other tools."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pympi
import pytest
import srt

from wtalkit.cli import main


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_one_format_is_printed_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos/a.mp4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"]["a"]
    assert main(["detect", "videos/a.mp4", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [[float(row["start"]), float(row["end"])] for row in rows] == [each["segment"] for each in found]
    assert rows


@pytest.mark.parametrize("name", ["eaf", "otio", "labelstudio"])
def test_one_video_and_one_format_make_a_file(name: str, project: Path) -> None:
    assert main(["detect", "videos/a.mp4", "--format", name, "--out", "found.x"]) == 0
    if name == "eaf":
        assert pympi.Elan.Eaf("found.x").get_tier_names()
    else:
        assert json.loads(Path("found.x").read_text("utf-8"))


def test_the_ending_says_the_format(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos/a.mp4", "--out", "found.srt"]) == 0
    assert list(srt.parse(Path("found.srt").read_text("utf-8")))
    assert "written to found.srt" in capsys.readouterr().out


def test_a_folder_holds_the_answers_and_the_formats(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "detect",
        str(features / "a.npy"),
        str(features / "b.npy"),
        "--format",
        "srt",
        "--format",
        "csv",
        "--out",
        "found",
    ]
    assert main(given) == 0
    there = ["a.csv", "a.json", "a.srt", "b.csv", "b.json", "b.srt", "status.jsonl"]
    assert files("found") == there
    Path("found/a.srt").unlink()
    assert main(given) == 0
    assert "is there already" in capsys.readouterr().err
    assert files("found") == there


@pytest.mark.parametrize("name", ["eaf", "srt", "otio"])
def test_a_video_that_fails_leaves_no_file(name: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.mp4").write_bytes(b"no video")
    assert main(["detect", "bad.mp4", "--format", name, "--out", "found.x"]) == 1
    assert not Path("found.x").exists()
    assert main(["detect", "bad.mp4", "--format", name]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("\n") <= 3
    assert "defect" not in captured.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["videos/a.mp4", "--format", "srtt"], "Did you mean srt?"),
        (["videos/a.mp4", "--format", "srt", "--format", "vtt"], "--out"),
        (["videos/a.mp4", "videos/b.mp4", "--format", "srt"], "--out"),
        (["videos/a.mp4", "--json", "--format", "srt"], "--out"),
    ],
)
def test_what_cannot_be_asked(given: list[str], said: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", *given]) == 2
    assert said in capsys.readouterr().err


def test_features_have_no_frames_to_count(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(features / "a.npy"), "--format", "otio", "--out", "x.otio"]) == 2
    assert "wtalkit export" in capsys.readouterr().err
    assert main(["detect", str(features / "a.npy"), "--out", "x.srt"]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "feats/a.npy --out feats/a.npy",
        "feats/a.npy --report feats/a.json",
        "feats/a.npy --raw-proposals feats/a.json",
        "feats/a.npy feats/b.npy --out feats",
        "videos/a.mp4 --format json --out videos/a.mp4",
        "videos/a.mp4 --overlay videos/a.mp4",
    ],
)
def test_nothing_that_is_read_is_written_to(features: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*.*") if path.is_file()}
    assert main(["detect", *line.split()]) == 2
    assert "is an input, and writing there would replace it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().rglob("*.*") if path.is_file()} == before
