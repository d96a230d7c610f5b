"""A data set of one's own: two commands from a table or from folders to a model, and the labels of known data sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.toys import write_random_features, write_video
from wtalkit.cli import main
from wtalkit.datasets import load_dataset
from wtalkit.modelfile import read_header
from wtalkit.runs import Run, newest
from wtalkit.training.plan import Plan

SHORT = ["--set", "steps=3", "--set", "batch_size=2", "--set", "log_every=1"]
UNSPLIT = "the labels name no subsets, so all videos are trained on and none is left to score with"


def trained() -> Run:
    run = newest(Path("runs"))
    assert run is not None
    return run


@pytest.fixture
def empty(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing in it."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("layout", ["table", "folders"])
def test_two_commands(empty: Path, capsys: pytest.CaptureFixture[str], layout: str) -> None:
    names = {"wave/a": "wave", "wave/b": "wave", "bow/c": "bow"}
    for number, name in enumerate(names):
        write_video(empty / "videos" / f"{name}.mp4", 50 + number)
    if layout == "table":
        rows = "\n".join(f"{name}.mp4;{label}" for name, label in names.items())
        (empty / "labels.csv").write_text(f"video;label\n{rows}\n")
    words = ["extract", "videos/", "--out", "feats/", "--backbone", "i3d-mini", "--flow", "dis"]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("Next: wtalkit train --method clasnet")
    assert main(["train", "--method", "clasnet", *SHORT]) == 0
    captured = capsys.readouterr()
    assert ("labels from the folders in videos, each of which is named" in captured.err) == (layout == "folders")
    assert UNSPLIT in captured.err
    assert captured.out.splitlines()[-1] == "Next: wtalkit detect VIDEO"
    assert read_header(trained().model).classes == ("bow", "wave")


def test_after_a_split_only_the_training_videos_are_seen(
    empty: Path, bundled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(6):
        write_random_features(empty / "feats", f"v{seed}", bundled, seed=seed)
    (empty / "labels.csv").write_text(
        "video,label,start,end\n" + "\n".join(f"v{seed},{'bow' if seed % 2 else 'wave'},0.5,1.5" for seed in range(6))
    )
    assert main(["annotations", "split", "--out", "annotations.json", "--test", "0.3"]) == 0
    assert main(["train", "--method", "acrnet", *SHORT]) == 0
    captured = capsys.readouterr()
    assert UNSPLIT not in captured.err
    assert "4 training videos, 2 classes, labels only" in captured.err
    assert captured.out.splitlines()[-1] == "Next: wtalkit detect VIDEO, or wtalkit evaluate"
    assert main(["evaluate"]) == 0
    assert "2 videos of subset testing, 2 instances" in capsys.readouterr().out


@pytest.fixture
def thumos(features: Path, bundled: Path) -> Path:
    """Features under the names of THUMOS14's videos: two of each class to train on."""
    shutil.rmtree(features)
    known = load_dataset("thumos14")
    wanted = {label: 2 for label in known.classes}
    for key, video in known.subset("validation").videos.items():
        if any(wanted[label] > 0 for label in video.labels):
            write_random_features(features, key, bundled, seed=len(wanted))
            for label in video.labels:
                wanted[label] -= 1
    return features


@pytest.mark.parametrize("how", ["option", "wtalkit.toml"])
def test_the_labels_of_a_data_set(thumos: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    if how == "wtalkit.toml":
        with Path("wtalkit.toml").open("a") as settings:
            settings.write('dataset = "thumos14"\n')
    words = ["--dataset", "thumos14"] if how == "option" else []
    assert main(["train", "--method", "acrnet", *words, *SHORT]) == 0
    captured = capsys.readouterr()
    assert "20 classes, labels only" in captured.err
    assert captured.out.splitlines()[-1] == f"Next: wtalkit detect VIDEO, or wtalkit evaluate{' '.join(['', *words])}"
    run = trained()
    plan = Plan.read(run.config)
    assert (plan.dataset, plan.annotations, plan.subset) == ("thumos14", None, "validation")
    provenance = read_header(run.model).provenance
    assert provenance["dataset"] == "thumos14"
    assert "annotations" not in provenance


def test_a_data_set_is_gone_on_with(thumos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "acrnet", "--dataset", "thumos14", "--seeds", "0", *SHORT]) == 0
    words = ["train", "--method", "acrnet", "--dataset", "thumos14", "--seeds", "0,1", "--resume"]
    assert main([*words, *SHORT]) == 0
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dataset", "thumos14", "--annotations", "annotations.json"], "--annotations and --dataset exclude each"),
        (["--dataset", "thumos"], "there is no data set 'thumos'. Did you mean thumos14?"),
        (["--annotations", "nope.json"], "nope.json: no such file. Labels are an annotations.json, a labels.csv"),
    ],
)
def test_wrong_usage(features: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["train", "--method", "acrnet", *words]) == 2
    assert said in capsys.readouterr().err
