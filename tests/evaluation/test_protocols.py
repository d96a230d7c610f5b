"""Every protocol against the public codes as they read, on detections of 22 test videos of THUMOS14."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wtalkit
from tests.conftest import REPOSITORY
from tests.evaluation import official
from wtalkit.annotations import Annotations
from wtalkit.datasets import LEFT_OUT, as_annotated, load_dataset
from wtalkit.errors import ConfigError, PredictionsError, UsageError
from wtalkit.evaluation import bootstrap, evaluate_predictions, load_predictions
from wtalkit.evaluation.protocols import PROTOCOLS, Setup
from wtalkit.evaluation.rules import NMS, Rules

DETECTIONS = REPOSITORY / "tests/data/thumos14/detections.json.gz"
EMPTY = "video_test_0001292"


@pytest.fixture(scope="module")
def few() -> tuple[dict[str, Any], Annotations]:
    """Detections, also on ambiguous intervals, and their ground truth, also of the video where nothing happens."""
    found = load_predictions(DETECTIONS)
    ground = load_dataset("thumos14")
    kept = ground.only({*found["results"], EMPTY})
    marked = [(key, *interval) for key in found["results"] for interval in kept.videos[key].ambiguous]
    for number, (key, start, end) in enumerate(marked):
        for place, segment in enumerate(([start, end], [start - 3, start + 0.35], [max(0, start - 6), start - 2])):
            label, score = kept.videos[key].segments[0].label, 0.3 + number / 10_000 + place / 100
            found["results"][key].append({"label": label, "score": score, "segment": segment})
    return found, kept


def truths_of(annotations: Annotations, left_out: frozenset[str]) -> list[official.Row]:
    return [
        {"video": key, "label": each.label, "start": each.start_s, "end": each.end_s}
        for key, video in annotations.videos.items()
        for each in video.segments
        if key not in left_out
    ]


def as_the_codes(found: dict[str, Any], ground: Annotations, name: str, nms: str) -> dict[str, list[float]]:
    """Per-class AP in the manner of the protocol's code."""
    rules = PROTOCOLS[name].rules
    ordered = ground if name == "activitynet" else as_annotated(ground)
    truths = truths_of(ordered, LEFT_OUT[rules.videos])
    rows = [row for row in official.rows_of(found["results"]) if row["video"] not in LEFT_OUT[rules.videos]]
    if name in ("thumos14-co2net", "thumos14-pmil"):
        truths, rows = official.in_snippets(truths, None), official.in_snippets(rows, 2)
    if nms != "none":
        rows = official.by_video_and_class(rows, official.soft_nms if nms == "softnms" else official.hard_nms)
    if name in ("thumos14-co2net", "thumos14-pmil"):
        rows = official.without_ambiguous(rows, {key: video.ambiguous for key, video in ground.videos.items()})
    return official.scores(rows, truths, Setup.of(protocol=name).thresholds)


@pytest.mark.parametrize("nms", NMS)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_equal_to_the_code(few: tuple[dict[str, Any], Annotations], name: str, nms: str) -> None:
    found, ground = few
    setup = Setup.of(protocol=name, dataset="thumos14", rules={"nms": nms})
    result = evaluate_predictions(found, ground, setup.thresholds, rules=setup.rules)
    expected = as_the_codes(found, ground, name, nms)
    assert result["per_class"].keys() == expected.keys()
    for label, values in expected.items():
        np.testing.assert_allclose(list(result["per_class"][label].values()), values, rtol=0, atol=1e-9, err_msg=label)
    np.testing.assert_allclose(list(result["map"].values()), np.mean(list(expected.values()), axis=0), atol=1e-9)


def test_every_rule_makes_a_difference(few: tuple[dict[str, Any], Annotations]) -> None:
    """Else the comparison above would prove nothing about it."""
    found, ground = few
    found = {"results": {**found["results"], EMPTY: [{"label": "Diving", "score": 9.0, "segment": [280, 281]}]}}
    found["results"]["video_test_0000270"] = [
        *found["results"]["video_test_0000270"],
        {"label": "HammerThrow", "score": 9.0, "segment": [700.0, 900.0]},
    ]
    start = PROTOCOLS["thumos14-pmil"].rules
    before = evaluate_predictions(found, ground, rules=start)
    for name, other in [
        *(("videos", "all"), ("videos", "wtal-210"), ("unknown_videos", "wrong"), ("clip", "video")),
        *(("units", "seconds"), ("nms", "softnms"), ("nms", "lac"), ("ambiguous", "none"), ("ambiguous", "seconds")),
        ("order", "file"),
    ]:
        after = evaluate_predictions(found, ground, rules=start.changed({name: other}))
        assert after["map"] != before["map"], (name, other)


