"""Both ways of scoring proposals give the same, and one pass is all the memory that is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.conftest import REPOSITORY
from wtalkit.bench.memory import peak_growth
from wtalkit.bench.proposals import Case, Size, measure_proposals
from wtalkit.cli import main
from wtalkit.errors import UsageError
from wtalkit.methods.rescoring import run_proposals

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("method", ["pmil", "seal"])
def test_both_ways_give_the_same(method: str) -> None:
    case = Case(method, Size(5, 64, 3, 60, 40), CPU)
    for mine, other in zip(case.ours(), case.theirs(), strict=True):
        assert len(mine.scores) == 40
        for name in ("scores", "attn", "quality"):
            np.testing.assert_allclose(getattr(mine, name), getattr(other, name), atol=1e-5)


@pytest.mark.parametrize("rows", [1, 7, 40, 1000])
def test_the_size_of_a_pass_changes_nothing(rows: int) -> None:
    case = Case("pmil", Size(5, 64, 3, 60, 40), CPU)
    segments = [case.segments[0], case.segments[1][:0], case.segments[2][:13]]
    found = run_proposals(case.model, case.features, segments, pass_rows=rows)
    assert [len(each.attn) for each in found] == [40, 0, 13]
    assert found[1].scores.shape == (0, 6)
    whole = [run_proposals(case.model, case.features[:1], [each])[0] for each in segments]
    for mine, other in zip(found, whole, strict=True):
        np.testing.assert_allclose(mine.scores, other.scores, atol=1e-6)


def test_features_of_another_width() -> None:
    case = Case("pmil", Size(5, 64, 1, 60, 4), CPU)
    with pytest.raises(ValueError, match=r"expected features \(T, 64\)"):
        run_proposals(case.model, [np.zeros((9, 32), np.float32)], case.segments)


MANY = Size(20, 256, 32, 120, 4000)


def growth() -> tuple[int | None, int | None]:
    """Peak memory, bytes, that two videos' proposals and those of all videos take beyond what is there."""
    torch.set_num_threads(1)
    case = Case("pmil", MANY, CPU)
    few = case.segments[:2]
    run_proposals(case.model, case.features[:2], few)  # buffers that stay are there now
    return peak_growth(lambda: run_proposals(case.model, case.features[:2], few)), peak_growth(case.ours)


def test_memory_is_that_of_a_pass() -> None:
    """Sixteen times the proposals, not sixteen times the memory.

    In a process of its own: what the allocator keeps of freed blocks depends on all that went before. It still is tens
    of MB and differs from one machine to the next, so the regions are many times that.
    """
    script = "import json; from tests.bench.test_proposals import growth; print(json.dumps(growth()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    small, large = json.loads(done.stdout)
    if small is None or large is None:
        pytest.skip("this system does not tell a process its peak memory anew")
    answers = MANY.videos * MANY.proposals * (20 + 1 + 2) * 4
    regions = MANY.videos * MANY.proposals * 3 * MANY.width * 4
    assert large - small < 3 * answers + 64 * 2**20 < regions / 3


def test_rows(capsys: pytest.CaptureFixture[str]) -> None:
    row = next(measure_proposals("seal", [Size(3, 16, 2, 30, 5)], device=CPU, repeats=2))
    assert row.fast_s > 0 and row.slow_s is not None and row.ratio is not None
    assert row.per_second == pytest.approx(10 / row.fast_s)
    with pytest.raises(UsageError, match="'acrnet' is no method on proposals"):
        next(measure_proposals("acrnet", [], device=CPU))
    small = ["--width", "16", "--videos", "2", "--snippets", "20", "--repeats", "1", "--threads", "1"]
    assert main(["bench", "proposals", *small, "--proposals", "4", "--proposals", "8", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(each["method"], each["proposals"]) for each in document["rows"]] == [
        ("pmil", 4), ("pmil", 8), ("seal", 4), ("seal", 8),
    ]  # fmt: skip
    assert main(["bench", "proposals", *small, "--method", "pmil", "--proposals", "4", "--alone", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| method | width | videos | proposals each |")
    assert "|  |" in lines[2]
