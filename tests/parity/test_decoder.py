"""The decoder on the official networks' stored outputs, against the official proposals.

The networks themselves are compared elsewhere; this holds the decoder alone to the numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wtalkit.localization import DecoderSettings, decode, raw_proposals
from wtalkit.timeline import Timeline

STEMS = ("acrnet", "acrnet_anet")
pytestmark = pytest.mark.parity
TIMELINE = Timeline(25.0)
FRAME_S = 1 / 25


def settings(config: dict[str, Any]) -> DecoderSettings:
    return DecoderSettings(
        cls_threshold=config["cls_th"],
        thresholds=tuple(config["act_th"]),
        upscale=config["rate"],
        interpolation="left",
        whole_margins=True,
        time_shift=(FRAME_S, FRAME_S),
        nms="bsn",
        sigma=config["soft_nms"]["alpha"],
        tiou=config["soft_nms"]["low"],
    )


def by_class_and_time(rows: np.ndarray) -> np.ndarray:
    """Rows of class, start, end, score in an order that ties cannot change."""
    return rows[np.lexsort((rows[:, 3], rows[:, 2], rows[:, 1], rows[:, 0]))]


def compare(mine: np.ndarray, official: np.ndarray) -> None:
    np.testing.assert_allclose(mine[:, :3], official[:, :3], atol=1e-9)
    np.testing.assert_allclose(mine[:, 3], official[:, 3], atol=1e-4)


def test_proposals_before_suppression(reference: Any) -> None:
    for row in range(len(reference.arrays["out_act_score"])):
        found = raw_proposals(
            reference.arrays["out_seg_score"][row],
            None,
            reference.arrays["out_act_score"][row],
            timeline=TIMELINE,
            settings=settings(reference.meta["config"]),
        )
        mine = np.column_stack([found.label, found.seconds, found.scores])
        compare(by_class_and_time(mine), by_class_and_time(reference.arrays[f"prop{row}_before_nms"]))


def test_segments_after_suppression(reference: Any) -> None:
    for row in range(len(reference.arrays["out_act_score"])):
        scores = reference.arrays["out_seg_score"][row]
        found = decode(
            scores,
            None,
            reference.arrays["out_act_score"][row],
            classes=[str(number) for number in range(scores.shape[1])],
            timeline=TIMELINE,
            duration_s=1e6,
            settings=settings(reference.meta["config"]),
        )
        mine = np.array([[int(each.label), each.start_s, each.end_s, each.score] for each in found])
        compare(by_class_and_time(mine), by_class_and_time(reference.arrays[f"prop{row}_after_nms"]))
