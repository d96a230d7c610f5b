"""What a person is shown of all candidates: the best of what overlaps, if it is good enough."""

from __future__ import annotations

from collections.abc import Iterable

from wtalkit.segments import Segment

DISPLAY_TIOU = 0.5


def display(segments: Iterable[Segment], threshold: float | None, *, tiou: float = DISPLAY_TIOU) -> list[Segment]:
    """Segments worth showing, sorted by start.

    Within a class, a segment that overlaps a better one with IoU >= ``tiou`` is left out, as is what scores below
    ``threshold`` (None shows every score).
    """
    import numpy as np

    from wtalkit.localization.nms import hard_nms

    by_class: dict[str, list[Segment]] = {}
    for segment in segments:
        if threshold is None or segment.score >= threshold:
            by_class.setdefault(segment.label, []).append(segment)
    shown: list[Segment] = []
    for members in by_class.values():
        times = np.array([[segment.start_s, segment.end_s] for segment in members])
        kept = hard_nms(times, np.array([segment.score for segment in members]), tiou)
        shown.extend(members[index] for index in kept)
    return sorted(shown, key=lambda segment: (segment.start_s, segment.end_s, segment.label))
