"""Soft-NMS and hard NMS against ``soft_nms`` and ``nms`` of the official codes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from wtalkit.localization import soft_nms

STEMS = ("softnms",)
pytestmark = pytest.mark.parity
SOFT = re.compile(r"(?P<case>\w+?)_(?P<kind>gaussian|linear|hard)_thr(?P<tiou>[\d.]+)_sigma(?P<sigma>[\d.]+)")
HARD = re.compile(r"(?P<case>\w+?)_nms_thr(?P<tiou>[\d.]+)")


def test_every_output_is_reproduced(reference: Any) -> None:
    arrays = reference.arrays
    outputs = {name: match for name in arrays if (match := SOFT.fullmatch(name) or HARD.fullmatch(name))}
    inputs = {name for name in arrays if name.endswith("_proposals")}
    assert set(arrays) == inputs | set(outputs), "an array of the fixture is not understood"
    assert outputs
    for name, match in outputs.items():
        proposals = arrays[f"{match['case']}_proposals"]
        settings = match.groupdict() | {"kind": match.groupdict().get("kind", "nms")}
        check(name, proposals, arrays[name], settings)


def check(name: str, proposals: np.ndarray, expected: np.ndarray, settings: dict[str, str]) -> None:
    official_hard, kind = settings["kind"] == "hard", settings["kind"].replace("nms", "hard")
    kept, scores = soft_nms(
        proposals[:, :2],
        proposals[:, 2],
        kind=kind,
        sigma=float(settings.get("sigma", 0.3)),
        tiou=float(settings["tiou"]),
        plus_one=True,
    )
    if official_hard:  # the official third branch leaves suppressed rows in place, with score 0
        removed = np.setdiff1d(np.arange(len(proposals)), kept)
        zeros, expected = expected[expected[:, 2] == 0], expected[expected[:, 2] != 0]
        assert {tuple(row) for row in proposals[removed, :2]} == {tuple(row[:2]) for row in zeros}, name
    assert (proposals[kept, :2] == expected[:, :2]).all(), name
    np.testing.assert_allclose(scores, expected[:, 2], rtol=1e-12, atol=0, err_msg=name)
