"""The label that every second-stage result carries."""

from __future__ import annotations

import pytest

from wtalkit.proposals import Proposer, attribution, described, strongest


def test_names() -> None:
    assert str(Proposer(method="co2net", supervision="video-level")) == "co2net (video-level labels)"
    made = Proposer(method="lac", plugins=("clasnet",), without=("feat",), supervision="point-level")
    assert str(made) == "lac + clasnet without feat (point-level labels)"
    assert str(Proposer(path="p.json")) == "an unnamed proposer (p.json) (unknown supervision)"
    assert Proposer.model_validate(made.to_dict()) == made


def test_what_was_told_anywhere_counts() -> None:
    assert strongest("video-level", "video-level") == "video-level"
    assert strongest("video-level", "point-level") == "point-level"
    assert strongest("unknown", "video-level") == "unknown"
    assert strongest("unknown", "point-level") == "point-level"
    assert described("point-level") == "point-level labels"


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"method": "co2net", "plugins": [], "supervision": "video-level", "proposer": None}, None),
        ({"method": "lac", "plugins": ["fenet"], "supervision": "point-level"}, "lac + fenet (point-level labels)"),
        (
            {"method": "seal", "plugins": [], "proposer": {"method": "lac", "supervision": "point-level"}},
            "seal on proposals of lac (point-level labels)",
        ),
        (
            {"method": "pmil", "plugins": [], "proposer": {"colour": "red"}},
            "pmil on proposals of an unnamed proposer (unknown supervision)",
        ),
        (
            {
                "method": "seal",
                "plugins": [],
                "supervision": "point-level",
                "proposer": {"method": "co2net", "supervision": "video-level"},
            },
            "seal on proposals of co2net (video-level labels), point-level labels in all",
        ),
        ({}, None),
    ],
)
def test_the_line_under_a_table(facts: dict[str, object], line: str | None) -> None:
    assert attribution(facts) == line
