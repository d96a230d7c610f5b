"""Small proposal methods, proposals and labels that the tests of P-MIL and SEAL share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from wtalkit.methods import create
from wtalkit.methods.interface import Progress, ProposalBatch, ProposalMethod, Term, VideoMeta

CLASSES, WIDTH = 5, 64
COUNTS = (30, 17, 1, 9)
HARD_CASES: dict[str, Tensor] = {
    "no proposal": torch.zeros(0, 2),
    "one proposal": torch.tensor([[3.0, 8.0]]),
    "one of no length": torch.tensor([[0.0, 0.0]]),
    "some of no length": torch.tensor([[0.0, 0.0], [2.0, 9.0], [4.0, 4.0], [4.0, 4.0], [1.0, 5.0]]),
    "the same again and again": torch.tensor([[2.0, 9.0]]).repeat(40, 1),
    "none overlaps another": torch.stack([torch.arange(20.0) * 3, torch.arange(20.0) * 3 + 1], dim=1),
}


def small(name: str, without: Sequence[str] = (), **options: Any) -> Any:
    """A proposal method (not the model around it), in training mode."""
    torch.manual_seed(0)
    method = create(name, num_classes=CLASSES, feature_dim=WIDTH, without=without, **options).base
    assert isinstance(method, ProposalMethod)
    return method.train()


def segments(count: int, seed: int = 0) -> Tensor:
    """Proposals (count, 2) within 40 snippets, many of which overlap."""
    generator = torch.Generator().manual_seed(seed)
    start = 30 * torch.rand(count, generator=generator)
    return torch.stack([start, start + 0.5 + 10 * torch.rand(count, generator=generator)], dim=1)


def batch_of(parts: Sequence[Tensor], labels: Tensor | None = None) -> ProposalBatch:
    """A batch of videos with these proposals (M, 2), each of one class; keys are their numbers."""
    rows = torch.cat(list(parts))
    regions = torch.rand(len(rows), 3, WIDTH, generator=torch.Generator().manual_seed(1))
    if labels is None:
        labels = torch.eye(CLASSES)[torch.arange(len(parts)) % CLASSES]
    meta = tuple(VideoMeta(key=str(number)) for number in range(len(parts)))
    return ProposalBatch(regions, rows, tuple(map(len, parts)), labels, meta)


def random_batch(counts: Sequence[int] = COUNTS, labels: Tensor | None = None) -> ProposalBatch:
    return batch_of([segments(count, number) for number, count in enumerate(counts)], labels)


def one_by_one(batch: ProposalBatch) -> list[ProposalBatch]:
    """Each video of a batch as a batch of its own."""
    parts = zip(batch.split(batch.regions), batch.split(batch.segments), batch.counts, strict=True)
    return [
        ProposalBatch(regions, rows, (count,), batch.targets[number : number + 1], batch.meta[number : number + 1])
        for number, (regions, rows, count) in enumerate(parts)
    ]


def total(terms: Mapping[str, Term]) -> Tensor:
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()


def check_finite(method: Any, batch: ProposalBatch, epoch: int = 0) -> dict[str, Term]:
    """Losses and gradients are numbers, and every parameter has one."""
    method.zero_grad()
    out = method.predict(batch)
    for value in (out.scores, out.attn, out.quality, *out.extra.values()):
        assert len(value) == sum(batch.counts) and torch.isfinite(value).all()
    terms: dict[str, Term] = method.losses(out, batch, Progress(epoch=epoch))
    assert all(torch.isfinite(term.value) for term in terms.values()), terms
    total(terms).backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    return terms
