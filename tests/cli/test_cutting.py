"""``--clips`` and ``--overlay``, of ``detect`` and of ``export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from tests.export.awkward import document, segment
from wtalkit.cli import main


@pytest.fixture
def found(project: Path) -> str:
    """An answer about the project's videos."""
    results = {"a": [segment("bow", 0.5, 1), segment("wave", 1, 2)], "b": [], "c": [segment("squat", 0, 2.9)]}
    Path("found.json").write_text(json.dumps(document(results, duration=3.0)))
    return "found.json"


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def length_s(path: str) -> float:
    with av.open(path) as container:
        return float((container.duration or 0) / 1e6)


def detected(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out)["results"])


def test_detect_cuts_and_draws(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["detect", "videos/a.mp4", "--clips", "clips", "--clip-mode", "exact", "--overlay", "made.mp4"]
    assert main([*asked, "--json"]) == 0
    results = detected(capsys)["a"]
    assert results
    assert len(files("clips/a")) == len(results)
    for name, each in zip(files("clips/a"), results, strict=True):
        assert length_s(f"clips/a/{name}") == pytest.approx(each["segment"][1] - each["segment"][0], abs=0.08)
    assert length_s("made.mp4") == pytest.approx(3, abs=0.05)
    assert main(asked) == 0
    assert f"{len(results)} clips in clips, 1 labelled video in made.mp4. Next: " in capsys.readouterr().out


def test_several_videos_go_into_folders(found: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", found, "--clips", "clips", "--overlay", "made", "--out", "found.csv"]) == 0
    assert files("clips") == [
        "a/001_bow_0.50-1.00.mp4",
        "a/002_wave_1.00-2.00.mp4",
        "c/001_squat_0.00-2.90.mp4",
    ]
    assert files("made") == ["a.mp4", "b.mp4", "c.mp4"]
    captured = capsys.readouterr()
    assert "clips begin up to 1.00 s early" in captured.err
    assert captured.out.split("\n")[-2] == (
        "3 segments of 3 videos: found.csv, 3 clips in clips, 3 labelled videos in made."
    )


def test_a_video_that_cannot_be_cut_stops_no_other(found: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("videos/a.mp4").write_text("no video")
    Path("videos/b.mp4").unlink()
    assert main(["export", found, "--clips", "clips"]) == 1
    assert files("clips") == ["c/001_squat_0.00-2.90.mp4"]
    captured = capsys.readouterr()
    assert "videos/a.mp4: not a video" in captured.err
    assert "videos/b.mp4: the video is not there" in captured.err
    assert "2 files failed" in captured.out


def test_videos_elsewhere_are_named(found: str) -> None:
    Path("videos").rename("moved")
    assert main(["export", found, "--clips", "clips", "--video", "moved"]) == 0
    assert len(files("clips")) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["detect", "feats/a.npy", "--clips", "clips"], "--clips needs the video"),
        (["detect", "feats/a.npy", "--overlay", "made.mp4"], "--overlay needs the video"),
        (["detect", "videos", "--overlay", "made.mp4"], "these are several"),
        (["detect", "videos/a.mp4", "--clips", "wtalkit.toml"], "is a file"),
        (["detect", "videos/a.mp4", "--overlay", "wtalkit.toml/x"], "is a file"),
    ],
)
def test_what_cannot_be_asked(
    arguments: list[str], said: str, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert not captured.out


def test_ctrl_c_leaves_what_is_finished(
    found: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wtalkit.export import clips

    whole = clips._copy

    def stopped(media: Any, each: Any, container: Any) -> float:
        if each.label == "wave":
            raise KeyboardInterrupt
        return whole(media, each, container)

    monkeypatch.setattr(clips, "_copy", stopped)
    assert main(["export", found, "--clips", "clips"]) == 130
    assert files("clips") == ["a/001_bow_0.50-1.00.mp4"]
