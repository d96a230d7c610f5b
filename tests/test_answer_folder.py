"""A folder of answers: what is found again, what is made again, what is noted."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import toys
from wtalkit.answer_folder import AnswerFolder
from wtalkit.atomic import TEMPORARY_SUFFIX
from wtalkit.detector import Detector, Show
from wtalkit.errors import MachineError, UsageError
from wtalkit.inputs import Failure, Input
from wtalkit.project import Project
from wtalkit.segments import Detections
from wtalkit.status import STATUS_FILE, read_status
from wtalkit.zoo import choose_model

SHOW = Show()


@pytest.fixture
def detector(features: Path) -> Detector:
    """The toy model; the features of a, b and c lie in ``feats``."""
    return Detector(choose_model("samples", Project.load()))


@pytest.fixture
def entry(features: Path) -> Input:
    return Input("a", features / "a.npy", "features")


@pytest.fixture
def answer(detector: Detector, entry: Input) -> Detections:
    """Kept in ``answers``."""
    found = detector.detect(entry, SHOW)
    assert found.segments
    AnswerFolder(Path("answers"), detector, SHOW).keep(entry, found)
    return found


def find(detector: Detector, entry: Input, show: Show = SHOW) -> Detections | None:
    return AnswerFolder(Path("answers"), detector, show).find(entry)


def test_an_answer_is_found_again(detector: Detector, entry: Input, answer: Detections) -> None:
    assert find(detector, entry) == answer
    assert sorted(path.name for path in Path("answers").iterdir()) == ["a.json", STATUS_FILE]


def test_a_kill_between_an_answer_and_its_line(detector: Detector, entry: Input, answer: Detections) -> None:
    path = Path("answers") / STATUS_FILE
    whole = path.read_bytes()
    path.unlink()
    folder = AnswerFolder(Path("answers"), detector, SHOW)
    assert folder.find(entry) == answer
    folder.close()
    assert path.read_bytes() == whole


def test_nothing_is_found_where_nothing_is(detector: Detector, entry: Input) -> None:
    assert find(detector, entry) is None
    Path("answers").mkdir()
    assert find(detector, entry) is None
    Path("answers/a.json").mkdir()
    assert find(detector, entry) is None


def test_an_answer_without_segments_is_one_too(detector: Detector, entry: Input, answer: Detections) -> None:
    show = Show(threshold=1e6)
    nothing = detector.detect(entry, show)
    assert nothing.segments == ()
    AnswerFolder(Path("answers"), detector, show).keep(entry, nothing)
    assert find(detector, entry, show) == nothing


@pytest.mark.parametrize("show", [Show(threshold=0.1), Show(everything=True), Show(classes=("bow",))])
def test_only_for_the_same_question(show: Show, detector: Detector, entry: Input, answer: Detections) -> None:
    assert find(detector, entry, show) is None


def test_not_for_another_file_of_that_name(detector: Detector, entry: Input, answer: Detections) -> None:
    entry.path.write_bytes(entry.path.read_bytes() + b"\0")
    assert find(detector, entry) is None
    entry.path.unlink()
    assert find(detector, entry) is None


def test_not_of_another_model(
    detector: Detector, entry: Input, answer: Detections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = toys.write_models(tmp_path / "others")
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = other / "samples" / "model.safetensors"
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    weights = load_file(path)
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, path, metadata)
    assert find(Detector(choose_model(str(path), Project.load())), entry) is None


def test_a_copy_of_the_model_is_the_same_model(
    detector: Detector, entry: Input, answer: Detections, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.safetensors"
    shutil.copy(detector.choice.path, copy)
    found = find(Detector(choose_model(str(copy), Project.load())), entry)
    assert found is not None
    assert found.segments == answer.segments
    assert found.model["path"] == str(copy)


def test_not_of_another_version(
    detector: Detector, entry: Input, answer: Detections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wtalkit.answer.__version__", "0.0.1")
    assert find(detector, entry) is None


def test_partial_answers_serve_only_those_who_keep_them(detector: Detector, entry: Input, answer: Detections) -> None:
    partial = replace(
        answer, status="partial", warnings=("decoded 1.00 of 3.00 s",), gaps=((1.0, 3.0),), expected_s=3.0
    )
    AnswerFolder(Path("answers"), detector, SHOW).keep(entry, partial)
    assert find(detector, entry) is None
    detector.on_partial = "keep"
    assert find(detector, entry) == partial
    (status,) = read_status("answers").values()
    assert (status.state, status.cause, status.gaps) == ("partial", "decoded 1.00 of 3.00 s", ((1.0, 3.0),))


def changed(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """A document in which one thing is other than written."""

    def write(path: Path) -> None:
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    return write


def put(*places: Any) -> Callable[[Any], None]:
    """Puts the last of the arguments at the place the others name."""

    def change(value: Any) -> None:
        *way, last, new = places
        for name in way:
            value = value[name]
        value[last] = new

    return change


VIDEO = ("external_data", "videos", "a")
DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "no object": lambda path: path.write_text("[]"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "another program's": lambda path: path.write_text('{"version": "1", "results": {"a": []}}'),
    "NaN": lambda path: path.write_text('{"external_data": NaN}'),
    "no results": changed(lambda value: value["results"].clear()),
    "of another video": changed(lambda value: value["external_data"]["videos"].clear()),
    "score is text": changed(put("results", "a", 0, "score", "high")),
    "score is missing": changed(lambda value: value["results"]["a"][0].pop("score")),
    "score is null": changed(put("results", "a", 0, "score", None)),
    "end before start": changed(put("results", "a", 0, "segment", [2.0, 1.0])),
    "one number": changed(put("results", "a", 0, "segment", [2.0])),
    "three numbers": changed(put("results", "a", 0, "segment", [0.0, 1.0, 2.0])),
    "huge number": changed(put("results", "a", 0, "segment", [0, 10**400])),
    "segments are text": changed(put("results", "a", "abc")),
    "segments are null": changed(put("results", "a", None)),
    "duration is text": changed(put(*VIDEO, "duration", "long")),
    "duration is null": changed(put(*VIDEO, "duration", None)),
    "duration is infinite": lambda path: path.write_text(
        re.sub('"duration": [^,]*', '"duration": 1e999', path.read_text())
    ),
    "threshold is text": changed(put(*VIDEO, "threshold", "high")),
    "best score is a list": changed(put(*VIDEO, "best_score", [1])),
    "expected is text": changed(put(*VIDEO, "expected_duration", "long")),
    "gaps are numbers": changed(put(*VIDEO, "gaps", [1, 2])),
    "gap is huge": changed(put(*VIDEO, "gaps", [[0, 10**400]])),
    "warnings are null": changed(put(*VIDEO, "warnings", None)),
    "facts are a list": changed(put(*VIDEO, [])),
    "model is a list": changed(put("external_data", "model", [])),
    "external is text": changed(put("external_data", "abc")),
    "size is missing": changed(lambda value: value["external_data"]["videos"]["a"].pop("bytes")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_or_foreign_is_made_again(
    damage: Callable[[Path], object], detector: Detector, entry: Input, answer: Detections
) -> None:
    path = Path("answers/a.json")
    before = path.read_bytes()
    damage(path)
    assert path.read_bytes() != before
    assert find(detector, entry) is None
    AnswerFolder(Path("answers"), detector, SHOW).keep(entry, answer)
    assert find(detector, entry) == answer


def test_a_failure_is_noted(detector: Detector, entry: Input) -> None:
    folder = AnswerFolder(Path("answers"), detector, SHOW)
    failure = Failure("feats/a.npy", "is empty")
    assert folder.keep(entry, failure) is failure
    folder.missing(Failure("gone.mp4", "no such file"))
    folder.close()
    assert {key: (each.state, each.cause) for key, each in read_status("answers").items()} == {
        "a": ("failed", "is empty"),
        "gone": ("failed", "no such file"),
    }
    assert not Path("answers/a.json").exists()


@pytest.mark.parametrize("key", ["y" * 300, "ж" * 130, "y" * 251])
def test_a_name_too_long_is_the_inputs_failure(key: str, detector: Detector, entry: Input, answer: Detections) -> None:
    folder = AnswerFolder(Path("answers"), detector, SHOW)
    long = replace(entry, key=key)
    kept = folder.keep(long, replace(answer, key=key))
    assert isinstance(kept, Failure)
    assert kept.cause == "its name is too long to name an answer's file"
    assert folder.find(long) is None
    assert read_status("answers")[key].state == "failed"
    assert sorted(path.name for path in Path("answers").iterdir()) == ["a.json", STATUS_FILE]


@pytest.mark.parametrize("key", ["../outside", "/outside", "sub/../../outside", "nul\0byte"])
def test_a_key_never_leaves_the_folder(key: str, detector: Detector, entry: Input, answer: Detections) -> None:
    folder = AnswerFolder(Path("answers"), detector, SHOW)
    odd = replace(entry, key=key)
    assert isinstance(folder.keep(odd, replace(answer, key=key)), Failure)
    assert folder.find(odd) is None
    assert not list(Path().rglob("outside*"))


def test_answers_mirror_folders(detector: Detector, entry: Input, answer: Detections) -> None:
    folder = AnswerFolder(Path("answers"), detector, SHOW)
    for key in ("x/a", "y/a"):
        folder.keep(replace(entry, key=key), replace(answer, key=key))
        assert folder.find(replace(entry, key=key)) == replace(answer, key=key)
    folder.close()
    assert list(read_status("answers")) == ["a", "x/a", "y/a"]


def test_a_killed_run_leaves_nothing(detector: Detector, entry: Input) -> None:
    leftover = Path("answers", f".half{TEMPORARY_SUFFIX}")
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    folder = AnswerFolder(Path("answers"), detector, SHOW)
    assert not leftover.exists()
    leftover.write_bytes(b"half")  # another one was killed while we worked
    folder.close()
    assert not leftover.exists()


def test_a_file_in_the_folders_place(detector: Detector) -> None:
    Path("file").touch()
    for place in ("file", "file/answers", "file/deep/answers"):
        with pytest.raises(UsageError, match=r"file: is a file, answers need a folder\. Use another --out"):
            AnswerFolder(Path(place), detector, SHOW)


def test_an_answer_that_cannot_be_written(detector: Detector, entry: Input, answer: Detections) -> None:
    folder = AnswerFolder(Path("answers"), detector, SHOW)
    Path("answers/sub").touch()
    with pytest.raises(MachineError, match="answers/sub: is a file where a folder is needed"):
        folder.keep(replace(entry, key="sub/a"), replace(answer, key="sub/a"))