def test_what_the_rules_did_is_counted_and_said(few: tuple[dict[str, Any], Annotations]) -> None:
    found, ground = few
    total = sum(map(len, found["results"].values()))
    lac = evaluate_predictions(found, ground, rules=PROTOCOLS["thumos14-lac"].rules.changed({"nms": "lac"}))
    elsewhere = sum(len(found["results"][key]) for key in LEFT_OUT["wtal-210"] if key in found["results"])
    strangers = lac["excluded"]["unknown_labels"]  # classes that these few videos do not have
    assert lac["excluded"]["videos"] == 3
    assert lac["excluded"]["unknown_videos"] == elsewhere > 0
    assert lac["predictions"] == total - elsewhere - strangers - lac["excluded"]["suppressed"]
    assert lac["videos"] == len(ground) - 3
    assert lac["notes"][0] == (
        "3 of the subset's videos left out (wtal-210): video_test_0000270, video_test_0001292, video_test_0001496"
    )
    assert lac["notes"][1] == f"{lac['excluded']['suppressed']} predictions suppressed (lac)"
    pmil = evaluate_predictions(found, ground, rules=PROTOCOLS["thumos14-pmil"].rules)
    assert pmil["excluded"]["ambiguous"] > 0
    assert pmil["predictions"] == total - pmil["excluded"]["unknown_labels"] - pmil["excluded"]["ambiguous"]
    plain = evaluate_predictions(found, ground)
    assert "videos" not in plain["excluded"] and "suppressed" not in plain["excluded"] and plain["notes"] == []


def ground_of(**videos: list[tuple[str, float, float]]) -> dict[str, Any]:
    return {
        key: {"subset": "test", "annotations": [{"label": label, "segment": [s, e]} for label, s, e in rows]}
        for key, rows in videos.items()
    }


def test_strangers_are_wrong_for_the_official_code_and_each_is_suppressed_alone() -> None:
    ground = ground_of(a=[("wave", 0, 10)])
    hit = {"label": "wave", "score": 0.5, "segment": [0, 10]}
    better = {**hit, "score": 0.9}
    found = {"a": [hit], "x": [better], "y": [better]}
    rules = PROTOCOLS["activitynet"].rules
    result = evaluate_predictions(found, ground, [0.5], rules=rules)
    assert result["map"]["0.50"] == pytest.approx(1 / 3)
    assert "2 predictions in videos that are not scored; counted as wrong" in result["notes"]
    assert result["warnings"] == ["2 videos are not in the ground truth: x, y"]
    lac = evaluate_predictions(found, ground, [0.5], rules=rules.changed({"nms": "lac"}))
    assert (lac["predictions"], lac["excluded"]["suppressed"]) == (3, 0), "x and y are two videos"
    assert evaluate_predictions(found, ground, [0.5])["map"]["0.50"] == 1.0
    with pytest.raises(PredictionsError, match="no prediction of 1 can be scored"):
        evaluate_predictions({"x": [better]}, ground, [0.5], rules=rules)


@pytest.mark.parametrize("nms", NMS)
def test_odd_predictions_under_a_protocol(nms: str) -> None:
    ground = ground_of(a=[("wave", 0, 10), ("wave", 20, 20)], b=[("bow", 1, 2)], c=[])
    found = {
        "a": [
            {"label": "wave", "score": 0.9, "segment": [0, 10]},
            {"label": "wave", "score": 0.9, "segment": [0, 10]},
            {"label": "wave", "score": 0.5, "segment": [20, 20]},
            {"label": "wave", "score": math.nan, "segment": [0, 10]},
            {"label": "wave", "score": 0.8, "segment": [math.nan, 10]},
            {"label": "wave", "score": 0.8, "segment": [9, 3]},
            {"label": "jump", "score": 0.8, "segment": [0, 1]},
        ],
        "c": [],
    }
    for protocol in PROTOCOLS.values():
        rules = protocol.rules.changed({"nms": nms})
        result = evaluate_predictions(found, ground, [0.5], rules=rules)
        excluded = result["excluded"]
        assert (excluded["nan_scores"], excluded["bad_segments"], excluded["unknown_labels"]) == (1, 2, 1)
        assert excluded["clipped"] == 0
        assert result["per_class"]["bow"]["0.50"] == 0.0, "a class without a prediction counts"
        # The zero-length one is hit (0/0) after the two others, of which one is a miss where both are left.
        assert result["per_class"]["wave"]["0.50"] == pytest.approx(1.0 if nms != "none" else 0.5 + 0.5 * 2 / 3)


