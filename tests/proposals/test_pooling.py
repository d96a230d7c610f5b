"""Proposals on the grid of a video's features."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.proposals import pool
from wtalkit.timeline import Timeline

I3D = Timeline(25.0)
OVERLAPPING = Timeline(12.5, window=16, stride=4)


def test_seconds_become_snippets() -> None:
    found = pool([[0.64, 3.2], [0.0, 6.4]], timeline=I3D, snippets=10, duration_s=6.5)
    np.testing.assert_allclose(found.segments, [[1, 5], [0, 10]])
    np.testing.assert_allclose(found.seconds, [[0.64, 3.2], [0.0, 6.4]])


def test_the_ends_of_overlapping_windows_are_the_ends_of_the_features() -> None:
    last = OVERLAPPING.window_s(9)[1]
    found = pool([[0.0, last]], timeline=OVERLAPPING, snippets=10, duration_s=last)
    np.testing.assert_allclose(found.segments, [[0, 10]])
    np.testing.assert_allclose(found.seconds, [[0, last]])


def test_what_has_no_length_in_the_video_is_left_out() -> None:
    rows = [[2.0, 2.0], [9.0, 11.0], [-3.0, -1.0], [7.0, 30.0], [6.41, 6.49]]
    found = pool(rows, timeline=I3D, snippets=10, duration_s=6.5)
    assert len(found) == 0
    found = pool([[5.0, 30.0]], timeline=I3D, snippets=10, duration_s=6.5)
    np.testing.assert_allclose(found.seconds, [[5.0, 6.5]])
    np.testing.assert_allclose(found.segments[0, 1], 10)


def test_equal_segments_are_one_unless_wanted() -> None:
    rows = [[2.0, 4.0], [1.0, 3.0], [2.0, 4.0]]
    assert pool(rows, timeline=I3D, snippets=10, duration_s=6.5).seconds.tolist() == [[2.0, 4.0], [1.0, 3.0]]
    assert pool(rows, timeline=I3D, snippets=10, duration_s=6.5, unique=False).seconds.tolist() == rows


def test_no_proposal_is_a_pool_too() -> None:
    found = pool([], timeline=I3D, snippets=10, duration_s=6.5)
    assert found.segments.shape == found.seconds.shape == (0, 2)


@given(
    st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 40)), max_size=20),
    st.integers(1, 60),
    st.sampled_from([I3D, OVERLAPPING]),
)
def test_every_proposal_lies_within_the_features(
    rows: list[tuple[float, float]], snippets: int, timeline: Timeline
) -> None:
    duration_s = timeline.window_s(snippets - 1)[1]
    found = pool(np.array(rows).reshape(-1, 2), timeline=timeline, snippets=snippets, duration_s=duration_s)
    for values, limit in ((found.segments, snippets), (found.seconds, duration_s)):
        assert (values[:, 0] >= 0).all() and (values[:, 1] <= limit + 1e-9).all()
        assert (values[:, 0] < values[:, 1]).all()
