"""What a person is shown."""

from __future__ import annotations

from wtalkit.localization import display
from wtalkit.segments import Segment

CANDIDATES = [
    Segment(10.0, 14.0, "wave", 0.9),
    Segment(11.0, 14.0, "wave", 0.8),  # IoU 0.75 with the one above
    Segment(11.0, 14.0, "kick", 0.7),  # another class
    Segment(13.0, 18.0, "wave", 0.6),  # IoU 1/8
    Segment(2.0, 3.0, "wave", 0.1),
    Segment(1.0, 2.0, "wave", -0.2),
]


def test_best_of_what_overlaps_above_the_threshold_in_time_order() -> None:
    shown = display(CANDIDATES, 0.1)
    assert [(each.start_s, each.label) for each in shown] == [
        (2.0, "wave"), (10.0, "wave"), (11.0, "kick"), (13.0, "wave"),
    ]  # fmt: skip


def test_without_a_threshold_only_overlap_counts() -> None:
    assert len(display(CANDIDATES, None)) == 5


def test_half_overlap_is_left_out() -> None:
    assert len(display([Segment(0, 2, "wave", 1.0), Segment(1, 2, "wave", 0.5)], None)) == 1


def test_nothing() -> None:
    assert display([], 0.5) == []
    assert display(CANDIDATES, 5.0) == []
