"""On a GPU: graphs, streams side by side, halves and lack of memory change no row beyond rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.backbones.networks import backbone, relative, windows
from wtalkit.backbones.cuda_graphs import CudaStreams
from wtalkit.backbones.i3d_inference import Form
from wtalkit.errors import MachineError

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
TOLERANCES = {"float32": 1e-4, "tf32": 5e-3, "float16": 5e-3, "bfloat16": 1e-2}


@pytest.fixture
def device() -> torch.device:
    return torch.device("cuda", 0)


def tensors(count: int, height: int = 32, width: int = 40) -> tuple[Tensor, Tensor]:
    rgb, flow = windows(count, height, width)
    return torch.from_numpy(rgb), torch.from_numpy(flow)


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("precision", list(TOLERANCES))
def test_features_are_those_of_the_cpu(device: torch.device, precision: str, packed: bool, graphs: bool) -> None:
    there = backbone(device, precision=precision, form=Form(packed, True, graphs))
    for size in ((32, 40), (45, 33)):
        rgb, flow = tensors(5, *size)
        expected = backbone().features(rgb, flow)
        found = there.features(rgb, flow)
        assert (found.device, found.dtype) == (device, torch.float32)
        assert relative(found, expected) < TOLERANCES[precision]


def test_auto_is_half(device: torch.device) -> None:
    assert backbone(device).precision == "float16"


def test_graphs_give_what_launching_gives(device: torch.device) -> None:
    """Twice over, so that a graph is replayed on rows that an earlier batch left behind."""
    graphed, launched = (backbone(device, form=Form(True, True, graphs)) for graphs in (True, False))
    for count in (7, 3, 9, 1):
        rgb, flow = (x.to(device) for x in tensors(count))
        assert relative(graphed.features(rgb, flow), launched.features(rgb, flow)) < 5e-3


def test_batches_without_a_wait_between_them_keep_apart(device: torch.device) -> None:
    both = backbone(device)
    rgb, flow = (x.to(device) for x in tensors(16))
    expected = both.features(rgb, flow)
    torch.cuda.synchronize()
    found = [both.features(rgb[at : at + 2], flow[at : at + 2]) for at in range(0, 16, 2)]
    other = torch.cuda.Stream()
    other.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(other):
        again = both.features(rgb, flow)
    torch.cuda.synchronize()
    assert relative(torch.cat(found), expected) < 5e-3
    assert relative(again, expected) < 5e-3


def test_streams_side_by_side_are_the_streams_alone(device: torch.device) -> None:
    both = backbone(device)
    rgb, flow = (x.to(device) for x in tensors(8))
    ours = both.features(rgb, flow)
    for _ in range(20):
        torch.testing.assert_close(both.features(rgb, flow), ours, rtol=0, atol=0)


def test_pinned_and_pageable_memory_give_the_same(device: torch.device) -> None:
    both = backbone(device)
    rgb, flow = tensors(6)
    pinned = both.features(rgb.pin_memory(), flow.pin_memory())
    torch.testing.assert_close(both.features(rgb, flow), pinned, rtol=0, atol=0)


def test_lack_of_memory_halves_the_batch(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    both = backbone(device)
    rgb, flow = tensors(13)
    expected = both.features(rgb, flow)
    original = CudaStreams.features

    def limited(self: CudaStreams, levels: dict[str, Tensor], most: int) -> Tensor:
        if len(levels["rgb"]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, levels, most)  # type: ignore[arg-type]

    monkeypatch.setattr(CudaStreams, "features", limited)
    assert relative(both.features(rgb, flow), expected) < 5e-3
    assert both.batch_windows == 3


def test_no_memory_at_all_is_an_error(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: CudaStreams, levels: object, most: int) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    both = backbone(device)
    monkeypatch.setattr(CudaStreams, "features", full)
    with pytest.raises(MachineError, match="one window"):
        both.features(*tensors(2))


def test_the_program_keeps_its_settings(device: torch.device) -> None:
    before = torch.backends.cudnn.benchmark, torch.backends.cudnn.conv.fp32_precision  # type: ignore[attr-defined]
    backbone(device, precision="float32").features(*tensors(1))
    assert before == (torch.backends.cudnn.benchmark, torch.backends.cudnn.conv.fp32_precision)  # type: ignore[attr-defined]
