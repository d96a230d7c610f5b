"""wtalkit annotations points: a file that serves training on points and scoring, and nothing lost."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from wtalkit.annotations import Instance, load_annotations, points_from_segments
from wtalkit.annotations.points import DISTRIBUTIONS
from wtalkit.cli import main
from wtalkit.cli.annotations import DistributionName


def test_points_of_the_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotations", "points", "--out", "points.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "3 points in 2 videos of subset training, for experiments: a real annotator clicks, these are drawn",
        "",
        "Next: wtalkit train --method lac --annotations points.json",
    ]
    before, made = load_annotations("annotations.json"), load_annotations("points.json")
    assert made.videos == points_from_segments(before, subset="training").videos
    assert [point.label for point in made.videos["a"].points] == ["bow", "squat"]
    assert made.videos["c"].segments == tuple(Instance(0.5, 1.5, label) for label in ("bow", "squat", "wave"))
    assert (made.classes, made.version) == (before.classes, before.version)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_distribution_seed_and_subset_are_heeded(
    project: Path, capsys: pytest.CaptureFixture[str], distribution: str
) -> None:
    out = "my points.json"
    line = ["annotations", "points", "annotations.json", "--out", out, "--subset", "testing", "--seed", "7"]
    assert main([*line, "--distribution", distribution]) == 0
    assert "Next: wtalkit train --method lac --annotations 'my points.json' --subset testing" in capsys.readouterr().out
    expected = points_from_segments(
        load_annotations("annotations.json"),
        subset="testing",
        distribution=distribution,  # type: ignore[arg-type]
        seed=7,
    )
    assert load_annotations(out).videos == expected.videos


def test_the_command_offers_what_there_is() -> None:
    assert tuple(DistributionName) == DISTRIBUTIONS


def test_the_subset_of_wtalkit_toml(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wtalkit.toml").write_text('train_subset = "testing"')
    assert main(["annotations", "points", "--out", "points.json", "--quiet"]) == 0
    assert capsys.readouterr().out == (
        "3 points in 1 video of subset testing, for experiments: a real annotator clicks, these are drawn\n"
    )


def test_a_file_without_subsets_loses_all_its_segments_and_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("labels.csv").write_text("video,label,start,end\na,wave,1,2\n")
    assert main(["annotations", "points", "labels.csv", "--out", "points.json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("1 point in 1 video, for experiments")
    assert captured.err == "no segment is left in points.json: keep labels.csv to score with\n"


def test_instances_without_a_point_are_counted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(Path("annotations.json").read_text())
    document["database"]["b"]["annotations"].append({"label": "wave", "segment": [7, 9]})
    Path("annotations.json").write_text(json.dumps(document))
    assert main(["annotations", "points", "--out", "points.json", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("3 points in 2 videos")
    assert captured.err.startswith("warning: 1 instance got no point")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("points", "wtalkit annotations points: missing option '--out'."),
        ("pints", "no such command 'pints'. Did you mean 'points'?"),
        ("points --out points.csv", "points.csv: is no name for annotations, which are written as JSON. End it in"),
        ("points --out there.json", "there.json: is there already. Use another --out, or --overwrite"),
        ("points --out folder.json --overwrite", "folder.json: is a folder, not a file."),
        ("points --out annotations.json --overwrite", "annotations.json: is what the points are drawn from, and would"),
        ("points --out link.json --overwrite", "link.json: is what the points are drawn from, and would lose its"),
        ("points there.json --out there.json --overwrite", "there.json: is what the points are drawn from"),
        ("points --out p.json --subset tset", "has no subset 'tset'"),
        ("points --out p.json --distribution gauss", "'gauss'"),
        ("points nope.json --out p.json", "nope.json: no such file"),
        ("points there.json --out p.json", "there.json: no video has segments to take points from. Choose another"),
    ],
)
def test_wrong_usage(project: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    Path("there.json").write_text('{"database": {"a": {"annotations": [{"label": "wave"}]}}}')
    Path("folder.json").mkdir()
    Path("link.json").symlink_to("annotations.json")
    before = {path: path.read_bytes() for path in Path().glob("*.json") if path.is_file()}
    assert main(["annotations", *line.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err.splitlines()[-1]
    assert {path: path.read_bytes() for path in Path().glob("*.json") if path.is_file()} == before


def test_overwrite_replaces_the_points_of_before(project: Path) -> None:
    for seed in ("1", "2"):
        assert main(["annotations", "points", "--out", "points.json", "--seed", seed, "--overwrite"]) == 0
    expected = points_from_segments(load_annotations("annotations.json"), subset="training", seed=2)
    assert load_annotations("points.json").videos == expected.videos


def test_whole_or_not_at_all(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(Path().iterdir())
    monkeypatch.setattr("wtalkit.atomic.os.fsync", full)
    assert main(["annotations", "points", "--out", "points.json"]) == 3
    captured = capsys.readouterr()
    assert (captured.out, captured.err.startswith("points.json: no space left on the disk.")) == ("", True)
    assert sorted(Path().iterdir()) == before
