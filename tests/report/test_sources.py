from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.pages import demo, demo_report, segment
from wtalkit.annotations import load_annotations
from wtalkit.errors import PredictionsError
from wtalkit.report import from_detections, from_predictions, with_truth
from wtalkit.report.sources import find_video
from wtalkit.segments import Detections


def write_predictions(path: Path, entries: list[dict[str, Any]], **external: Any) -> Path:
    path.write_text(json.dumps({"version": "x", "results": {"a": entries}, "external_data": external}))
    return path


def entry(start_s: float, end_s: float, score: float, label: str = "bow") -> dict[str, Any]:
    return {"label": label, "score": score, "segment": [start_s, end_s]}


def test_overlaps_are_suppressed_unless_all_are_asked_for(tmp_path: Path) -> None:
    file = write_predictions(
        tmp_path / "p.json",
        [entry(0, 2, 0.9), entry(0.1, 2, 0.8), entry(0.1, 2, 0.7, "wave")],
        model={"display_threshold": 0.75},
        videos={"a": {"duration": 3.0, "warnings": ["odd"], "status": "partial", "gaps": [[1, 2], ["x", 1]]}},
    )
    (video,) = from_predictions(file).videos
    assert [each.score for each in video.candidates] == [0.9, 0.7]
    assert video.threshold == 0.75
    assert (video.duration_s, video.status, video.warnings, video.gaps) == (3.0, "partial", ("odd",), ((1.0, 2.0),))
    assert video.curves is None
    (video,) = from_predictions(file, everything=True).videos
    assert len(video.candidates) == 3
    assert video.threshold is None
    assert from_predictions(file, threshold=0.1).videos[0].threshold == 0.1


def test_predictions_that_lie_outside_the_video_are_left_out_and_told(tmp_path: Path) -> None:
    file = write_predictions(tmp_path / "p.json", [entry(1, 9, 0.9), entry(8, 9, 0.8)], videos={"a": {"duration": 3}})
    (video,) = from_predictions(file).videos
    assert video.candidates == (segment(1, 3, "bow", 0.9),)
    assert video.warnings == ("1 of 2 predictions have no usable time or score and are left out",)


@pytest.mark.parametrize(
    ("recorded", "show", "asked", "wanted"),
    [
        (0.1, {"label": "bow"}, {}, 0.1),
        (0.1, {"threshold": 0.1}, {}, 0.1),
        (None, {"all": True}, {}, 0.5),
        ("odd", {"label": None}, {}, 0.5),
        (None, {"label": "bow", "all": True}, {}, None),
        (0.1, {"label": "bow"}, {"threshold": 0.0}, 0.0),
        (0.1, {"label": "bow"}, {"everything": True}, None),
        (0.1, {"label": "bow"}, {"everything": True, "threshold": 0.3}, 0.3),
    ],
)
def test_the_slider_starts_where_the_predictions_were_made(
    tmp_path: Path, recorded: Any, show: dict[str, Any], asked: dict[str, Any], wanted: float | None
) -> None:
    file = write_predictions(
        tmp_path / "p.json",
        [entry(0, 2, 0.2)],
        model={"display_threshold": 0.5},
        show=show,
        videos={"a": {"duration": 3.0, "threshold": recorded}},
    )
    assert from_predictions(file, **asked).videos[0].threshold == wanted


def test_names_that_no_file_can_have_find_nothing(toy_videos: Path) -> None:
    assert find_video("k" * 300, None, [toy_videos]) is None
    assert find_video("a", "p" * 5000, [toy_videos]) == toy_videos / "a.mp4"
    assert find_video("\ud800", "\ud800.mp4", [toy_videos]) is None


@pytest.mark.parametrize("duration", [pytest.param(10**400, id="endless"), -5, 0, True, "3", None, [3]])
def test_a_length_that_is_none_counts_as_not_stated(tmp_path: Path, duration: Any) -> None:
    file = write_predictions(tmp_path / "p.json", [entry(1, 2, 0.9)], videos={"a": {"duration": duration}})
    (video,) = from_predictions(file).videos
    assert (video.duration_s, len(video.candidates), video.warnings) == (2.0, 1, ())


