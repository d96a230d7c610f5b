"""wtalkit check: the folder's own things without arguments, one exit code for all of it, JSON alone on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.videos import cut
from tests.toys import write_random_features, write_video
from wtalkit.cli import main


@pytest.fixture
def sound(project: Path) -> Path:
    """The toy project with videos that differ, and two of each class to train on."""
    database = {}
    for number, key in enumerate(("a", "b", "c", "d")):
        write_video(project / "videos" / f"{key}.mp4", 75 + number)
        annotation = [{"label": label, "segment": [0.5, 1.5]} for label in ("bow", "wave")]
        database[key] = {"subset": "testing" if key == "d" else "training", "duration": 3, "annotations": annotation}
    (project / "annotations.json").write_text(json.dumps({"version": "toy", "database": database}))
    return project


def said(text: str, *, without: str = "[") -> list[str]:
    """The lines that are no progress."""
    return [line for line in text.splitlines() if line and not line.startswith(without)]


def test_a_sound_project(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    captured = capsys.readouterr()
    assert said(captured.out) == [
        "class    training    testing",
        "bow             3          1",
        "wave            3          1",
        "4 videos of 0:12.2 in all, labels of 4 videos, none failed, 0 problems, 0 warnings. "
        "Next: wtalkit extract videos/ --out feats/",
    ]
    assert said(captured.err) == []
    assert len([line for line in captured.err.splitlines() if line.startswith("[")]) == 4


def test_everything_is_said_at_once(sound: Path, bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut(sound / "videos" / "b.mp4", 0.5)
    for seed, key in enumerate("abcx"):
        write_random_features(sound / "feats", key, bundled, seed=seed)
    (sound / "feats" / "c.npy").write_bytes(b"")
    document = json.loads((sound / "annotations.json").read_text())
    document["database"]["a"]["annotations"] = []
    (sound / "annotations.json").write_text(json.dumps(document, indent=1))
    assert main(["check"]) == 2
    captured = capsys.readouterr()
    lines = said(captured.err)
    assert "videos/b.mp4: index (moov) missing, download incomplete?" in lines
    assert "feats/c.npy: is empty" in lines
    assert "problem: annotations.json: line 4: 'a' has no label" in lines
    assert "warning: feats: no features yet of 1 video: d" in lines
    assert "warning: feats: holds features of 1 video not there: x" in lines
    last = captured.out.splitlines()[-1]
    assert "2 failed, 1 problem, 2 warnings. Next: mend what is named above, then check again" in last


def test_failed_files_alone(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut(sound / "videos" / "b.mp4", 0.5)
    assert main(["check"]) == 1
    assert said(capsys.readouterr().out)[:2] == [
        "video    state     length    fps    size    remarks",
        "b        failed                             index (moov) missing, download incomplete?",
    ]


def test_json_is_alone_on_stdout(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "--fast"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["exit_code"] == 0
    assert {video["state"] for video in document["videos"].values()} == {"opened"}
    assert "Next: " in captured.err


def test_paths_alone_leave_the_project_out(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "videos/a.mp4"]) == 0
    assert said(capsys.readouterr().out) == [
        "1 video of 0:03.0 in all, none failed, 0 problems, 0 warnings. Next: wtalkit extract PATH --out feats/"
    ]
    assert main(["check", "videos/a.mp4", "--annotations", "annotations.json", "--quiet"]) == 0
    assert "warning: annotations.json: no file of 3 videos: b, c, d" in capsys.readouterr().err
    assert main(["check", "--videos", "videos", "-q"]) == 0
    Path("annotations.json").unlink()
    capsys.readouterr()
    assert main(["check", "--fast"]) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .endswith("Next: write what happens in each video to labels.csv (video,label), then check again")
    )


def test_verbose_lists_every_video(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--verbose"]) == 0
    assert "a        whole    0:03.0     25    64x48" in capsys.readouterr().out


def test_a_labels_table_of_the_project(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sound / "annotations.json").unlink()
    (sound / "labels.csv").write_text("video,label\na,bow\nb,bow\nc,wave\nd.,wave\n")
    assert main(["check", "--fast"]) == 2
    lines = said(capsys.readouterr().err)
    assert "problem: labels.csv: line 5: 'd.' has labels, but there is no such video; did you mean 'd'?" in lines


def test_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--dataset", "thumos14", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["annotations"]["source"] == "thumos14"
    Path("wtalkit.toml").write_text('dataset = "thumos14"')
    assert main(["check", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["annotations"]["source"] == "thumos14"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("check", "there is nothing to check here. Name videos, features or --annotations"),
        ("check --dataset thumos", "there is no data set 'thumos'. Did you mean thumos14?"),
        ("check --dataset thumos14 --annotations a.json", "--annotations and --dataset exclude each other."),
        ("check --workers 0", "workers"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 2
    assert text in capsys.readouterr().err


def test_a_built_in_data_set_has_subsets_of_its_own(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wtalkit.toml").write_text('train_subset = "training"\ntest_subset = "tset"\n')
    assert main(["check", "--fast"]) == 2
    assert "has no subset 'tset'" in capsys.readouterr().err
    main(["check", "--fast", "--dataset", "thumos14"])
    assert "has no subset" not in capsys.readouterr().err
