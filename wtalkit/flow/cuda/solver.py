"""TV-L1 flow of many pairs on a GPU, each pair as many iterations as it needs.

A fixed number of slots hold one pair each. A *round* is a short sequence of kernels over all slots: warp where a warp
begins, filter where an outer round begins, a chunk of iterations everywhere, and a decision for each slot. Some rounds,
and before them the change of pairs, are captured in one CUDA graph. A slot whose pair is done takes the next one from a
queue in the GPU's memory, so the host refills nothing: it puts pairs in, and looks, two graphs late and without holding
them up, which are done. Several threads may submit pairs; those of all fill the slots together.

The flow of a pair is the same, bit by bit, alone or in any company, and whatever the number of slots.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from wtalkit.capturing import CAPTURING
from wtalkit.errors import MachineError
from wtalkit.flow.cuda.layout import RING, Layout, plan
from wtalkit.flow.cuda.slots import Slots
from wtalkit.flow.parameters import TvL1Parameters

Result = TypeVar("Result")

_AHEAD = 2  # graphs in flight while the host waits for an older one
_PROGRAMS = 48  # that iterate, for each multiprocessor: several times what one holds at a time, so that it never idles
_MOST_SLOTS = 1024
_SHARE = 0.5  # of the free memory that slots may take
_MOST_PAIRS: int = RING.value // 2  # of a ticket
_COMPARED = 256  # pairs of frames at a time that are looked through for repeated frames


class Ticket:
    """Pairs that have been submitted."""

    def __init__(
        self, solver: TvL1Solver, first: Tensor, second: Tensor, order: Tensor, fields: Tensor, iterations: Tensor
    ) -> None:
        self._solver, self._frames, self._fields = solver, (first, second), fields
        self.iterations = iterations
        """Iterations of each warp, int32 ``[N, scales, warps]``, the finest scale first."""
        self._order = order
        self._start = self._stop = 0  # in the queue
        self._launch = 0  # the first that knows of these pairs
        self._done = not len(self._order)

    def result(self) -> Tensor:
        """Wait for the flow, float32 ``[N, 2, H, W]``; the calling thread drives the solver as long as it waits."""
        while not self._done:
            self._solver._drive(self)
        if self._fields.is_cuda:
            self._fields.record_stream(torch.cuda.current_stream(self._fields.device))
        return self._fields


class TvL1Solver:
    """Solves pairs of one size; keeps its memory and its compiled kernels from call to call. Threads may share it.

    Args:
        height: of the frames.
        width: of the frames.
        parameters: OpenCV's defaults if not given.
        device: a CUDA device. The CPU where Triton interprets its kernels, which is for tests.
        slots: pairs at work at a time, at most 1024; by default as many as keep the GPU busy, within half of its free
            memory. They are halved as long as memory does not suffice.
        graph: whether rounds are captured in a CUDA graph.

    Raises:
        ValueError: a size or a number of slots out of range, or parameters that our own code does not cover.
    """

    def __init__(
        self,
        height: int,
        width: int,
        parameters: TvL1Parameters | None = None,
        device: torch.device | str = "cuda",
        *,
        slots: int | None = None,
        graph: bool = True,
    ) -> None:
        self.parameters = parameters or TvL1Parameters()
        if self.parameters.needs_opencv:
            raise ValueError("gamma other than 0 and medianFiltering=3 are not computed on a GPU")
        if height < 1 or width < 1:
            raise ValueError(f"frames must have a size, got {height} x {width}")
        if slots is not None and not 1 <= slots <= _MOST_SLOTS:
            raise ValueError(f"slots must be 1 to {_MOST_SLOTS}, got {slots}")
        self.height, self.width = height, width
        self.device = _with_index(torch.device(device))
        self.layout = plan(height, width, self.parameters)
        self.slots = slots or _usual_slots(self.layout, self.device)
        self._on_gpu = self.device.type == "cuda"
        self._uses_graph = graph and self._on_gpu
        self._stream = torch.cuda.Stream(self.device) if self._on_gpu else None  # type: ignore[no-untyped-call]
        self._lock = threading.RLock()
        self._work: Slots | None = None
        self._count = self._launches = 0  # pairs put in, launches made since the slots were allocated
        self._open: deque[Ticket] = deque()
        self._ahead: deque[tuple[int, torch.cuda.Event, Tensor]] = deque()

    def fields(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow from each frame of ``first`` to the one of ``second`` beside it; returns when it is computed.

        Pairs of equal frames give zeros at once.

        Args:
            first: grey uint8 ``[N, H, W]`` on the solver's device.
            second: the same.

        Returns:
            float32 ``[N, 2, H, W]`` in pixels, channel 0 to the right and 1 down.

        Raises:
            ValueError: the frames are of another shape, type or device.
            MachineError: memory does not suffice for one slot.
        """
        if len(first) <= _MOST_PAIRS:
            return self.submit(first, second).result()
        with self._lock:
            fields = self._with_fewer_slots(lambda: self._zeros(len(first)), len(first))
        parts = zip(*(torch.split(each, _MOST_PAIRS) for each in (first, second, fields)), strict=True)
        for ticket in [self._submit(*part) for part in parts]:
            ticket.result()
        return fields

    def submit(self, first: Tensor, second: Tensor) -> Ticket:
        """Begin with what ``fields`` does, for at most 4096 pairs; nothing happens until a result is waited for.

        The frames must not be written to before the result is there.
        """
        return self._submit(first, second, None)

    def _submit(self, first: Tensor, second: Tensor, fields: Tensor | None) -> Ticket:
        for frames in (first, second):
            self._check(frames)
        if len(first) != len(second):
            raise ValueError(f"each frame needs another, got {len(first)} and {len(second)}")
        if len(first) > _MOST_PAIRS:
            raise ValueError(f"at most {_MOST_PAIRS} pairs at a time, got {len(first)}")
        first, second = first.contiguous(), second.contiguous()
        order = _moving(first, second)  # waits for the frames, which others need not
        with self._lock:
            return self._with_fewer_slots(lambda: self._begin(first, second, order, fields), len(first))

    def release(self) -> None:
        """Finish what is under way, then give the memory back; the next call takes it anew."""
        with self._lock:
            while self._open:
                self._step()
            if self._stream is not None:
                self._stream.synchronize()
            self._ahead.clear()
            self._work = None
            self._count = self._launches = 0
            if self._on_gpu:
                with CAPTURING:
                    torch.cuda.empty_cache()

    def _check(self, frames: Tensor) -> None:
        size = (self.height, self.width)
        if frames.dtype != torch.uint8 or frames.ndim != 3 or tuple(frames.shape[1:]) != size:
            raise ValueError(
                f"frames must be grey uint8 [N, {self.height}, {self.width}], got {frames.dtype} {list(frames.shape)}"
            )
        if frames.device != self.device:
            raise ValueError(f"frames must be on {self.device}, got {frames.device}")

    def _begin(self, first: Tensor, second: Tensor, order: Tensor, fields: Tensor | None) -> Ticket:
        if self._work is None:
            # Kept for other callers: not to be a tensor of whatever mode this one is in.
            with self._here(), torch.inference_mode(False), _compiler_needed():
                self._work = Slots(
                    self.height, self.width, self.parameters, self.device, self.slots, self._uses_graph
                )  # fmt: skip
        count, scales = len(first), len(self.layout.scales)
        fields = self._zeros(count) if fields is None else fields
        iterations = torch.zeros(count, scales, self.parameters.warps, dtype=torch.int32, device=self.device)
        ticket = Ticket(self, first, second, order, fields, iterations)
        moving = len(ticket._order)
        if not moving:
            return ticket
        while self._open and self._count + moving - self._open[0]._start > RING.value:
            self._step()
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self.device))  # which has made the frames
        with self._here():
            self._work.put(self._count, ticket._order, first, second, fields, iterations)
        ticket._start, ticket._stop, ticket._launch = self._count, self._count + moving, self._launches
        self._count += moving
        self._open.append(ticket)
        return ticket

    def _zeros(self, count: int) -> Tensor:
        return torch.zeros(count, 2, self.height, self.width, device=self.device)

    def _with_fewer_slots(self, action: Callable[[], Result], pairs: int) -> Result:
        """Do ``action``, with half of the slots each time that memory does not suffice."""
        while True:
            try:
                return action()
            except torch.cuda.OutOfMemoryError as error:
                lack = error.with_traceback(None)  # whose frames would hold on to what has been allocated
            self.release()
            if self.slots == 1:
                raise MachineError(
                    f"the memory of {self.device} does not suffice for the flow of {pairs} pairs of "
                    f"{self.width}x{self.height}",
                    remedy="Free memory, or give fewer or smaller frames at a time",
                ) from lack
            self.slots //= 2

    def _drive(self, ticket: Ticket) -> None:
        """One step, unless another thread has meanwhile brought the ticket to its end."""
        with self._lock:
            if not ticket._done:
                self._step()

    def _step(self) -> None:
        """Launch once, never more than a few launches ahead, and close the tickets that are known to be done."""
        assert self._work is not None
        with self._here():
            self._work.run()
            if self._on_gpu:
                done = torch.empty(RING.value, dtype=torch.int8, pin_memory=True)
                done.copy_(self._work.done, non_blocking=True)
                event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
                event.record()
                self._ahead.append((self._launches, event, done))
        self._launches += 1
        if not self._on_gpu:
            self._close(self._launches - 1, self._work.done)
        elif len(self._ahead) > _AHEAD:
            launch, event, done = self._ahead.popleft()
            event.synchronize()
            self._close(launch, done)

    def _close(self, launch: int, done: Tensor) -> None:
        flags = done.numpy()
        for ticket in self._open:
            if ticket._launch <= launch:
                ticket._done = all(flags[part].all() for part in _ring(ticket._start, ticket._stop))
        while self._open and self._open[0]._done:
            self._open.popleft()

    @contextmanager
    def _here(self) -> Iterator[None]:
        """On the solver's own stream."""
        if self._stream is None:
            yield
        else:
            with torch.cuda.device(self.device), torch.cuda.stream(self._stream):
                yield


