"""Proposals: segments that one model cut out and another is to judge, with who made them and from which labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtalkit.proposals.proposer import Proposer, Supervision, attribution, described, proposer_of, strongest

if TYPE_CHECKING:
    from wtalkit.proposals.pooling import Pool, pool
    from wtalkit.proposals.store import ProposalFile, load_proposals, write_proposals

__all__ = [
    "Pool",
    "ProposalFile",
    "Proposer",
    "Supervision",
    "attribution",
    "described",
    "load_proposals",
    "pool",
    "proposer_of",
    "strongest",
    "write_proposals",
]
_HOMES = {
    "Pool": "pooling",
    "ProposalFile": "store",
    "load_proposals": "store",
    "pool": "pooling",
    "write_proposals": "store",
}


def __getattr__(name: str) -> Any:
    """Import what needs numpy only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
