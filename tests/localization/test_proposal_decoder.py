"""Scored proposals become segments: P-MIL's rule, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wtalkit.errors import ModelError
from wtalkit.localization import DecoderSettings, decode_proposals, score_proposals
from wtalkit.localization.proposal_decoder import proposal_video_scores

SETTINGS = DecoderSettings(cls_threshold=0.2, gamma=0.2, nms="gaussian", sigma=0.3)
SCORES = np.array([[0.7, 0.1, 0.2], [0.1, 0.6, 0.3], [0.0, 0.0, 1.0]])
ATTN, QUALITY = np.array([0.9, 0.5, 0.1]), np.array([0.5, 1.0, 0.2])
SEGMENTS = np.array([[0.0, 4.0], [2.0, 6.0], [8.0, 9.0]])
SECONDS = SEGMENTS * 0.64


def test_the_video_score_is_a_mean_weighted_by_attention() -> None:
    video = proposal_video_scores(SCORES[:, :2], ATTN)
    np.testing.assert_allclose(video, [(0.63 + 0.05) / 1.5, (0.09 + 0.3) / 1.5], atol=1e-6)


def test_every_proposal_is_scored_for_every_kept_class() -> None:
    found = score_proposals(SCORES, ATTN, QUALITY, segments=SEGMENTS, seconds=SECONDS, settings=SETTINGS)
    video = proposal_video_scores(SCORES[:, :2], ATTN)
    assert found.label.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(found.seconds, np.tile(SECONDS, (2, 1)))
    np.testing.assert_array_equal(found.points, np.tile(SEGMENTS, (2, 1)))
    own = SCORES[:, :2] * (ATTN * QUALITY)[:, None] + 0.2 * video
    np.testing.assert_allclose(found.scores, own.T.ravel())


def test_unlikely_classes_are_left_out_but_never_all() -> None:
    settings = SETTINGS.model_copy(update={"cls_threshold": 0.3})
    found = score_proposals(SCORES, ATTN, QUALITY, segments=SEGMENTS, seconds=SECONDS, settings=settings)
    assert set(found.label.tolist()) == {0}
    settings = SETTINGS.model_copy(update={"cls_threshold": 0.9})
    found = score_proposals(SCORES, ATTN, QUALITY, segments=SEGMENTS, seconds=SECONDS, settings=settings)
    assert set(found.label.tolist()) == {0}


def test_soft_nms_and_the_ends_of_the_video() -> None:
    found = decode_proposals(
        SCORES, ATTN, QUALITY, segments=SEGMENTS, seconds=SECONDS, classes=("a", "b"), duration_s=5.5, settings=SETTINGS
    )
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert max(each.end_s for each in found) == 5.5
    video = proposal_video_scores(SCORES[:, :2], ATTN)
    best, second = 0.7 * 0.9 * 0.5 + 0.2 * video[0], 0.1 * 0.5 * 1.0 + 0.2 * video[0]
    of_a = [each.score for each in found if each.label == "a"]
    overlap = 2 / 6
    assert of_a[0] == pytest.approx(best)
    assert second * np.exp(-(overlap**2) / 0.3) == pytest.approx(sorted(of_a)[1])


def test_no_proposal_gives_no_segment() -> None:
    found = decode_proposals(
        np.zeros((0, 3)), [], [], segments=[], seconds=[], classes=("a", "b"), duration_s=5.0, settings=SETTINGS
    )
    assert found == []


def test_scores_that_do_not_fit() -> None:
    with pytest.raises(ModelError, match="3 proposals got 3 scores and 2 attentions"):
        score_proposals(SCORES, ATTN[:2], QUALITY, segments=SEGMENTS, seconds=SECONDS, settings=SETTINGS)
    with pytest.raises(ModelError, match="attention holds numbers that are not finite"):
        score_proposals(SCORES, ATTN * np.nan, QUALITY, segments=SEGMENTS, seconds=SECONDS, settings=SETTINGS)


@pytest.mark.parametrize("wrong", [[8.0, 7.0], [8.0, np.nan]])
def test_proposals_that_are_none(wrong: list[float]) -> None:
    segments = np.array([[0.0, 4.0], [2.0, 6.0], wrong])
    with pytest.raises(ValueError, match="ends before it starts, or its times are not finite"):
        score_proposals(SCORES, ATTN, QUALITY, segments=segments, seconds=SECONDS, settings=SETTINGS)