def test_one_video_alone_of_the_units(few: tuple[dict[str, Any], Annotations]) -> None:
    ground = {"a": {"annotations": [{"label": "wave", "segment": [0.96, 2.0]}]}}  # 1.5 and 3.125 snippets: 2 and 3
    found = {"a": [{"label": "wave", "score": 1.0, "segment": [1.28, 1.92]}]}  # 2 and 3 snippets
    snippets = Rules(units="snippets")
    assert evaluate_predictions(found, ground, [1.0], rules=snippets)["average_map"] == 1.0
    assert evaluate_predictions(found, ground, [0.7])["average_map"] == 0.0


def test_bootstrap_takes_the_rules(few: tuple[dict[str, Any], Annotations]) -> None:
    found, ground = few
    rules = PROTOCOLS["thumos14-lac"].rules
    low, high = bootstrap(found, ground, [0.5], rules=rules, samples=40)["average_map"]
    assert low < evaluate_predictions(found, ground, [0.5], rules=rules)["average_map"] < high


# --- what the options say together ----------------------------------------------------------------------------------


def test_a_protocol_brings_its_own() -> None:
    assert Setup.of().to_dict() == {
        "name": None,
        "source": None,
        "dataset": None,
        "tiou": pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        "videos": "all",
        "unknown_videos": "left-out",
        "clip": "video",
        "units": "seconds",
        "nms": "none",
        "ambiguous": "none",
        "order": "file",
    }
    nine = Setup.of(protocol="THUMOS14-CO2Net")
    assert (nine.dataset, nine.thresholds) == ("thumos14", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
    assert Setup.of(protocol="thumos14-pmil").thresholds == tuple(np.linspace(0.1, 0.7, 7).tolist())
    assert Setup.of(protocol="activitynet").dataset == "activitynet1.3"
    assert Setup.of(protocol="activitynet").thresholds == tuple(np.linspace(0.5, 0.95, 10).tolist())
    assert Setup.of(protocol="activitynet", dataset="thumos14").dataset == "thumos14"
    assert Setup.of(protocol="thumos14-lac", from_file=True).dataset is None
    assert Setup.of(protocol="thumos14-lac", tiou="0.5").thresholds == (0.5,)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"protocol": "thumos14-delu"}, "no protocol 'thumos14-delu'. Did you mean thumos14-"),
        ({"dataset": "thumos"}, "no data set 'thumos'. Did you mean thumos14"),
        ({"rules": {"nms": "soft"}}, "the rule nms has no setting 'soft'. Did you mean softnms"),
        ({"rules": {"unit": "seconds"}}, "no rule 'unit'. Did you mean units"),
        ({"tiou": "high"}, "is not a threshold"),
    ],
)
def test_wrong_names(options: dict[str, Any], cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        Setup.of(**options)


def test_contradictions() -> None:
    with pytest.raises(UsageError, match=r"thumos14-lac is for thumos14, not for activitynet1\.2"):
        Setup.of(protocol="thumos14-lac", dataset="activitynet1.2")
    with pytest.raises(UsageError, match="comes with its ground truth"):
        Setup.of(dataset="thumos14", from_file=True)


def test_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = wtalkit.evaluate(DETECTIONS, protocol="thumos14-lac", nms="lac", rules={"clip": "video"}, tiou=(0.5,))
    assert result["videos"] == 210
    assert result["protocol"]["subset"] == "test"
    assert (result["protocol"]["nms"], result["protocol"]["clip"]) == ("lac", "video")
    assert result["protocol"]["source"].startswith("Pilhyeon/")
    assert "against" not in result
    assert wtalkit.evaluate(DETECTIONS, dataset="thumos14", tiou="0.5")["videos"] == 213
