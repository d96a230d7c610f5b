from __future__ import annotations

import json
from pathlib import Path

import pytest

from wtalkit.cli import compare as command
from wtalkit.cli import main

TRAIN = ["train", "--method", "acrnet", "--set", "steps=3", "--set", "batch_size=2"]


@pytest.fixture
def trained(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--seeds", "0,1"]) == 0
    assert main([*TRAIN, "--without", "mca"]) == 0
    capsys.readouterr()


@pytest.mark.usefixtures("trained")
def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--base", "acrnet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["mAP", "in", "%", "seeds", "0.10"]
    assert lines[1].startswith("acrnet ")
    assert " ± " in lines[1]
    assert lines[2].startswith("acrnet without mca ")
    assert lines[3].startswith("  to acrnet ")
    assert " p=" in lines[3]
    assert lines[4].startswith("  95 % ")
    assert lines[-1].startswith("1 video of subset testing, 3 instances. Next: wtalkit compare RUN...")


@pytest.mark.usefixtures("trained")
def test_documents(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["compare", "runs", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["base"], row["without"], row["seeds"]) for row in rows] == [
        ("acrnet", [], [0, 1]),
        ("acrnet", ["mca"], [0]),
    ]
    assert rows[0]["map"]["0.50"].keys() == {"mean", "std"}
    assert rows[1]["map"]["0.50"]["std"] is None

    assert main(["compare", "runs", "--format", "markdown"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("| mAP in % |")
    for name, start in (("t.md", "| mAP"), ("t.csv", "name,base"), ("t.json", "{"), ("t.txt", "| mAP")):
        assert main(["compare", "runs", "--out", str(tmp_path / name)]) == 0
        assert f"written to {tmp_path / name}." in capsys.readouterr().out
        assert (tmp_path / name).read_text().startswith(start)
    assert (tmp_path / "t.md").read_text() == shown
    for option, start in (("--json", "{"), ("--format csv", "name,base"), ("--format markdown", "| mAP")):
        assert main(["compare", "runs", *option.split(), "--out", str(tmp_path / "named")]) == 0
        assert (tmp_path / "named").read_text().startswith(start)
    assert main(["compare", "runs", "--json", "--out", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_text() == (tmp_path / "t.json").read_text()


@pytest.mark.usefixtures("trained")
def test_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from wtalkit import compare
    from wtalkit.studies.tables import cells

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for base, columns, shown in (
        (None, 200, 10),
        (None, 80, 3),
        ("acrnet", 200, 10),
        ("acrnet", 80, 2),
        ("acrnet", 60, 1),
    ):
        found = compare(["runs"], base=base)
        monkeypatch.setenv("COLUMNS", str(columns))
        header, lines = cells(found, command._fitting(found))
        widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
        assert sum(widths) + 2 * (len(widths) - 1) <= columns
        assert header[-2:] == ["0.1:0.7", "training"]
        assert len(header) - 3 >= shown


def test_predictions(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = json.loads(Path("annotations.json").read_text())["database"]
    (key,) = [key for key, entry in truth.items() if entry["subset"] == "testing"]
    for name in ("a.json", "b.json"):
        Path(name).write_text(json.dumps({"results": {key: [{**truth[key]["annotations"][0], "score": 1.0}]}}))
    assert main(["compare", "a.json", "b.json", "--base", "a.json", "--rule", "clip=none", "--out", "t.md"]) == 0
    captured = capsys.readouterr()
    assert Path("t.md").read_text().startswith("| mAP in % | 0.10 |")  # there are no seeds
    assert "clip none" in captured.err
    assert main(["compare", "a.json", "--ground-truth", "annotations.json", "--dataset", "thumos14"]) == 2
    assert "comes with its ground truth" in capsys.readouterr().err
    assert main(["compare", "a.json", "--out", "t.md", "--base", 300 * "x"]) == 2
    before = Path("a.json").read_bytes()
    for out in ("a.json", "b.json"):
        assert main(["compare", "a.json", "--base", "b.json", "--out", out]) == 2
    assert Path("a.json").read_bytes() == before
    assert main(["compare", "a.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["predictions"] == "a.json"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("compare", "no run, study, folder of runs or predictions file is named 'runs'"),
        ("compare nope", "no run, study, folder of runs or predictions file is named 'nope'"),
        ("compare --out t.json --format csv", "--format csv and --out t.json contradict each other. Leave one"),
        ("compare --json --out t.md", "--json and --out t.md contradict each other"),
        ("compare --json --format csv", "--json and --format csv contradict each other"),
        ("compare --out t.CSV --format markdown", "--format markdown and --out t.CSV contradict each other"),
        ("compare --format table --out t", "--format table is for the screen, not for a file. Take markdown or csv."),
        ("compare --format html", "'html' is not one of 'table', 'markdown', 'csv'"),
    ],
)
def test_wrong_usage(features: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    assert main(line.split()) == 2
    assert not list(features.parent.glob("t*"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
