"""The training set: labels only, what is left out and said, what stops a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.conftest import CLASSES, SPEC, Project
from wtalkit.annotations import Annotations, Point, load_annotations, points_from_segments
from wtalkit.errors import AnnotationsError, FeaturesError
from wtalkit.features import FeatureFolder, FeatureRecord, write_features
from wtalkit.status import StatusFile, VideoStatus
from wtalkit.training.accounting import summary
from wtalkit.training.data import FeatureArrays, TrainingSet, load_training_set


def load(
    project: Project, annotations: Path | None = None, subset: str | None = "training", **arguments: int
) -> TrainingSet:
    labels = load_annotations(annotations or project.annotations)
    return load_training_set(labels, FeatureFolder(project.features), subset=subset, **arguments)


def remove(project: Project, *keys: str) -> None:
    for key in keys:
        for file in project.features.glob(f"{key}.*"):
            file.unlink()


def write_table(project: Project, *lines: str) -> Path:
    path = project.folder / "labels.csv"
    path.write_text("video,label\n" + "".join(line + "\n" for line in lines))
    return path


def test_labels_and_features_of_the_subset(project: Project) -> None:
    data = load(project)
    database = json.loads(project.annotations.read_text())["database"]
    assert data.keys == tuple(f"video {index:02}" for index in range(9))
    assert data.classes == CLASSES
    for row, key in enumerate(data.keys):
        assert data.label_names(row) == {entry["label"] for entry in database[key]["annotations"]}
        assert data.durations[row] == pytest.approx(database[key]["duration"])
        np.testing.assert_array_equal(data.arrays[row], FeatureFolder(project.features).read(key).array)
    assert data.notes == ()


def test_no_segment_is_ever_looked_at(project: Project) -> None:
    labels = load_annotations(project.annotations)

    class Untouchable(tuple):  # type: ignore[type-arg]
        def __iter__(self):  # type: ignore[no-untyped-def]
            raise AssertionError("training looked at a segment")

    trapped = replace(
        labels,
        videos={key: replace(video, segments=Untouchable(video.segments)) for key, video in labels.videos.items()},
    )
    folder = FeatureFolder(project.features)
    assert load_training_set(trapped, folder, subset="training").digest == load(project).digest


def test_what_does_not_fit_in_memory_is_read_again(project: Project) -> None:
    folder = FeatureFolder(project.features)
    keys = folder.keys[:4]
    size = folder.read(keys[0]).array.nbytes
    arrays = FeatureArrays.read(folder, keys, limit_bytes=size)
    assert [kept is not None for kept in arrays.kept] == [True, False, False, False]
    for key, array, length in zip(keys, arrays, arrays.lengths, strict=True):
        np.testing.assert_array_equal(array, folder.read(key).array)
        assert length == len(array)


def test_missing_and_short_videos_are_listed(project: Project) -> None:
    remove(project, "video 00")
    short = np.zeros((3, SPEC.dim), np.float32)
    record = FeatureRecord(spec=SPEC, video="", duration_s=2.24, frames=28)
    write_features(project.features, "video 01", short, record.model_copy(update={"frames": 24}))
    damaged = {"complete": False, "gaps": ((1.0, 1.5),), "warnings": ("4 bad packets",), "expected_duration_s": 2.4}
    write_features(project.features, "video 02", np.ones((4, SPEC.dim), np.float32), record.model_copy(update=damaged))
    failed = VideoStatus("video 00", "videos/video 00.mp4", "failed", cause="decoded 1.5 of 4 s", decoded_s=1.5)
    StatusFile(project.features).add(replace(failed, expected_s=4.0, gaps=((1.5, 4.0),), warnings=("cut",)))
    data = load(project, min_snippets=4)
    assert data.keys == tuple(f"video {index:02}" for index in range(2, 9))
    assert data.notes == (
        "1 training videos left out, without features: video 00",
        "1 training videos left out, shorter than 4 snippets: video 01",
        "1 training videos incomplete (damaged files, kept on request): video 02",
    )
    found = data.account.statuses
    assert list(found) == [f"video {index:02}" for index in range(9)]
    assert {status.state for key, status in found.items() if key > "video 02"} == {"done"}
    assert found["video 00"] == VideoStatus(
        "video 00",
        str(project.features / "video 00.npy"),
        "skipped",
        cause="without features",
        decoded_s=1.5,
        expected_s=4.0,
        gaps=((1.5, 4.0),),
        warnings=("wtalkit extract: decoded 1.5 of 4 s", "cut"),
        spec=SPEC.to_dict(),
    )
    assert (found["video 01"].state, found["video 01"].cause) == ("skipped", "shorter than 4 snippets")
    assert found["video 01"].decoded_s == 2.24
    partial = found["video 02"]
    assert (partial.state, partial.cause, partial.gaps) == ("partial", "4 bad packets", ((1.0, 1.5),))
    assert (partial.decoded_s, partial.expected_s, partial.spec) == (pytest.approx(1.74), 2.4, SPEC.to_dict())
    assert summary(found.values()) == (
        "of 9 training videos, 1 left out (without features), 1 left out (shorter than 4 snippets), 1 incomplete"
    )


def test_all_damaged_features_are_listed(project: Project) -> None:
    first = project.features / "video 01.npy"
    first.write_bytes(first.read_bytes()[:-200])
    with pytest.raises(FeaturesError, match=r"video 01\.npy: is not a readable array of numbers") as caught:
        load(project)
    assert caught.value.file == str(first)
    other = project.features / "video 04.npy"
    content = bytearray(other.read_bytes())
    content[-2] ^= 1
    other.write_bytes(content)
    with pytest.raises(FeaturesError, match=r"(?s)2 problems.*video 01\.npy: is not.*video 04\.npy: does not hold"):
        load(project)


def test_two_trainings_on_the_same_videos_read_them_once(project: Project) -> None:
    folder, labels = FeatureFolder(project.features), load_annotations(project.annotations)
    read = lru_cache(FeatureArrays.read)
    one, two = (
        load_training_set(labels, folder, subset="training", min_snippets=number, read=read) for number in (1, 30)
    )
    assert len(two) < len(one)
    assert all(two.arrays[row] is one.arrays[one.keys.index(key)] for row, key in enumerate(two.keys))


def test_no_features_at_all(project: Project) -> None:
    remove(project, *(f"video {index:02}" for index in range(9)))
    with pytest.raises(AnnotationsError, match="none of its 9 training videos has features"):
        load(project)


def test_a_class_without_features_stops(project: Project) -> None:
    database = json.loads(project.annotations.read_text())["database"]
    waving = [key for key, video in database.items() if any(a["label"] == "wave" for a in video["annotations"])]
    remove(project, *waving)
    with pytest.raises(AnnotationsError, match="no training video with usable features has the class 'wave'"):
        load(project)


def test_a_class_of_the_test_videos_only_stops(project: Project) -> None:
    document = json.loads(project.annotations.read_text())
    document["database"]["video 12"]["annotations"].append({"label": "kick", "segment": [0, 1]})
    project.annotations.write_text(json.dumps(document))
    with pytest.raises(AnnotationsError, match="no training video has the class 'kick'"):
        load(project)


def test_a_table_typed_by_hand_must_name_videos_that_exist(project: Project) -> None:
    good = [f"video {index:02},{CLASSES[index % 3]}" for index in range(6)]
    data = load(project, write_table(project, *good), subset=None)
    assert len(data) == 6  # features that no row names are somebody else's
    assert data.notes == (
        "9 videos with features are not in the annotations: "
        + ", ".join(f"video {index:02}" for index in range(6, 15)),
    )
    broken = write_table(project, *good, "vidoe 06,jump", "vidoe 07,sit")
    with pytest.raises(
        AnnotationsError, match=r"(?s)2 problems.*line 8: 'vidoe 06'.*line 9: 'vidoe 07'.*No row names video 06, "
    ) as caught:
        load(project, broken, subset=None)
    assert caught.value.exit_code == 2


def test_one_stream_is_refused(make_project: Callable[..., Project]) -> None:
    project = make_project("one stream")
    spec = SPEC.model_copy(update={"streams": ("rgb",), "dim": 16, "flow": "none"})
    for key in FeatureFolder(project.features).keys:
        write_features(
            project.features,
            key,
            np.ones((5, 16), np.float32),
            FeatureRecord(spec=spec, video="", duration_s=3, frames=32),
        )
    with pytest.raises(FeaturesError, match=r"features of rgb alone, \(T, 16\); the method needs RGB and flow"):
        load(project)


def test_the_digest_knows_the_data(project: Project, make_project: Callable[..., Project]) -> None:
    assert load(project).digest == load(make_project("same")).digest
    assert load(project).digest != load(make_project("other", seed=1)).digest


def with_points(project: Project, points: dict[str, tuple[Point, ...]] | None = None) -> Annotations:
    """The project's annotations, a point in the middle of each training segment; ``points`` of some videos instead."""
    made = points_from_segments(load_annotations(project.annotations), subset="training", distribution="middle")
    changed = {key: replace(made.videos[key], points=given) for key, given in (points or {}).items()}
    return replace(made, videos={**made.videos, **changed})


