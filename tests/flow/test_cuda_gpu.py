"""TV-L1 on a GPU; needs one."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests.flow.scenes import disc_over_background, translated
from wtalkit.errors import MachineError
from wtalkit.flow import tvl1
from wtalkit.flow.parameters import TvL1Parameters

pytest.importorskip("triton", reason="the GPU kernels need Triton")

from wtalkit.flow.cuda.solver import TvL1Solver

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture(scope="module")
def scenes() -> torch.Tensor:
    """``[2, 6, 256, 340]``: first and second frames of pairs, easy and hard ones."""
    pairs = [disc_over_background(256, 340, 2, seed=seed) for seed in (0, 1)]
    pairs += [translated(256, 340, motion, seed=4) for motion in ((0.2, 0.1), (3.0, -1.5), (0.0, 0.0), (6.0, 4.0))]
    return torch.from_numpy(np.stack(pairs, 1)).cuda()


@pytest.fixture(scope="module")
def solver() -> TvL1Solver:
    return TvL1Solver(256, 340)


@pytest.fixture
def all_memory() -> Iterator[None]:
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_agrees_with_the_cpu(scenes: torch.Tensor, solver: TvL1Solver) -> None:
    fields = solver.fields(*scenes).cpu().numpy()
    for pair, field in zip(scenes.cpu().numpy().swapaxes(0, 1), fields, strict=True):
        assert np.hypot(*(field - tvl1(pair)[0])).mean() < 0.05  # a warp that ends an iteration later moves it so


def test_agrees_to_rounding_where_nothing_stops_early(scenes: torch.Tensor) -> None:
    options = {"epsilon": 0, "innerIterations": 10, "outerIterations": 2, "warps": 2}
    fields = TvL1Solver(256, 340, TvL1Parameters(**options)).fields(*scenes).cpu().numpy()
    for pair, field in zip(scenes.cpu().numpy().swapaxes(0, 1), fields, strict=True):
        assert np.hypot(*(field - tvl1(pair, **options)[0])).mean() < 1e-3


def test_a_pair_does_not_depend_on_its_company(scenes: torch.Tensor, solver: TvL1Solver) -> None:
    together = solver.fields(scenes[0].repeat(50, 1, 1), scenes[1].repeat(50, 1, 1)).view(50, 6, 2, 256, 340)
    assert (together == together[:1]).all()
    few = TvL1Solver(256, 340, slots=2)
    for k in range(6):
        assert torch.equal(few.fields(scenes[0, k : k + 1], scenes[1, k : k + 1])[0], together[0, k])


def test_with_and_without_a_graph(scenes: torch.Tensor, solver: TvL1Solver) -> None:
    assert torch.equal(TvL1Solver(256, 340, graph=False).fields(*scenes), solver.fields(*scenes))


def test_more_pairs_than_a_ticket_takes() -> None:
    frames = torch.from_numpy(disc_over_background(24, 32, 9)).cuda()
    first = frames[:8].repeat(1100, 1, 1)
    fields = TvL1Solver(24, 32).fields(first, frames[1:].repeat(1100, 1, 1)).view(1100, 8, 2, 24, 32)
    assert (fields == fields[:1]).all()


def test_threads_and_streams_share_a_solver(scenes: torch.Tensor, solver: TvL1Solver) -> None:
    wanted = solver.fields(*scenes)
    torch.cuda.synchronize()

    def compute(_: int) -> torch.Tensor:
        with torch.cuda.stream(torch.cuda.Stream()):
            return solver.fields(scenes[0].clone(), scenes[1].clone())

    with ThreadPoolExecutor(4) as pool:
        assert all(torch.equal(fields, wanted) for fields in pool.map(compute, range(12)))


def test_slots_are_halved_until_memory_suffices(scenes: torch.Tensor, solver: TvL1Solver, all_memory: None) -> None:
    wanted = solver.fields(*scenes).cpu()
    solver.release()
    gc.collect()
    torch.cuda.empty_cache()
    needed = TvL1Solver(256, 340).layout.slot_bytes()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 12 * needed) / total)
    small = TvL1Solver(256, 340, slots=64)
    assert torch.equal(small.fields(*scenes).cpu(), wanted)
    assert small.slots < 16
    small.release()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**20) / total)
    with pytest.raises(MachineError, match="does not suffice"):
        small.fields(*scenes)


@pytest.mark.parametrize("size", [(16, 16), (33, 17), (9, 200), (1, 1), (2, 3), (300, 700)])
def test_other_sizes(size: tuple[int, int]) -> None:
    frames = translated(*size, (0.5, 0.5))
    assert np.hypot(*(tvl1(frames, device="cuda") - tvl1(frames))[0]).mean() < 0.05


def test_answers_are_where_the_frames_are() -> None:
    frames = disc_over_background(32, 40, frames=3)
    fields = tvl1(frames, device="cuda")
    assert isinstance(fields, np.ndarray)
    assert fields.dtype == np.float32
    for device in ("cpu", "cuda"):
        there = tvl1(torch.from_numpy(frames).to(device), device="cuda:0")
        assert there.device.type == device
        np.testing.assert_array_equal(there.cpu(), fields)
    assert tvl1(torch.from_numpy(frames).cuda(), device="cpu").is_cuda
