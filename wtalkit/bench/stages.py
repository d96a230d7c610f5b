"""The stages of the chain, each measured as rows of one kind: ours against what a user would take instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

from wtalkit.bench.pairs import interleaved, ratio
from wtalkit.errors import UsageError
from wtalkit.suggest import remedy

if TYPE_CHECKING:
    import torch

STAGES = {
    "flow": "wtalkit.bench.flow",
    "backbone": "wtalkit.bench.backbone",
    "extraction": "wtalkit.bench.extraction",
    "localization": "wtalkit.bench.localization",
    "evaluation": "wtalkit.bench.evaluation",
}
"""Modules with a function ``measure(case: Case) -> Iterator[Row]``, in the order in which data flows."""
NETWORKS = {
    "training": "wtalkit.bench.networks:measure_training_stage",
    "proposals": "wtalkit.bench.networks:measure_proposals_stage",
}
"""Stages that are measured on a GPU, and on a CPU where they are asked for by name; they have commands of their own."""


@dataclass(frozen=True)
class Case:
    """What a stage is told.

    Attributes:
        device: where the stage computes; stages that know the CPU only give no row on a GPU.
        repeats: pairs of runs that are measured.
        limits: what the device can do at most, by name, in units a second; see :mod:`wtalkit.bench.roofline`.
        threads: cores at work on the CPU.
    """

    device: torch.device
    repeats: int
    limits: Mapping[str, float]
    threads: int

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.synchronize(self.device)


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        stage: key of ``STAGES``.
        case: what was computed, in a few words with its sizes.
        unit: what is counted, in the plural: pairs, clips, frames, videos, detections.
        ours: our way, in a few words.
        theirs: what a user would take instead; empty where nothing was compared.
        ours_per_s: units a second.
        theirs_per_s: units a second; None where nothing was compared.
        ratio: ours over theirs, median over the pairs of runs.
        limit: the roofline that was looked at; empty for none.
        share: part of that limit that was reached.
        agreement: how far the results of both are from each other; empty where nothing was compared.
        device: ``cpu`` or the GPU's name.
    """

    stage: str
    case: str
    unit: str
    ours: str
    theirs: str
    ours_per_s: float
    theirs_per_s: float | None = None
    ratio: float | None = None
    limit: str = ""
    share: float | None = None
    agreement: str = ""
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def stages_to_measure(names: Sequence[str], *, on_gpu: bool) -> list[str]:
    """The stages named, each once, or all that a machine is measured on.

    Raises:
        UsageError: no such stage.
    """
    known = {**STAGES, **NETWORKS}
    for name in names:
        if name not in known:
            raise UsageError(f"unknown stage {name!r}", remedy=remedy(name, known))
    return list(dict.fromkeys(names)) or list(known if on_gpu else STAGES)


def measure_stage(name: str, case: Case) -> Iterator[Row]:
    """Measure one stage, row by row.

    Raises:
        UsageError: no such stage.
    """
    stages_to_measure([name], on_gpu=False)
    module, _, function = {**STAGES, **NETWORKS}[name].partition(":")
    yield from getattr(import_module(module), function or "measure")(case)


@dataclass(frozen=True)
class Paired:
    """Rates of two ways to do the same, from runs in turns."""

    ours_per_s: float
    theirs_per_s: float
    ratio: float


def paired(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    case: Case,
    *,
    ours_count: int,
    theirs_count: int | None = None,
) -> Paired:
    """Run both ways in turns and compare their rates.

    Args:
        ours: one run of ours.
        theirs: one run of theirs.
        case: how often, on what.
        ours_count: units in one run of ours.
        theirs_count: units in one run of theirs; fewer where it is slow. The same number by default.
    """
    theirs_units = ours_count if theirs_count is None else theirs_count
    forms = {"theirs": lambda: _forget(theirs), "ours": lambda: _forget(ours)}
    times = interleaved(forms, case.repeats, case.wait)
    slow = [seconds / theirs_units for seconds in times["theirs"]]
    fast = [seconds / ours_count for seconds in times["ours"]]
    return Paired(1 / median(fast), 1 / median(slow), ratio(slow, fast))


def _forget(form: Callable[[], object]) -> None:
    form()