def load_points(project: Project, annotations: Annotations, **arguments: Any) -> TrainingSet:
    folder = FeatureFolder(project.features)
    return load_training_set(annotations, folder, **{"subset": "training", "points": True, **arguments})


def test_points_are_seconds_and_class_numbers(project: Project) -> None:
    annotations = with_points(project)
    data = load_points(project, annotations)
    assert data.points is not None
    assert len(data.points) == len(data) == 9
    for key, rows in zip(data.keys, data.points, strict=True):
        assert [(second, data.classes[int(label)]) for second, label in rows] == [
            (point.at_s, point.label) for point in annotations.videos[key].points
        ]
    assert data.notes == ()


def test_a_method_that_does_not_ask_sees_no_point(project: Project) -> None:
    data = load_points(project, with_points(project), points=False)
    assert data.points is None
    assert data.digest == load(project).digest
    with pytest.raises(ValueError, match="loaded without points"):
        data.point_labels(0)


def test_no_segment_is_looked_at_for_points_either(project: Project) -> None:
    pointed = with_points(project)
    segments = load_annotations(project.annotations).videos
    both = replace(
        pointed,
        videos={key: replace(video, segments=segments[key].segments) for key, video in pointed.videos.items()},
    )
    assert both.has_segments
    assert load_points(project, both).digest == load_points(project, pointed).digest


