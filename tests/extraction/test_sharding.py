from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.cli import main
from wtalkit.errors import UsageError
from wtalkit.extraction.sharding import parse_shard, shard
from wtalkit.inputs import Input


def inputs(*keys: str) -> list[Input]:
    return [Input(key, Path(f"{key}.mp4")) for key in keys]


@pytest.mark.parametrize(
    ("text", "wanted"), [("1/4", (1, 4)), ("4/4", (4, 4)), ("0/4", (4, 4)), (" 2/3 ", (2, 3)), ("0/1", (1, 1))]
)
def test_a_shard_is_a_number_of_a_number(text: str, wanted: tuple[int, int]) -> None:
    assert parse_shard(text) == wanted


@pytest.mark.parametrize("text", ["5/4", "0/0", "1/0", "1", "1/", "/4", "-1/4", "1/-4", "1.0/4", "a/b", "1/4/2", ""])
def test_anything_else_is_refused_before_work_begins(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        parse_shard(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("first", [0, 1])
def test_all_shards_together_are_all_videos_each_once(count: int, first: int) -> None:
    videos = inputs(*(f"v{number:02}" for number in range(11)))
    parts = [shard(videos, *parse_shard(f"{index}/{count}")) for index in range(first, first + count)]
    assert sorted(video.key for part in parts for video in part) == [video.key for video in videos]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_the_same_whatever_the_order_of_the_inputs() -> None:
    videos = inputs("c", "a", "d", "b")
    assert shard(videos, 1, 2) == shard(videos[::-1], 1, 2) == inputs("a", "c")


def test_shards_on_the_command_line_make_the_whole_folder(project: Path) -> None:
    command = ["extract", "videos", "--flow", "none", "--device", "cpu"]
    assert main([*command, "--out", "whole"]) == 0
    assert main([*command, "--out", "parts", "--shard", "0/2"]) == 0
    assert sorted(path.stem for path in Path("parts").glob("*.npy")) == ["b"]
    assert main([*command, "--out", "parts", "--shard", "1/2"]) == 0
    wanted, found = ({path.name: path.read_bytes() for path in Path(folder).iterdir()} for folder in ("whole", "parts"))
    assert found == wanted
    assert main([*command, "--out", "more", "--shard", "3/2"]) == 2
    assert not Path("more").exists()
