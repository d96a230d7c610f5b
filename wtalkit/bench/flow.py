"""TV-L1 flow, pairs a second: ours against OpenCV's DualTVL1, on rendered scenes whose motion is known.

On the CPU both compute one pair a thread. On a GPU, ours there is held against our own CPU code and against OpenCV,
each on all cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from wtalkit.bench.roofline import COPY
from wtalkit.bench.stages import Case, Row, paired
from wtalkit.flow.batch import tvl1_pair
from wtalkit.flow.opencv import dual_tvl1_pair
from wtalkit.flow.parameters import TvL1Parameters

if TYPE_CHECKING:
    from wtalkit.flow.cuda.solver import TvL1Solver

    Gray = NDArray[np.uint8]
    Field = NDArray[np.float32]

SIZES = ((96, 128), (256, 340))
"""Heights and widths."""
GPU_PAIRS = 1536
"""Several times as many as are at work at a time, so that the end, when slots run empty, does not count for much."""

_WAVES = 24
_CPU, _OPENCV = "own code on the CPU", "OpenCV DualTVL1"


@dataclass(frozen=True)
class Scene:
    """Two frames, and where the pixels of the first have gone."""

    first: Gray
    second: Gray
    motion: Field


def measure(case: Case) -> Iterator[Row]:
    """Rows of both sizes on the CPU; on a GPU two at the larger."""
    if case.device.type == "cuda":
        yield from measure_gpu(scenes(*SIZES[-1]), case, GPU_PAIRS)
    else:
        for size in SIZES:
            yield measure_cpu(scenes(*size), case)


def measure_cpu(moving: Sequence[Scene], case: Case) -> Row:
    """Ours against OpenCV, the same pairs on the same cores."""
    with ThreadPoolExecutor(case.threads) as pool:
        ours, theirs = _spread(pool, moving, tvl1_pair), _spread(pool, moving, _dual_tvl1)
        agreement = _agreement(ours(), theirs(), moving)
        found = paired(ours, theirs, case, ours_count=len(moving))
    return Row(
        stage="flow",
        case=_case(moving),
        unit="pairs",
        ours=f"{_CPU}, {case.threads} threads",
        theirs=f"{_OPENCV}, {case.threads} threads",
        ours_per_s=found.ours_per_s,
        theirs_per_s=found.theirs_per_s,
        ratio=found.ratio,
        agreement=agreement,
    )


def measure_gpu(moving: Sequence[Scene], case: Case, pairs: int) -> Iterator[Row]:
    """Ours on the GPU against our own CPU code, then against OpenCV."""
    from wtalkit.flow.cuda.frames import solver_for

    height, width = moving[0].first.shape
    solver = solver_for(height, width, None, case.device)
    rounds = -(-pairs // len(moving))
    first, second = (
        torch.from_numpy(np.stack([getattr(scene, name) for scene in moving])).to(case.device).repeat(rounds, 1, 1)
        for name in ("first", "second")
    )
    ticket = solver.submit(first[: len(moving)], second[: len(moving)])
    fields = list(ticket.result().cpu().numpy())
    moved = traffic(solver, ticket.iterations.cpu()) / len(moving)
    several = list(moving) * case.threads  # whole rounds for every thread
    with ThreadPoolExecutor(case.threads) as pool:
        for name, pair in ((_CPU, tvl1_pair), (_OPENCV, _dual_tvl1)):
            theirs = _spread(pool, several, pair)
            agreement = _agreement(fields, theirs()[: len(moving)], moving)
            found = paired(
                lambda: solver.fields(first, second), theirs, case, ours_count=len(first), theirs_count=len(several)
            )
            yield Row(
                stage="flow",
                case=_case(moving),
                unit="pairs",
                ours=f"own code on the GPU, {len(first)} at once, {solver.slots} slots",
                theirs=f"{name}, {case.threads} threads",
                ours_per_s=found.ours_per_s,
                theirs_per_s=found.theirs_per_s,
                ratio=found.ratio,
                limit=COPY if COPY in case.limits else "",
                share=found.ours_per_s * moved / case.limits[COPY] if COPY in case.limits else None,
                agreement=agreement,
                device=torch.cuda.get_device_name(case.device) if case.device.type == "cuda" else "cpu",
            )


def traffic(solver: TvL1Solver, iterations: torch.Tensor) -> int:
    """Bytes that the planes of a slot must move for warps of so many ``iterations``, ``[N, scales, warps]``.

    A chunk of iterations reads ten planes and writes six, a median filter reads and writes the flow, a warp reads the
    flow and four images and writes four planes. Chunks done again are not counted.
    """
    from wtalkit.flow.cuda.layout import CHUNK

    inner, filters = solver.parameters.innerIterations, solver.parameters.medianFiltering > 1
    pixels = torch.tensor([scale.height * scale.width for scale in solver.layout.scales])[:, None]
    whole, rest = iterations // inner, iterations % inner
    chunks = whole * -(-inner // CHUNK.value) + -(-rest // CHUNK.value)
    outer = -(-iterations // inner)
    planes = 16 * chunks + (4 * outer if filters else 0) + 10 * (iterations > 0)
    return int((4 * planes * pixels).sum())


def scenes(height: int, width: int) -> list[Scene]:
    """Easy and hard motion: slow and fast pans, a zoom, things that cross a still or a drifting background."""
    y, x = np.mgrid[:height, :width].astype(float)
    size = height / 256  # motions grow with the frame, as those of a scaled video do

    def constant(right: float, down: float) -> NDArray[np.float64]:
        return np.stack([np.full_like(x, right * size), np.full_like(x, down * size)])

    def disc(radius: float, inside: NDArray[np.float64], outside: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.hypot(x - width / 2, y - height / 2) < radius * height, inside, outside)

    zoom = 0.015 * np.stack([x - width / 2, y - height / 2])
    return [
        _pan(constant(0.4, 0.1), 1),
        _pan(constant(3.0, -1.5), 2),
        _pan(constant(7.0, 3.0), 3),
        _zoomed(zoom, 1.015, 4),
        _crossed(disc(0.25, constant(3.0, -2.0), constant(0.5, 0.0)), 0.25, 5),
        _crossed(disc(0.12, constant(-2.0, 1.0), constant(0.0, 0.0)), 0.12, 6),
    ]


def _texture(seed: int, height: int) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]:
    """Waves with periods of 8 to 60 px at 256 px: an image that is known at any place."""
    random = np.random.default_rng(seed)
    lengths, angles = random.uniform(8, 60, _WAVES) * max(height / 256, 0.5), random.uniform(0, np.pi, _WAVES)
    kx, ky = 2 * np.pi / lengths * np.cos(angles), 2 * np.pi / lengths * np.sin(angles)
    phases = random.uniform(0, 2 * np.pi, _WAVES)

    def at(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.full_like(x, 128.0)
        for a, b, phase in zip(kx, ky, phases, strict=True):
            total += 14 * np.cos(a * x + b * y + phase)
        return total

    return at


def _pan(motion: NDArray[np.float64], seed: int) -> Scene:
    return _zoomed(motion, 1.0, seed)


def _zoomed(motion: NDArray[np.float64], zoom: float, seed: int) -> Scene:
    """A point at x comes to x + motion(x), where motion is linear in x."""
    y, x = np.mgrid[: motion.shape[1], : motion.shape[2]].astype(float)
    texture = _texture(seed, motion.shape[1])
    return _scene(texture(x, y), texture(x - motion[0] / zoom, y - motion[1] / zoom), motion)


def _crossed(motion: NDArray[np.float64], radius: float, seed: int) -> Scene:
    """A disc in the middle moves as the middle of ``motion``, the rest as its corner."""
    height, width = motion.shape[1:]
    y, x = np.mgrid[:height, :width].astype(float)
    front, back = _texture(seed, height), _texture(seed + 100, height)
    inside, outside = motion[:, height // 2, width // 2], motion[:, 0, 0]
    images = []
    for k in (0, 1):
        middle = np.hypot(x - width / 2 - k * inside[0], y - height / 2 - k * inside[1]) < radius * height
        far = back(x - k * outside[0], y - k * outside[1])
        images.append(np.where(middle, front(x - k * inside[0], y - k * inside[1]), far))
    return _scene(images[0], images[1], motion)


def _scene(first: NDArray[np.float64], second: NDArray[np.float64], motion: NDArray[np.float64]) -> Scene:
    one, other = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (first, second))
    return Scene(one, other, motion.astype(np.float32))


def _dual_tvl1(first: Gray, second: Gray) -> Field:
    return dual_tvl1_pair(first, second, TvL1Parameters())


def _spread(
    pool: ThreadPoolExecutor, moving: Sequence[Scene], pair: Callable[[Gray, Gray], Field]
) -> Callable[[], list[Field]]:
    return lambda: list(pool.map(lambda scene: pair(scene.first, scene.second), moving))


def _agreement(ours: Sequence[Field], theirs: Sequence[Field], moving: Sequence[Scene]) -> str:
    """Mean end-point distances."""
    apart = _distance(ours, theirs)
    truth = [scene.motion for scene in moving]
    return f"{apart:.3f} px apart; {_distance(ours, truth):.2f} and {_distance(theirs, truth):.2f} px from the truth"


def _distance(fields: Sequence[Field], others: Sequence[Field]) -> float:
    return float(np.mean([np.hypot(*(one - other)).mean() for one, other in zip(fields, others, strict=True)]))


def _case(moving: Sequence[Scene]) -> str:
    height, width = moving[0].first.shape
    return f"{width}x{height}, {len(moving)} rendered scenes"
