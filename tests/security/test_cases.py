"""The acceptance cases on files from elsewhere, through the command itself: exit code, and the file and cause named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import toys
from tests.security.pickles import hostile, in_array
from tests.security.targets import npy
from tests.security.test_bombs import header, tensors
from wtalkit.cli import main

ROWS = 100_000_000_000


def sentences(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "defect" not in captured.err
    return captured.err


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class Sly:
    """Pickled as a call that leaves a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.canary),)


def test_case_23_objects_as_an_input(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    canary = Path("canary").absolute()
    write(Path("evil.npy"), in_array(hostile(canary)["os.system"][0]))
    assert main(["detect", "evil.npy", "feats/a.npy"]) == 1
    assert "evil.npy: is not a readable array of numbers (it holds Python objects, which wtalkit never loads)" in (
        sentences(capsys)
    )
    assert not canary.exists()


@pytest.mark.parametrize("name", ["posix.system", "eval", "runpy", "getattr"])
def test_case_23_objects_in_a_folder_a_command_depends_on(
    features: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = Path("canary").absolute()
    write(features / "c.npy", in_array(hostile(canary)[name][0]))
    assert main(["evaluate", "--model", "samples"]) == 2
    err = sentences(capsys)
    assert "feats/c.npy" in err
    assert "Python objects" in err
    assert not canary.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".pt"])
