"""Work in batches that become smaller when memory runs out, and stay so."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from wtalkit.errors import DeviceFull

log = logging.getLogger(__name__)


class Batches:
    """Runs windows a batch at a time.

    Args:
        size: windows of one batch.
        release: gives back what memory is held between batches; called before a smaller batch is tried.

    Attributes:
        size: windows of one batch, halved each time memory ran out.
    """

    def __init__(self, size: int, release: Callable[[], None]) -> None:
        self.size = size
        self._release = release

    def run(self, forward: Callable[[int, int], Tensor], count: int) -> Tensor:
        """Rows of ``forward(start, stop)`` for all windows, in order, ``[count, D]``.

        Raises:
            DeviceFull: memory does not suffice for one window.
        """
        rows: list[Tensor] = []
        start = 0
        while start < count:
            stop = min(start + self.size, count)
            found = self._attempt(forward, start, stop)
            if found is None:
                self._shrink(stop - start)
            else:
                rows.append(found)
                start = stop
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def _attempt(self, forward: Callable[[int, int], Tensor], start: int, stop: int) -> Tensor | None:
        """None if memory ran out; with this frame gone, so is what the attempt held."""
        try:
            return forward(start, stop)
        except torch.OutOfMemoryError as error:
            if stop - start == 1:
                raise DeviceFull(
                    "the device's memory does not suffice for one window",
                    remedy="End other programs on the device, or use --device cpu",
                ) from error
            return None

    def _shrink(self, tried: int) -> None:
        self._release()
        self.size = max(1, tried // 2)
        log.warning("out of memory with %d windows at once; going on with %d", tried, self.size)
