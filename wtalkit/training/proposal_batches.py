"""Batches of proposals for the second stage: what surrounds and fills each proposal is computed once, then only picked.

Features and proposals never change in training, so neither do a proposal's regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wtalkit.methods.interface import ProposalBatch, VideoMeta
from wtalkit.methods.regions import pool_regions
from wtalkit.proposals import Pool
from wtalkit.training.batches import Order
from wtalkit.training.data import MEMORY_LIMIT_BYTES, TrainingSet
from wtalkit.training.resident import is_held
from wtalkit.training.settings import Residence, TrainSettings

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingProposals:
    """The proposals of a training set's videos.

    Attributes:
        data: the videos.
        pools: proposals of each, in the same order; a video may have none.
        regions: (M_i, 3, 2D) of each; None stands for one that did not fit into memory and is computed again each time.
    """

    data: TrainingSet
    pools: tuple[Pool, ...]
    regions: tuple[Tensor | None, ...]

    @classmethod
    def of(cls, data: TrainingSet, pools: Sequence[Pool], limit_bytes: int = MEMORY_LIMIT_BYTES) -> TrainingProposals:
        """Compute the regions, keep what fits into ``limit_bytes``."""
        kept: list[Tensor | None] = []
        size = 0
        for array, pool in zip(data.arrays, pools, strict=True):
            size += len(pool) * 3 * data.spec.dim * 4
            kept.append(_regions(array, pool) if size <= limit_bytes else None)
        return cls(data, tuple(pools), tuple(kept))

    def held_on(self, device: torch.device, residence: Residence, say: Callable[[str], None]) -> TrainingProposals:
        """The same with the regions on ``device``, if :func:`wtalkit.training.resident.is_held` says so.

        Raises:
            MachineError: they have to lie there, and do not fit.
        """
        size = len(self) * 3 * self.data.spec.dim * 4
        if not is_held(size, "proposals' features", device, residence, say):
            return self
        regions = (
            _regions(array, pool) if kept is None else kept
            for array, pool, kept in zip(self.data.arrays, self.pools, self.regions, strict=True)
        )
        return replace(self, regions=tuple(each.to(device) for each in regions))

    def __len__(self) -> int:
        """Proposals of all videos."""
        return sum(map(len, self.pools))

    def pick(self, row: int, places: NDArray[np.int64] | None) -> tuple[Tensor, Tensor]:
        """Regions (m, 3, 2D) and segments (m, 2) in snippets of some, or all, of a video's proposals."""
        pool, regions = self.pools[row], self.regions[row]
        chosen = pool if places is None else pool.take(places)
        segments = torch.from_numpy(chosen.segments.astype(np.float32))
        if regions is None:
            return _regions(self.data.arrays[row], chosen), segments
        return (regions if places is None else regions[torch.from_numpy(places).to(regions.device)]), segments


class ProposalBatches:
    """Draws batches of videos with their proposals; used as :class:`wtalkit.training.batches.Batches` is.

    Args:
        proposals: of the training videos.
        settings: batch size, and ``length``, how many proposals of a video at most go into a batch.
        generator: source of all choices.
    """

    def __init__(self, proposals: TrainingProposals, settings: TrainSettings, generator: np.random.Generator) -> None:
        self._proposals, self._settings, self._generator = proposals, settings, generator
        self._order = Order(len(proposals.data), generator)

    def draw(self) -> ProposalBatch:
        """The next batch of videos."""
        data = self._proposals.data
        rows = [self._order.next() for _ in range(self._settings.batch_size)]
        picked = [self._proposals.pick(row, self._places(row)) for row in rows]
        meta = tuple(
            VideoMeta(data.keys[row], data.arrays.lengths[row], data.spec.timeline, data.durations[row]) for row in rows
        )
        return ProposalBatch(
            regions=torch.cat([regions for regions, _ in picked]),
            segments=torch.cat([segments for _, segments in picked]),
            counts=tuple(len(segments) for _, segments in picked),
            labels=torch.from_numpy(data.labels[rows]),
            meta=meta,
        )

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs, as plain values."""
        return self._order.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        self._order.restore(state)

    def _places(self, row: int) -> NDArray[np.int64] | None:
        """A random ``length`` of a video's proposals, in order; None for all."""
        count, most = len(self._proposals.pools[row]), self._settings.length
        return None if count <= most else np.sort(self._generator.choice(count, most, replace=False))


def _regions(array: Array, pool: Pool) -> Tensor:
    return pool_regions(torch.from_numpy(array), torch.from_numpy(pool.segments)).float()
