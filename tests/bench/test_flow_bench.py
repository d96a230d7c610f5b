"""The flow's rows: scenes that move as they say, bytes that are counted, and a small row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wtalkit.bench import flow
from wtalkit.bench.stages import STAGES, Case
from wtalkit.flow.parameters import TvL1Parameters

CPU = torch.device("cpu")


def test_scenes_move_as_they_say() -> None:
    for scene in flow.scenes(64, 80):
        y, x = np.mgrid[8:56, 8:72]
        to_x, to_y = (np.rint(at + scene.motion[k, 8:56, 8:72]).astype(int) for k, at in ((0, x), (1, y)))
        difference = scene.second[to_y, to_x].astype(float) - scene.first[8:56, 8:72]
        assert np.median(np.abs(difference)) < 14  # half a pixel's rounding; an unrelated place is some 50 off
    assert len({scene.first.tobytes() for scene in flow.scenes(64, 80)}) == 6


def test_a_row() -> None:
    assert STAGES["flow"] == flow.__name__
    row = flow.measure_cpu(flow.scenes(24, 32)[:2], Case(CPU, 1, {}, 2))
    assert (row.stage, row.case, row.unit, row.device) == ("flow", "32x24, 2 rendered scenes", "pairs", "cpu")
    assert (row.ours, row.theirs) == ("own code on the CPU, 2 threads", "OpenCV DualTVL1, 2 threads")
    assert row.theirs_per_s is not None
    assert row.ours_per_s > row.theirs_per_s
    assert float(row.agreement.split()[0]) < 0.3


def test_bytes_of_chunks_filters_and_warps() -> None:
    pytest.importorskip("triton", reason="the GPU kernels need Triton")
    from wtalkit.flow.cuda.solver import TvL1Solver

    solver = TvL1Solver(20, 30, TvL1Parameters(nscales=2, warps=2), "cpu")
    iterations = torch.tensor([[[31, 4], [0, 0]]])
    # 31: 8 + 1 chunks, 2 filters; 4: 1 chunk, 1 filter; 2 warps
    assert flow.traffic(solver, iterations) == 4 * 20 * 30 * (16 * 10 + 4 * 3 + 10 * 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_rows_of_a_gpu() -> None:
    rows = list(flow.measure_gpu(flow.scenes(24, 32), Case(torch.device("cuda"), 1, {}, 2), 12))
    assert [row.theirs.split(",")[0] for row in rows] == ["own code on the CPU", "OpenCV DualTVL1"]
    assert float(rows[0].agreement.split()[0]) < 0.05
