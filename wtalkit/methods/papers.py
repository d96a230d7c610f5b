"""Where each method comes from: for a listing, and for people who want to read on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A method's paper and the code it is held against.

    Attributes:
        authors: surnames; empty, as the venue, where we do not know them.
        title: of the paper.
        venue: where and when, a few words.
        repository: the authors' code that ours follows, as ``owner/name @ commit``; None if there is none.
        note: what one has to know before comparing numbers.
    """

    authors: str
    title: str
    venue: str
    repository: str | None = None
    note: str | None = None

    @property
    def citation(self) -> str:
        """One line."""
        return ", ".join(part for part in (self.authors, f'"{self.title}"', self.venue) if part)


PAPERS: dict[str, Paper] = {
    "co2net": Paper(
        "Hong, Feng, Xu, Shan, Zheng",
        "Cross-modal Consensus Network for Weakly Supervised Temporal Action Localization",
        "ACM MM 2021",
        "harlanhong/MM2021-CO2-Net @ e879687",
    ),
    "delu": Paper(
        "Chen, Gao, Yang, Xu",
        "Dual-Evidential Learning for Weakly-supervised Temporal Action Localization",
        "ECCV 2022",
        "MengyuanChen21/ECCV2022-DELU @ a60e46d",
    ),
    "acrnet": Paper(
        "Ren, Ran, Liu, Ren, Lu, Zhang, Jin",
        "Weakly-supervised Temporal Action Localization with Adaptive Clustering and Refining Network",
        "ICME 2023",
        "leftthomas/ACRNet @ 5718240",
    ),
    "tssam": Paper(
        "Wang, Li, Wang",
        "Two-Stream Networks for Weakly-Supervised Temporal Action Localization with Semantic-Aware Mechanisms",
        "CVPR 2023",
        None,
        "No code of the authors is public. What the paper leaves open follows ispc-lab/ACM-Net, or is our choice.",
    ),
    "clasnet": Paper(
        "",
        "Contrastive learning-based action salience network (CLASNet)",
        "",
        None,
        "Our reading: the paper's formulas and tables were not available to us. Do not expect its numbers.",
    ),
    "fenet": Paper(
        "Zhang, Yao",
        "Weakly Supervised Temporal Action Localization Based on Feature Enhancement",
        "preprint 2025",
        None,
        "Only the abstract is public. Every layer is our reading of it, and no published number can be claimed.",
    ),
    "pmil": Paper(
        "Ren, Yang, Zhang, Zhang",
        "Proposal-based Multiple Instance Learning for Weakly-supervised Temporal Action Localization",
        "CVPR 2023",
        "RenHuan1999/CVPR2023_P-MIL @ 855e683",
    ),
    "seal": Paper(
        "Li, Zheng, Wang, Li",
        "Similar Modality Enhancement and Action Consistency Learning for Weakly Supervised Temporal Action "
        "Localization",
        "AAAI 2025",
    ),
    "lac": Paper(
        "Lee, Byun",
        "Learning Action Completeness from Points for Weakly-supervised Temporal Action Localization",
        "ICCV 2021",
        "Pilhyeon/Learning-Action-Completeness-from-Points @ 1ef066a",
        "Learns from one labelled frame per action, not from labels per video.",
    ),
}
