"""Points, one labelled frame of an action: read, written, kept from those who may not see them, drawn from segments."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wtalkit.annotations import (
    Annotations,
    Distribution,
    Instance,
    Point,
    VideoAnnotation,
    load_annotations,
    points_from_segments,
    training_problems,
)
from wtalkit.annotations.points import DISTRIBUTIONS
from wtalkit.errors import AnnotationsError, UsageError
from wtalkit.evaluation import evaluate_predictions

DATABASE: dict[str, Any] = {
    "a": {
        "subset": "training",
        "annotations": [
            {"label": "wave", "point": 12.3},
            {"label": "kick", "segment": [1, 2.5], "point": 2},
            {"label": "bow", "point": None},
            {"label": "wave", "point": 0},
        ],
    },
    "b": {"subset": "test", "video_labels": ["kick"], "annotations": [{"label": "jump", "point": 1}]},
}


def load_json(folder: Path, document: Any) -> Annotations:
    path = folder / "annotations.json"
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return load_annotations(path)


def load_table(folder: Path, *lines: str) -> Annotations:
    path = folder / "labels.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return load_annotations(path)


def test_json(tmp_path: Path) -> None:
    found = load_json(tmp_path, {"database": DATABASE})
    assert found.has_points
    assert found.videos["a"].points == (Point(12.3, "wave"), Point(2.0, "kick"), Point(0.0, "wave"))
    assert found.videos["a"].segments == (Instance(1.0, 2.5, "kick"),)
    assert found.videos["a"].labels == ("bow", "kick", "wave"), "a point's label is a weak label"
    assert found.videos["b"].labels == ("kick",), "video_labels come before the points' labels"
    assert found.classes == ("bow", "jump", "kick", "wave")


def test_who_sees_what(tmp_path: Path) -> None:
    found = load_json(tmp_path, {"database": DATABASE})
    weak, pointed = found.weak(), found.pointed()
    assert (weak.has_segments, weak.has_points) == (False, False)
    assert (pointed.has_segments, pointed.has_points) == (False, True)
    for key, video in found.videos.items():
        assert pointed.videos[key].points == video.points
        assert weak.videos[key].labels == pointed.videos[key].labels == video.labels


def test_written_and_read_again_they_are_the_same(tmp_path: Path) -> None:
    found = load_json(tmp_path, {"database": DATABASE})
    again = load_json(tmp_path, found.to_activitynet())
    assert again.videos == found.videos
    assert again.classes == found.classes


def test_bad_points_of_a_json_are_all_listed(tmp_path: Path) -> None:
    bad = ["3", True, -0.5, [1], {}, 10**400]
    entries = [{"label": "wave", "point": value} for value in bad]
    with pytest.raises(AnnotationsError) as caught:
        load_json(tmp_path, {"database": {"a": {"annotations": entries}}})
    message = str(caught.value)
    assert "6 problems" in message
    for number in range(1, 7):
        assert f"line 3: 'a': annotation {number} has a point that is not a number of seconds" in message


@pytest.mark.parametrize(
    "lines",
    [
        ("video,label,point,subset", "a,wave|kick,1.5,train", "a,bow,,train", "a,wave,4,train"),
        ("video;label;start;end;point_s;subset", "a;wave|kick;;;1,5;train", "a;bow;;;;train", "a;wave;;;4;train"),
        ("a,wave|kick,,,train,1.5", "a,bow", "a,wave,,,,4"),
    ],
    ids=["header", "decimal comma", "no header"],
)
def test_table(tmp_path: Path, lines: tuple[str, ...]) -> None:
    video = load_table(tmp_path, *lines).videos["a"]
    assert video.points == (Point(1.5, "wave"), Point(1.5, "kick"), Point(4.0, "wave"))
    assert (video.labels, video.subset, video.segments) == (("bow", "kick", "wave"), "train", ())


def test_a_table_may_hold_segments_and_points_in_different_rows(tmp_path: Path) -> None:
    found = load_table(tmp_path, "video,label,start,end,point", "a,wave,1,2,", "a,wave,,,1.5", "a,wave,,,")
    assert found.videos["a"].segments == (Instance(1, 2, "wave"),)
    assert found.videos["a"].points == (Point(1.5, "wave"),)


def test_bad_points_of_a_table_are_all_listed(tmp_path: Path) -> None:
    with pytest.raises(AnnotationsError) as caught:
        load_table(
            tmp_path,
            "video,label,start,end,point",
            "a,wave,1,2,1.5",
            "a,wave,1,,1.5",
            "a,wave,,,soon",
            "a,wave,,,-1",
            "a,wave,,,inf",
            "a,wave,,,3",
            "a,wave,,,3.0",
        )
    assert str(caught.value).split(": ", 1)[1].splitlines() == [
        "6 problems:",
        "  line 2: 'a': a row has either start and end or a point, not both",
        "  line 3: 'a': a row has either start and end or a point, not both",
        "  line 4: 'a': the point soon is not seconds",
        "  line 5: 'a': the point -1 is not seconds",
        "  line 6: 'a': the point inf is not seconds",
        "  line 8: 'a': repeats line 7 ('wave').",
    ]


def test_folders_have_no_points(tmp_path: Path) -> None:
    (tmp_path / "wave").mkdir()
    (tmp_path / "wave" / "a.mp4").touch()
    assert not load_annotations(tmp_path).has_points


def test_scores_and_checks_take_no_notice_of_points() -> None:
    plain = Annotations(
        {"a": VideoAnnotation("test", 9.0, ("wave",), (Instance(1, 3, "wave"),))}, ("wave",), path=Path("a.json")
    )
    pointed = replace(plain, videos={"a": replace(plain.videos["a"], points=(Point(7, "wave"), Point(99, "kick")))})
    document = {"results": {"a": [{"label": "wave", "score": 1.0, "segment": [1, 3]}]}}
    scored = evaluate_predictions(document, pointed, (0.5,), subset="test")
    assert scored == evaluate_predictions(document, plain, (0.5,), subset="test")
    assert scored["average_map"] == 1
    assert training_problems(pointed, ["a"], train_subset="test") == []


def video(*segments: tuple[float, float], duration_s: float | None = None, subset: str = "training") -> VideoAnnotation:
    instances = tuple(Instance(start, end, f"label {number}") for number, (start, end) in enumerate(segments))
    return VideoAnnotation(subset, duration_s, tuple(each.label for each in instances), instances)


def file(**videos: VideoAnnotation) -> Annotations:
    classes = {label for each in videos.values() for label in each.labels}
    return Annotations(videos, tuple(sorted(classes)), path=Path("all.json"))


def seconds(made: Annotations, key: str = "a") -> list[float]:
    return [point.at_s for point in made.videos[key].points]


numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.one_of(numbers, st.floats(0, 100), st.integers(0, 5).map(float))


@given(
    start=times,
    length=st.one_of(times, st.floats(0, 1e-6)),
    duration_s=st.one_of(st.none(), st.floats(0.1, 50), numbers.map(abs).filter(bool)),
    distribution=st.sampled_from(DISTRIBUTIONS),
    seed=st.integers(),
)
@example(1 + 2**-52, 2**-52, None, "middle", 0)  # the middle of these two rounds to the end
def test_the_point_of_any_instance_lies_inside_it(
    start: float, length: float, duration_s: float | None, distribution: Distribution, seed: int
) -> None:
    end = min(max(start + length, -1.7e308), 1.7e308)
    given = file(a=video((start, end), duration_s=duration_s))
    made = points_from_segments(given, subset="training", distribution=distribution, seed=seed)
    limit = float("inf") if duration_s is None else duration_s
    visible = 0 <= start < limit if start == end else max(start, 0) < min(end, limit)
    assert len(made.videos["a"].points) == visible
    assert len(made.warnings) == (not visible)
    for point in made.videos["a"].points:
        assert start <= point.at_s < end or point.at_s == start == end
        assert 0 <= point.at_s < limit
        assert point.label == "label 0"


@given(
    others=st.dictionaries(st.text(max_size=3).filter(lambda key: key != "a"), st.lists(st.tuples(times, times))),
    first=st.booleans(),
    distribution=st.sampled_from(DISTRIBUTIONS),
    seed=st.integers(0, 99),
)
def test_the_points_of_a_video_do_not_depend_on_others(
    others: dict[str, list[tuple[float, float]]], first: bool, distribution: Distribution, seed: int
) -> None:
    mine = {"a": video((0, 4), (1, 9), (5, 6))}
    theirs = {key: video(*segments) for key, segments in others.items()}
    alone = points_from_segments(file(**mine), subset="training", distribution=distribution, seed=seed)
    together = points_from_segments(
        file(**({**mine, **theirs} if first else {**theirs, **mine})),
        subset="training",
        distribution=distribution,
        seed=seed,
    )
    assert together.videos["a"] == alone.videos["a"]
    assert len(seconds(alone)) == 3


def test_seeds_and_keys_differ() -> None:
    given = file(a=video((0, 10)), b=video((0, 10)))
    made = [points_from_segments(given, subset="training", seed=seed) for seed in range(5)]
    drawn = {at for each in made for key in "ab" for at in seconds(each, key)}
    assert len(drawn) == 10


def test_a_seed_means_the_same_points_on_every_machine() -> None:
    given = file(a=video((0, 10), (20, 22)))
    drawn = {name: seconds(points_from_segments(given, subset=None, distribution=name)) for name in DISTRIBUTIONS}
    assert drawn["middle"] == [5, 21]
    assert drawn["uniform"] == pytest.approx([4.292078136, 21.534279916], abs=1e-8)
    assert drawn["gaussian"] == pytest.approx([4.703492287, 21.242367847], abs=1e-8)


@pytest.mark.parametrize(("distribution", "deviation"), [("gaussian", 6 / 6), ("uniform", 6 / 12**0.5), ("middle", 0)])
def test_where_the_points_lie(distribution: Distribution, deviation: float) -> None:
    given = file(a=video(*[(10, 16)] * 4000))
    drawn = seconds(points_from_segments(given, subset="training", distribution=distribution))
    assert statistics.fmean(drawn) == pytest.approx(13, abs=0.1)
    assert statistics.pstdev(drawn) == pytest.approx(deviation, rel=0.05)


def test_only_the_subset_is_changed() -> None:
    given = file(a=video((0, 4), (6, 8)), b=video((1, 2), subset="test"), c=video(subset="Training"))
    made = points_from_segments(given, subset="training")
    assert list(made.videos) == ["a", "b", "c"]
    assert made.videos["b"] == given.videos["b"]
    assert made.videos["c"] == given.videos["c"]
    assert made.videos["a"].segments == ()
    assert made.videos["a"].labels == given.videos["a"].labels
    assert [point.label for point in made.videos["a"].points] == ["label 0", "label 1"]
    assert (made.classes, made.path, made.warnings) == (given.classes, given.path, ())


def test_what_cannot_be_seen_gets_no_point_and_is_counted() -> None:
    given = file(a=video((4, 8), (12, 14), (10, 10), (3, 3), (7, 5), duration_s=10))
    made = points_from_segments(given, subset="training", distribution="middle")
    assert made.videos["a"].points == (Point(6, "label 0"), Point(3, "label 3"))
    assert [warning.split(":")[0] for warning in made.warnings] == ["3 instances got no point"]
    assert made.videos["a"].labels == given.videos["a"].labels
    reaching_out = points_from_segments(
        file(a=video((8, 20), (-4, 2), duration_s=10)), subset="training", distribution="middle"
    )
    assert seconds(reaching_out) == [9, 1], "the middle of what can be seen"


def test_points_that_are_there_give_way_to_drawn_ones_where_there_are_segments() -> None:
    clicked = (Point(3.5, "label 0"),)
    given = file(a=replace(video((0, 4)), points=clicked), b=replace(video(), labels=("label 0",), points=clicked))
    made = points_from_segments(given, subset="training", distribution="middle")
    assert seconds(made) == [2]
    assert made.videos["b"].points == clicked
    assert made.warnings == ()


def test_no_segments_no_subset_no_such_distribution() -> None:
    given = file(a=video(), b=video((1, 2), subset="test"))
    with pytest.raises(AnnotationsError, match=r"all\.json: no video of subset 'training' has segments .* mark one"):
        points_from_segments(given, subset="training")
    with pytest.raises(AnnotationsError, match=r"no video of subset 'test' has segments .* needs no further step"):
        points_from_segments(points_from_segments(given, subset="test"), subset="test")
    with pytest.raises(AnnotationsError, match="no subset 'tset'"):
        points_from_segments(given, subset="tset")
    with pytest.raises(UsageError, match=r"no distribution 'gauss'\. Did you mean gaussian"):
        points_from_segments(given, subset="test", distribution="gauss")  # type: ignore[arg-type]


def test_a_label_that_the_video_has_not_gets_no_point() -> None:
    """THUMOS14 labels some videos with less than is annotated in them; training would refuse such points."""
    instances = (Instance(1.0, 2.0, "kick"), Instance(3.0, 4.0, "wave"))
    annotations = Annotations({"a": VideoAnnotation("training", 9.0, ("kick",), instances)}, ("kick", "wave"))
    made = points_from_segments(annotations, subset="training", distribution="middle")
    assert made.videos["a"].points == (Point(1.5, "kick"),)
    assert made.videos["a"].labels == ("kick",)
    assert made.warnings == ("1 instance got no point: outside of the video, or of a label that the video has not",)
