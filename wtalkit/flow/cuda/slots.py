"""The memory of all slots, the queue of pairs, and the launches that work on them."""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-untyped]
from torch import Tensor

from wtalkit.capturing import CAPTURING
from wtalkit.flow.cuda.control import decide, take_turns
from wtalkit.flow.cuda.images import differentiate, linearise, read_frames, shrink, write_fields
from wtalkit.flow.cuda.iteration import REGISTERS, advance
from wtalkit.flow.cuda.layout import CHUNK, COUNT, RECORD_FIELDS, RING, STATE_FIELDS, plan
from wtalkit.flow.cuda.median import filter_flow
from wtalkit.flow.parameters import TvL1Parameters

ROUNDS = 8
"""In a launch: few, since a slot waits until its end for the next pair."""

COMPILED: dict[str, Any] = {"enable_fp_fusion": True}  # not left to Triton's default, which changes with 3.10


class Slots:
    """Solves the pairs of a queue in a number of slots.

    Args:
        height: of the frames.
        width: of the frames.
        parameters: of TV-L1.
        device: where all is kept.
        slots: pairs at work at a time.
        graph: whether a launch is captured in a CUDA graph.
    """

    def __init__(
        self, height: int, width: int, parameters: TvL1Parameters, device: torch.device, slots: int, graph: bool
    ) -> None:
        self.parameters, self.slots = parameters, slots
        layout = self.layout = plan(height, width, parameters)
        self.memory = torch.zeros(slots * layout.slot_floats, device=device)
        self.states = torch.zeros(slots, STATE_FIELDS.value, dtype=torch.int32, device=device)
        self.changes = torch.zeros(slots, CHUNK.value, layout.tiles, device=device)
        self.last_changes = torch.zeros(slots, device=device)
        self.queue = torch.zeros(2, dtype=torch.int64, device=device)
        self.records = torch.zeros(RING.value, RECORD_FIELDS.value, dtype=torch.int64, device=device)
        self.done = torch.zeros(RING.value, dtype=torch.int8, device=device)
        self.scales = torch.tensor([scale.to_row() for scale in layout.scales], dtype=torch.int32, device=device)
        ends = [parameters.epsilon**2 * scale.height * scale.width for scale in layout.scales]
        self.limits = torch.tensor(ends, dtype=torch.float64, device=device)
        self.coarser = torch.tensor([1 / parameters.scaleStep], dtype=torch.float64, device=device)
        self._graph = None
        if graph:
            with CAPTURING:
                self._graph = self._capture()

    def put(self, at: int, order: Tensor, first: Tensor, second: Tensor, fields: Tensor, iterations: Tensor) -> None:
        """Append pairs to the queue.

        Args:
            at: pairs put in before.
            order: int64, which of the following are to be solved.
            first: first frames, uint8 ``[N, H, W]``.
            second: second frames, the same.
            fields: float32 ``[N, 2, H, W]`` to be filled.
            iterations: int32 ``[N, scales, warps]`` to be counted up.
        """
        place = torch.arange(at, at + len(order), device=order.device) % RING.value
        parts = [order * (each[0].numel() * each.element_size()) + each.data_ptr() for each in (first, second, fields)]
        parts.append(order * (iterations[0].numel() * iterations.element_size()) + iterations.data_ptr())
        self.records[place] = torch.stack(parts, 1)
        self.done[place] = 0
        self.queue[COUNT.value].fill_(at + len(order))

    def run(self) -> None:
        """Give free slots their next pairs, then ``ROUNDS`` rounds."""
        if self._graph is None:
            self._launch()
        else:
            self._graph.replay()

    def _capture(self) -> torch.cuda.CUDAGraph:
        """A launch as a graph, after one that compiles the kernels and finds nothing to do."""
        self._launch()
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        # other threads may go on with what they do on the GPU
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            self._launch()
        return graph

    def _launch(self) -> None:
        p, layout, slots = self.parameters, self.layout, self.slots
        memory, states, scales, records = self.memory, self.states, self.scales, self.records
        floats, plane, tiles, count = layout.slot_floats, layout.plane, layout.tiles, len(layout.scales)
        warps, inner, outer = int(p.warps), int(p.innerIterations), int(p.outerIterations)
        median, block = int(p.medianFiltering > 1), triton.next_power_of_2(slots)
        one_warp = {**COMPILED, "num_warps": 1}
        finest = layout.scales[0]
        launch: Any = write_fields[finest.bands, slots]
        launch(memory, states, scales, records, floats, plane, **COMPILED)
        launch = take_turns[1,]
        launch(states, self.queue, self.done, slots, count, inner, median, block, **one_warp)
        launch = read_frames[finest.bands, slots]
        launch(memory, states, scales, records, floats, **COMPILED)
        for scale in range(1, count):
            launch = shrink[layout.scales[scale].bands, slots]
            launch(memory, states, scales, self.coarser, floats, scale, **COMPILED)
        launch = differentiate[finest.bands, slots, count]
        launch(memory, states, scales, floats, **COMPILED)
        limit, tau, step = float(p.lambda_ * p.theta), float(p.tau), float(p.tau / p.theta)
        for _ in range(ROUNDS):
            launch = linearise[finest.warp_tiles, slots]
            launch(memory, states, scales, self.coarser, floats, plane, count, **COMPILED)
            if median:
                launch = filter_flow[finest.median_tiles, slots, 2]
                launch(memory, states, scales, floats, plane, **one_warp)
            launch = advance[tiles, slots]
            launch(
                memory, states, scales, self.changes, floats, plane, tiles, limit, tau, step,
                maxnreg=REGISTERS, **one_warp,
            )  # fmt: skip
            launch = decide[slots,]
            launch(
                states, scales, self.changes, self.last_changes, self.limits, records, tiles, warps,
                inner, outer, median, triton.next_power_of_2(tiles), **one_warp,
            )  # fmt: skip
