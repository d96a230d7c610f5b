"""TV-L1 on the CPU, piece by piece from ``tvl1_kernels``, which also tells how many iterations each warp takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wtalkit.flow import tvl1_kernels as kernels
from wtalkit.flow.parameters import TvL1Parameters

Plane = NDArray[np.float32]
F = np.float32


def solve_and_count(gray_a: Any, gray_b: Any, p: TvL1Parameters) -> tuple[Plane, NDArray[np.int64]]:
    """The flow ``[2, H, W]`` and the iterations ``[scales, warps]``, the finest scale first."""
    pyramids = [[kernels._as_float(gray)] for gray in (gray_a, gray_b)]
    coarser = 1 / p.scaleStep
    for _ in range(1, p.nscales):
        height, width = (round(side * p.scaleStep) for side in pyramids[0][-1].shape)
        if min(height, width) < 16:
            break
        for pyramid in pyramids:
            smaller = np.empty((height, width), F)
            kernels._resize(pyramid[-1], smaller, coarser, coarser, F(1))
            pyramid.append(smaller)
    flow, counts = np.zeros((2, *pyramids[0][-1].shape), F), []
    for first, second in zip(*(reversed(pyramid) for pyramid in pyramids), strict=True):
        height, width = first.shape
        if flow.shape[1:] != first.shape:
            finer = np.empty((2, height, width), F)
            for old, new in zip(flow, finer, strict=True):
                kernels._resize(old, new, old.shape[0] / height, old.shape[1] / width, F(coarser))
            flow = finer
        flow, count = _refine(first, second, flow, p)
        counts.append(count)
    return flow, np.array(counts[::-1])


def _refine(first: Plane, second: Plane, start: Plane, p: TvL1Parameters) -> tuple[Plane, list[int]]:
    height, width = first.shape
    image, inner = kernels._with_gradient(second), np.s_[1 : height + 1, kernels.LEFT : kernels.LEFT + width]
    u1, u2, spare, *duals = (kernels._new_plane(height, width) for _ in range(7))
    data = [kernels._new_plane(height, width) for _ in range(4)]
    column, inside = np.zeros((5, u1.shape[1]), F), np.zeros(u1.shape[1], F)
    inside[kernels.LEFT : kernels.LEFT + width] = 1
    u1[inner], u2[inner] = start
    enough, counts = p.epsilon * p.epsilon * height * width, []
    factors = F(p.lambda_ * p.theta), F(p.theta), F(p.tau / p.theta)
    for _ in range(p.warps):
        kernels._warp(first, image, u1, u2, *data)
        change, rounds, count = np.inf, 0, 0
        while rounds < p.outerIterations and change > enough:
            if p.medianFiltering > 1:
                kernels._median5(u1, spare, column, height, width)
                u1, spare = spare, u1
                kernels._median5(u2, spare, column, height, width)
                u2, spare = spare, u2
            steps = 0
            while steps < p.innerIterations and change > enough:
                change = float(kernels._iterate(u1, u2, *duals, *data, inside, height, width, *factors))
                steps += 1
            rounds, count = rounds + 1, count + steps
        counts.append(count)
    return np.stack([u1[inner], u2[inner]]), counts
