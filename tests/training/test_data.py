"""The training set: labels only, what is left out and said, what stops a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import CLASSES, SPEC, Project
from wtalkit.annotations import load_annotations
from wtalkit.errors import AnnotationsError, FeaturesError
from wtalkit.features import FeatureFolder, FeatureRecord, write_features
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
    write_features(
        project.features, "video 01", short, FeatureRecord(spec=SPEC, video="", duration_s=2, frames=24, complete=False)
    )
    data = load(project, min_snippets=4)
    assert len(data) == 7
    text = " | ".join(data.notes)
    assert "1 training videos left out, without features: video 00" in text
    assert "shorter than 4 snippets" in text
    assert "incomplete" in text


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
    broken = write_table(project, *good, "vidoe 06,jump", "vidoe 07,sit")
    with pytest.raises(AnnotationsError, match=r"(?s)2 problems.*line 8: 'vidoe 06'.*line 9: 'vidoe 07'") as caught:
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
