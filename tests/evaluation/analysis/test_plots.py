from __future__ import annotations

import builtins
import hashlib
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.analysis.plain import made
from wtalkit.errors import MachineError
from wtalkit.evaluation.analysis import analyse, write_plots
from wtalkit.evaluation.analysis.drawing import save
from wtalkit.evaluation.analysis.figures import map_over_tiou
from wtalkit.evaluation.analysis.plots import PLOTS

SVG = "{http://www.w3.org/2000/svg}svg"


def digests(paths: list[Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_equal_analyses_give_equal_files(tmp_path: Path) -> None:
    import matplotlib

    before = matplotlib.rcParams.copy()
    first = write_plots(analyse(*made(1), [0.3, 0.5], samples=20), tmp_path / "first")
    assert {path.name for path in first} == {f"{name}.{form}" for name in PLOTS for form in ("svg", "png")}
    for path in first:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag == SVG
        else:
            assert path.read_bytes().startswith(b"\x89PNG")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False, "svg.hashsalt": "other"}):
        second = write_plots(analyse(*made(1), [0.3, 0.5], samples=20), tmp_path / "second")
    assert digests(first) == digests(second)
    assert matplotlib.rcParams.copy() == before
    assert "matplotlib.pyplot" not in sys.modules
    other = analyse(*made(2), [0.3, 0.5], samples=20)
    assert save("map", lambda: map_over_tiou(other), tmp_path)[0].read_bytes() != first[0].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "tiou"),
    [
        (["-->", "$\\oops$", "<b>&"], [0.5]),
        ([f"{'long ' * 9}{n}" for n in range(70)], [0.1 + 0.05 * n for n in range(17)]),
    ],
)
def test_any_labels_and_any_number(tmp_path: Path, labels: list[str], tiou: list[float]) -> None:
    predictions, truth = made(1, classes=len(labels), videos=30)
    renamed = {f"c{number}": label for number, label in enumerate(labels)}
    for entries in (*predictions["results"].values(), *(each["annotations"] for each in truth["database"].values())):
        for entry in entries:
            entry["label"] = renamed[entry["label"]]
    for path in write_plots(analyse(predictions, truth, tiou, samples=0), tmp_path):
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag == SVG


def test_plots_of_nothing(tmp_path: Path) -> None:
    truth = {"database": {"v": {"annotations": [{"label": "跳", "segment": [0, 5]}]}}}
    assert len(write_plots(analyse({"results": {}}, truth, [0.5]), tmp_path)) == 2 * len(PLOTS)


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def lacking(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(MachineError, match=r"pip install 'wtalkit\[plots\]'"):
        write_plots(analyse(*made(1), [0.5], samples=0), tmp_path)
