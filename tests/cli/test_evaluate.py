"""``wtalkit evaluate`` on public data sets: what is printed, and what contradictions cost."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from wtalkit.cli import main

DETECTIONS = str(REPOSITORY / "tests/data/thumos14/detections.json.gz")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_rule_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--predictions", DETECTIONS, "--protocol", "thumos14-lac", "--nms", "lac"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    told = captured.err.splitlines()
    assert told[0] == (
        "protocol thumos14-lac: dataset thumos14; videos wtal-210; unknown_videos left-out; clip none; units seconds; "
        "nms lac; ambiguous none; order annotators; subset test; tiou 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7"
    )
    assert told[1].startswith("3 of the subset's videos left out (wtal-210): ")
    assert told[2].endswith(" predictions suppressed (lac)")
    assert "warning: 198 predictions in videos that are not scored; left out" in told
    assert captured.out.splitlines()[-1].startswith("210 videos of subset test, 3,311 instances.")


def test_rules_by_hand_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--predictions", DETECTIONS, "--dataset", "thumos14", "--tiou", "0.5", "--json", "-q"]
    assert main([*arguments, "--rule", "videos=wtal-212", "--rule", "clip=none", "--against", "paper:SEAL"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["videos"] == 212 and "protocol" not in captured.err
    protocol = result["protocol"]
    assert (protocol["name"], protocol["videos"], protocol["clip"]) == (None, "wtal-212", "none")
    assert [row["map"] for row in result["against"] if row["name"] == "CO2-Net"] == [{"0.50": 0.383}]


def test_the_table_beside_papers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--predictions", DETECTIONS, "--dataset", "thumos14", "--against", "paper:SEAL"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("mAP in %"))
    assert lines[at].split()[-5:] == ["0.1:0.5", "0.3:0.7", "0.1:0.7", "printed", "in"]
    assert lines[at + 1].startswith("this result  not known")
    assert any(line.startswith("SEAL") and "proposals of lac (point-level labels)" in line for line in lines)
    assert any(line.startswith("[1] Table 1: Similar Modality") for line in lines)


@pytest.mark.parametrize("columns", [90, 120])
def test_narrow_terminals(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["evaluate", "--predictions", DETECTIONS, "--dataset", "thumos14", "--against", "paper:SEAL"]) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("mAP in %"))
    assert "0.1:0.7" in lines[at] and max(map(len, lines[at : at + 20])) <= columns
    assert ("0.40" in lines[at]) == (columns == 120)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--dataset", "thumos15"], "there is no data set 'thumos15'. Did you mean thumos14?"),
        (["--protocol", "thumos14-oic"], "there is no protocol 'thumos14-oic'."),
        (["--dataset", "thumos14", "--ground-truth", "x.json"], "Leave out --dataset, or --ground-truth."),
        (["--protocol", "thumos14-lac", "--dataset", "activitynet1.3"], "is for thumos14, not for activitynet1.3."),
        (["--dataset", "thumos14", "--nms", "hard"], "the rule nms has no setting 'hard'."),
        (["--dataset", "thumos14", "--rule", "clip"], "--rule 'clip' has no setting. Write it as --rule clip=none."),
        (["--dataset", "thumos14", "--against", "paper:X"], "there is nothing published by the name of 'paper:X'."),
        (["--dataset", "thumos14", "--subset", "training"], "has no subset 'training'."),
    ],
)
def test_what_cannot_be(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--predictions", DETECTIONS, *options]) == 2
    captured = capsys.readouterr()
    assert told in captured.err and captured.out == ""


def test_own_data_has_no_papers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = {"database": {"a": {"annotations": [{"label": "wave", "segment": [0, 1]}]}}}
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    (tmp_path / "found.json").write_text(
        json.dumps({"results": {"a": [{"label": "wave", "score": 1, "segment": [0, 1]}]}})
    )
    assert main(["evaluate", "--predictions", "found.json", "--against", "SEAL"]) == 2
    assert "papers report on public data sets" in capsys.readouterr().err
    assert main(["evaluate", "--predictions", "found.json"]) == 0
    assert "protocol" not in capsys.readouterr().err, "as ever"


def test_the_models_own_run(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules hold for a model's candidates, too."""
    assert main(["evaluate", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "--json", "--nms", "lac"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["excluded"]["suppressed"] == plain["predictions"] - result["predictions"] > 0


def test_torch_is_not_needed() -> None:
    script = "import sys; from wtalkit.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    arguments = ["evaluate", "--predictions", DETECTIONS, "--protocol", "thumos14-pmil", "--against", "paper:SEAL"]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True)


def test_the_analysis_is_shown_and_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["evaluate", "--predictions", DETECTIONS, "--protocol", "thumos14-pmil", "--analysis"]
    assert main([*arguments, "--csv", "t.csv", "--markdown", "t.md", "--plots", "plots"]) == 0
    shown = capsys.readouterr().out
    for title in ("mAP over tIoU", "Other scores", "Average recall at N proposals per video", "By kind of instance"):
        assert f"\n{title}" in shown
    assert shown.splitlines()[-1].endswith(
        " written to t.csv and t.md and plots. Next: wtalkit detect VIDEO, for footage of your own"
    )
    assert (tmp_path / "t.md").read_text().startswith("## mAP over tIoU\n")
    assert "length XL,> 18 s" not in (tmp_path / "t.csv").read_text() and "> 18 s" in shown, "DETAD's edges"
    assert {path.suffix for path in (tmp_path / "plots").iterdir()} == {".svg", ".png"}
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["analysis"]["map"] == result["map"]
    assert sum(line.startswith("map,mAP,") for line in (tmp_path / "t.csv").read_text().splitlines()) == 8


def test_plots_without_matplotlib_fail_before_anything_is_scored(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["evaluate", "--predictions", "not-there.json", "--plots", "plots"]) == 3
    assert capsys.readouterr().err == "plots need the package matplotlib. pip install 'wtalkit[plots]'.\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--csv p.json.gz", "p.json.gz: is an input"),
        ("--markdown truth.json", "truth.json: is an input"),
        ("--csv t --markdown t", "is to be written by --csv and by --markdown"),
        ("--csv folder", "folder: is a folder"),
        ("--plots truth.json", "truth.json: is a file, plots need a folder"),
    ],
)
def test_nothing_that_is_read_is_written_to(capsys: pytest.CaptureFixture[str], options: str, said: str) -> None:
    shutil.copyfile(DETECTIONS, "p.json.gz")
    Path("folder").mkdir()
    truth = {"version": "x", "database": {"a": {"annotations": [{"label": "x", "segment": [0, 1]}]}}}
    Path("truth.json").write_text(json.dumps(truth))
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    arguments = ["evaluate", "--predictions", "p.json.gz", "--ground-truth", "truth.json", *options.split()]
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
