"""Splits: every class on both sides in its share, nothing that was decided undone, the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.annotations import (
    Annotations,
    Instance,
    VideoAnnotation,
    class_counts,
    load_annotations,
    split_annotations,
)
from wtalkit.errors import AnnotationsError, UsageError


def annotations(
    labels: dict[str, str], subsets: dict[str, str] | None = None, segments: frozenset[str] = frozenset()
) -> Annotations:
    """``labels`` as ``{"a": "wave|kick"}``."""
    videos = {
        key: VideoAnnotation(
            subset=(subsets or {}).get(key),
            labels=tuple(sorted(text.split("|"))) if text else (),
            segments=tuple(Instance(0, 1, label) for label in text.split("|")) if key in segments else (),
        )
        for key, text in labels.items()
    }
    return Annotations(videos, tuple(sorted({label for video in videos.values() for label in video.labels})))


def sides(made: Annotations) -> dict[str, str | None]:
    return {key: video.subset for key, video in made.videos.items()}


def many(seed: int = 0, videos: int = 200) -> Annotations:
    """Ten classes from common to rare, one to three of them a video."""
    import random

    generator = random.Random(seed)
    classes = [f"class {number}" for number in range(10)]
    weights = [1 / (1 + number) for number in range(10)]
    return annotations(
        {
            f"v{number:03}": "|".join(set(generator.choices(classes, weights, k=generator.randint(1, 3))))
            for number in range(videos)
        }
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("test", [0.1, 0.2, 0.5])
def test_every_class_has_its_share(seed: int, test: float) -> None:
    made = split_annotations(many(seed), test=test, seed=seed)
    assert len(made.subset("testing")) == pytest.approx(200 * test, abs=8)
    for counts in class_counts(made).values():
        total = sum(counts.values())
        assert counts["testing"] == pytest.approx(total * test, abs=max(2.5, 0.06 * total))
        assert counts["testing"] >= 1
    assert made.warnings == ()


def test_it_is_fairer_than_chance() -> None:
    """What the algorithm is for: the shares of rare classes differ less than in random splits of the same size."""
    import random

    whole = many(3)

    def unevenness(made: Annotations) -> float:
        return sum(abs(each["testing"] / sum(each.values()) - 0.2) for each in class_counts(made).values())

    keys = list(whole.videos)
    random.Random(1).shuffle(keys)
    chance = annotations(
        {key: "|".join(video.labels) for key, video in whole.videos.items()},
        {key: "testing" if place < 40 else "training" for place, key in enumerate(keys)},
    )
    assert unevenness(split_annotations(whole)) < unevenness(chance) / 2


def test_two_videos_of_a_class_are_divided() -> None:
    made = split_annotations(annotations({f"{name}{number}": name for name in "abcdef" for number in "12"}), test=0.1)
    assert all(counts == {"training": 1, "testing": 1} for counts in class_counts(made).values())


@given(
    st.dictionaries(
        st.integers(0, 40).map(str), st.sets(st.sampled_from("abcdef"), max_size=4).map("|".join), min_size=1
    ),
    st.floats(0.05, 0.95),
    st.integers(0, 3),
)
def test_every_class_is_trained_on(labels: dict[str, str], test: float, seed: int) -> None:
    made = split_annotations(annotations(labels), test=test, seed=seed)
    counts = class_counts(made)
    assert all(each.get("training") for each in counts.values())
    untested = [label for label, each in counts.items() if each["training"] > 1 and not each.get("testing")]
    assert bool(untested) == bool(made.warnings)
    # None of them could be moved without leaving a class untrained.
    for label in untested:
        for video in made.subset("training").videos.values():
            if label in video.labels:
                assert any(counts[other]["training"] == 1 for other in video.labels)


def test_a_class_that_cannot_be_divided_is_named() -> None:
    """Either video of ``a`` is the only one of another class."""
    made = split_annotations(annotations({"1": "a|b", "2": "a|c", "3": "d", "4": "d"}))
    assert made.warnings == ("1 class has no test video: a",)


def test_the_same_each_time_and_in_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    path.write_text(json.dumps(many().to_activitynet()))
    script = (
        "import sys; from wtalkit.annotations import load_annotations, split_annotations\n"
        "made = split_annotations(load_annotations(sys.argv[1]), seed=3)\n"
        "print([video.subset for video in made.videos.values()])"
    )
    said = {
        subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True).stdout
        for _ in range(2)  # with other hashes of texts
    }
    assert said == {f"{list(sides(split_annotations(load_annotations(path), seed=3)).values())}\n"}
    assert sides(split_annotations(many(), seed=3)) != sides(split_annotations(many(), seed=4))


def test_decided_videos_stay_and_count() -> None:
    labels = {f"{number}": "a" for number in range(10)}
    decided = {"0": "Test", "1": "Test", "2": "train", "3": "demo"}
    made = split_annotations(annotations(labels, decided))
    assert {key: side for key, side in sides(made).items() if key in decided} == decided
    # Two of nine are set apart already: the rest is for training, under the name that is in use.
    assert Counter(sides(made).values()) == {"train": 7, "Test": 2, "demo": 1}
    anew = split_annotations(annotations(labels, decided), seed=2, anew=True)
    assert Counter(sides(anew).values()) == {"train": 7, "Test": 2, "demo": 1}
    assert sides(anew) != sides(made)
    assert sides(anew)["3"] == "demo"


def test_thumos_keeps_its_names() -> None:
    labels = {f"{number}": "a" for number in range(10)}
    made = split_annotations(annotations(labels, {"0": "validation", "1": "test"}))
    assert set(sides(made).values()) == {"validation", "test"}
    assert Counter(sides(made).values())["test"] == 2


def test_only_videos_with_segments_are_set_apart() -> None:
    labels = {f"{number:02}": "a" for number in range(20)}
    made = split_annotations(annotations(labels, segments=frozenset(("03", "04", "05"))))
    assert {key for key, side in sides(made).items() if side == "testing"} == {"03", "04", "05"}
    made = split_annotations(annotations(labels, segments=frozenset(labels)))
    assert Counter(sides(made).values())["testing"] == 4


def test_groups_stay_together() -> None:
    labels = {f"day{number // 4:02}/clip{number}": "ab"[number % 2] for number in range(80)}
    made = split_annotations(annotations(labels), group="^[^/]*/")
    by_day: dict[str, set[str | None]] = {}
    for key, side in sides(made).items():
        by_day.setdefault(key.split("/")[0], set()).add(side)
    assert all(len(found) == 1 for found in by_day.values())
    assert Counter(sides(made).values()) == {"training": 64, "testing": 16}
    apart = split_annotations(annotations(labels))
    assert {len({sides(apart)[key] for key in labels if key.startswith(day)}) for day in by_day} == {1, 2}


def test_a_group_follows_the_video_that_is_decided() -> None:
    labels = {f"{day}/{number}": "a" for day in "xyz" for number in range(4)}
    made = split_annotations(annotations(labels, {"y/1": "testing"}), group="^[^/]*/", test=0.3)
    assert {key for key, side in sides(made).items() if side == "testing"} == {f"y/{number}" for number in range(4)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"test": 0.0}, "a share of 0 cannot be set apart"),
        ({"test": 1.0}, "a share of 1 cannot"),
        ({"group": "("}, r"'\(' is not a regular expression"),
    ],
)
def test_what_makes_no_sense(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split_annotations(many(), **arguments)  # type: ignore[arg-type]


def test_nothing_to_split() -> None:
    with pytest.raises(AnnotationsError, match=r"no video without a subset\. Add --overwrite"):
        split_annotations(annotations({"a": "x"}, {"a": "train"}))
    with pytest.raises(AnnotationsError, match="holds no video"):
        split_annotations(annotations({}))