@pytest.mark.parametrize("legacy", [False, True])
def test_case_23_a_checkpoint_with_code(
    project: Path, suffix: str, legacy: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = Path("canary").absolute()
    file = Path(f"evil{suffix}")
    Path("classes.txt").write_text("bow\nwave\n")
    torch.save({"state_dict": Sly(canary)}, file, _use_new_zipfile_serialization=not legacy)
    assert main(["models", "import", str(file), "--method", "acrnet", "--classes", "classes.txt"]) == 2
    err = sentences(capsys)
    assert err.startswith(f"{file}: holds more than weights ({os.mkdir.__module__}.mkdir) and was refused")
    assert not canary.exists()


@pytest.mark.parametrize("name", ["os.system", "stack global", "numpy.load", "inst", "new object", "persistent"])
def test_case_23_a_pickle_in_place_of_anything(project: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever a file is named, one with a pickle in it is refused with 2, or fails as an input with 1."""
    canary = Path("canary").absolute()
    stream = hostile(canary)[name][0]
    Path("classes.txt").write_text("bow\nwave\n")
    for suffix in (".json", ".csv", ".json.gz", ".pkl", ".safetensors", ".pth", ".toml", ".npy"):
        write(Path(f"evil{suffix}"), stream)
    for command in (
        ["evaluate", "--predictions", "evil.json"],
        ["evaluate", "--predictions", "evil.pkl"],
        ["evaluate", "--predictions", "evil.json.gz"],
        ["evaluate", "--ground-truth", "evil.json", "--predictions", "evil.json"],
        ["evaluate", "--ground-truth", "evil.csv", "--predictions", "evil.json"],
        ["evaluate", "--ground-truth", "evil.pkl", "--predictions", "evil.json"],
        ["detect", "videos/a.mp4", "--model", "evil.safetensors"],
        ["detect", "videos/a.mp4", "--model", "evil.pth"],
        ["detect", "videos/a.mp4", "--model", "evil.pkl"],
        ["models", "info", "evil.pkl"],
        ["models", "import", "evil.pth", "--method", "acrnet", "--classes", "classes.txt"],
        ["models", "import", "evil.safetensors", "--method", "acrnet", "--classes", "classes.txt"],
        ["train", "--method", "acrnet", "--recipe", "evil.toml"],
        ["train", "--method", "acrnet", "--annotations", "evil.csv"],
    ):
        assert main(command) == 2, command
        err = sentences(capsys)
        assert "evil." in err or "feats" in err, command
    assert main(["detect", "evil.npy"]) == 1
    assert "evil.npy" in sentences(capsys)
    assert not canary.exists()


def test_case_24_an_array_that_claims_more_than_it_holds(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = npy(np.ones((3, 8), np.float32)).replace(b"(3, 8), }" + b" " * 10, b"(%d, 8), }" % ROWS)
    write(Path("large.npy"), content)
    assert main(["detect", "large.npy", "feats/a.npy"]) == 1
    assert "large.npy: is not a readable array of numbers (its header promises more than the file holds)" in (
        sentences(capsys)
    )
    write(features / "c.npy", content)
    assert main(["evaluate", "--model", "samples"]) == 2
    assert "feats/c.npy: is not a readable array of numbers (its header promises more" in sentences(capsys)


@pytest.mark.parametrize("content", [
    header(tensors((0, 16), shape=[ROWS]), data=bytes(16)), header("{}", 1 << 63),
    header(tensors((0, 16), (0, 16)), data=bytes(16)),
], ids=["rows", "header length", "overlapping"])  # fmt: skip
def test_case_24_a_model_that_claims_more_than_it_holds(
    project: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path("large.safetensors"), content)
    Path("classes.txt").write_text("bow\nwave\n")
    assert main(["detect", "videos/a.mp4", "--model", "large.safetensors"]) == 2
    assert sentences(capsys).startswith("large.safetensors: ")
    assert main(["models", "import", "large.safetensors", "--method", "acrnet", "--classes", "classes.txt"]) == 2
    assert sentences(capsys).startswith("large.safetensors: ")


def unfit(project: Path, models: Path) -> dict[str, tuple[Path, str]]:
    """Arrays of no use to the model, by name, and what is said of each; a sound record lies beside them."""
    sound = toys.write_random_features(project / "odd", "sound", models)
    array = np.load(sound)
    nan, infinite = array.copy(), array.copy()
    nan[1, 3], infinite[0, 0] = np.nan, np.inf
    said = {
        "narrow": (array[:, : array.shape[1] // 2], "has shape"),
        "nan": (nan, "holds NaN or infinite numbers (first in snippet 1)"),
        "infinite": (infinite, "holds NaN or infinite numbers (first in snippet 0)"),
        "empty": (array[:0], "holds no snippet (T = 0)"),
        "whole": (array.astype(np.int64), "holds int64 numbers, features are float32"),
    }
    for name, (content, _) in said.items():
        np.save(project / "odd" / f"{name}.npy", content)
        shutil.copy(project / "odd" / "sound.json", project / "odd" / f"{name}.json")
    toys.write_random_features(project / "odd", "spec", models, stride=8)
    files = {name: (project / "odd" / f"{name}.npy", text) for name, (_, text) in said.items()}
    return {**files, "spec": (project / "odd" / "spec.npy", f"expects (T, {array.shape[1]}) at 12.5 fps/4, got")}


@pytest.mark.parametrize("name", ["narrow", "nan", "infinite", "empty", "whole", "spec"])
def test_case_25_features_the_model_cannot_use(
    features: Path, bundled: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, said = unfit(features.parent, bundled)[name]
    assert main(["detect", str(file), "feats/a.npy"]) == 1
    assert f"{file}: {said}" in sentences(capsys)
    for path in (features / "c.npy", features / "c.json"):
        shutil.copy(file.with_suffix(path.suffix), path)
    assert main(["evaluate", "--model", "samples"]) == 2
    err = sentences(capsys)
    assert (said in err and "feats/c.npy" in err) or (name == "spec" and "stride" in err and "feats" in err)


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_case_25_other_floats_are_converted(features: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(features / "c.npy", np.load(features / "c.npy").astype(kind))
    assert main(["detect", "feats/c.npy"]) == 0
    assert main(["evaluate", "--model", "samples"]) == 0
    sentences(capsys)


@pytest.mark.parametrize("key", ["../../x", "/x", "C:\\x"])
def test_case_27_ids_that_are_paths(
    features: Path, tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(Path("annotations.json").read_text())
    document["database"][key] = document["database"]["a"]
    Path("annotations.json").write_text(json.dumps(document, indent=1))
    Path("labels.csv").write_text(f"video,label\na,bow\n{key},bow\n")
    before = {path for path in tmp_path.rglob("*")}
    for command in (
        ["train", "--method", "acrnet"],
        ["train", "--method", "acrnet", "--annotations", "labels.csv"],
        ["evaluate", "--model", "samples"],
        ["annotations", "points", "--out", "points.json"],
    ):
        assert main(command) == 2, command
        err = sentences(capsys)
        assert f"the video's name {key!r}" in err
        assert "line " in err
    assert {path for path in tmp_path.rglob("*")} == before


def test_case_27_class_names_with_markup_are_text(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = "<script>alert(1)</script>\x1b[2J"
    text = Path("annotations.json").read_text().replace('"wave"', json.dumps(label))
    Path("annotations.json").write_text(text)
    rows = [{"label": label, "score": 1, "segment": [0.5, 1.5]}]
    Path("given.json").write_text(json.dumps({"results": {"c": rows}}))
    assert main(["evaluate", "--predictions", "given.json"]) == 0
    out = capsys.readouterr().out
    assert "<script>alert(1)</script>\\x1b[2J" in out
    assert "\x1b" not in out


def test_case_28_odd_predictions_are_counted_and_said(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = json.loads(Path("annotations.json").read_text())
    truth["database"]["c"]["annotations"].append({"label": "bow", "segment": [2.5, 99.0]})
    Path("annotations.json").write_text(json.dumps(truth))
    rows = [
        {"label": "bow", "score": 0.9, "segment": [0.5, 1.5]},
        {"label": "bow", "score": 0.8, "segment": [1.5, 0.5]},
        {"label": "bow", "score": 0.7, "segment": [2.0, 200.0]},
        {"label": "bow", "score": float("nan"), "segment": [0.5, 1.5]},
        {"label": "bow", "score": None, "segment": [0.5, 1.5]},
        {"label": "juggle", "score": 0.5, "segment": [0.5, 1.5]},
    ]
    Path("given.json").write_text(json.dumps({"results": {"c": rows, "elsewhere": rows[:1]}}))
    assert main(["evaluate", "--predictions", "given.json", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    counts = {name: count for name, count in answer["excluded"].items() if count}
    assert counts == {
        "unknown_videos": 1, "unknown_labels": 1, "nan_scores": 2, "bad_segments": 1, "clipped": 1,
        "ground_truth_beyond_video": 1,
    }  # fmt: skip
    assert answer["predictions"] == 2
    for said in (
        "1 prediction in videos that are not scored; left out",
        "1 prediction with a label that the ground truth does not know; left out",
        "2 predictions with a score that is not a finite number; left out",
        "1 prediction with an end before the start, or times that are not finite; left out",
        "1 prediction running past the start or the end of the video; clipped",
        "1 instance of the ground truth ending after the video; scored as written",
        "1 video is not in the ground truth: elsewhere",
    ):
        assert f"warning: {said}" in captured.err


def test_case_28_nothing_that_can_be_scored(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"label": "juggle", "score": 1, "segment": [0.5, 1.5]}]
    Path("given.json").write_text(json.dumps({"results": {"c": rows}}))
    assert main(["evaluate", "--predictions", "given.json"]) == 2
    err = sentences(capsys)
    assert "no prediction of 1 can be scored" in err
    assert "given.json" in err