@pytest.mark.parametrize("odd", [5, "odd", {"a": 1}, True])
def test_what_should_be_a_list_and_is_not(tmp_path: Path, odd: Any) -> None:
    file = write_predictions(
        tmp_path / "p.json", [entry(1, 2, 0.9)], failures=odd, videos={"a": {"warnings": odd, "gaps": odd}}
    )
    report = from_predictions(file)
    assert (report.failures, report.videos[0].warnings, report.videos[0].gaps) == ((), (), ())


def test_predictions_of_another_program(toy_videos: Path, tmp_path: Path) -> None:
    file = write_predictions(tmp_path / "p.json", [entry(1, 2, 0.9)])
    assert from_predictions(file).videos[0].duration_s == 2.0
    (video,) = from_predictions(file, videos=toy_videos).videos
    assert video.path == toy_videos / "a.mp4"
    assert video.duration_s == pytest.approx(3.0, abs=0.05)


def test_predictions_of_no_video(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"version": "x", "results": {}, "external_data": {}}')
    with pytest.raises(PredictionsError, match=r"names no video\. Write it with wtalkit detect"):
        from_predictions(tmp_path / "p.json")


def test_detections(toy_videos: Path) -> None:
    found = Detections(
        "a", "feats/a.npy", (segment(0, 2, "bow", 0.9), segment(0.1, 2, "bow", 0.8)), 3.0,
        warnings=("of all", "of this"), model={"display_threshold": 0.5},
    )  # fmt: skip
    report = from_detections([found], warnings=["of all"], videos=toy_videos)
    (video,) = report.videos
    assert len(video.candidates) == 1
    assert video.threshold == 0.5
    assert video.warnings == ("of this",)
    assert video.path == toy_videos / "a.mp4"
    assert report.title == "a"


def test_detections_start_where_they_were_made() -> None:
    found = Detections("a", "a.npy", (segment(0, 2, "bow", 0.2),), 3.0, threshold=0.1, model={"display_threshold": 0.5})
    assert from_detections([found]).videos[0].threshold == 0.1
    assert from_detections([found], threshold=0.3).videos[0].threshold == 0.3
    assert from_detections([found], everything=True).videos[0].threshold is None


def test_detections_say_below_which_score_candidates_are_missing() -> None:
    low, high = segment(0, 1, "bow", 0.1), segment(1, 2, "bow", 0.8)
    found = Detections("a", "a.npy", (high,), 3.0, threshold=0.5)
    (shown,) = from_detections([found]).videos
    assert (shown.candidates, shown.cut_at) == ((high,), 0.5)
    (whole,) = from_detections([found], candidates={"a": (high, low)}).videos
    assert (whole.candidates, whole.cut_at, whole.threshold) == ((low, high), None, 0.5)


@pytest.mark.parametrize("key", ["../a", "/etc/a", "a\0", ".."])
def test_a_key_that_leaves_the_folder_finds_nothing(key: str, toy_videos: Path, tmp_path: Path) -> None:
    inner = toy_videos / "inner"
    inner.mkdir(exist_ok=True)
    assert find_video("a", None, [toy_videos]) == toy_videos / "a.mp4"
    assert find_video(key, None, [inner]) is None


def test_what_is_not_annotated_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    database = {
        "match": {"subset": "testing", "annotations": [{"label": "throw", "segment": [1, 2]}]},
        "weak": {"subset": "training", "annotations": [{"label": "throw"}]},
    }
    path.write_text(json.dumps({"version": "x", "database": database}))
    report = demo_report(demo("match", truth=None), demo("weak", truth=None), demo("other", truth=None))
    known = with_truth(report, load_annotations(path))
    assert [None if each.truth is None else len(each.truth) for each in known.videos] == [1, None, None]
