"""videos/<class>/*.mp4: the folder's name is the weak label."""

from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.annotations import load_annotations
from wtalkit.errors import AnnotationsError
from wtalkit.inputs import gather


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_keys_labels_and_clashes(tmp_path: Path) -> None:
    make(tmp_path, "wave/a.mp4", "wave/deep/b.MKV", "kick/a.mov", "kick/a.avi", "kick/notes.txt", "kick/.hidden.mp4")
    found = load_annotations(tmp_path)
    assert {key: video.labels for key, video in found.videos.items()} == {
        "wave/a": ("wave",),
        "wave/deep/b": ("wave",),
        "kick/a.mov": ("kick",),
        "kick/a.avi": ("kick",),
    }
    assert found.classes == ("kick", "wave")


def test_keys_are_those_of_extraction(tmp_path: Path) -> None:
    make(tmp_path, "wave/a.vob", "wave/b.mp4", "wave/b.mkv", ".trash/c.mp4", "kick/day.one/d.ts")
    found = load_annotations(tmp_path)
    assert set(found.videos) == {video.key for video in gather([tmp_path])[0]}
    assert set(found.videos) == {"wave/a", "wave/b.mp4", "wave/b.mkv", "kick/day.one/d"}
    assert found.classes == ("kick", "wave")


def test_videos_outside_are_all_listed(tmp_path: Path) -> None:
    make(tmp_path, "wave/a.mp4", "b.mp4", "c.mp4")
    with pytest.raises(AnnotationsError, match=r"2 problems:\n.*b\.mp4 lies in no class folder.*\n.*c\.mp4"):
        load_annotations(tmp_path)


def test_no_video(tmp_path: Path) -> None:
    with pytest.raises(AnnotationsError, match="no video in a class folder"):
        load_annotations(make(tmp_path, "wave/notes.txt"))
