"""Names that stand in files: never a path, never a formula, never a command to the terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import toys
from wtalkit.annotations import load_annotations
from wtalkit.cli import main
from wtalkit.errors import AnnotationsError, InputError
from wtalkit.features import feature_paths

LEAVING = ("../../x", "a/../../x", "/x", "\\\\host\\x", "C:\\x", "c:x", "a\\..\\..\\x", "a\0b", "", " ")
ODD = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\x1b[2J\x1b[31m",
    "a\nb",
    "\u202egnp.exe",
    "x" * 300,
    "%s{0}",
)


def everything_below(folder: Path) -> set[str]:
    return {os.fspath(path.relative_to(folder)) for path in folder.rglob("*")}


def annotations(key: str, label: str) -> str:
    entry = {"subset": "testing", "duration": 3, "annotations": [{"label": label, "segment": [0.5, 1.5]}]}
    return json.dumps({"database": {key: entry, "c": entry}})


@pytest.mark.parametrize("key", LEAVING)
def test_names_that_leave_their_folder_are_refused_in_annotations(tmp_path: Path, key: str) -> None:
    (tmp_path / "annotations.json").write_text(annotations(key, "bow"))
    with pytest.raises(AnnotationsError, match="the video"):
        load_annotations(tmp_path / "annotations.json")
    if "\0" not in key and key.strip():  # the csv module stops at the first, and blank rows are passed over
        (tmp_path / "labels.csv").write_text(f'"{key}",bow\n')
        with pytest.raises(AnnotationsError, match="line 1: the video's name"):
            load_annotations(tmp_path / "labels.csv")


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/x", "a\0b", ""])
def test_names_that_leave_their_folder_name_no_features(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="cannot name a features file"):
        feature_paths(tmp_path, key)


@pytest.mark.parametrize("key", [*LEAVING, *ODD])
def test_names_in_predictions_and_proposals_open_and_make_nothing(
    features: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"label": "bow", "score": 1, "segment": [0.5, 1.5]}]
    Path("given.json").write_text(json.dumps({"results": {key: rows, "c": rows}}))
    before = everything_below(features.parent.parent)
    assert main(["evaluate", "--predictions", "given.json", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["excluded"]["unknown_videos"] == 1
    assert "1 video is not in the ground truth" in captured.err
    assert not any(char in captured.err for char in "\x1b\0\u202e")
    assert everything_below(features.parent.parent) == before


@pytest.mark.parametrize("label", ODD)
def test_odd_class_names_are_text_wherever_they_are_shown(
    features: Path, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("annotations.json").write_text(annotations("a", label))
    rows = [{"label": label, "score": 1, "segment": [0.5, 1.5]}]
    Path("given.json").write_text(json.dumps({"results": {"a": rows}}))
    assert main(["evaluate", "--predictions", "given.json"]) == 0
    captured = capsys.readouterr()
    shown = "".join((captured.out + captured.err).split("\n"))
    assert shown.isprintable()
    assert label[:20] in shown or not label.isprintable()
    assert main(["evaluate", "--predictions", "given.json", "--json"]) == 0
    out = capsys.readouterr().out
    assert label in json.loads(out)["per_class"]
    assert not any(char in out for char in "\x1b\0")


@pytest.mark.parametrize("label", ODD)
def test_odd_class_names_of_a_model_are_text(
    project: Path, tmp_path: Path, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from wtalkit.methods import create
    from wtalkit.modelfile import ModelHeader, read_header, save_model

    spec = read_header(Path(os.environ["WTALKIT_MODELS"]) / "samples" / "model.safetensors").feature_spec
    assert spec is not None
    model = create("acrnet", num_classes=2, feature_dim=spec["dim"], hidden=16)
    header = ModelHeader.of(model, ("bow", label), feature_spec=spec, display_threshold=-9.0)
    save_model("odd.safetensors", model, header)
    toys.write_random_features(project / "feats", "a", Path(os.environ["WTALKIT_MODELS"]))
    before = everything_below(tmp_path)
    assert main(["detect", "feats/a.npy", "--model", "odd.safetensors"]) == 0
    assert main(["models", "info", "odd.safetensors"]) == 0
    captured = capsys.readouterr()
    assert "".join((captured.out + captured.err).split("\n")).isprintable()
    assert main(["detect", "feats/a.npy", "--model", "odd.safetensors", "--all", "--out", "found"]) == 0
    assert everything_below(tmp_path) - before == {os.fspath(Path("project", "found"))}
    found = {row["label"] for row in json.loads(Path("found").read_text())["results"]["a"]}
    assert found <= {"bow", label}
