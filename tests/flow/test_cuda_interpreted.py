"""TV-L1's GPU kernels by Triton's own interpreter, on frames so small that it ends within seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.flow.reference import solve_and_count
from tests.flow.scenes import disc_over_background, translated
from wtalkit.flow.parameters import TvL1Parameters

pytestmark = pytest.mark.slow

_REPOSITORY = Path(__file__).resolve().parent.parent.parent
_HARD, _EASY = disc_over_background(16, 19, 2, seed=4), translated(16, 19, (0.1, 0))
_STOPPING = {"nscales": 1, "warps": 1, "innerIterations": 7, "outerIterations": 1, "epsilon": 0.05}
_CASES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "scales": (
        [disc_over_background(20, 24, 2)],
        {"nscales": 2, "warps": 1, "innerIterations": 3, "outerIterations": 2, "epsilon": 0},
    ),
    "strips": ([disc_over_background(5, 79, 2)], {"warps": 1, "innerIterations": 4, "outerIterations": 1}),
    "together": ([_HARD, _EASY], {**_STOPPING, "slots": 2}),
    "alone": ([_EASY], {**_STOPPING, "slots": 1}),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("triton", reason="the GPU kernels need Triton")
    folder, arrays = tmp_path_factory.mktemp("interpreted"), {}
    for name, (pairs, options) in _CASES.items():
        arrays[f"{name}/first"], arrays[f"{name}/second"] = (np.stack([pair[k] for pair in pairs]) for k in (0, 1))
        arrays[f"{name}/options"] = np.array(json.dumps(options))
    np.savez(folder / "cases.npz", **arrays)
    script = [sys.executable, "-m", "tests.flow.interpreted", folder / "cases.npz", folder / "answers.npz"]
    subprocess.run(script, check=True, cwd=_REPOSITORY)
    return np.load(folder / "answers.npz")


@pytest.mark.parametrize("name", _CASES)
def test_agrees_with_the_cpu(answers: Any, name: str) -> None:
    pairs, options = _CASES[name]
    parameters = TvL1Parameters(**{key: value for key, value in options.items() if key != "slots"})
    for pair, field, counts in zip(pairs, answers[f"{name}/fields"], answers[f"{name}/iterations"], strict=True):
        wanted, wanted_counts = solve_and_count(*pair, parameters)
        np.testing.assert_array_equal(counts, wanted_counts)
        assert np.hypot(*(field - wanted)).mean() < 1e-3


def test_one_stops_within_a_chunk_and_the_other_does_not(answers: Any) -> None:
    hard, easy = answers["together/iterations"][:, 0, 0]
    assert easy < hard == 7
    assert easy % 4 != 0


def test_a_pair_does_not_depend_on_its_company(answers: Any) -> None:
    np.testing.assert_array_equal(answers["together/fields"][1], answers["alone/fields"][0])
