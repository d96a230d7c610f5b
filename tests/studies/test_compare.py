"""Which runs are meant, how they are grouped and named, and what is kept of their scores."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests import toys
from wtalkit import compare, runs
from wtalkit.cli import main
from wtalkit.errors import ModelError, UsageError
from wtalkit.evaluation.paired import paired_difference, paired_test
from wtalkit.evaluation.preparing import Prepared
from wtalkit.evaluation.resampling import drawn_counts, resample
from wtalkit.proposals import attribution
from wtalkit.scoring import evaluate
from wtalkit.studies import to_csv, to_markdown
from wtalkit.training.seeds import all_studies

SHORT = ["--set", "steps=3", "--set", "batch_size=2"]


def train(*arguments: str) -> None:
    assert main(["train", "--method", "acrnet", *SHORT, *arguments]) == 0


def names(*given: str) -> list[str]:
    return [row.name for row in compare(given).rows]


def test_a_row_holds_the_mean_of_its_runs(features: Path) -> None:
    train("--seeds", "0,1")
    (row,) = compare(["runs"]).rows
    scores = [evaluate(model=run.model)["map"]["0.30"] for run in runs.all_runs("runs")]
    assert row.map["0.30"].mean == pytest.approx(sum(scores) / 2)
    assert row.map["0.30"].std == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert row.map["0.30"].n == 2
    average = [evaluate(model=run.model)["average_map"] for run in runs.all_runs("runs")]
    assert row.averages["0.1:0.7"].mean == pytest.approx(sum(average) / 2)


def test_ways_to_name_runs(features: Path) -> None:
    train("--seeds", "0,1")
    train("--without", "mca")
    newest = runs.newest("runs")
    assert newest is not None
    (study,) = all_studies("runs")
    both = ["acrnet", "acrnet without mca"]
    assert names() == names("runs") == both
    assert names("latest") == names(newest.name) == names(f"runs/{newest.name}") == both[1:]
    assert names(study) == names(f"runs/{study}") == both[:1]
    assert names("latest", study, "runs") == both[::-1]


def test_rows_of_one_name_are_told_apart(features: Path) -> None:
    train("--seed", "0")
    train("--seed", "1", "--set", "lr=0.01")
    assert names("runs") == ["acrnet (lr=0.0005)", "acrnet (lr=0.01)"]


def test_the_same_seed_twice_counts_once(features: Path) -> None:
    train()
    train()
    found = compare(["runs"])
    first, second = runs.all_runs("runs")
    assert [member.run.name for member in found.rows[0].group.members] == [second.name]
    assert f"runs/{first.name} is left out" in found.notes[0]


def test_differences_to_a_base(features: Path) -> None:
    train("--seed", "0")
    first = runs.newest("runs")
    assert first is not None
    train("--seed", "0", "--without", "mca")
    for base in ("acrnet", first.name):
        found = compare(["latest"] if base == first.name else ["runs"], base=base)
        rows = found.rows
        assert [row.name for row in rows] == ["acrnet", "acrnet without mca"]
        assert found.base == "acrnet"
        assert rows[0].differences == {}
        assert rows[1].differences["0.10"] == pytest.approx(rows[1].map["0.10"].mean - rows[0].map["0.10"].mean)
    with pytest.raises(ModelError, match=r"the base 'acrnett' is no row, .* file\. Did you mean acrnet"):
        compare(["runs"], base="acrnett")


def test_differences_are_tested_on_the_same_draws(features: Path) -> None:
    """Mean over the seeds draw by draw, from draws that are made here once more."""
    train("--seeds", "0,1")
    train("--seed", "5", "--without", "mca")
    document = compare(["runs"], base="acrnet", subset="training", tiou="0.1:0.5:0.1").to_dict()
    draws = [drawn(run) for run in runs.all_runs("runs")]
    own, base = draws[2], (draws[0] + draws[1]) / 2
    found = document["rows"][1]
    assert document["rows"][0]["paired"] == {}
    for key, columns in (("0.10", [0]), ("0.30", [2]), ("0.1:0.5", [0, 1, 2, 3, 4])):
        value = found["difference"][key]
        expected = paired_difference(value, own[:, columns].mean(axis=1), base[:, columns].mean(axis=1))
        assert found["paired"][key] == pytest.approx(expected.to_dict(), abs=1e-6)
    assert compare(["runs"], subset="training").rows[1].paired == {}


def drawn(run: runs.Run) -> np.ndarray:
    """mAP of every draw of the two training videos."""
    seen: list[tuple[Prepared, Sequence[float]]] = []
    evaluate(
        model=run.model,
        subset="training",
        tiou="0.1:0.5:0.1",
        observe=lambda prepared, thresholds, _: seen.append((prepared, thresholds)),
    )
    ((prepared, thresholds),) = seen
    return resample(prepared.matches(thresholds), drawn_counts(2, 1000, 0))


TRUTH = {"database": {"match": {"subset": "testing", "annotations": [
    {"label": label, "segment": [start, start + 3]} for start, label in ((0, "wave"), (5, "kick"), (10, "wave"))
]}, **{f"other {number}": {"subset": "testing", "annotations": [{"label": "kick", "segment": [0, 4]}]}
       for number in range(12)}}}  # fmt: skip


class TestPredictions:
    """Predictions files as rows, beside runs and alone."""

    @pytest.fixture
    def files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
        monkeypatch.chdir(tmp_path)
        Path("annotations.json").write_text(json.dumps(TRUTH))
        for name, shift in (("good", 0.2), ("bad", 1.6)):
            results = {
                key: [{"label": each["label"], "score": 0.5, "segment": [bound + shift for bound in each["segment"]]}
                      for each in entry["annotations"]]
                for key, entry in TRUTH["database"].items()
            }  # fmt: skip
            Path(f"{name}.json").write_text(json.dumps({"results": results}))
        return Path("good.json"), Path("bad.json")

    def test_alone(self, files: tuple[Path, Path]) -> None:
        good, bad = files
        found = compare([good, bad], base=bad)
        assert [row.name for row in found.rows] == ["bad", "good"]
        assert (found.base, found.videos, found.instances, found.subset) == ("bad", 13, 15, "testing")
        documents = [json.loads(each.read_text()) for each in files]
        expected = paired_test(*documents, TRUTH, found.protocol["tiou"], subset="testing")
        row = found.rows[1]
        for key, name in (("0.30", "0.30"), ("0.70", "0.70"), ("mean", "0.1:0.7")):
            assert row.paired[name].to_dict() == pytest.approx(expected[key].to_dict(), abs=1e-6)
        assert row.differences["0.70"] == pytest.approx(row.map["0.70"].mean - found.rows[0].map["0.70"].mean) != 0
        assert found.to_dict()["rows"][1]["predictions"] == "good.json"

    def test_a_warning_says_of_which_file_it_is(self, files: tuple[Path, Path]) -> None:
        document = json.loads(Path("good.json").read_text())
        document["results"]["match"][0]["label"] = "bow"
        Path("odd.json").write_text(json.dumps(document))
        (note,) = compare(["good.json", "odd.json"]).notes
        assert note.startswith("odd: 1 prediction ")
        document["results"]["match"][1]["label"] = "bow"
        Path("good.json").write_text(json.dumps(document))
        shutil.copy("good.json", "odd.json")
        (note,) = compare(["good.json", "odd.json"]).notes
        assert note.startswith("2 predictions ")

    def test_each_file_counts_once_and_has_a_name_of_its_own(self, files: tuple[Path, Path]) -> None:
        Path("copy").mkdir()
        shutil.copy("good.json", "copy")
        assert names("good.json", "./good.json", "copy/good.json") == ["good.json", "copy/good.json"]
        for base in ("good.json", Path("copy/../good.json")):
            assert compare(["copy/good.json", "bad.json"], base=base).base == os.fspath(base)
        assert compare(["bad.json"], base="good.json").base == "good"
        with pytest.raises(ModelError, match=r"the base 'goood' is no row, .* file\. Did you mean good"):
            compare(["bad.json", "good.json"], base="goood")

    def test_rows_are_in_the_order_given_and_never_share_a_name(self, files: tuple[Path, Path]) -> None:
        for name in ("sub/good.json", "old/good.json.json"):
            Path(name).parent.mkdir()
            shutil.copy("bad.json", name)
        assert names("good.json", "bad.json", "good.json") == ["good", "bad"]
        given = ("good.json", "sub/good.json", "old/good.json.json")
        rows = compare(given).rows
        assert len({row.name for row in rows}) == 3
        assert [row.map["0.70"].mean for row in rows] == [compare([each]).rows[0].map["0.70"].mean for each in given]
        assert [row.map["0.70"].n for row in rows] == [1, 1, 1]
        found = compare(["old/good.json.json", "good.json", "sub/good.json"], base="good.json")
        assert found.rows[0].map["0.70"].mean == compare(["good.json"]).rows[0].map["0.70"].mean

    def test_whose_proposals_they_are_stands_in_the_table(self, files: tuple[Path, Path]) -> None:
        document = json.loads(Path("good.json").read_text())
        model = {
            "method": "seal",
            "supervision": "point-level",
            "proposer": {"method": "lac", "supervision": "point-level"},
        }
        Path("good.json").write_text(json.dumps({**document, "external_data": {"model": model}}))
        found = compare(files)
        told = attribution(model)
        assert told == "seal on proposals of lac (point-level labels)"
        assert f"| good: {told} |" in to_markdown(found)
        assert found.to_dict()["rows"][0]["supervision"] == "point-level"
        assert found.to_dict()["rows"][1]["supervision"] is None
        assert to_csv(found).splitlines()[1].split(",")[4:6] == ["lac", "point-level"]

    def test_proposals_are_for_runs(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(UsageError, match="made from proposals already"):
            compare(files, proposals="good.json")

    def test_names_that_no_file_can_have(self, files: tuple[Path, Path]) -> None:
        for given, base in (([300 * "x"], None), (["good.json"], 300 * "x")):
            with pytest.raises(ModelError, match="predictions file"):
                compare(given, base=base)

    def test_rules_hold_for_all(self, files: tuple[Path, Path]) -> None:
        document = json.loads(Path("good.json").read_text())
        for entries in document["results"].values():
            entries += [{**entries[0], "score": 0.9, "label": "kick"}] * 2
        Path("thrice.json").write_text(json.dumps(document))
        plain = compare(["thrice.json", "good.json"])
        kept = compare(["thrice.json", "good.json"], nms="lac")
        assert kept.protocol["nms"] != plain.protocol["nms"]
        assert kept.rows[0].map["0.50"].mean > plain.rows[0].map["0.50"].mean
        assert kept.rows[0].map["0.50"].mean == evaluate("thrice.json", nms="lac", tiou="0.5")["average_map"]
        with pytest.raises(UsageError, match="not of the ActivityNet results schema"):
            compare(["annotations.json"])

    def test_a_file_called_like_a_run(self, features: Path) -> None:
        train("--seed", "0")
        Path("acrnet").write_text(json.dumps({"results": {"demo": []}}))
        rows = compare(["runs", "acrnet", "runs/latest"]).rows
        assert len({row.name for row in rows}) == len(rows) == 2

    def test_beside_runs(self, features: Path) -> None:
        train("--seed", "0")
        truth = json.loads(Path("annotations.json").read_text())["database"]
        (key,) = [key for key, entry in truth.items() if entry["subset"] == "testing"]
        perfect = [{**each, "score": 1.0} for each in truth[key]["annotations"]]
        Path("acrnet.json").write_text(json.dumps({"results": {key: perfect}}))
        found = compare(["runs", "acrnet.json"], base="acrnet.json")
        assert [row.name for row in found.rows] == ["acrnet.json", "acrnet"]
        assert found.rows[0].map["0.70"].mean == 1.0
        assert found.rows[1].paired["0.70"].value == found.rows[1].map["0.70"].mean - 1.0
        lines = to_csv(found).splitlines()
        assert lines[1].startswith("acrnet.json,,,,,,1,,100.000") and lines[2].startswith("acrnet,acrnet,")


def test_rows_of_other_videos_are_not_tested(features: Path) -> None:
    train("--seed", "0")
    train("--seed", "0", "--without", "mca")
    compare(["runs"], base="acrnet")
    (path,) = Path("runs/latest/scores").glob("*.json")
    document = json.loads(path.read_text())
    document["result"]["draws"]["of"] = "others"
    path.write_text(json.dumps(document))
    (_, row) = compare(["runs"], base="acrnet").rows
    assert row.differences
    assert row.paired == {}


def test_what_was_scored_once_is_kept(features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train()
    before = compare(["latest"]).to_dict()
    calls: list[object] = []
    monkeypatch.setattr("wtalkit.scoring.evaluate", lambda **given: calls.append(given) or evaluate(**given))
    assert compare(["latest"]).to_dict() == before
    assert calls == []
    for number, change in enumerate(
        (
            lambda: compare(["latest"], again=True),
            lambda: compare(["latest"], tiou="0.5"),
            lambda: toys.write_random_features(features, "c", _models(), seed=9),
        ),
        start=1,
    ):
        change()
        compare(["latest"])
        assert len(calls) == number
    (kept, *_) = Path("runs/latest/scores").glob("*.json")
    for path in Path("runs/latest/scores").glob("*.json"):
        path.write_text(kept.read_text()[:-20])  # damaged ones are not believed
    compare(["latest"])
    assert len(calls) == 4


def _models() -> Path:
    from wtalkit.zoo import bundled_dir

    return bundled_dir()


def test_unfinished_runs(features: Path) -> None:
    train("--seeds", "0,1")
    first, second = runs.all_runs("runs")
    second.model.unlink()
    found = compare(["runs"])
    assert found.notes == (f"runs/{second.name} is not finished and left out",)
    assert [member.run.name for member in found.rows[0].group.members] == [first.name]
    with pytest.raises(ModelError, match=r"has no model yet\. Finish it with wtalkit train --resume"):
        compare([second.name])
    with pytest.raises(ModelError, match="no run, study, folder of runs or predictions file is named 'nope'"):
        compare(["nope"])


def test_runs_of_other_actions(features: Path) -> None:
    train()
    document = json.loads(Path("annotations.json").read_text().replace("wave", "bend"))
    Path("other.json").write_text(json.dumps(document))
    train("--annotations", "other.json")
    with pytest.raises(ModelError, match=r"knows other actions than .* \(bend and 2 in all differ\)"):
        compare(["runs"])


def test_runs_of_other_features(features: Path, bundled: Path) -> None:
    train()
    for key in "abc":
        toys.write_random_features(Path("slower"), key, bundled, fps=6.25)
    with pytest.raises(ModelError, match=r"trained on other features than slower holds: fps 12\.5 and 6\.25"):
        compare(["latest"], features="slower")


def test_a_run_without_its_config(features: Path) -> None:
    train()
    shutil.copytree("runs/latest", "moved", symlinks=False)
    Path("moved/config.toml").unlink()
    with pytest.raises(ModelError, match=r"moved: has no config\.toml"):
        compare(["moved"])


def test_time_of_a_training(features: Path) -> None:
    train("--seeds", "0,1")
    (row,) = compare(["runs"]).rows
    assert row.group.seconds is not None
    assert row.group.seconds.n == 2
    runs.all_runs("runs")[0].timing.unlink()
    assert compare(["runs"]).rows[0].group.seconds is None
