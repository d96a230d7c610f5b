"""Which subset is trained on and which is scored; and what stops a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wtalkit.annotations import (
    Annotations,
    Instance,
    VideoAnnotation,
    class_counts,
    load_annotations,
    require_trainable,
    resolve_subset,
    training_problems,
)
from wtalkit.errors import AnnotationsError


def annotations(*subsets: str | None, version: str | None = None, empty: tuple[str, ...] = ()) -> Annotations:
    videos = {
        f"v{number}": VideoAnnotation(
            subset=subset, labels=("wave",), segments=() if subset in empty else (Instance(0, 1, "wave"),)
        )
        for number, subset in enumerate(subsets)
    }
    return Annotations(videos, ("wave",), version=version)


@pytest.mark.parametrize(
    ("given", "train", "test"),
    [
        (annotations("training", "testing", "demo"), "training", "testing"),
        (annotations("train", "test"), "train", "test"),
        (annotations("Train", "Validation"), "Train", "Validation"),
        (annotations("validation", "test"), "validation", "test"),
        (annotations("validation", "test", version="THUMOS14"), "validation", "test"),
        (annotations("training", "validation", "testing", version="VERSION 1.3"), "training", "validation"),
        (annotations("training", "validation", "testing", empty=("testing",)), "training", "validation"),
        (annotations(None, None), None, None),
    ],
)
def test_defaults(given: Annotations, train: str | None, test: str | None) -> None:
    assert (resolve_subset("train", given), resolve_subset("test", given)) == (train, test)


def test_what_the_user_says_wins_and_must_exist() -> None:
    given = annotations("train", "test", "mine")
    assert resolve_subset("train", given, configured="mine") == "mine"
    with pytest.raises(AnnotationsError, match="no subset 'min'"):
        resolve_subset("train", given, configured="min")
    assert resolve_subset("test", annotations("training", "validation", "testing"), dataset="activitynet1.2") == (
        "validation"
    )


def test_no_usual_name() -> None:
    with pytest.raises(AnnotationsError, match=r"no subset to test with: it has mine.*test_subset"):
        resolve_subset("test", annotations("mine"))


@pytest.mark.parametrize(
    ("name", "videos", "train", "test"),
    [
        ("thumos14.json", 413, "validation", "test"),
        ("activitynet_v1.2.json.gz", 9682, "training", "validation"),
    ],
)
def test_public_files(shared_dir: Path, name: str, videos: int, train: str, test: str) -> None:
    found = load_annotations(shared_dir / "data" / name)
    assert len(found) == videos
    assert (resolve_subset("train", found), resolve_subset("test", found)) == (train, test)


def video(subset: str, *labels: str, line: int) -> VideoAnnotation:
    return VideoAnnotation(subset=subset, labels=labels, line=line)


PROBLEMATIC: dict[str, Any] = {
    "good": video("train", "wave", line=1),
    "gone": video("train", "wave", line=2),
    "bare": video("train", line=3),
    "late": video("test", "wave", "kick", line=4),
}


def test_all_problems_of_a_training_run_at_once() -> None:
    given = Annotations(PROBLEMATIC, ("kick", "wave"), path=Path("labels.csv"))
    keys = ["good", "bare", "late", "stranger"]
    found = training_problems(given, keys, train_subset="train", test_subset="test")
    assert sorted(str(problem) for problem in found) == [
        "line 2: 'gone' has labels, but there is no such video",
        "line 3: 'bare' has no label",
        "line 4: 'late': no training video has the class 'kick'",
        "the video 'stranger' has no labels",
    ]
    with pytest.raises(AnnotationsError, match=r"labels\.csv: 4 problems"):
        require_trainable(given, keys, train_subset="train", test_subset="test")
    require_trainable(given.only({"good"}), ["good"], train_subset="train")


def test_a_subset_in_several_spellings_is_one() -> None:
    found = annotations("Train", "train", "test", "TRAIN")
    assert found.subsets == ("Train", "test")
    assert class_counts(found) == {"wave": {"Train": 3, "test": 1}}
