"""What scoring proposals costs: all proposals of all videos in passes of one size, against the way P-MIL's code goes.

That code takes one video at a time and pads its features, lets torchvision's two-dimensional RoI-align cut every
proposal out of them, holds all twelve bins of all proposals at once, and runs the network on that. The network is the
same here, and so is the arithmetic: both forms give the same scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wtalkit.bench.memory import peak_growth
from wtalkit.bench.pairs import interleaved, ratio
from wtalkit.errors import UsageError
from wtalkit.methods import METHODS, create
from wtalkit.methods.composition import ProposalModel
from wtalkit.methods.interface import ProposalBatch
from wtalkit.methods.regions import BINS, MARGIN, surroundings
from wtalkit.methods.rescoring import ProposalScores, run_proposals
from wtalkit.suggest import remedy

SEED = 0
COUNTS = (125, 250, 500, 1000)
SNIPPETS = 300  # the mean of THUMOS14's test videos is 330
LONGEST = 60  # snippets of a proposal


@dataclass(frozen=True)
class Size:
    """What is measured: classes, features of both streams together, videos, snippets and proposals of each."""

    classes: int
    width: int
    videos: int
    snippets: int
    proposals: int


@dataclass(frozen=True)
class Row:
    """One size.

    Attributes:
        method: the method on proposals.
        size: of the problem.
        slow_s: seconds of the way P-MIL's code goes, median; None where it was not measured.
        fast_s: seconds of ours, median.
        ratio: slow over fast, median of the pairs.
        slow_bytes: memory it needs at most, beyond features and proposals; None where that is not to be had.
        fast_bytes: the same of ours.
        repeats: pairs measured.
    """

    method: str
    size: Size
    slow_s: float | None
    fast_s: float
    ratio: float | None
    slow_bytes: int | None
    fast_bytes: int | None
    repeats: int

    @property
    def per_second(self) -> float:
        """Proposals a second."""
        return self.size.videos * self.size.proposals / self.fast_s

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the size's lie beside the others."""
        values = asdict(self)
        return {"method": values.pop("method"), **values.pop("size"), **values, "per_second": self.per_second}


def measure_proposals(
    method: str, sizes: Sequence[Size], *, device: torch.device, repeats: int = 3, compared: bool = True
) -> Iterator[Row]:
    """Time one method on problems of several sizes.

    Args:
        method: ``pmil`` or ``seal``.
        sizes: of the problems.
        device: where to compute.
        repeats: pairs.
        compared: also measure the way P-MIL's code goes.

    Raises:
        UsageError: not a method on proposals.
    """
    known = [name for name, entry in METHODS.items() if entry.role == "proposals"]
    if method not in known:
        raise UsageError(f"{method!r} is no method on proposals", remedy=remedy(method, known))
    for size in sizes:
        case = Case(method, size, device)
        forms: dict[str, Callable[[], object]] = {"ours": case.ours}
        if compared:
            forms = {"theirs": case.theirs, **forms}
        peaks = {name: peak_growth(form, device) for name, form in forms.items()}
        runs = {name: lambda form=form: _forget(form) for name, form in forms.items()}
        times = interleaved(runs, repeats, case.wait)
        yield Row(
            method=method,
            size=size,
            slow_s=median(times["theirs"]) if compared else None,
            fast_s=median(times["ours"]),
            ratio=ratio(times["theirs"], times["ours"]) if compared else None,
            slow_bytes=peaks.get("theirs"),
            fast_bytes=peaks["ours"],
            repeats=repeats,
        )


class Case:
    """A method with fresh weights, random features and random proposals."""

    def __init__(self, method: str, size: Size, device: torch.device) -> None:
        torch.manual_seed(SEED)
        model = create(method, num_classes=size.classes, feature_dim=size.width)
        assert isinstance(model, ProposalModel)
        self.model = model.to(device).eval()
        self.device = device
        draw = np.random.default_rng(SEED)
        # As I3D's: not negative. All videos share one array: the cost does not depend on what they hold.
        features = np.maximum(draw.standard_normal((size.snippets, size.width), dtype=np.float32), 0)
        self.features = [features] * size.videos
        self.segments = [_random_segments(draw, size) for _ in range(size.videos)]

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def ours(self) -> list[ProposalScores]:
        """Every proposal of every video."""
        return run_proposals(self.model, self.features, self.segments)

    def theirs(self) -> list[ProposalScores]:
        """The same, video by video, through torchvision."""
        with torch.inference_mode():
            return [self._one(*each) for each in zip(self.features, self.segments, strict=True)]

    def _one(self, features: NDArray[np.float32], segments: NDArray[np.float64]) -> ProposalScores:
        boxes = torch.from_numpy(segments).float().to(self.device)
        regions = surroundings(torchvision_bins(torch.from_numpy(features).to(self.device), boxes))
        out, _ = self.model(ProposalBatch(regions, boxes, (len(boxes),)))
        return ProposalScores(*(value.float().cpu().numpy() for value in (out.scores, out.attn, out.quality)))


def torchvision_bins(features: Tensor, segments: Tensor) -> Tensor:
    """Bins (N, 12, W) of extended segments (N, 2) by torchvision's RoI-align, on features (T, W) padded with zeros."""
    from torchvision.ops import roi_align

    length = segments[:, 1] - segments[:, 0]
    pad = math.ceil(MARGIN * float(length.max())) + 1
    padded = torch.nn.functional.pad(features.T, (pad, pad))[None, :, :, None]  # (1, W, T + 2 pad, 1)
    start, end = segments[:, 0] - MARGIN * length, segments[:, 1] + MARGIN * length
    shift = pad - 0.5  # a snippet's centre, where the operator puts its value
    zero, one = torch.zeros_like(start), torch.ones_like(start)
    boxes = torch.stack([zero, zero, start + shift, one, end + shift], dim=1)
    found: Tensor = roi_align(padded, boxes, (BINS, 1), 1.0, -1, False)  # (N, W, 12, 1)
    return found[..., 0].mT


def _random_segments(draw: np.random.Generator, size: Size) -> NDArray[np.float64]:
    """Within the video, of one snippet to a minute and a half, most of them short."""
    length = 1 + (min(LONGEST, size.snippets) - 1) * draw.random(size.proposals) ** 2
    start = draw.random(size.proposals) * (size.snippets - length)
    return np.stack([start, start + length], axis=1)


def _forget(form: Callable[[], object]) -> None:
    form()
