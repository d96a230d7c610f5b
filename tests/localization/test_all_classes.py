"""All classes of a video in one pass: the same as one class, one level and one group at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from tests.localization.test_nms import KINDS, obvious
from wtalkit.localization import DecoderSettings, outer_inner_contrast, raw_proposals, runs_above, soft_nms
from wtalkit.localization.decoder import kept_classes
from wtalkit.localization.nms import soft_nms_by_class
from wtalkit.localization.runs import upsample_centred, upsample_left
from wtalkit.timeline import Timeline

LEVELS = st.lists(st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.9]), max_size=4).map(tuple)
knobs = st.fixed_dictionaries(
    {
        "thresholds": LEVELS,
        "attn_thresholds": LEVELS,
        "cls_threshold": st.sampled_from([0.0, 0.5]),
        "strict": st.booleans(),
        "min_points": st.sampled_from([1, 2, 5]),
        "keep_whole": st.booleans(),
        "upscale": st.sampled_from([1, 4]),
        "interpolation": st.sampled_from(["centred", "left", "left_beyond"]),
        "score": st.sampled_from(["act_scores", "logits"]),
        "inflation": st.sampled_from([0.0, 0.25, 1.0]),
        "whole_margins": st.booleans(),
        "oic_below": st.sampled_from(["keep", "zero"]),
        "oic_pad": st.sampled_from(["clip", "zero"]),
        "lose_lone_first": st.booleans(),
    }
)


def one_at_a_time(act: Any, logits: Any, attn: Any, video: Any, settings: DecoderSettings) -> list[tuple[float, ...]]:
    """Rows of class, start, end and score, a class and a level at a time."""

    def grow(curve: Any, clip: bool = True) -> Any:
        if settings.upscale == 1:
            return curve
        up = upsample_centred if settings.interpolation == "centred" else upsample_left
        return up(curve, settings.upscale).clip(0, 1) if clip and settings.interpolation != "left_beyond" else up(
            curve, settings.upscale
        )  # fmt: skip

    def runs(curve: Any, level: float) -> tuple[Any, Any]:
        above = curve > level if settings.strict else curve >= level
        if settings.lose_lone_first and above[0] and above.sum() == 1:
            return np.zeros(0, int), np.zeros(0, int)
        return runs_above(curve, [level], strict=settings.strict, min_points=settings.min_points)

    found: list[tuple[float, ...]] = []
    for label in kept_classes(video, settings.cls_threshold):
        curve = grow(act[:, label])
        contrast = grow(logits[:, label], clip=False) if settings.score == "logits" else curve
        parts = []
        for level in settings.thresholds:
            seen = np.where(curve < level, 0.0, contrast) if settings.oic_below == "zero" else contrast
            parts.append((*runs(curve, level), seen))
        parts += [(*runs(grow(attn), level), contrast) for level in settings.attn_thresholds]
        rows = []
        for starts, ends, seen in parts:
            oic = outer_inner_contrast(
                seen, starts, ends, inflation=settings.inflation, whole_margins=settings.whole_margins,
                pad=settings.oic_pad,
            )  # fmt: skip
            scores = oic + settings.gamma * video[label]
            rows += [(label, *row) for row in zip(starts, ends, scores, strict=True)]
        partial = [row for row in rows if row[1] > 0 or row[2] < len(curve)]
        found += rows if settings.keep_whole else partial or rows
    return found


@how(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 30), st.booleans(), knobs)
def test_proposals(seed: int, snippets: int, coarse: bool, chosen: dict[str, Any]) -> None:
    draw, settings = np.random.default_rng(seed), DecoderSettings(**chosen)
    act = draw.integers(0, 5, (snippets, 3)) / 4 if coarse else draw.random((snippets, 3))
    logits, attn, video = draw.standard_normal((snippets, 3)), draw.random(snippets), draw.random(3)
    found = raw_proposals(act, attn, video, timeline=Timeline(25.0), settings=settings, score_logits=logits)
    mine = list(zip(found.label, *found.points.T, found.scores, strict=True))
    assert mine == one_at_a_time(act, logits, attn, video, settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plus_one", [False, True])
def test_soft_nms_of_many_segments(kind: Any, plus_one: bool) -> None:
    """Several blocks of rows, with equal scores and equal segments all over them."""
    draw = np.random.default_rng(3)
    starts, scores = draw.integers(0, 60, 150) / 2, draw.integers(-3, 9, 150) / 4
    boxes = np.stack([starts, starts + draw.integers(0, 9, 150) / 2], axis=1)
    for tiou, least in ((0.0, None), (0.3, 0.2)):
        expected = obvious(
            list(zip(boxes.tolist(), scores.tolist(), strict=True)), kind, 0.3, tiou, plus_one, least
        )  # fmt: skip
        kept, new = soft_nms(boxes, scores, kind=kind, tiou=tiou, plus_one=plus_one, min_score=least)
        assert [index for index, _ in expected] == kept.tolist()
        np.testing.assert_allclose(new, [score for _, score in expected], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_soft_nms_of_all_classes(kind: Any) -> None:
    draw = np.random.default_rng(4)
    label = np.sort(draw.integers(0, 5, 300))
    starts, scores = draw.integers(0, 100, 300) / 2, draw.standard_normal(300)
    boxes = np.stack([starts, starts + draw.random(300) * 4], axis=1)
    knobs: dict[str, Any] = {"kind": kind, "sigma": 0.3, "tiou": 0.2, "min_score": -0.5, "plus_one": False}
    kept, new = soft_nms_by_class(boxes, scores, label, **knobs)
    expected_kept, expected_new = [], []
    for number in range(5):
        rows = np.nonzero(label == number)[0]
        some, their = soft_nms(boxes[rows], scores[rows], **knobs)
        expected_kept += rows[some].tolist()
        expected_new += their.tolist()
    assert kept.tolist() == expected_kept
    assert new.tolist() == expected_new
