"""``wtalkit export``: which files there are, what is said, what fails."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import srt

from tests.export.awkward import document, segment
from wtalkit.cli import main
from wtalkit.export import FORMATS

TEXTS = [name for name, form in FORMATS.items() if not form.needs_video]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, results: dict[str, list[dict[str, Any]]], **facts: Any) -> None:
    Path(name).write_text(json.dumps(document(results, **facts)), encoding="utf-8")


@pytest.fixture
def one(here: Path) -> str:
    write("one.json", {"a": [segment("run", 1, 2, 0.9), segment("jump", 3, 4, 0.1)]})
    return "one.json"


@pytest.fixture
def two(here: Path) -> str:
    write("two.json", {"a": [segment("run", 1, 2)], "sub/b": []})
    return "two.json"


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("name", TEXTS)
def test_one_video_and_one_format_make_a_file(name: str, one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", one, "--format", name, "--out", "found"]) == 0
    assert "run" in Path("found").read_text("utf-8")
    assert "2 segments" in capsys.readouterr().out


def test_the_ending_says_the_format(one: str) -> None:
    assert main(["export", one, "--out", "found.srt"]) == 0
    assert [cue.content for cue in srt.parse(Path("found.srt").read_text("utf-8"))] == ["run", "jump"]


def test_several_formats_make_a_folder(one: str) -> None:
    assert main(["export", one, "--format", "srt", "--format", "csv", "--out", "found"]) == 0
    assert files("found") == ["a.csv", "a.srt"]


def test_several_videos_make_a_folder(two: str) -> None:
    assert main(["export", two, "--format", "vtt", "--out", "found"]) == 0
    assert files("found") == ["a.vtt", "sub/b.vtt"]


def test_a_table_holds_several_videos(here: Path) -> None:
    write("two.json", {"a": [segment("run", 1, 2)], "b": [segment("jump", 1, 2)]})
    assert main(["export", "two.json", "--out", "found.csv"]) == 0
    assert len(Path("found.csv").read_text("utf-8").splitlines()) == 3


def test_without_out_it_is_printed(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", one, "--format", "csv", "--threshold", "0.5"]) == 0
    assert capsys.readouterr().out.splitlines() == ["video,label,start,end,score", "a,run,1.0,2.0,0.9"]


def test_classes(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", one, "--format", "tsv", "--classes", "jump"]) == 0
    assert "run" not in capsys.readouterr().out
    assert main(["export", one, "--format", "tsv", "--classes", "jmp"]) == 2
    assert "Did you mean jump?" in capsys.readouterr().err


def test_the_json_can_be_exported_again(one: str) -> None:
    assert main(["export", one, "--out", "again.json"]) == 0
    assert json.loads(Path("again.json").read_text("utf-8")) == json.loads(Path(one).read_text("utf-8"))


def test_a_folder_of_answers(here: Path) -> None:
    Path("answers/sub").mkdir(parents=True)
    write("answers/a.json", {"a": [segment("run", 1, 2)]})
    write("answers/sub/b.json", {"sub/b": [segment("jump", 1, 2)]})
    assert main(["export", "answers", "--format", "srt", "--out", "answers"]) == 0
    assert files("answers") == ["a.json", "a.srt", "sub/b.json", "sub/b.srt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["one.json", "--format", "srtt", "--out", "x"], "Did you mean srt?"),
        (["one.json", "--format", "srt", "--format", "csv"], "--out"),
        (["two.json", "--format", "srt"], "--out"),
        (["two.json", "--format", "srt", "--out", "one.json"], "one.json"),
        (["none.json", "--format", "srt", "--out", "x"], "no such file"),
        (["one.json", "--out", "x"], "--format"),
        (["one.json", "--format", "otio", "--video", "none.mp4", "--out", "x"], "none.mp4"),
    ],
)
def test_what_cannot_be_asked(
    arguments: list[str], said: str, one: str, two: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not Path("x").exists()


def test_names_that_leave_the_folder_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("bad.json", {"../out": [segment("run", 1, 2)], "a": []})
    assert main(["export", "bad.json", "--format", "srt", "--out", "in/found"]) == 1
    assert "leaves its folder" in capsys.readouterr().err
    assert files("in") == ["found/a.srt"]


def test_a_video_that_is_not_there_fails_alone(here: Path, toy_videos: Path) -> None:
    write("two.json", {"a": [segment("run", 1, 2)], "gone": [segment("run", 1, 2)]})
    given = ["--format", "otio", "--format", "srt", "--video", str(toy_videos), "--out", "found"]
    assert main(["export", "two.json", *given]) == 1
    assert files("found") == ["a.otio", "a.srt", "gone.srt"]


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.sees])
def test_frames_are_counted_by_the_video(name: str, one: str, toy_videos: Path) -> None:
    video = str(next(iter(sorted(toy_videos.rglob("*.mp4")))))
    assert main(["export", one, "--format", name, "--video", video, "--out", "found"]) == 0
    assert "run" in Path("found").read_text("utf-8").lower()


def test_nothing_that_is_read_is_written_to(one: str, toy_videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copyfile(next(iter(sorted(toy_videos.rglob("*.mp4")))), f"videos/{name}")
    Path("answers").mkdir()
    shutil.copyfile(one, "answers/a.json")
    before = {path: path.read_bytes() for path in Path().rglob("*.*") if path.is_file()}
    for line in (
        "one.json --out one.json --threshold 0.5",
        "answers --format json --threshold 0.5 --out answers",
        "one.json --format csv --out videos/a.mp4 --video videos",
        "one.json --overlay videos/a.mp4 --video videos",
    ):
        assert main(["export", *line.split()]) == 2
        assert "is an input, and writing there would replace it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().rglob("*.*") if path.is_file()} == before


def test_labelled_copies_replace_no_video(here: Path, toy_videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("videos").mkdir()
    video = next(iter(sorted(toy_videos.rglob("*.mp4"))))
    shutil.copyfile(video, "videos/a.mp4")
    shutil.copyfile(video, "videos/a.mov")
    write("found.json", {"a": [segment("run", 1, 2)]}, path="videos/a.mov")
    assert main(["export", "found.json", "--overlay", "videos", "--video", "videos/a.mov"]) == 1
    assert "a.mp4 is there already, among the videos" in capsys.readouterr().err
    assert Path("videos/a.mp4").read_bytes() == video.read_bytes()


def test_the_video_that_the_answer_states_is_taken(here: Path, toy_videos: Path) -> None:
    for folder in ("w/a", "w/b", "other"):
        Path(folder).mkdir(parents=True)
    video = next(iter(sorted(toy_videos.rglob("*.mp4"))))
    for name in ("w/a/clip.mp4", "w/b/clip.mp4", "other/other.mp4"):
        shutil.copyfile(video, name)
    write("found.json", {"clip": [segment("run", 1, 2)]}, path="w/a/clip.mp4")
    assert main(["export", "found.json", "--format", "otio", "--video", "w", "--out", "found.otio"]) == 0
    assert Path("w/a/clip.mp4").absolute().as_uri() in Path("found.otio").read_text()
    # A folder that happens to hold one video holds another; a file that is named is meant.
    write("found.json", {"clip": [segment("run", 1, 2)]})
    assert main(["export", "found.json", "--format", "otio", "--video", "other", "--out", "x.otio"]) == 1
    assert main(["export", "found.json", "--format", "otio", "--video", "other/other.mp4", "--out", "x.otio"]) == 0


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if not form.several])
def test_an_answer_about_no_video(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("none.json", {})
    for out in ([], ["--out", "found"]):
        assert main(["export", "none.json", "--format", name, *out]) == 2
        assert "none.json: holds no video" in capsys.readouterr().err


def test_two_that_fiftyone_takes_for_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = document({"a.mp4": [segment("run", 1, 2)], "a.avi": [segment("jump", 1, 2)]})
    for key, facts in given["external_data"]["videos"].items():
        facts["path"] = f"videos/{key}"
    Path("two.json").write_text(json.dumps(given))
    assert main(["export", "two.json", "--format", "fiftyone", "--out", "found.json"]) == 0
    assert "a.avi: left out, FiftyOne knows it by the name of another, a" in capsys.readouterr().err
    assert len(json.loads(Path("found.json").read_text())["labels"]["a"]) == 1


def test_a_folder_of_answers_that_disagree(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("answers").mkdir()
    write("answers/1.json", {"a": [segment("run", 1, 2)]})
    write("answers/2.json", {"a": [segment("run", 1, 3)]})
    assert main(["export", "answers", "--format", "csv"]) == 2
    assert "2.json: answers for a, as another file in this folder does otherwise" in capsys.readouterr().err


def test_odd_numbers_and_names(one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", one, "--format", "csv", "--threshold", "nan"]) == 2
    assert "--threshold nan" in capsys.readouterr().err
    assert main(["export", one, "--overlay", "made.webm"]) == 2
    assert "a labelled copy is a file of one of the kinds .mp4" in capsys.readouterr().err
    assert not Path("made.webm").exists()
    write("odd.json", {"a": [segment("run\rfast", 1, 2)]})
    assert main(["export", "odd.json", "--out", "odd.csv"]) == 0
    with Path("odd.csv").open(newline="") as table:
        assert [row[1] for row in csv.reader(table)] == ["label", "run\rfast"]
