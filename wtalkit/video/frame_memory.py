"""Memory that two processes see: frames cross from the decoder to its reader without being pickled or copied.

It is an unnamed file, so it goes with the last process that holds it, however that one ends; nothing is left behind.
"""

from __future__ import annotations

import mmap
import os
import tempfile

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # [n, H, W, 3]

_PAGE = mmap.ALLOCATIONGRANULARITY


class FrameMemory:
    """A row of slots, each with room for the same number of frames of one size.

    Args:
        handle: of the file, from :meth:`create` or inherited.
    """

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)

    @classmethod
    def create(cls) -> FrameMemory:
        """New memory, empty so far; its handle can be inherited by a child.

        Raises:
            OSError: the system gives none.
        """
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("wtalkit-frames"))
        with tempfile.TemporaryFile() as file:  # other systems: a file without a name
            return cls(os.dup(file.fileno()))

    def grow(self, size: int) -> None:
        """Have room for at least ``size`` bytes; the slots handed out before stay valid."""
        size = -(-size // _PAGE) * _PAGE
        if size > os.fstat(self.handle).st_size:
            os.ftruncate(self.handle, size)
        if size > self._bytes.size:
            # The array keeps the mapping alive as long as anything looks into it.
            self._bytes = np.frombuffer(mmap.mmap(self.handle, size), np.uint8)

    def slot(self, number: int, frames: int, height: int, width: int) -> Images:
        """Slot ``number`` of those with room for ``frames`` frames, [frames, height, width, 3]; no copy."""
        shape = (frames, height, width, 3)
        size = frames * height * width * 3
        self.grow((number + 1) * size)
        return self._bytes[number * size : (number + 1) * size].reshape(shape)

    def close(self) -> None:
        """Give the handle back; slots in use stay valid."""
        os.close(self.handle)
