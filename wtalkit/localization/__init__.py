"""From activations to segments: runs, outer-inner contrast, Soft-NMS, the decoder, the display rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtalkit.localization.decoder import Proposals, decode, raw_proposals
    from wtalkit.localization.display_rule import display
    from wtalkit.localization.nms import hard_nms, soft_nms
    from wtalkit.localization.oic import outer_inner_contrast
    from wtalkit.localization.proposal_decoder import decode_proposals, score_proposals
    from wtalkit.localization.runs import runs_above
    from wtalkit.localization.settings import DecoderSettings

__all__ = [
    "DecoderSettings",
    "Proposals",
    "decode",
    "decode_proposals",
    "display",
    "hard_nms",
    "outer_inner_contrast",
    "raw_proposals",
    "runs_above",
    "score_proposals",
    "soft_nms",
]
_HOMES = {
    "DecoderSettings": "settings",
    "Proposals": "decoder",
    "decode": "decoder",
    "decode_proposals": "proposal_decoder",
    "display": "display_rule",
    "hard_nms": "nms",
    "outer_inner_contrast": "oic",
    "raw_proposals": "decoder",
    "runs_above": "runs",
    "score_proposals": "proposal_decoder",
    "soft_nms": "nms",
}


def __getattr__(name: str) -> Any:
    """Import what needs numpy only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
