"""``wtalkit export``: which files there are, what is said, what fails."""

from __future__ import annotations

import json
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
