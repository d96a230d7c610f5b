"""Endless, seeded batches of training videos.

Every video is seen once before any is seen twice. How a video becomes the rows of a batch is the recipe's
``sampling``:

* ``random``: ``length`` snippets, one drawn from each of ``length`` slots (CO2-Net's ``random_perturb``);
* ``slots``: the same with the slots' right ends left out, as ACRNet's code has it;
* ``uniform``: ``length`` snippets at equal distances;
* ``full``: the snippets as they are, padded to the longest of the batch; a video longer than ``length`` is cut to a
  random stretch of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wtalkit.methods.interface import Batch, VideoMeta
from wtalkit.training.data import TrainingSet
from wtalkit.training.resident import Resident
from wtalkit.training.sampling import acrnet_slots, random_perturb, uniform
from wtalkit.training.settings import TrainSettings

Positions = NDArray[np.int64]


class Order:
    """The videos in random order, again and again: every one is seen once before any is seen twice.

    Args:
        videos: how many there are.
        generator: source of the order; whoever else draws from it shares its state.
    """

    def __init__(self, videos: int, generator: np.random.Generator) -> None:
        self._videos, self._generator = videos, generator
        self._queue: list[int] = []

    def next(self) -> int:
        """The next video."""
        if not self._queue:
            self._queue = self._generator.permutation(self._videos).tolist()
        return self._queue.pop()

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs, as plain values."""
        return {"queue": list(self._queue), "generator": self._generator.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        self._queue = list(state["queue"])
        self._generator.bit_generator.state = state["generator"]


class Batches:
    """Draws batches; what it will draw next is a small state that can be saved.

    Args:
        data: the training videos.
        settings: batch size, length, sampling and pairs.
        generator: source of all choices.
        resident: the features where they lie on the device; batches are cut there then.
    """

    def __init__(
        self,
        data: TrainingSet,
        settings: TrainSettings,
        generator: np.random.Generator,
        resident: Resident | None = None,
    ) -> None:
        self._data, self._settings, self._generator, self._resident = data, settings, generator, resident
        self._order = Order(len(data), generator)
        self._partners = [rows for rows in (np.flatnonzero(column) for column in data.labels.T) if len(rows) > 1]

    def draw(self) -> Batch:
        """The next batch: first the pairs that share a class, if the recipe wants any, then single videos."""
        pairs = min(self._settings.similar_pairs, self._settings.batch_size // 2) if self._partners else 0
        rows = [row for _ in range(pairs) for row in self._pair()]
        while len(rows) < self._settings.batch_size:
            rows.append(self._order.next())
        return self._assemble(rows, pairs)

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs, as plain values."""
        return self._order.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        self._order.restore(state)

    def _pair(self) -> list[int]:
        rows = self._partners[self._generator.integers(len(self._partners))]
        return [int(row) for row in self._generator.choice(rows, 2, replace=False)]

    def _positions(self, snippets: int) -> Positions:
        length = self._settings.length
        match self._settings.sampling:
            case "random":
                return random_perturb(snippets, length, self._generator)
            case "slots":
                return acrnet_slots(snippets, length, self._generator)
            case "uniform":
                return uniform(snippets, length)
            case "full":
                first = int(self._generator.integers(snippets - length + 1)) if snippets > length else 0
                return np.arange(first, first + min(snippets, length))
            case "proposals":
                raise ValueError("proposals are drawn by ProposalBatches")

    def _assemble(self, rows: list[int], pairs: int) -> Batch:
        data = self._data
        chosen = [self._positions(data.arrays.lengths[row]) for row in rows]
        longest = self._settings.length if self._settings.compile else max(map(len, chosen))
        mask = np.zeros((len(rows), longest), bool)
        points = None if data.points is None else np.zeros((len(rows), longest, len(data.classes)), np.float32)
        for place, (row, positions) in enumerate(zip(rows, chosen, strict=True)):
            mask[place, : len(positions)] = True
            if points is not None:
                points[place, : len(positions)] = data.point_labels(row)[positions]
        meta = tuple(
            VideoMeta(
                key=data.keys[row],
                n_snippets=data.arrays.lengths[row],
                timeline=data.spec.timeline,
                duration_s=data.durations[row],
                positions=tuple(positions.tolist()),
            )
            for row, positions in zip(rows, chosen, strict=True)
        )
        take = self._read if self._resident is None else self._resident.take
        rgb, flow = take(rows, chosen, longest)
        return Batch(
            rgb=rgb,
            flow=flow,
            mask=torch.from_numpy(mask),
            labels=torch.from_numpy(data.labels[rows]),
            meta=meta,
            pairs=tuple((2 * pair, 2 * pair + 1) for pair in range(pairs)),
            points=None if points is None else torch.from_numpy(points),
        )

    def _read(self, rows: Sequence[int], chosen: Sequence[Positions], longest: int) -> tuple[Tensor, Tensor]:
        """RGB and flow (B, ``longest``, D) out of the arrays in memory, or on disk."""
        width = self._data.spec.dim // 2
        rgb = np.zeros((len(rows), longest, width), np.float32)
        flow = np.zeros_like(rgb)
        for place, (row, positions) in enumerate(zip(rows, chosen, strict=True)):
            array = self._data.arrays[row]
            rgb[place, : len(positions)] = array[positions, :width]
            flow[place, : len(positions)] = array[positions, width:]
        return torch.from_numpy(rgb), torch.from_numpy(flow)
