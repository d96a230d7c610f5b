"""The ground truth that comes with the package."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from wtalkit.annotations import Annotations, resolve_subset
from wtalkit.annotations.activitynet import parse_activitynet
from wtalkit.datasets import DATASETS, LEFT_OUT, SOURCES, as_annotated, load_dataset, recognised
from wtalkit.datasets.annotated_order import MOVED
from wtalkit.errors import ConfigError
from wtalkit.official import read_classes

SHARED = {
    "thumos14": "thumos14.json",
    "activitynet1.2": "activitynet_v1.2.json.gz",
    "activitynet1.3": "activitynet_v1.3.json.gz",
}


@pytest.fixture(scope="module")
def thumos() -> Annotations:
    return load_dataset("thumos14")


def count(annotations: Annotations) -> tuple[int, int]:
    return len(annotations), sum(len(video.segments) for video in annotations.videos.values())


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("thumos14", {"validation": (200, 3007), "test": (213, 3358)}),
        ("activitynet1.2", {"training": (4819, 7151), "validation": (2383, 3582), "testing": (2480, 0)}),
        ("activitynet1.3", {"training": (9649, 14859), "validation": (4728, 7293), "testing": (4851, 0)}),
    ],
)
def test_videos_instances_and_classes(name: str, counts: dict[str, tuple[int, int]]) -> None:
    found = load_dataset(name)
    assert {subset: count(found.subset(subset)) for subset in found.subsets} == counts
    assert len(found.classes) == DATASETS[name].classes
    assert set(found.classes) == set(read_classes(None, name)), "models know the same classes"
    train, test = resolve_subset("train", found, dataset=name), resolve_subset("test", found, dataset=name)
    assert (train, test) == (("validation", "test") if name == "thumos14" else ("training", "validation"))
    assert recognised(found) == name
    assert not found.warnings
    assert parse_activitynet(json.loads(json.dumps(found.to_activitynet()))).videos == found.videos


def test_what_thumos14_says_more(thumos: Annotations) -> None:
    marked = {subset: [v for v in thumos.subset(subset).videos.values() if v.ambiguous] for subset in thumos.subsets}
    assert {subset: len(videos) for subset, videos in marked.items()} == {"validation": 35, "test": 37}
    assert sum(len(video.ambiguous) for videos in marked.values() for video in videos) == 188
    empty = thumos.videos["video_test_0001292"]
    assert (empty.segments, empty.labels, empty.fps, empty.frames) == ((), (), 30.0, 6975)
    assert empty.ambiguous == ((39.9, 47.4), (78.4, 113.2), (141.2, 154.1))
    assert thumos.videos["video_test_0001496"].labels == ("FrisbeeCatch",)
    assert {each.label for each in thumos.videos["video_test_0001496"].segments} == {"CricketShot"}


def test_who_learns_from_labels_or_points_sees_no_ambiguous_interval(thumos: Annotations) -> None:
    for seen in (thumos.weak(), thumos.pointed()):
        assert not any(video.ambiguous or video.segments for video in seen.videos.values())


def test_the_videos_that_not_everybody_counts(thumos: Annotations) -> None:
    test = set(thumos.subset("test").videos)
    assert {name: len(test - left_out) for name, left_out in LEFT_OUT.items()} == {
        "all": 213,
        "wtal-212": 212,
        "wtal-210": 210,
    }


def test_the_order_of_the_annotators(thumos: Annotations) -> None:
    ordered = as_annotated(thumos)
    for (key, label), moves in MOVED.items():
        before = [each for each in thumos.videos[key].segments if each.label == label]
        after = [each for each in ordered.videos[key].segments if each.label == label]
        starts = [each.start_s for each in before]
        assert all(starts.count(second) == 1 for move in moves for second in move if second is not None)
        assert before == sorted(before, key=lambda each: each.start_s) and before != after
        assert sorted(after, key=lambda each: each.start_s) == before
    moved = {key for key, _ in MOVED}
    assert all(ordered.videos[key] == video for key, video in thumos.videos.items() if key not in moved)

    def starts_of(key: str, label: str) -> list[float]:
        return [each.start_s for each in ordered.videos[key].segments if each.label == label]

    assert starts_of("video_test_0000046", "GolfSwing") == [128.1, 147.4, 79.2, 170.5]
    assert starts_of("video_test_0000374", "TennisSwing") == [6.7, 3.1, 89.0, 93.2]
    assert starts_of("video_test_0000423", "TennisSwing")[-4:] == [130.3, 30.5, 33.5, 137.5]
    assert starts_of("video_test_0001325", "CricketShot") == [150.4, 36.0, 47.8, 92.4]
    assert as_annotated(thumos.only({"video_test_0000028"})).videos.keys() == {"video_test_0000028"}


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match=r"no data set 'thumos-14'\. Did you mean thumos14\?") as caught:
        load_dataset("thumos-14")
    assert caught.value.exit_code == 2
    assert len(load_dataset("THUMOS14")) == 413


def test_files_are_small_and_hold_no_time() -> None:
    """A gzip file may carry the time at which it was made, and then differs every time."""
    for each in DATASETS.values():
        content = each.path.read_bytes()
        assert content[4:8] == bytes(4)
        assert len(content) < 2**20
        document: dict[str, Any] = json.loads(gzip.decompress(content))
        assert document.keys() == {"version", "database"}


def test_the_page_names_every_source() -> None:
    page = (REPOSITORY / "docs/datasets.md").read_text(encoding="utf-8")
    for source in SOURCES:
        assert source.dataset in DATASETS
        row = next(line for line in page.splitlines() if f"`{source.path}`" in line)
        assert f"{source.repository} @ {source.revision}" in row
        assert row.rstrip("| ").endswith(source.licence or "none stated")


@pytest.mark.parametrize("name", SHARED)
def test_nothing_was_lost_on_the_way(shared_dir: Path, name: str) -> None:
    path = shared_dir / "data" / SHARED[name]
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert json.loads(gzip.decompress(DATASETS[name].path.read_bytes()))["database"] == json.loads(content)["database"]
