from __future__ import annotations

import os
from pathlib import Path

import pytest

from wtalkit.errors import InputError
from wtalkit.inputs import Failure, gather


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty files: what they hold is not looked at here."""
    for name in (
        "v/a.mp4",
        "v/sub/b.MKV",
        "v/notes.txt",
        "v/.hidden/c.mp4",
        "v/.d.mp4",
        "w/a.mp4",
        "f/x.npy",
        "f/x.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*given: str | Path, features: bool = False) -> list[str]:
    return [each.key for each in gather(given, features=features)[0]]


def test_a_folder_is_searched_for_videos_by_path_below_it(tree: Path) -> None:
    assert keys("v") == ["a", "sub/b"]


def test_a_file_is_named_by_its_name_whatever_it_ends_in(tree: Path) -> None:
    assert keys("v/sub/b.MKV", "v/notes.txt") == ["b", "notes"]


def test_only_the_last_extension_goes(tree: Path) -> None:
    Path("v/a.1.mp4").touch()
    assert keys("v/a.1.mp4") == ["a.1"]


def test_keys_that_clash_keep_their_extensions(tree: Path) -> None:
    Path("v/a.avi").touch()
    assert keys("v") == ["a.avi", "a.mp4", "sub/b"]


def test_files_of_one_name_are_told_apart_by_their_folders(tree: Path) -> None:
    assert keys("v/a.mp4", "w/a.mp4") == ["v/a.mp4", "w/a.mp4"]
    assert keys("v", "w") == ["v/a.mp4", "sub/b", "w/a.mp4"]


def test_a_file_given_twice_is_taken_once(tree: Path) -> None:
    assert keys("v", "v/a.mp4", tree / "v" / "a.mp4") == ["a", "sub/b"]


def test_a_feature_file_is_an_input_where_features_are_wanted(tree: Path) -> None:
    found, failures = gather(["f/x.npy"], features=True)
    assert (found[0].key, found[0].kind, failures) == ("x", "features", ())
    assert "a video is needed" in gather(["f/x.npy"])[1][0].cause


def test_a_folder_without_videos_is_searched_for_features(tree: Path) -> None:
    assert keys("f", features=True) == ["x"]
    Path("v/y.npy").touch()
    assert keys("v", features=True) == ["a", "sub/b"]


def test_what_is_missing_is_listed_and_the_rest_found(tree: Path) -> None:
    found, failures = gather(["nope.mp4", "v/a.mp4", "f"])
    assert [each.key for each in found] == ["a"]
    assert failures == (Failure("nope.mp4", "no such file"), Failure("f", "there is no video in this folder"))


def test_odd_names_stay_what_they_are(tree: Path) -> None:
    odd = [os.fsdecode(b"bad\xff.mp4"), "with space.mp4", "line\nbreak.mp4", "-dash.mp4", "quote'\".mp4"]
    for name in odd:
        Path("w", name).touch()
    assert sorted(keys("w")) == sorted(["a", *(name.removesuffix(".mp4") for name in odd)])


def test_a_failure_keeps_cause_and_remedy() -> None:
    error = InputError("too short", file="x.mp4", remedy="Record more")
    assert Failure.of("x.mp4", error) == Failure("x.mp4", "too short. Record more")
