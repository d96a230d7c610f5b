"""The decoder and its plain form give the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wtalkit.bench import localization
from wtalkit.bench.localization import METHODS, as_lists, difference, film, measure, ours, settings_of
from wtalkit.bench.plain_decoder import plain_decode
from wtalkit.bench.stages import Case

CPU = Case(torch.device("cpu"), 1, {}, 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("changes", [{}, {"cls_threshold": 0.0}, {"cls_threshold": 2.0}])
def test_both_give_the_same(method: str, changes: dict[str, Any]) -> None:
    settings = settings_of(method).model_copy(update=changes)
    for number in range(2):
        video = film(np.random.default_rng(number))
        segments = ours(video, settings)
        assert len(segments) > 20
        assert difference(segments, plain_decode(as_lists(video), settings)) < 1e-12


def test_a_difference_is_seen() -> None:
    settings, video = settings_of("co2net"), film(np.random.default_rng(0))
    rows = plain_decode(as_lists(video), settings)
    assert difference(ours(video, settings), rows[1:]) == float("inf")
    moved = [(label, start, end, score + 0.5) for label, start, end, score in rows]
    assert difference(ours(video, settings), moved) == pytest.approx(0.5)


def test_settings_that_the_plain_form_does_not_know() -> None:
    with pytest.raises(ValueError, match="does not know these settings: min_score"):
        plain_decode(
            as_lists(film(np.random.default_rng(0))), settings_of("co2net").model_copy(update={"min_score": 0.1})
        )


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localization, "VIDEOS", 4)
    monkeypatch.setattr(localization, "SLOW_VIDEOS", 2)
    rows = list(measure(CPU))
    assert [row.case.split(", 4 videos")[0] for row in rows] == [
        f"{method}, {which}"
        for method in METHODS
        for which in (
            "all classes, proposals + OIC + Soft-NMS",
            "likely classes, proposals + OIC + Soft-NMS",
            "all classes, segments made, too",
        )
    ]
    assert all(row.stage == "localization" and row.unit == "videos" and row.ours_per_s > 0 for row in rows)
    assert all(row.ratio is not None and row.ratio > 1 for row in rows)
    assert list(measure(Case(torch.device("cuda"), 1, {}, 1))) == []
