"""TV-L1's GPU kernels, run by numpy, against the CPU's, which the stopping rule makes count iterations alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

pytest.importorskip("triton", reason="the GPU kernels need Triton")

import triton.language as tl

from tests.flow.emulated import emulation
from tests.flow.reference import solve_and_count
from tests.flow.scenes import disc_over_background, translated
from wtalkit.flow.batch import tvl1_pair
from wtalkit.flow.cuda import control, slots, solver
from wtalkit.flow.cuda.layout import plan
from wtalkit.flow.cuda.solver import TvL1Solver
from wtalkit.flow.parameters import TvL1Parameters

Frames = NDArray[np.uint8]


def _solve(first: Frames, second: Frames, parameters: TvL1Parameters, slots: int = 2) -> tuple[Any, Any]:
    with emulation():
        given = TvL1Solver(*first.shape[1:], parameters, "cpu", slots=slots)
        ticket = given.submit(torch.from_numpy(first), torch.from_numpy(second))
        return ticket.result().numpy(), ticket.iterations.numpy()


def _check(frames: Frames, parameters: TvL1Parameters, distance: float = 1e-3) -> NDArray[np.int32]:
    fields, iterations = _solve(frames[:1], frames[1:2], parameters)
    wanted, counts = solve_and_count(frames[0], frames[1], parameters)
    np.testing.assert_array_equal(iterations[0], counts)
    assert np.hypot(*(fields[0] - wanted)).mean() < distance
    return counts


def test_the_reference_is_the_solver() -> None:
    frames = disc_over_background(40, 52, 2)
    flow, _ = solve_and_count(frames[0], frames[1], TvL1Parameters())
    np.testing.assert_allclose(flow, tvl1_pair(frames[0], frames[1]), atol=1e-5)


def test_strips_segments_and_scales_fit_together() -> None:
    parameters = TvL1Parameters(nscales=2, warps=1, innerIterations=3, outerIterations=2, epsilon=0)
    scale = plan(151, 91, parameters).scales[0]
    assert (scale.strips, scale.segments) == (2, 2)
    counts = _check(disc_over_background(151, 91, 2, seed=3), parameters, 1e-5)
    assert (counts == 6).all()


@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": 0.06},
        {"epsilon": 0.06, "medianFiltering": 1},
        {"epsilon": 0.1, "innerIterations": 3},
        {"epsilon": 0.15, "innerIterations": 1, "outerIterations": 4},
        {"tau": 0.1, "theta": 0.5, "lambda_": 0.05, "innerIterations": 7, "outerIterations": 2, "scaleStep": 0.5},
    ],
)
def test_each_parameter_means_what_it_means_to_the_cpu(options: dict[str, Any]) -> None:
    _check(disc_over_background(33, 43, 2, seed=1), TvL1Parameters(**{"nscales": 2, "warps": 2, **options}))


def test_a_warp_ends_at_any_iteration_of_a_chunk() -> None:
    counts = _check(disc_over_background(40, 52, 2, seed=2), TvL1Parameters(nscales=2, warps=3, epsilon=0.04))
    assert len(set((counts % 4).flat)) > 1


def test_a_pair_does_not_depend_on_its_company() -> None:
    parameters = TvL1Parameters(nscales=2, warps=2, epsilon=0.05)
    hard, easy = disc_over_background(28, 37, 2, seed=4), translated(28, 37, (0.1, 0.0))
    first, second = (np.stack([hard[k], easy[k], hard[0], hard[1 - k]]) for k in (0, 1))
    second[2] = hard[0]  # nothing moves
    together, counts = _solve(first, second, parameters, slots=2)
    assert counts[1].sum() < counts[0].sum() / 2
    assert not together[2].any()
    assert not counts[2].any()
    for k in (0, 1, 3):
        alone, count = _solve(first[k : k + 1], second[k : k + 1], parameters, slots=1)
        np.testing.assert_array_equal(alone[0], together[k])
        np.testing.assert_array_equal(count[0], counts[k])
        assert np.hypot(*(alone[0] - solve_and_count(first[k], second[k], parameters)[0])).mean() < 1e-3


def test_tickets_share_the_slots_and_the_queue_goes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (control, slots, solver):
        monkeypatch.setattr(module, "RING", tl.constexpr(4))
    monkeypatch.setattr(solver, "_MOST_PAIRS", 2)
    parameters = TvL1Parameters(nscales=1, warps=1, innerIterations=4, outerIterations=1)
    frames = torch.from_numpy(disc_over_background(17, 20, 8))
    with emulation():
        given = TvL1Solver(17, 20, parameters, "cpu", slots=3)
        tickets = [given.submit(frames[k : k + 2], frames[k + 1 : k + 3]) for k in (0, 2, 4)]
        fields = torch.cat([ticket.result() for ticket in reversed(tickets)][::-1])
        torch.testing.assert_close(given.fields(frames[:6], frames[1:7]), fields, rtol=0, atol=0)
    for k in range(6):
        wanted, _ = solve_and_count(frames[k].numpy(), frames[k + 1].numpy(), parameters)
        np.testing.assert_allclose(fields[k], wanted, atol=1e-4)


@pytest.mark.parametrize("size", [(16, 16), (9, 70), (1, 1), (2, 3), (20, 1)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    _check(
        translated(*size, (0.5, 0.5), seed=1), TvL1Parameters(warps=1, innerIterations=5, outerIterations=1, epsilon=0)
    )


def test_numbers_that_are_none_end_the_loops() -> None:
    frames = translated(16, 20, (0.5, 0), seed=1)
    fields, _ = _solve(frames[:1], frames[1:], TvL1Parameters(tau=1e6, theta=1e-6, lambda_=1e6, warps=2))
    assert fields.shape == (1, 2, 16, 20)


def test_frames_and_slots_are_checked() -> None:
    given = TvL1Solver(16, 20, device="cpu")
    frames = torch.zeros(2, 16, 20, dtype=torch.uint8)
    for wrong in (frames[:, :8], frames.float(), frames[0]):
        with pytest.raises(ValueError, match=r"uint8 \[N, 16, 20\]"):
            given.fields(wrong, frames)
    with pytest.raises(ValueError, match="got 2 and 1"):
        given.fields(frames, frames[:1])
    with pytest.raises(ValueError, match="1 to 1024, got 0"):
        TvL1Solver(16, 20, device="cpu", slots=0)
    with pytest.raises(ValueError, match="gamma"):
        TvL1Solver(16, 20, TvL1Parameters(gamma=0.1), device="cpu")
    assert given.fields(frames[:0], frames[:0]).shape == (0, 2, 16, 20)


def test_where_the_queue_keeps_pairs() -> None:
    ring = solver.RING.value
    assert solver._ring(ring + 3, ring + 5) == (slice(3, 5), slice(0, 0))
    assert solver._ring(2 * ring - 2, 2 * ring + 1) == (slice(ring - 2, ring), slice(0, 1))
