"""Several processes at once on one folder of features: acceptance case 29."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import wtalkit
from tests.faults.forked import Starter, group_of, send, until
from tests.faults.runs import bytes_of, temporaries
from tests.faults.videos import write_numbered
from tests.training.forks import Command
from wtalkit.backbones import load_backbone
from wtalkit.errors import FeaturesError
from wtalkit.features import FeatureFolder, read_features, write_features
from wtalkit.inputs import Input

if sys.platform != "linux":
    pytest.skip("processes are looked up in /proc", allow_module_level=True)

KEYS = tuple(f"video {number}" for number in range(10))
COMMAND = ("extract", "videos", "--backbone", "i3d-mini", "--flow", "none")
PATIENCE_S = 180.0


@pytest.fixture(scope="module")
def starter(toy_models: Path) -> Iterator[Starter]:
    found = Starter(toy_models)
    yield found
    found.close()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together") / "work"
    for number, key in enumerate(KEYS):
        write_numbered(folder / "videos" / f"{key}.mp4", range(34 + number % 3 * 16))
    return folder


@pytest.fixture(scope="module")
def whole(starter: Starter, workplace: Path) -> dict[str, bytes]:
    """Every file that one process alone leaves."""
    return alone(starter, workplace, "whole")


def alone(starter: Starter, workplace: Path, out: str, *words: str) -> dict[str, bytes]:
    command = begin(starter, workplace, out, 0, *words)
    assert command.end(PATIENCE_S) == 0, command.said
    return bytes_of(workplace / out)


def begin(starter: Starter, workplace: Path, out: str, number: int, *words: str) -> Command:
    return starter.begin(workplace, *COMMAND, "--out", out, *words, log=f"{out}-{number}.log")


def extracted(command: Command) -> int:
    (number,) = re.findall(r"^(\d+) videos? extracted to ", command.said, re.M)
    return int(number)


def already_there(command: Command) -> int:
    return sum(map(int, re.findall(r"^\d+ videos? extracted to .*, (\d+) already there\.", command.said, re.M)))


@pytest.mark.parametrize("gap_s", [0, 0.7], ids=["together", "one after the other"])
@pytest.mark.parametrize("count", [2, 3])
def test_every_video_is_extracted_once(
    starter: Starter, workplace: Path, whole: dict[str, bytes], count: int, gap_s: float
) -> None:
    out = f"{count}-{gap_s}"
    commands = []
    for number in range(count):
        commands.append(begin(starter, workplace, out, number))
        time.sleep(gap_s)
    for command in commands:
        assert command.end(PATIENCE_S) == 0, command.said
    assert sum(map(extracted, commands)) == len(KEYS)
    assert [extracted(command) + already_there(command) for command in commands] == [len(KEYS)] * count
    assert bytes_of(workplace / out) == whole


@pytest.mark.parametrize("count", [2, 3])
def test_the_others_do_what_a_killed_one_had_begun(
    starter: Starter, workplace: Path, whole: dict[str, bytes], count: int
) -> None:
    out = f"killed-{count}"
    folder = workplace / out
    victim = begin(starter, workplace, out, 0)
    until(lambda: list(folder.glob("*.npy")) and temporaries(folder), "a first video", PATIENCE_S)
    victim.signal(signal.SIGSTOP)  # with what it has claimed
    done = len(list(folder.glob("*.npy")))
    others = [begin(starter, workplace, out, number) for number in range(1, count)]
    # They finish all but what the stopped one holds, and wait for it.
    until(lambda: len(list(folder.glob("*.npy"))) > done, "a video of another", PATIENCE_S)
    send(victim, signal.SIGKILL, group=False)
    assert victim.end(PATIENCE_S) == -signal.SIGKILL
    for command in others:
        assert command.end(PATIENCE_S) == 0, command.said
    assert sum(map(extracted, others)) == len(KEYS) - done
    until(lambda: not group_of(victim.pid), "the end of the decoders", PATIENCE_S)
    assert bytes_of(folder) == whole


def test_overwriting_together(starter: Starter, workplace: Path, whole: dict[str, bytes]) -> None:
    """Both were told to extract everything and do; no file is ever a mixture."""
    shutil.copytree(workplace / "whole", workplace / "anew")
    commands = [begin(starter, workplace, "anew", number, "--overwrite") for number in range(2)]
    while any(group_of(command.pid) for command in commands):
        for key in KEYS:
            read_features(workplace / "anew" / f"{key}.npy")
        time.sleep(0.05)
    assert [command.end() for command in commands] == [0, 0]
    assert list(map(extracted, commands)) == [len(KEYS)] * 2
    assert bytes_of(workplace / "anew") == whole


@pytest.mark.parametrize("shards", [("1/2", "2/2"), ("0/2", "1/2"), ("1/3", "2/3", "3/3")], ids="+".join)
def test_shards_together(starter: Starter, workplace: Path, whole: dict[str, bytes], shards: tuple[str, ...]) -> None:
    out = "shards-" + "-".join(shards).replace("/", "of")
    commands = [begin(starter, workplace, out, number, "--shard", shard) for number, shard in enumerate(shards)]
    assert [command.end(PATIENCE_S) for command in commands] == [0] * len(shards)
    counts = list(map(extracted, commands))
    assert sum(counts) == len(KEYS) and max(counts) - min(counts) <= 1
    assert bytes_of(workplace / out) == whole


@pytest.mark.parametrize("attempt", [0, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_two_specs_at_once(starter: Starter, workplace: Path, whole: dict[str, bytes], attempt: int) -> None:
    """The folder was empty when both looked; it is that of the one that is ready first, the other is refused."""
    out = f"specs-{attempt}"
    strides = ("4", "8")
    commands = [begin(starter, workplace, out, int(stride), "--stride", stride) for stride in strides]
    codes = [command.end(PATIENCE_S) for command in commands]
    assert sorted(codes) == [0, 2], [command.said for command in commands]
    winner, loser = (commands[codes.index(code)] for code in (0, 2))
    assert extracted(winner) == len(KEYS)
    assert re.search(r"specs-\d: holds features of .* asked for are features of .*: stride", loser.said), loser.said
    stride = strides[codes.index(0)]
    assert FeatureFolder(workplace / out).spec.stride == int(stride)
    assert bytes_of(workplace / out) == (
        whole if stride == "4" else alone(starter, workplace, f"whole-{attempt}", "--stride", "8")
    )


def test_another_spec_that_came_in_between_is_refused(toy_models: Path, workplace: Path, tmp_path: Path) -> None:
    """As above, with the worst order: what the other process wrote comes after our look into the empty folder."""
    backbone = load_backbone("i3d-mini", flow="none", weights=toy_models / "i3d-mini")
    clip = workplace / "videos" / "video 0.mp4"
    wtalkit.extract(clip, tmp_path / "other", backbone=backbone, stride=8)
    other = read_features(tmp_path / "other" / "video 0.npy")
    assert other.record is not None

    def another_writes(_: Input) -> None:
        if not (tmp_path / "feats" / "x.npy").exists():
            write_features(tmp_path / "feats", "x", other.array, other.record)

    with pytest.raises(FeaturesError, match="stride"):
        wtalkit.extract(clip, tmp_path / "feats", backbone=backbone, started=another_writes)
    assert {path.suffix for path in (tmp_path / "feats").iterdir()} == {".npy", ".json"}
    assert FeatureFolder(tmp_path / "feats").keys == ("x",)
    assert wtalkit.extract(clip, tmp_path / "feats", backbone=backbone, overwrite=True).done == ("video 0",)
