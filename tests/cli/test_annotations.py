"""wtalkit annotations: points serve training and scoring, splits stay what they are, and nothing is lost."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from wtalkit.annotations import Annotations, Instance, load_annotations, points_from_segments, split_annotations
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


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten videos of each of two actions in a table, and nothing else."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "labels.csv"
    rows = [f"{label}{number},{label}" for label in ("kick", "wave") for number in range(10)]
    path.write_text("\n".join(["video,label", *rows]))
    return path


def test_a_split(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotations", "split", "--out", "annotations.json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "16 videos in training, 4 videos in testing",
        "",
        "class    training    testing",
        "kick            8          2",
        "wave            8          2",
        "",
        "Next: wtalkit train --method clasnet",
    ]
    assert captured.err.splitlines() == [
        "no video says when anything happens: wtalkit evaluate needs to know that of the test videos",
        "from here on annotations.json is read where labels.csv was",
    ]
    made = load_annotations("annotations.json")
    assert made.videos == split_annotations(replace_lines(load_annotations("labels.csv"))).videos


def replace_lines(annotations: Annotations) -> Annotations:
    """Without what a table alone knows."""
    videos = {key: replace(video, line=None) for key, video in annotations.videos.items()}
    return replace(annotations, videos=videos)


def test_a_split_elsewhere(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["annotations", "split", "labels.csv", "--out", "my split.json", "--test", "0.4", "--seed", "3"]
    assert main([*words, "--group", "^[a-z]+[0-4]"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("12 videos in training, 8 videos in testing")
    assert out.endswith("Next: wtalkit train --method clasnet --annotations 'my split.json'\n")
    expected = split_annotations(load_annotations("labels.csv"), test=0.4, seed=3, group="^[a-z]+[0-4]")
    assert {key: video.subset for key, video in load_annotations("my split.json").videos.items()} == {
        key: video.subset for key, video in expected.videos.items()
    }


def test_what_is_split_stays_split_and_unknown_keys_stay(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = {f"v{number}": {"url": "u", "annotations": [{"label": "kick", "id": number}]} for number in range(5)}
    entries["v0"]["subset"] = "testing"
    Path("a.json").write_text(json.dumps({"taxonomy": [1], "database": entries}))
    assert main(["annotations", "split", "a.json", "--out", "b.json", "-q"]) == 0
    made = json.loads(Path("b.json").read_text())
    assert made["taxonomy"] == [1]
    assert made["database"]["v3"] == {**entries["v3"], "subset": "training"}
    assert [entry["subset"] for entry in made["database"].values()] == ["testing", *["training"] * 4]
    assert capsys.readouterr().err == ""
    assert main(["annotations", "split", "b.json", "--out", "c.json"]) == 2
    assert "b.json: has no video without a subset. Add --overwrite to split it anew." in capsys.readouterr().err
    assert main(["annotations", "split", "b.json", "--out", "b.json", "--overwrite", "-q", "--seed", "1"]) == 0
    said = capsys.readouterr()
    anew = json.loads(Path("b.json").read_text())["database"]
    assert said.out == "4 videos in training, 1 video in testing\n"
    assert anew["v0"]["subset"] == "training"
    assert said.err == "warning: 2 videos changed sides: do not score models with them that were trained before\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("split", "missing option '--out'"),
        ("split --out labels.csv", "labels.csv: is no name for annotations, which are written as JSON"),
        ("split --out there.json", "there.json: is there already"),
        ("split --out a.json --test 2", "a share of 2 cannot be set apart"),
        ("split --out a.json --group (", "'(' is not a regular expression"),
        ("split nope.csv --out a.json", "nope.csv: no such file. Labels are an annotations.json, a labels.csv"),
    ],
)
def test_a_split_that_cannot_be(table: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    Path("there.json").touch()
    before = sorted(Path().iterdir())
    assert main(["annotations", *line.split()]) == 2
    assert said in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before
