from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wtalkit.cli import main
from wtalkit.cli import methods as command
from wtalkit.methods import METHODS

MEASURED = {
    "dataset": "samples",
    "method": "clasnet",
    "base": "acrnet",
    "plugins": ["clasnet"],
    "seeds": [0, 1],
    "map": {"0.10": {"mean": 0.8, "std": 0.01}, "0.50": {"mean": 0.6, "std": 0.02}},
    "averages": {"0.1:0.7": {"mean": 0.654, "std": 0.012}},
    "steps": 500,
    "settings": {"lr": 0.0005},
    "training_seconds": {"mean": 95.0},
    "machine": "two cores",
}

OTHER = {
    **MEASURED,
    "map": {"0.10": {"mean": 0.85, "std": 0.01}, "0.50": {"mean": 0.61, "std": 0.02}},
    "averages": {"0.1:0.7": {"mean": 0.666, "std": 0.012}},
    "settings": {"acrnet.even_attention": True, "lr": 0.0005},
}


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled files, with two rows measured."""
    from wtalkit.zoo import bundled_dir

    for name in ("published.json", "methods.json"):
        (tmp_path / name).write_bytes((bundled_dir() / name).read_bytes())
    (tmp_path / "measured.json").write_text(json.dumps({"format": 1, "rows": [MEASURED, OTHER]}))
    monkeypatch.setenv("WTALKIT_MODELS", str(tmp_path))


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    assert rows.keys() >= METHODS.keys()
    assert "22.33 M" in rows["acrnet"]
    assert "47.5" in rows["acrnet"]
    assert "wtalkit train --method acrnet" in rows["acrnet"]
    assert "ACM MM 2021" in rows["co2net"]
    assert "26.4*" in rows["co2net"]  # recalled
    assert "+10.75 M" in rows["clasnet"]
    assert "fenet: only the abstract is public, and it holds no number." in out


@pytest.mark.usefixtures("measured")
def test_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "65.4" in rows["clasnet"]
    assert "65.4" not in rows["acrnet"]
    for name in ("clasnet", "acrnet"):  # the base is in it, too
        assert main(["methods", name]) == 0
        lines = capsys.readouterr().out.splitlines()
        at = lines.index("Measured here: samples, scored in seconds, mAP in %; xN: N seeds")
        assert lines[at + 1].split() == ["0.10", "0.50", "0.1:0.7"]
        assert lines[at + 2].split() == ["acrnet", "+", "clasnet", "x2", "80.0", "60.0", "65.4"]
        assert lines[at + 3].split() == ["±", "1.0", "2.0", "1.2"]
        assert lines[at + 4].split()[-4:] == ["[1]", "85.0", "61.0", "66.6"]
        assert lines[at + 6 :][:2] == ["[1] acrnet.even_attention=true", "lr=0.0005; two cores"]


def test_one_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "tssam"]) == 0
    out = capsys.readouterr().out
    assert "--without ct, bg, gui, smt, att, mil" in out
    assert "w/o smt [2]           70.2" in out
    assert "none by the authors is public" in out
    assert main(["methods", "fenet"]) == 0
    assert "Only the abstract is public." in capsys.readouterr().out
    assert main(["methods", "tsam"]) == 2
    assert "there is no method 'tsam'. Did you mean tssam?" in capsys.readouterr().err


def test_json_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["methods"]}
    assert found.keys() == METHODS.keys()
    assert found["acrnet"]["parameters"] == 22_331_434
    assert found["acrnet"]["published"][0]["map"]["0.50"] == 37.0
    assert found["acrnet"]["paper"]["repository"].startswith("leftthomas/ACRNet")
    assert found["clasnet"]["default_base"] == "acrnet"
    assert "no number" in found["fenet"]["published_nothing"]
    assert main(["methods", "delu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found["delu"]


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("columns", [80, 100, 200])
def test_narrow_terminals(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from wtalkit.catalogue import catalogue

    rows = [command._listed(card, ["samples"]) for card in catalogue().values()]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    header = command._fitting(rows)
    widths = [max(len(key), *(len(row[key]) for row in rows)) for key in header]
    assert sum(widths) + 2 * (len(widths) - 1) <= columns
    assert {"method", "role", "T14", "A1.2", "A1.3", "samples"} <= set(header)


@pytest.mark.parametrize("columns", [80, 100, 130, 250])
def test_no_line_is_wider_than_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["methods"]) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= columns
    rows = {line.split()[0]: line for line in lines if line}
    assert rows.keys() >= METHODS.keys()
    beside = rows["acrnet"].partition("wtalkit train --method acrnet")
    assert bool(beside[1]) == (columns >= 130)
    assert ("Train: wtalkit train --method METHOD" in lines) == (columns < 130)
    assert bool(beside[2].strip()) == (columns >= 250)  # what it is


def test_torch_is_not_needed() -> None:
    script = "import sys; from wtalkit.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    for arguments in (["methods"], ["methods", "clasnet"], ["methods", "--json"]):
        subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True)


def test_whose_proposals_and_which_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wtalkit.zoo import bundled_dir

    for name in ("published.json", "methods.json"):
        (tmp_path / name).write_bytes((bundled_dir() / name).read_bytes())
    seal = {**MEASURED, "method": "seal", "base": "seal", "plugins": [], "settings": {}}

    def on(base: str, supervision: str, value: float) -> dict[str, object]:
        proposer = {"method": base, "supervision": supervision, "source": "model"}
        averages = {"0.1:0.7": {"mean": value, "std": 0.01}}
        return {**seal, "supervision": supervision, "proposer": proposer, "averages": averages}

    lac = {**seal, "method": "lac", "base": "lac", "supervision": "point-level"}
    rows = [on("lac", "point-level", 0.777), on("co2net", "video-level", 0.666), lac]
    (tmp_path / "measured.json").write_text(json.dumps({"format": 1, "rows": rows}))
    monkeypatch.setenv("WTALKIT_MODELS", str(tmp_path))
    assert main(["methods"]) == 0
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "66.6" in listed["seal"] and "77.7" not in listed["seal"], "points do not stand among labels per video"
    assert "65.4+" in listed["lac"]
    assert main(["methods", "seal"]) == 0
    out = capsys.readouterr().out
    assert "seal on co2net (video-level labels) x2" in out
    assert "seal on lac (point-level labels) x2" in out
    assert "whole on co2net's (video-level labels)" in out
    assert "whole on lac's (point-level labels)" in out
    assert "whole (proposer not stated)" in out