@contextmanager
def _compiler_needed() -> Iterator[None]:
    """Triton builds a small C module at its first use."""
    try:
        yield
    except RuntimeError as error:
        if "C compiler" not in str(error):
            raise
        raise MachineError(
            "flow on a GPU needs a C compiler for Triton, and there is none",
            remedy="Install gcc or clang, or use device='cpu'",
        ) from error


def _ring(start: int, stop: int) -> tuple[slice, slice]:
    """Where the queue keeps the pairs from ``start`` to ``stop``."""
    low, size = start % RING.value, stop - start
    return slice(low, min(low + size, RING.value)), slice(0, max(0, low + size - RING.value))


def _usual_slots(layout: Layout, device: torch.device) -> int:
    """As many as keep the GPU busy, within a share of its free memory."""
    if device.type != "cuda":
        return 2
    busy = -(-_PROGRAMS * torch.cuda.get_device_properties(device).multi_processor_count // layout.tiles)
    free = torch.cuda.mem_get_info(device)[0]
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(1, min(busy, int(_SHARE * free) // layout.slot_bytes(), _MOST_SLOTS))


def _with_index(device: torch.device) -> torch.device:
    """``cuda`` means the current CUDA device."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _moving(first: Tensor, second: Tensor) -> Tensor:
    """Indices of the pairs that are not one frame twice, int64."""
    parts = zip(torch.split(first, _COMPARED), torch.split(second, _COMPARED), strict=True)
    return torch.cat([(one != other).flatten(1).any(1) for one, other in parts]).nonzero().flatten()
