from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.pages import data_of
from wtalkit.cli import main
from wtalkit.detector import Detector


def test_a_page_of_feature_files_has_curves_truth_and_the_video_beside(
    features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "feats/a.npy", "feats/b.npy", "-o", "out.html"]) == 0
    captured = capsys.readouterr()
    assert captured.out.lstrip().startswith("2 videos in out.html (")
    shown = data_of(Path("out.html").read_text())
    first = shown["videos"][0]
    assert first["key"] == "a"
    assert first["link"] == "./videos/a.mp4"
    assert first["threshold"] == -1.0
    assert len(first["candidates"]["score"]) > 0
    assert len(first["pictures"]) > 0
    assert first["curves"]["n"] > 0
    assert first["curves"]["attention"] is not None
    assert [shown["labels"][each[0]] for each in first["truth"]] == ["bow", "squat"]


def test_a_page_of_a_video(project: Path) -> None:
    assert main(["report", "videos/c.mp4", "-o", "out.html", "--threshold", "0.25", "--embed", "--all"]) == 0
    (video,) = data_of(Path("out.html").read_text())["videos"]
    assert video["threshold"] == 0.25
    assert video["media"] == "media-0"
    assert video["curves"] is not None


def test_a_page_of_predictions(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "feats/a.npy", "--all", "--out", "found.json"]) == 0
    capsys.readouterr()
    assert main(["report", "found.json", "-o", "out.html", "--thumbnails", "0"]) == 0
    captured = capsys.readouterr()
    assert captured.out.lstrip().startswith("1 video in out.html (")
    (video,) = data_of(Path("out.html").read_text())["videos"]
    assert video["curves"] is None
    assert video["pictures"] == []
    assert video["truth"] is not None
    assert video["link"] == "./videos/a.mp4"


def test_detect_writes_the_page_beside_its_answer(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["detect", "feats/a.npy", "feats/b.npy", "--out", "found", "--threshold", "0.5", "--classes", "bow,squat"]
    assert main([*asked, "--report", "out.html"]) == 0
    assert "out.html (" in capsys.readouterr().out
    page = data_of(Path("out.html").read_text())
    assert page["labels"] == ["bow", "squat", "wave"]  # the others are annotated
    for video in page["videos"]:
        assert video["threshold"] == 0.5
        assert video["cut_at"] is None
        assert video["curves"]["n"] > 0
        assert min(video["candidates"]["score"]) < 0.5
        answer = json.loads(Path(f"found/{video['key']}.json").read_text())["results"][video["key"]]
        shown = [
            at
            for at, score in zip(video["candidates"]["start"], video["candidates"]["score"], strict=True)
            if score >= 0.5
        ]
        assert len(shown) == 1
        assert shown == pytest.approx([each["segment"][0] for each in answer], abs=1e-3)
    # Answers that are there already hold no curves: they are made again for the page.
    Path("out.html").unlink()
    assert main([*asked, "--report", "out.html"]) == 0
    assert all(video["curves"] for video in data_of(Path("out.html").read_text())["videos"])


def test_a_page_says_what_the_predictions_leave_out(features: Path) -> None:
    assert main(["detect", "feats/a.npy", "--threshold", "0.3", "--out", "found.json"]) == 0
    assert main(["report", "found.json", "-o", "out.html", "--thumbnails", "0"]) == 0
    assert data_of(Path("out.html").read_text())["videos"][0]["cut_at"] == 0.3


@pytest.mark.parametrize("line", ["report feats/a.npy -o", "detect feats/a.npy --report"])
def test_a_page_without_a_place_is_refused_before_the_work(
    features: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert main([*line.split(), "feats"]) == 2
    assert "feats: is a folder, one file is to be written" in capsys.readouterr().err
    assert main([*line.split(), "annotations.json/out.html"]) == 2
    assert "annotations.json: is a file, a file in it needs a folder" in capsys.readouterr().err


def test_what_fails_is_told_and_the_rest_is_shown(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "feats/a.npy", "feats/none.npy", "-o", "out.html"]) == 1
    captured = capsys.readouterr()
    assert "feats/none.npy: " in captured.err
    assert "1 input failed" in captured.out
    shown = data_of(Path("out.html").read_text())
    assert [each["key"] for each in shown["videos"]] == ["a"]
    assert shown["failures"][0]["path"] == "feats/none.npy"


def test_nothing_to_show_writes_nothing(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "feats/none.npy", "-o", "out.html"]) == 1
    assert "there is nothing to show" in capsys.readouterr().err
    assert not Path("out.html").exists()


def test_other_annotations_and_those_that_do_not_fit(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"x": {"subset": "testing", "annotations": [{"label": "bow", "segment": [0, 1]}]}}
    Path("other.json").write_text(json.dumps({"version": "x", "database": other}))
    assert main(["report", "feats/a.npy", "-o", "out.html", "--ground-truth", "other.json"]) == 0
    assert "other.json: names none of these videos" in capsys.readouterr().err
    assert data_of(Path("out.html").read_text())["videos"][0]["truth"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["found.json", "videos/a.mp4", "-o", "x.html"], "a page shows one predictions file"),
        (["found.json", "-o", "x.html", "--model", "samples"], "these predictions are made"),
        (["videos/a.mp4"], "missing option '--out'"),
        (["nothing.json", "-o", "x.html"], "nothing.json"),
    ],
)
def test_wishes_that_do_not_go_together(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["report", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("report found.json -o found.json", "found.json: is an input, and writing there would replace it"),
        ("report feats/a.npy -o feats/a.npy", "feats/a.npy: is an input"),
        ("report feats -o feats/a.npy", "feats/a.npy: is an input"),
        ("report feats/a.npy -o annotations.json --ground-truth annotations.json", "annotations.json: is an input"),
        ("detect feats/a.npy --out same --format csv --report same", "is to be written by --out and by --report"),
        ("report feats/a.npy -o x.html --threshold nan", "--threshold nan is no score"),
        ("detect feats/a.npy --report x.html --threshold inf", "--threshold inf is no score"),
        ("report feats/a.npy -o x.html --ground-truth gone.json", "gone.json"),
    ],
)
def test_nothing_is_begun_and_nothing_lost(
    features: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    assert main(["detect", "feats/a.npy", "--out", "found.json"]) == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in Path().rglob("*.*") if path.is_file()}
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "done" not in captured.err
    assert {path: path.read_bytes() for path in Path().rglob("*.*") if path.is_file()} == before


def test_annotations_that_are_broken_stop_a_page_at_once(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("annotations.json").write_text("{")
    assert main(["detect", "feats/a.npy", "--report", "x.html"]) == 2
    captured = capsys.readouterr()
    assert "annotations.json" in captured.err
    assert captured.out == ""


def test_what_was_found_before_a_stop_is_shown(
    features: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, judged = Detector.judge, []

    def stop_at_the_second(self: Detector, *arguments: Any) -> Any:
        judged.append(arguments)
        if len(judged) % 2 == 0:
            raise KeyboardInterrupt
        return judge(self, *arguments)

    monkeypatch.setattr(Detector, "judge", stop_at_the_second)
    for line in ("report feats/a.npy feats/b.npy -o one.html", "detect feats/a.npy feats/b.npy --report two.html"):
        assert main(line.split()) == 130
        assert [each["key"] for each in data_of(Path(line.split()[-1]).read_text())["videos"]] == ["a"]
        assert "stopped" in capsys.readouterr().err


def test_a_page_that_cannot_be_is_told(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "gone.npy", "--report", "x.html"]) == 1
    assert "x.html: not written, there is nothing to show" in capsys.readouterr().err
