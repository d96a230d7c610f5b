"""DELU: dual-evidential learning (base): CO2-Net with two evidential loss terms.

Chen, Gao, Yang, Xu, "Dual-Evidential Learning for Weakly-supervised Temporal Action Localization", ECCV 2022. Follows
the authors' ``MengyuanChen21/ECCV2022-DELU`` (``model.py``, ``edl_loss.py``); the network is CO2-Net's.

What differs: batches of any size and videos of any length; the paper's order of the snippets by uncertainty is there
as an option (``uct_order = "rank"``), while the default repeats the authors' code, which their numbers come from.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from wtalkit.methods.co2net import CO2Net, CO2NetOptions, attention_levels
from wtalkit.methods.co2net_losses import attentions_of, guide_distance, suppress
from wtalkit.methods.evidential import (
    actionness_logits,
    guide_weights,
    log_evidential_loss,
    mse_evidential_loss,
    snippet_uncertainty,
)
from wtalkit.methods.interface import Batch, Outputs, Progress, Term
from wtalkit.methods.masking import masked_mean
from wtalkit.methods.options import Options


class DELUOptions(CO2NetOptions):
    """Hyper-parameters of DELU; the defaults are the authors' for THUMOS14."""

    guide_weight: float = Field(0.4, ge=0)
    """alpha2 in the code: half of CO2-Net's on THUMOS14, 0.8 on ActivityNet."""
    evidence: Literal["exp", "relu"] = "exp"
    """Evidence of the video-level loss, and with it the loss: ``exp`` the weighted log form (THUMOS14), ``relu`` the
    squared error (ActivityNet)."""
    edl_share: int = Field(9, ge=1)
    """The video's evidence comes from the snippets of highest attention, one in this many. 5 on ActivityNet."""
    edl_weight: float = Field(1.3, ge=0)
    """1.2 on ActivityNet."""
    uct_weight: float = Field(0.4, ge=0)
    """0.2 on ActivityNet."""
    uct_amplitude: float = Field(0.7, ge=0, lt=1)
    """How far snippet weights leave 1. 0.2 on ActivityNet."""
    uct_order: Literal["official", "rank"] = "official"
    """``rank``: a snippet's weight goes by the rank of its uncertainty, from easy to hard, as the paper says.
    ``official``: by what the sorting permutation holds in its place, as in the authors' code."""


class DELU(CO2Net):
    """CO2-Net that also learns how much evidence a video, and a snippet, shows."""

    name: ClassVar[str] = "delu"
    components: ClassVar[tuple[str, ...]] = (*CO2Net.components, "edl", "uct")
    options_type: ClassVar[type[Options]] = DELUOptions
    length = 320
    options: DELUOptions

    def losses(self, out: Outputs, batch: Batch, progress: Progress) -> dict[str, Term]:
        """Evidence is computed in float32 also under autocast: it spans nine orders of magnitude."""
        terms, options, mask = super().losses(out, batch, progress), self.options, batch.mask
        cas = out.cas_logits.float()
        attentions = attentions_of(out.attn, out.stream_attn)
        suppressed = suppress(cas, attentions[0])
        if self.has("edl"):
            loss = log_evidential_loss if options.evidence == "exp" else mse_evidential_loss
            video = actionness_logits(suppressed, attentions[0], mask, options.edl_share)[..., : self.num_classes]
            terms["edl"] = Term(loss(video, batch.targets), options.edl_weight)
        if self.has("uct"):
            weights = guide_weights(
                snippet_uncertainty(suppressed),
                mask,
                amplitude=options.uct_amplitude,
                done=progress.step / max(progress.max_step, 1),
                by_rank=options.uct_order == "rank",
            )
            value = masked_mean(weights * guide_distance(attentions, cas), mask).mean()
            terms["uct"] = Term(value, options.uct_weight)
        return terms

    def decoder_settings(self) -> dict[str, Any]:
        """CO2-Net's with twice the levels; single snippets are dropped at the end."""
        return {**super().decoder_settings(), "attn_thresholds": attention_levels(20), "drop_short": 1.0}

    @classmethod
    def activitynet_options(cls) -> dict[str, Any]:
        return {
            **super().activitynet_options(),
            "guide_weight": 0.8,
            "evidence": "relu",
            "edl_share": 5,
            "edl_weight": 1.2,
            "uct_weight": 0.2,
            "uct_amplitude": 0.2,
        }
