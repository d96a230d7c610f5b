"""How long a training took, in ``timing.json`` beside the model.

Not in the model file: two equal trainings give equal bytes there, and no two take equally long.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from wtalkit.atomic import write_text
from wtalkit.runs import Run


@dataclass(frozen=True)
class Timing:
    """Wall time of the steps of a run, over all its sessions.

    Attributes:
        seconds: spent on the steps, without reading features and choosing the display threshold.
        steps: steps that were timed; those of a session that was killed are missing.
        device: where the last session ran.
        threads: CPU threads it had.
    """

    seconds: float
    steps: int
    device: str
    threads: int


@contextmanager
def timed(run: Run, step: Callable[[], int], device: str) -> Iterator[None]:
    """Time the steps taken in the block, also when it is stopped, and add them to those of earlier sessions."""
    import torch

    started, first = time.perf_counter(), step()
    before = read_timing(run) if first else None
    try:
        yield
    finally:
        seconds = time.perf_counter() - started + (before.seconds if before else 0.0)
        steps = step() - first + (before.steps if before else 0)
        found = Timing(round(seconds, 3), steps, device, torch.get_num_threads())
        write_text(run.timing, json.dumps(asdict(found)) + "\n")


def read_timing(run: Run) -> Timing | None:
    """What :func:`timed` wrote; None if there is nothing readable."""
    try:
        return Timing(**json.loads(run.timing.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
