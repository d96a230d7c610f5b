"""Batches halve when memory runs out, and lose nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.backbones.networks import backbone, windows
from wtalkit.backbones.batches import Batches
from wtalkit.backbones.cuda_graphs import graph_size
from wtalkit.backbones.memory import window_bytes, windows_that_fit
from wtalkit.backbones.specs import BACKBONES
from wtalkit.errors import MachineError


def fits(most: int, seen: list[int]) -> Callable[[int, int], Tensor]:
    """A device that holds ``most`` windows."""

    def forward(start: int, stop: int) -> Tensor:
        seen.append(stop - start)
        if stop - start > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.arange(start, stop)[:, None]

    return forward


@pytest.mark.parametrize(("most", "count", "kept"), [(64, 20, 16), (5, 20, 4), (1, 7, 1), (3, 1, 16), (6, 7, 3)])
def test_rows_come_out_complete_and_in_order(most: int, count: int, kept: int) -> None:
    released: list[int] = []
    batches = Batches(16, lambda: released.append(1))
    seen: list[int] = []
    assert batches.run(fits(most, seen), count)[:, 0].tolist() == list(range(count))
    assert batches.size == kept
    assert len(released) == sum(size > most for size in seen)
    seen.clear()
    batches.run(fits(most, seen), count)
    assert max(seen) <= most  # the size that worked is kept


def test_one_window_that_does_not_fit_is_an_error() -> None:
    batches = Batches(4, lambda: None)
    with pytest.raises(MachineError, match=r"does not suffice for one window.*--device cpu") as caught:
        batches.run(fits(0, []), 3)
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_another_error_is_not_taken_for_lack_of_memory() -> None:
    def broken(start: int, stop: int) -> Tensor:
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        Batches(4, lambda: None).run(broken, 3)


def test_a_backbone_goes_on_with_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    both = backbone()
    rgb, flow = windows(7)
    expected = both.extract(rgb, flow)
    original = both._on_cpu

    def limited(model: object, levels: Tensor) -> Tensor:
        if len(levels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(model, levels)  # type: ignore[arg-type]

    monkeypatch.setattr(both, "_on_cpu", limited)
    np.testing.assert_allclose(both.extract(rgb, flow), expected, rtol=1e-5, atol=1e-5)
    assert both.batch_windows == 1  # 7, 3, 1


def test_graph_sizes() -> None:
    assert [graph_size(count, 64) for count in (64, 17, 16, 5, 4, 2, 1)] == [64, 64, 16, 16, 4, 4, 1]
    assert [graph_size(count, 2) for count in (2, 1)] == [2, 2]
    assert [graph_size(count, 1) for count in (1,)] == [1]


def test_windows_follow_from_memory() -> None:
    assert [windows_that_fit(100, budget) for budget in (0, 99, 100, 350, 1e9)] == [1, 1, 1, 2, 256]
    i3d = 2 * window_bytes(BACKBONES["i3d"], torch.bfloat16)
    assert windows_that_fit(i3d, 6.5 * 2**30) == 64
    assert windows_that_fit(2 * i3d, 6.5 * 2**30) == 32
