"""The decoder: which runs, where in time, with which score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.errors import ModelError
from wtalkit.localization import DecoderSettings, decode, raw_proposals
from wtalkit.localization.decoder import to_seconds
from wtalkit.timeline import Timeline

I3D = Timeline(25.0)
OVERLAPPING = Timeline(12.5, window=16, stride=4)
ONE_LEVEL = DecoderSettings(thresholds=(0.5,), min_points=1)


def run(act: Any, video: Any, settings: DecoderSettings = ONE_LEVEL, **more: Any) -> list[Any]:
    act = np.asarray(act, dtype=float)
    given: dict[str, Any] = {
        "attn": None, "classes": [f"c{number}" for number in range(act.shape[1])], "timeline": I3D, "duration_s": 1e3,
    } | more  # fmt: skip
    return decode(act, given.pop("attn"), video, settings=settings, **given)


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def test_one_clean_run() -> None:
    (found,) = run(column(0, 0, 1, 1, 1, 1, 0, 0), [0.5])
    assert (found.start_s, found.end_s, found.label) == pytest.approx((2 * 0.64, 6 * 0.64, "c0"))
    assert found.score == pytest.approx(1.0 + 0.2 * 0.5)


def test_classes_above_the_threshold_else_the_best() -> None:
    act = np.ones((4, 3))
    assert {each.label for each in run(act, [0.1, 0.05, 0.3])} == {"c0", "c2"}
    assert {each.label for each in run(act, [0.01, 0.05, 0.03])} == {"c1"}


def test_attention_runs_are_given_to_every_kept_class_and_scored_with_its_curve() -> None:
    act = np.array([[0.4, 0.1], [0.2, 0.1], [0.1, 0.3], [0.1, 0.1]])
    settings = DecoderSettings(thresholds=(), attn_thresholds=(0.5,), min_points=1, inflation=1.0)
    found = {each.label: each for each in run(act, [1, 1], settings, attn=[0.9, 0.2, 0, 0])}
    assert {name: (each.start_s, each.end_s) for name, each in found.items()} == {"c0": (0, 0.64), "c1": (0, 0.64)}
    assert found["c0"].score == pytest.approx(0.4 - 0.2 + 0.2)
    assert found["c1"].score == pytest.approx(0.1 - 0.1 + 0.2)


def test_attention_of_a_plugin_adds_proposals() -> None:
    settings = DecoderSettings(thresholds=(), plugin_thresholds={"clasnet": (0.5,)}, min_points=1)
    found = run(column(0, 0, 0), [1], settings, plugin_attn={"clasnet": [0, 1, 1]})
    assert [(each.start_s, each.end_s) for each in found] == [(0.64, pytest.approx(1.92))]
    with pytest.raises(ModelError, match="attention of clasnet"):
        run(column(0, 0, 0), [1], settings)


def test_margins_beyond_the_video_are_left_out_or_count_as_zero() -> None:
    act = column(1, 1, 0.4, 0)
    settings = DecoderSettings(thresholds=(0.5,), inflation=1.0, gamma=0.0)
    padded = settings.model_copy(update={"oic_pad": "zero"})
    scores = [run(act, [1], each)[0].score for each in (settings, padded)]
    assert scores == pytest.approx([1 - 0.4 / 2, 1 - 0.4 / 4])


def test_short_runs_and_strictness() -> None:
    act = column(0.5, 0, 0.5, 0.5, 0)
    starts = [each.start_s for each in run(act, [1], DecoderSettings(thresholds=(0.5,)))]
    assert starts == [pytest.approx(1.28)]
    assert run(act, [1], DecoderSettings(thresholds=(0.5,), strict=True)) == []


def test_segments_stay_in_the_video_and_empty_ones_vanish() -> None:
    act = column(0, 1, 0, 1)
    assert [(each.start_s, each.end_s) for each in run(act, [1], duration_s=2.0)] == [
        (0.64, 1.28),
        (pytest.approx(1.92), 2.0),
    ]
    assert len(run(act, [1], duration_s=1.92)) == 1


def test_overlapping_windows() -> None:
    """A cell is the middle of its window; the first begins with the video, the last ends with the last window."""
    seconds = to_seconds([0, 1, 9, 10], 10, OVERLAPPING, 1)
    assert seconds.tolist() == pytest.approx([0.0, 10 / 12.5, 42 / 12.5, 52 / 12.5])
    assert to_seconds([0, 40], 10, OVERLAPPING, 4).tolist() == pytest.approx([0.0, 52 / 12.5])
    assert to_seconds([1, 4, 39], 10, OVERLAPPING, 4).tolist() == pytest.approx([7 / 12.5, 10 / 12.5, 45 / 12.5])


@given(st.integers(1, 50), st.sampled_from([I3D, OVERLAPPING]), st.sampled_from([1, 16]))
def test_time_rises_over_the_whole_video(snippets: int, timeline: Timeline, upscale: int) -> None:
    seconds = to_seconds(np.arange(snippets * upscale + 1), snippets, timeline, upscale)
    assert seconds[0] == 0
    assert seconds[-1] == timeline.window_s(snippets - 1)[1]
    assert (np.diff(seconds) > 0).all()
    for position in range(1, snippets):
        assert seconds[position * upscale] == pytest.approx(timeline.to_seconds(position))


activations = st.integers(0, 12).flatmap(
    lambda count: st.lists(st.lists(st.floats(0, 1), min_size=2, max_size=2), min_size=count, max_size=count)
)


@given(
    activations,
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
    st.floats(0.1, 10),
    st.sampled_from([1, 3, 16]),
    st.sampled_from(["centred", "left"]),
    st.sampled_from(["gaussian", "linear", "hard", "bsn"]),
    st.booleans(),
)
def test_whatever_comes_in_segments_are_sound(
    act: list[list[float]], video: list[float], duration: float, upscale: int, rule: Any, kind: Any, codes: bool
) -> None:
    settings = DecoderSettings(
        upscale=upscale, interpolation=rule, nms=kind, whole_margins=codes, plus_one=codes, lose_lone_first=codes
    )
    array = np.array(act).reshape(-1, 2)
    found = run(array, video, settings, duration_s=duration, timeline=OVERLAPPING)
    assert all(0 <= each.start_s < each.end_s <= duration and np.isfinite(each.score) for each in found)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    raw = raw_proposals(array, None, np.array(video), timeline=OVERLAPPING, settings=settings)
    assert len(found) <= len(raw)


def test_a_lone_first_point_is_lost_only_on_request_and_only_alone() -> None:
    codes = DecoderSettings(thresholds=(0.3, 0.6), min_points=1, lose_lone_first=True)
    act = column(0.9, 0.0, 0.4)

    def raw(settings: DecoderSettings) -> list[list[int]]:
        found = raw_proposals(act, None, np.ones(1), timeline=I3D, settings=settings)
        return [[int(start), int(end)] for start, end in found.points]

    assert raw(codes) == [[0, 1], [2, 3]]
    assert raw(codes.model_copy(update={"lose_lone_first": False})) == [[0, 1], [2, 3], [0, 1]]


def test_equal_runs_of_many_levels_are_one_strong_segment_and_its_shadows() -> None:
    settings = DecoderSettings(thresholds=(0.2, 0.5, 0.8), min_points=1)
    scores = [each.score for each in run(column(0, 1, 0), [0], settings)]
    assert scores[0] == pytest.approx(1.0)
    assert scores[1] == pytest.approx(np.exp(-1 / 0.3))


@pytest.mark.parametrize(
    ("act", "video", "more", "cause"),
    [
        ([[np.nan]], [1], {}, "act_scores holds numbers that are not finite"),
        ([[1.0]], [np.inf], {}, "video_scores holds"),
        ([[1.0]], [1, 1], {}, "2 classes"),
        ([[1.0]], [1], {"settings": DecoderSettings(attn_thresholds=(0.5,))}, "needs attn"),
        ([[1.0]], [1], {"settings": DecoderSettings(attn_thresholds=(0.5,)), "attn": [1, 1]}, "attn has 2 snippets"),
        ([[1.0]], [1], {"settings": DecoderSettings(score="logits")}, "needs score_logits"),
    ],
)
def test_refusals(act: Any, video: Any, more: Any, cause: str) -> None:
    with pytest.raises(ModelError, match=cause):
        run(act, video, **more)


def test_settings_survive_a_file_and_refuse_what_they_do_not_know() -> None:
    settings = DecoderSettings(nms="bsn", plugin_thresholds={"clasnet": (0.1, 0.9)}, min_score=0.0)
    assert DecoderSettings.from_dict(settings.to_dict()) == settings
    assert None not in DecoderSettings().to_dict().values()
    for wrong in ({"gama": 0.2}, {"nms": "softer"}, {"min_points": 0}, {"thresholds": [float("nan")]}):
        with pytest.raises(ModelError, match=f"decoder setting '{next(iter(wrong))}"):
            DecoderSettings.from_dict(wrong)


def test_runs_over_the_whole_video_can_be_left_out() -> None:
    scores = np.full((20, 1), 0.4)
    scores[5:9] = 0.9
    arguments: dict[str, Any] = {"timeline": Timeline(25.0), "classes": ["jump"], "duration_s": 12.8}
    kept = decode(scores, None, [0.9], settings=DecoderSettings(upscale=1), **arguments)
    assert (kept[0].start_s, kept[0].end_s) == (0.0, 12.8)
    left_out = decode(scores, None, [0.9], settings=DecoderSettings(upscale=1, keep_whole=False), **arguments)
    assert [(segment.start_s, segment.end_s) for segment in left_out] == [pytest.approx((3.2, 5.76))] * len(left_out)
    flat = decode(scores * 0 + 0.5, None, [0.9], settings=DecoderSettings(keep_whole=False), **arguments)
    assert (flat[0].start_s, flat[0].end_s) == (0.0, 12.8)


def test_short_segments_go_after_suppression() -> None:
    act = column(0, 1, 0, 0, 0.9, 0.9, 0, 0)
    single, double = run(act, [0.5])
    assert [each.start_s for each in (single, double)] == pytest.approx([0.64, 4 * 0.64])
    (left,) = run(act, [0.5], ONE_LEVEL.model_copy(update={"drop_short": 1.0}))
    assert left == double
    assert run(act, [0.5], ONE_LEVEL.model_copy(update={"drop_short": 2.0})) == []
    # The length is in snippets, however many points they have.
    fine = ONE_LEVEL.model_copy(update={"upscale": 4, "drop_short": 1.0})
    assert all(each.duration_s > 0.64 for each in run(act, [0.5], fine))


def test_a_short_segment_that_goes_has_lowered_others_before() -> None:
    act = column(0, 0.6, 1, 0.6, 0)
    settings = ONE_LEVEL.model_copy(update={"thresholds": (0.5, 0.9), "inflation": 0.0})
    short, long = run(act, [0.5], settings)
    assert (short.duration_s, long.duration_s) == pytest.approx((0.64, 3 * 0.64))
    assert run(act, [0.5], settings.model_copy(update={"drop_short": 1.0})) == [long]
    (alone,) = run(act, [0.5], settings.model_copy(update={"thresholds": (0.5,)}))
    assert long.score < alone.score
