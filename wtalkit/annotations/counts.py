"""How many videos have which label."""

from __future__ import annotations

from wtalkit.annotations.model import Annotations


def class_counts(annotations: Annotations) -> dict[str, dict[str, int]]:
    """Videos of each class by subset, subsets in file order; videos without one count under the empty name."""
    names = [*annotations.subsets, *([""] if any(not video.subset for video in annotations.videos.values()) else ())]
    spelled = {name.casefold(): name for name in names}
    counts = {label: dict.fromkeys(names, 0) for label in annotations.classes}
    for video in annotations.videos.values():
        for label in video.labels:
            counts[label][spelled[(video.subset or "").casefold()]] += 1
    return counts
