"""What the schema holds beyond labels and segments: ambiguous intervals, frame rate, frames."""

from __future__ import annotations

from typing import Any

import pytest

from wtalkit.annotations.activitynet import parse_activitynet
from wtalkit.errors import AnnotationsError

VIDEO = {"annotations": [{"label": "wave", "segment": [1, 2]}], "ambiguous": [[3, 4.5]], "fps": 25, "frames": 100}


def test_read_and_written() -> None:
    found = parse_activitynet({"database": {"a": VIDEO, "b": {}}})
    video = found.videos["a"]
    assert (video.ambiguous, video.fps, video.frames) == (((3.0, 4.5),), 25.0, 100)
    assert (found.videos["b"].ambiguous, found.videos["b"].fps, found.videos["b"].frames) == ((), None, None)
    assert parse_activitynet(found.to_activitynet()).videos == found.videos
    assert "ambiguous" not in found.to_activitynet()["database"]["b"]


@pytest.mark.parametrize("value", [7, [1, 2], [[1]], [[1, "2"]], [[1, float("nan")]], {}])
def test_other_intervals_are_refused(value: Any) -> None:
    with pytest.raises(AnnotationsError, match="'a': its ambiguous intervals are not a list of two finite numbers"):
        parse_activitynet({"database": {"a": {**VIDEO, "ambiguous": value}}})


@pytest.mark.parametrize("value", [None, 0, -1, "30", True, float("inf"), [30]])
def test_facts_that_are_none_are_unknown(value: Any) -> None:
    video = parse_activitynet({"database": {"a": {**VIDEO, "fps": value, "frames": value}}}).videos["a"]
    assert (video.fps, video.frames) == (None, None)
