"""The methods' losses on whole batches against the loops, values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from wtalkit.bench import loops
from wtalkit.bench.loops import Heads, Targets
from wtalkit.bench.losses import FORMS, targets
from wtalkit.methods import create
from wtalkit.methods.interface import Batch, Progress

CASES: list[tuple[str, dict[str, Any]]] = [
    ("acrnet", {"heads": 2}),
    ("acrnet", {"heads": 2, "q": 0.4}),
    ("co2net", {}),
    ("co2net", {"k": 3, "margin": 0.2}),
    ("delu", {}),
    ("delu", {"evidence": "relu", "uct_order": "rank", "edl_share": 5}),
]
LENGTHS = {"full": [40] * 6, "padded": [40, 23, 1, 2, 31, 7]}


def inputs(lengths: list[int], classes: int, columns: int) -> tuple[Heads, Batch]:
    """Random heads; the first pair shares a class. Numbers of single precision, held in double for the loops."""
    draw = torch.Generator().manual_seed(sum(lengths))
    shape = (len(lengths), max(lengths))
    mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    labels = torch.zeros(len(lengths), classes)
    for row in range(len(lengths)):
        labels[row, torch.randperm(classes, generator=draw)[: 1 + row % 3]] = 1
    labels[:2, 1] = 1
    random = [torch.randn(*shape, width, generator=draw) for width in (columns, 1, 1, 8)]
    cas, rgb, flow, feat = random[0] * 3, random[1][..., 0].sigmoid(), random[2][..., 0].sigmoid(), random[3]
    heads = Heads(*(x.double() for x in (cas * mask[..., None], rgb * mask, flow * mask, feat * mask[..., None])))
    stream = torch.zeros(*shape, 4)
    return heads, Batch(stream, stream, mask, labels.double(), pairs=((0, 1), (2, 3), (4, 5)))


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize(("method", "options"), CASES)
@pytest.mark.parametrize("done", [0.0, 0.8])
def test_whole_batches_equal_the_loops(method: str, options: dict[str, Any], lengths: list[int], done: float) -> None:
    form = FORMS[method]
    model = create(method, num_classes=5, feature_dim=8, **options)
    heads, batch = inputs(lengths, 5, 5 + form.background)
    fast, fast_grads = with_gradients(
        heads, lambda x: form.vectorised(model, x, batch, Progress(0, 1, int(100 * done), 100))
    )
    slow, slow_grads = with_gradients(
        heads, lambda x: form.loop(x, Targets(lengths, batch.targets, batch.pairs, done), model.base.options)
    )
    assert fast.keys() == slow.keys()
    for name in slow:
        torch.testing.assert_close(
            fast[name],
            slow[name],
            atol=1e-5,
            rtol=1e-5,
            check_dtype=False,
            msg=lambda text, name=name: f"{name}: {text}",
        )
    for name, mine, theirs in zip(Heads._fields, fast_grads, slow_grads, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("method", ["co2net", "delu"])
def test_pairs_without_a_shared_class(method: str) -> None:
    form, model = FORMS[method], create(method, num_classes=5, feature_dim=8)
    heads, batch = inputs([9, 5], 5, 6)
    batch = replace(batch, labels=torch.eye(2, 5).double(), pairs=((0, 1),))
    terms, gradients = with_gradients(heads, lambda x: form.vectorised(model, x, batch, Progress()))
    assert terms["contrastive"] == form.loop(heads, targets(batch, Progress()), model.base.options)["contrastive"] == 0
    assert not gradients[-1].any()


def with_gradients(
    heads: Heads, losses: Callable[[Heads], dict[str, Tensor]]
) -> tuple[dict[str, Tensor], list[Tensor]]:
    leaves = Heads(*(x.clone().requires_grad_() for x in heads))
    terms = losses(leaves)
    torch.stack([(place + 1) * value for place, (_, value) in enumerate(sorted(terms.items()))]).sum().backward()
    return terms, [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves]


def test_the_clustering_walk_meets_its_definition() -> None:
    """Four scores by hand: centres 0.9 and 0.1; 0.8 joins the upper, 0.2 the lower, the last is never positive."""
    assert loops._cluster([0.9, 0.8, 0.2, 0.1]) == [0, 1]
    assert loops._cluster([0.9]) == loops._cluster([0.9, 0.9]) == [0]
