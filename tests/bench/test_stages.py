"""``wtalkit bench``: which stages, and how they are shown. The stages' own numbers are tested beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from wtalkit.bench import networks, roofline, stages
from wtalkit.bench.stages import NETWORKS, STAGES, Case, Row, measure_stage, paired, stages_to_measure
from wtalkit.cli import main
from wtalkit.errors import MachineError, UsageError


def rows(case: Case) -> Iterator[Row]:
    yield Row("first", "alone", "frames", "ours", "", 1234.5)
    yield Row("first", "both", "frames", "ours", "theirs", 50.0, 2.0, 25.0, "copy bandwidth", 0.5, "equal")


def broken(case: Case) -> Iterator[Row]:
    raise MachineError("there is no such chip")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, measure in (("fake_first", rows), ("fake_broken", broken)):
        module = ModuleType(name)
        module.measure = measure  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    names = {"first": "fake_first", "broken": "fake_broken", "absent": "wtalkit.bench.absent"}
    for name, module_name in names.items():
        monkeypatch.setitem(stages.STAGES, name, module_name)
    monkeypatch.setattr(roofline, "measure_limits", lambda device: {roofline.COPY: 2e10, roofline.MATRIX_FP32: 3e12})
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def bench(*arguments: str) -> int:
    return main(["bench", "--device", "cpu", "--threads", "1", *arguments])


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--stage", "first", "--json") == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["schema"] == 1 and document["machine"]["threads"] == 1
    assert document["limits"] == {roofline.COPY: 2e10, roofline.MATRIX_FP32: 3e12}
    assert [row["case"] for row in document["rows"]] == ["alone", "both"]
    assert document["rows"][1]["ratio"] == 25.0 and document["rows"][0]["ratio"] is None
    assert "copy bandwidth 20 GB/s; matrix rate fp32 3 TFLOP/s" in shown.err
    assert "first, both, ours to theirs, 50 frames, 2, 25 x, 50 % of copy bandwidth, equal" in shown.err


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--stage", "first", "--markdown") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| stage | case | compared | ours /s | theirs /s | ratio | of limit | agreement |"
    assert lines[2] == "| first | alone | ours | 1,234 frames |  |  |  |  |"
    assert bench("--stage", "first", "--quiet") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "25 x" in shown.out.splitlines()[2]


def test_a_stage_that_fails_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--stage", "broken", "--stage", "absent", "--stage", "first", "--json") == 3
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["rows"]) == 2
    assert "broken was not measured: there is no such chip" in shown.err
    assert "absent was not measured: No module named" in shown.err


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--stage", "frist") == 2
    assert "unknown stage 'frist'. Did you mean first?" in capsys.readouterr().err
    assert main(["bench", "--repeats", "1", "training"]) == 2
    assert "Write wtalkit bench training --repeats" in capsys.readouterr().err


def test_what_a_machine_is_measured_on() -> None:
    assert stages_to_measure([], on_gpu=False) == list(STAGES)
    assert stages_to_measure([], on_gpu=True) == [*STAGES, *NETWORKS]
    assert stages_to_measure(["training", "flow", "training"], on_gpu=False) == ["training", "flow"]
    with pytest.raises(UsageError):
        next(measure_stage("nothing", Case(torch.device("cpu"), 1, {}, 1)))


def test_training_and_proposals_are_rows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "CPU_WIDTH", 16)
    monkeypatch.setattr(networks, "AUTHORS", {"co2net": ((12, 4), (12, 4))})
    monkeypatch.setattr(networks, "size_for", lambda *given: networks_size())
    monkeypatch.setattr(networks, "VIDEOS", 2)
    monkeypatch.setattr(networks, "PROPOSALS", 5)
    case = Case(torch.device("cpu"), 1, {}, 1)
    found = [row for name in NETWORKS for row in measure_stage(name, case)]
    assert [(row.stage, row.unit) for row in found] == [("training", "iterations")] * 2 + [
        ("proposals", "proposals")
    ] * 2
    assert all(row.ratio is not None and row.theirs_per_s is not None and row.device == "cpu" for row in found)


def networks_size() -> object:
    from wtalkit.bench.training import Size

    return Size(3, 16, 12, 4)


def test_pairs_are_compared_by_unit() -> None:
    done: list[str] = []
    case = Case(torch.device("cpu"), 2, {}, 1)
    both = paired(lambda: done.append("ours"), lambda: done.append("theirs"), case, ours_count=10, theirs_count=1)
    assert done == ["theirs", "ours"] * 3
    assert both.ours_per_s > 0 and both.theirs_per_s > 0 and both.ratio > 0
