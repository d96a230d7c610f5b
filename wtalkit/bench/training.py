"""How fast the bases train: their losses against the loop form, alone and in a whole iteration.

A *whole iteration* is what ``wtalkit train`` does at each step once it has a batch: network, losses, backward, norm of
the gradient, Adam. The network is the same for both forms and is measured by itself, too; no form of the losses can
make an iteration faster than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from wtalkit.bench.loops import Heads
from wtalkit.bench.losses import FORMS, targets
from wtalkit.bench.pairs import interleaved, ratio
from wtalkit.errors import UsageError
from wtalkit.methods import create
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch, Progress
from wtalkit.suggest import remedy
from wtalkit.training.forward import Forward, training_forward

FEW_CLASSES = 50
"""Up to here lengths and batches are the authors' for THUMOS14, beyond theirs for ActivityNet."""
AUTHORS = {
    "acrnet": ((750, 32), (80, 128)),
    "co2net": ((500, 10), (60, 10)),
    "delu": ((320, 10), (60, 10)),
}
VARIANTS = ("bf16", "compile", "bf16+compile")
SEED = 0
MIDDLE = Progress(epoch=1, max_epoch=2, step=1, max_step=2)


@dataclass(frozen=True)
class Size:
    """What is measured: classes, features of both streams together, snippets, videos."""

    classes: int
    width: int
    length: int
    batch: int


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        method: the base.
        size: of the problem.
        part: ``losses`` or ``iteration``.
        slow: the form compared with.
        fast: the form it is about.
        slow_s: its seconds, median.
        fast_s: its seconds, median.
        ratio: slow over fast, median of the pairs.
        network_s: of an iteration without any losses to speak of; None for the losses alone.
        repeats: pairs measured.
    """

    method: str
    size: Size
    part: str
    slow: str
    fast: str
    slow_s: float
    fast_s: float
    ratio: float
    network_s: float | None
    repeats: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the size's lie beside the others."""
        values = asdict(self)
        return {"method": values.pop("method"), **values.pop("size"), **values}


def size_for(method: str, classes: int, width: int, length: int | None = None, batch: int | None = None) -> Size:
    """The authors' length and batch size for so many classes, where none are given.

    Raises:
        UsageError: unknown method.
    """
    _require(method, FORMS, "can be measured")
    usual_length, usual_batch = AUTHORS[method][classes > FEW_CLASSES]
    return Size(classes, width, length or usual_length, batch or usual_batch)


def measure_training(
    method: str, size: Size, *, device: torch.device, repeats: int = 5, variants: Sequence[str] = ()
) -> Iterator[Row]:
    """Compare the forms of one base's losses, then variants of the vectorised iteration.

    Args:
        method: ``acrnet``, ``co2net`` or ``delu``.
        size: of the problem.
        device: where to compute.
        repeats: pairs.
        variants: of :data:`VARIANTS`, measured against float32 without compiling.

    Raises:
        UsageError: unknown variant, or a width that the method cannot have.
        MachineError: a variant needs a compiler that is not there.
    """
    for variant in variants:
        _require(variant, VARIANTS, "is a way of training")
    case = _Case(method, size, device)

    def row(part: str, forms: Mapping[str, Callable[[], None]], network: str | None = None) -> Row:
        times = interleaved(forms, repeats, case.wait)
        slow, fast = list(forms)[:2]
        alone = None if network is None else median(times[network])
        middle = {name: median(seconds) for name, seconds in times.items()}
        found = ratio(times[slow], times[fast])
        return Row(method, size, part, slow, fast, middle[slow], middle[fast], found, alone, repeats)

    heads = case.heads()
    yield row("losses", {"loop": partial(case.loop_losses, heads), "vectorised": partial(case.losses, heads)})
    plain = training_forward(case.model)
    iterations: dict[str, Callable[[], None]] = {
        "loop": case.loop_iteration,
        "vectorised": partial(case.iteration, plain),
    }
    yield row("iteration", {**iterations, "network": case.network_iteration}, "network")
    for variant in variants:
        forward = training_forward(
            case.model, precision="bf16" if "bf16" in variant else "float32", compiled="compile" in variant
        )
        yield row("iteration", {"vectorised": iterations["vectorised"], variant: partial(case.iteration, forward)})


class _Case:
    """A network with fresh weights, a random batch, and one iteration of each form."""

    def __init__(self, method: str, size: Size, device: torch.device) -> None:
        torch.manual_seed(SEED)
        self.form = FORMS[method]
        model = create(method, num_classes=size.classes, feature_dim=size.width)
        assert isinstance(model, Composition)
        self.model = model.to(device).train()
        self.batch = random_batch(size).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-6, weight_decay=1e-3, fused=True)
        self.wait = (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)

    def heads(self) -> Heads:
        """What the network gives, cut off from it."""
        with torch.no_grad():
            found = self.form.network(self.model, self.batch)
        return Heads(*(x.detach().clone().requires_grad_() for x in found))

    def losses(self, heads: Heads) -> None:
        self._backward(heads, _sum(self.form.vectorised(self.model, heads, self.batch, MIDDLE)))

    def loop_losses(self, heads: Heads) -> None:
        self._backward(heads, self._loop(heads))

    def iteration(self, forward: Forward) -> None:
        out, auxes = forward(self.batch)
        self._step(total_loss(self.model.losses(out, auxes, self.batch, MIDDLE)))

    def loop_iteration(self) -> None:
        self._step(self._loop(self.form.network(self.model, self.batch)))

    def network_iteration(self) -> None:
        heads = self.form.network(self.model, self.batch)
        self._step(torch.stack([x.sum() for x in heads]).sum())

    def _loop(self, heads: Heads) -> Tensor:
        return _sum(self.form.loop(heads, targets(self.batch, MIDDLE), self.model.base.options))

    def _backward(self, heads: Heads, total: Tensor) -> None:
        for x in heads:
            x.grad = None
        total.backward()  # type: ignore[no-untyped-call]

    def _step(self, total: Tensor) -> None:
        """As in :class:`wtalkit.training.loop.Loop`."""
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.get_total_norm([x.grad for x in self.model.parameters() if x.grad is not None])
        if bool(torch.isfinite(total.detach()) & torch.isfinite(norm)):
            self.optimizer.step()


def random_batch(size: Size) -> Batch:
    """Videos of features like I3D's (not negative), one or two classes each, three pairs that share one."""
    draw = torch.Generator().manual_seed(SEED)
    shape = (size.batch, size.length, size.width // 2)
    rgb, flow = (torch.randn(*shape, generator=draw).relu_() for _ in range(2))
    labels = torch.zeros(size.batch, size.classes)
    labels[torch.arange(size.batch), torch.arange(size.batch) // 2 % size.classes] = 1
    labels[::4, -1] = 1
    pairs = tuple((2 * pair, 2 * pair + 1) for pair in range(min(3, size.batch // 2)))
    return Batch(rgb, flow, torch.ones(shape[:2], dtype=torch.bool), labels, pairs=pairs)


def _sum(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def _require(name: str, known: Sequence[str] | dict[str, Any], what: str) -> None:
    if name not in known:
        raise UsageError(f"{name!r} is nothing that {what}", remedy=remedy(name, known))