@pytest.mark.parametrize("points", [False, True])
def test_what_is_handed_on_holds_no_more_than_may_be_seen(
    project: Project, monkeypatch: pytest.MonkeyPatch, points: bool
) -> None:
    segments = load_annotations(project.annotations)
    pointed = with_points(project)
    both = replace(
        segments,
        videos={key: replace(video, points=pointed.videos[key].points) for key, video in segments.videos.items()},
    )
    handed: list[Annotations] = []

    def note(annotations: Annotations, *_: Any, **__: Any) -> list[Any]:
        handed.append(annotations)
        return []

    monkeypatch.setattr("wtalkit.training.data.training_problems", note)
    load_points(project, both, points=points)
    assert [(each.has_segments, each.has_points) for each in handed] == [(False, points)]


def test_the_digest_knows_the_points(project: Project) -> None:
    moved = {"video 03": (Point(1.25, "jump"),)}
    digests = {load_points(project, with_points(project, points)).digest for points in ({}, moved)}
    assert len(digests | {load(project).digest}) == 3


def test_points_are_asked_for_and_there_are_none(project: Project) -> None:
    segments = load_annotations(project.annotations)
    with pytest.raises(AnnotationsError) as caught:
        load_points(project, segments)
    assert str(caught.value) == (
        f"{project.annotations}: the method learns from points, one labelled frame of every action, and no training "
        "video has any. Draw some from its segments: "
        f"wtalkit annotations points {project.annotations} --out points.json --subset training."
    )
    with pytest.raises(AnnotationsError, match=r'no training video has any\. Add "point", the second of one frame'):
        load_points(project, segments.weak())


