"""The ActivityNet JSON schema, kindly and strictly."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from wtalkit.annotations import Instance, load_annotations
from wtalkit.errors import AnnotationsError

DATABASE: dict[str, Any] = {
    "a": {
        "subset": "training",
        "duration": 10,
        "annotations": [{"label": "wave", "segment": [1, 2.5]}, {"label": "kick"}, {"label": "bow", "segment": None}],
    },
    "b": {"subset": "test", "video_labels": ["kick"], "annotations": [{"label": "wave", "segment": [3, 3]}]},
    "c": {"video_labels": [], "annotations": []},
}


def write(folder: Path, document: Any) -> Path:
    path = folder / "annotations.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document, indent=1), encoding="utf-8")
    return path


def test_labels_and_segments(tmp_path: Path) -> None:
    found = load_annotations(write(tmp_path, {"version": "mine", "database": DATABASE}))
    assert found.videos["a"].labels == ("bow", "kick", "wave")
    assert found.videos["a"].segments == (Instance(1.0, 2.5, "wave"),)
    assert found.videos["b"].labels == ("kick",), "video_labels come before the annotations' labels"
    assert found.videos["b"].segments == (Instance(3.0, 3.0, "wave"),), "zero length is kept"
    assert found.videos["c"].labels == ()
    assert (found.classes, found.subsets, found.version) == (("bow", "kick", "wave"), ("training", "test"), "mine")
    assert (found.videos["a"].duration_s, found.videos["b"].duration_s) == (10.0, None)


def test_weak_strips_all_times(tmp_path: Path) -> None:
    found = load_annotations(write(tmp_path, {"database": DATABASE}))
    weak = found.weak()
    assert found.has_segments
    assert not weak.has_segments
    assert [video.labels for video in weak.videos.values()] == [video.labels for video in found.videos.values()]


def test_a_subset_keeps_the_class_numbers(tmp_path: Path) -> None:
    found = load_annotations(write(tmp_path, {"database": DATABASE}))
    assert list(found.subset("Test").videos) == ["b"]
    assert found.subset("test").classes == found.classes
    with pytest.raises(AnnotationsError, match=r"no subset 'trainin'.*'training', 'test'.*Did you mean 'training'"):
        found.subset("trainin")


def test_written_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    found = load_annotations(write(tmp_path, {"database": DATABASE}))
    again = load_annotations(write(tmp_path, found.to_activitynet()))
    assert again.videos == found.videos
    assert again.classes == found.classes


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"database": DATABASE}).encode()))
    assert len(load_annotations(path)) == 3
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(AnnotationsError, match="cannot be read"):
        load_annotations(path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json.gz"
    path.write_bytes(gzip.compress(b" " * 10**6))
    with pytest.raises(AnnotationsError, match="larger than"):
        load_annotations(path, limit_bytes=10**5)


def test_every_problem_is_listed(tmp_path: Path) -> None:
    database = {
        "../../x": {"annotations": []},
        "/abs": {"annotations": []},
        "c": [],
        "d": {"subset": 3, "annotations": {}},
        "e": {"duration": "long", "annotations": [{"label": ""}, {"label": "a", "segment": [1]}]},
        "f": {"annotations": [{"label": "a", "segment": ["1", 2]}, {"label": "a", "segment": [True, 2]}]},
        "g": {"video_labels": "wave", "duration": -1},
    }
    with pytest.raises(AnnotationsError) as caught:
        load_annotations(write(tmp_path, {"database": database}))
    message = str(caught.value)
    assert "12 problems" in message
    for part in ("leaves its folder", "absolute path", "'c': is not an object", "'d': its subset", "'e': its duration"):
        assert part in message
    assert "line 3: " in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "is not JSON: line 1"),
        ('{"database":\n {,}}', "is not JSON: line 2"),
        ("[]", "no object 'database'"),
        ('{"database": []}', "no object 'database'"),
        ('{"database": {"a": {"duration": NaN}}}', "holds NaN"),
        ('{"database": {"a": {"duration": 1e999}}}', "'a': its duration"),
        ('{"database": {"a": {"duration": 1e308}}}', r"'a': its duration, 1e\+308 s, is more than a year"),
        ('{"database": {"a": {}, "a": {}}}', "the key 'a' stands twice"),
        ('{"database": ' + "[" * 100_000, "nested too deeply"),
        ('{"database": {"a": {"duration": ' + "9" * 5000 + "}}}", "cannot be read|can be read"),
    ],
)
def test_unusable_documents(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(AnnotationsError, match=cause):
        load_annotations(write(tmp_path, text))


def test_missing_unknown_and_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(AnnotationsError, match="no such file"):
        load_annotations(tmp_path / "nothing.json")
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(AnnotationsError, match="no known kind"):
        load_annotations(tmp_path / "labels.xlsx")
    (tmp_path / "latin.json").write_bytes(b'{"database": {"\xe9": {}}}')
    with pytest.raises(AnnotationsError, match="not UTF-8"):
        load_annotations(tmp_path / "latin.json")


def test_an_instance_that_ends_before_it_starts_is_kept_and_named(tmp_path: Path) -> None:
    database = {"a": {"annotations": [{"label": "wave", "segment": [5, 3]}]}}
    found = load_annotations(write(tmp_path, {"database": database}))
    assert found.videos["a"].segments == (Instance(5.0, 3.0, "wave"),)
    assert found.warnings == ("a: annotation 1 ends before it starts",)
