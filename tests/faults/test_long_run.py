"""Many videos in one run: nothing grows from the first hundred to the last, and every state is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.long_run import Stretch, growth, long_run


def test_a_hundred_and_twenty_videos(tmp_path: Path) -> None:
    run = long_run(tmp_path, videos=120, broken=0.05, every=20)
    assert run.problems == []
    assert len(run.stretches) >= 5
    assert run.stretches[-1].parent > 0 and run.stretches[-1].processes > 1


@pytest.mark.exhaustive
def test_two_thousand_videos(tmp_path: Path) -> None:
    assert long_run(tmp_path, videos=2000, broken=0.05).problems == []


@pytest.mark.parametrize("what", ["parent", "decoders", "handles", "processes", "threads"])
def test_what_grows_is_noticed(what: str) -> None:
    level = {"parent": 700 << 20, "decoders": 150 << 20, "handles": 30, "processes": 3, "threads": 5}
    flat = [Stretch(videos=100 * number, seconds=number, **level) for number in range(1, 6)]
    assert growth(flat) == []
    more = {**level, what: level[what] * 2}
    grown = [*flat[:-1], Stretch(videos=500, seconds=5, **more)]
    assert len(growth(grown)) == 1 and what in growth(grown)[0]