def test_videos_without_a_point_are_left_out_and_listed(project: Project) -> None:
    data = load_points(project, with_points(project, {"video 03": (), "video 05": ()}))
    assert data.keys == tuple(f"video {index:02}" for index in (0, 1, 2, 4, 6, 7, 8))
    assert data.points is not None
    assert len(data.points) == len(data.arrays) == len(data.labels) == len(data.durations) == 7
    assert data.notes == ("2 training videos left out, without a point: video 03, video 05",)


def test_a_point_must_be_of_a_label_of_its_video(project: Project) -> None:
    annotations = with_points(project)
    wrong = {
        key: (*annotations.videos[key].points, Point(1.5, next(iter({*CLASSES} - {*annotations.videos[key].labels}))))
        for key in ("video 00", "video 04")
    }
    with pytest.raises(AnnotationsError, match=r"(?s)2 problems.*'video 00': its point at 1\.5 s is of .*'video 04'"):
        load_points(project, with_points(project, wrong))


def test_points_after_the_end(project: Project) -> None:
    """Those in the tail that fills no snippet count for the last one, those after the video for none."""
    folder = FeatureFolder(project.features)
    array, record = folder.read("video 03").array, folder.records["video 03"]
    longer = record.model_copy(update={"duration_s": record.duration_s + 0.3})
    write_features(project.features, "video 03", array, longer)
    label = with_points(project).videos["video 03"].labels[0]
    tail, after = Point(record.duration_s + 0.2, label), Point(record.duration_s + 0.4, label)
    gone = Point(99, with_points(project).videos["video 06"].labels[0])
    data = load_points(project, with_points(project, {"video 03": (tail, after), "video 06": (gone,)}))
    assert data.notes == (
        "2 training videos have points after their end, which are ignored: video 03, video 06",
        "1 training videos left out, without a point: video 06",
    )
    row = data.keys.index("video 03")
    assert data.points is not None
    assert data.points[row].tolist() == [[tail.at_s, data.classes.index(label)]]
    assert np.argwhere(data.point_labels(row)).tolist() == [[len(array) - 1, data.classes.index(label)]]


def test_features_without_a_record_may_have_a_tail_shorter_than_a_stride(project: Project) -> None:
    label = with_points(project).videos["video 03"].labels[0]
    end = FeatureFolder(project.features).records["video 03"].duration_s  # that of the last window
    stride_s = SPEC.stride / SPEC.fps
    points = (Point(end + 0.9 * stride_s, label), Point(end + 1.1 * stride_s, label))
    for record in project.features.glob("*.json"):
        record.unlink()
    folder = FeatureFolder(project.features, assume=SPEC)
    data = load_training_set(with_points(project, {"video 03": points}), folder, subset="training", points=True)
    assert data.points is not None
    assert data.points[3][:, 0].tolist() == [points[0].at_s]


def test_a_point_counts_for_the_snippet_whose_cell_it_lies_in(project: Project) -> None:
    timeline = SPEC.timeline
    label = with_points(project).videos["video 03"].labels[0]
    seconds = (0.0, timeline.to_seconds(0) - 0.01, timeline.to_seconds(7) + 0.01, timeline.to_seconds(8) - 0.01, 3.3)
    data = load_points(project, with_points(project, {"video 03": tuple(Point(at, label) for at in seconds)}))
    row = data.keys.index("video 03")
    length = data.arrays.lengths[row]
    edges = [0.0, *(timeline.to_seconds(index) for index in range(1, length)), float("inf")]
    expected = np.zeros((length, len(CLASSES)))
    for snippet in range(length):
        if any(edges[snippet] <= at < edges[snippet + 1] for at in seconds):
            expected[snippet, data.classes.index(label)] = 1
    np.testing.assert_array_equal(data.point_labels(row), expected)
    assert expected.sum() == 3
