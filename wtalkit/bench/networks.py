"""Training and scoring proposals as stages: the main rows of ``wtalkit bench training`` and ``bench proposals``."""

from __future__ import annotations

from collections.abc import Iterator

from wtalkit.bench.proposals import SNIPPETS, Size, measure_proposals
from wtalkit.bench.stages import Case, Row
from wtalkit.bench.training import AUTHORS, measure_training, size_for

CLASSES = 20
CPU_WIDTH, GPU_WIDTH = 256, 2048
"""Features of both streams together."""
VIDEOS, PROPOSALS = 100, 500


def measure_training_stage(case: Case) -> Iterator[Row]:
    """Losses and iterations at the authors' sizes for THUMOS14; on a GPU half precision, too.

    Compiling, which takes minutes a method, is left to ``wtalkit bench training``.
    """
    on_gpu = case.device.type == "cuda"
    for method in AUTHORS:
        size = size_for(method, CLASSES, GPU_WIDTH if on_gpu else CPU_WIDTH)
        for row in measure_training(
            method, size, device=case.device, repeats=case.repeats, variants=("bf16",) if on_gpu else ()
        ):
            yield Row(
                stage="training",
                case=f"{method}, {row.part}, {CLASSES} classes, {size.length} x {size.batch}, width {size.width}",
                unit="iterations",
                ours=row.fast,
                theirs=row.slow,
                ours_per_s=1 / row.fast_s,
                theirs_per_s=1 / row.slow_s,
                ratio=row.ratio,
                device=_name(case),
            )


def measure_proposals_stage(case: Case) -> Iterator[Row]:
    """Scoring the proposals of many videos, against one video at a time through torchvision."""
    width = GPU_WIDTH if case.device.type == "cuda" else CPU_WIDTH
    size = Size(CLASSES, width, VIDEOS, SNIPPETS, PROPOSALS)
    for method in ("pmil", "seal"):
        for row in measure_proposals(method, [size], device=case.device, repeats=case.repeats):
            yield Row(
                stage="proposals",
                case=f"{method}, {VIDEOS} videos of {PROPOSALS}, width {width}",
                unit="proposals",
                ours="passes of one size",
                theirs="a video at a time, torchvision",
                ours_per_s=row.per_second,
                theirs_per_s=None if row.slow_s is None else VIDEOS * PROPOSALS / row.slow_s,
                ratio=row.ratio,
                device=_name(case),
            )


def _name(case: Case) -> str:
    import torch

    return torch.cuda.get_device_name(case.device) if case.device.type == "cuda" else "cpu"
