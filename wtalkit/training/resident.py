"""Features that lie on the device for the whole training, so that batches are cut out of them there.

A batch of THUMOS14 is up to 200 MB of rows from all over the training videos; copying it to a GPU at every step can
take longer than the step. The features of all 200 videos are 2 GB, which fit there once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wtalkit.errors import MachineError
from wtalkit.training.data import FeatureArrays
from wtalkit.training.settings import Residence

Positions = NDArray[np.int64]
GPU_SHARE, CPU_SHARE = 0.5, 0.25
"""Of the free memory of a GPU and of all memory, what may be held."""


@dataclass(frozen=True)
class Resident:
    """The features of the training videos on one device.

    Attributes:
        rows: the snippets of all videos, RGB first, (sum of T_i, 2D).
        firsts: row of each video's first snippet.
    """

    rows: Tensor
    firsts: tuple[int, ...]

    @classmethod
    def of(cls, arrays: FeatureArrays, device: torch.device) -> Resident:
        """Copy them there, video by video."""
        firsts = tuple(accumulate(arrays.lengths, initial=0))
        rows = torch.empty(firsts[-1], arrays.folder.spec.dim, dtype=torch.float32, device=device)
        for first, array in zip(firsts, arrays, strict=False):
            rows[first : first + len(array)] = torch.from_numpy(array)
        return cls(rows, firsts[:-1])

    def take(self, videos: Sequence[int], positions: Sequence[Positions], longest: int) -> tuple[Tensor, Tensor]:
        """RGB and flow (B, ``longest``, D) of some snippets of some videos, zero where there are fewer."""
        places = np.zeros((len(videos), longest), np.int64)
        padded = np.ones(places.shape, bool)
        for row, (video, chosen) in enumerate(zip(videos, positions, strict=True)):
            places[row, : len(chosen)] = self.firsts[video] + chosen
            padded[row, : len(chosen)] = False
        wanted = torch.from_numpy(places.ravel()).to(self.rows.device, non_blocking=True)
        width = self.rows.shape[1] // 2
        streams = [
            half.index_select(0, wanted).view(*places.shape, width)  # (B, T, D)
            for half in (self.rows[:, :width], self.rows[:, width:])
        ]
        if padded.any():
            beyond = torch.from_numpy(padded).to(self.rows.device, non_blocking=True)[..., None]
            streams = [stream.masked_fill_(beyond, 0) for stream in streams]
        return streams[0], streams[1]


def hold(
    arrays: FeatureArrays, device: torch.device, residence: Residence, say: Callable[[str], None]
) -> Resident | None:
    """The features on ``device``, if :func:`is_held` says so; None where batches are cut in memory.

    Raises:
        MachineError: as :func:`is_held`.
    """
    size = sum(arrays.lengths) * arrays.folder.spec.dim * 4
    return Resident.of(arrays, device) if is_held(size, "features", device, residence, say) else None


def is_held(size: int, what: str, device: torch.device, residence: Residence, say: Callable[[str], None]) -> bool:
    """Whether so many bytes are to lie on ``device``; says which.

    Args:
        size: bytes.
        what: they are.
        device: where the training runs.
        residence: the setting; ``auto`` is for GPUs, as on a CPU what fits into memory lies there anyway.
        say: told the decision.

    Raises:
        MachineError: they have to, and do not fit.
    """
    amount = f"{what} ({size / 1e9:.2g} GB)"
    if residence is False or (residence == "auto" and device.type == "cpu"):
        say(f"{amount}: batches are cut in memory")
        return False
    free = room(device)
    if size <= free:
        say(f"{amount}: held on {device}, batches are cut there")
        return True
    if residence is True:
        raise MachineError(
            f"the {amount} do not fit on {device}: {free / 1e9:.2g} GB may be taken",
            remedy="Train with --set resident=auto",
        )
    say(f"{amount}: batches are cut in memory, {device} has room for {free / 1e9:.2g} GB of them")
    return False


def room(device: torch.device) -> int:
    """Bytes that may be held on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(GPU_SHARE * free)
    return int(CPU_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
