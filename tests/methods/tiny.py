"""Small models, videos and labels that the tests of methods share."""

from __future__ import annotations

from typing import Any

import torch

from wtalkit.methods import create
from wtalkit.methods.composition import Composition
from wtalkit.methods.interface import Outputs

LENGTHS = (30, 17, 3, 2, 1)


def small(name: str = "acrnet", **options: Any) -> Composition:
    torch.manual_seed(0)
    return create(name, num_classes=5, feature_dim=64, **options)


def videos(lengths: tuple[int, ...] = LENGTHS) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(length, 64, generator=generator) for length in lengths]


def labels(count: int = len(LENGTHS)) -> torch.Tensor:
    return torch.eye(5)[torch.arange(count) % 5]


def differences(a: Outputs, b: Outputs) -> dict[str, float]:
    """Largest difference of every field of two outputs, over the entries ``a`` has."""
    fields = ("cas_logits", "attn", "act_scores", "video_scores", "feat")
    pairs = {name: (getattr(a, name), getattr(b, name)) for name in fields}
    for group in ("streams", "stream_attn", "extra"):
        pairs.update({f"{group}.{key}": (value, getattr(b, group)[key]) for key, value in getattr(a, group).items()})
    return {name: float((x.detach().float() - y.detach().float()).abs().max()) for name, (x, y) in pairs.items()}
