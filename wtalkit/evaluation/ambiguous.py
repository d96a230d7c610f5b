"""THUMOS14's ambiguous intervals: predictions that touch one are dropped before scoring.

The data set marks stretches of test videos that show something like an action. The authors' codes leave out every
prediction there, of whatever class; the instances of the ground truth stay, so this is not the rule of the THUMOS
toolkit. CO2-Net's family (CO2-Net, DELU, P-MIL; ``eval/proposal_methods.py: filter_segments``) compares whole
snippets, ACRNet seconds, which differs for predictions that end near an interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtalkit.evaluation.predictions import Results

Floats = NDArray[np.float64]
Rule = Literal["snippets", "seconds"]
SLACK = 1e-6  # snippets: a boundary that came out of seconds may lie this far below the whole number it was


def drop_ambiguous(
    results: Results,
    intervals_s: Mapping[str, ArrayLike],
    *,
    rule: Rule = "snippets",
    fps: float = 25.0,
    stride: int = 16,
) -> tuple[dict[str, list[Mapping[str, Any]]], int]:
    """Leave out the predictions that touch an ambiguous interval of their video.

    Args:
        results: predictions by video.
        intervals_s: ambiguous intervals by video, start and end in seconds, [M, 2].
        rule: compare whole snippets, or seconds.
        fps: frames per second of the features, for ``snippets``.
        stride: frames from one snippet to the next, for ``snippets``.

    Returns:
        What is left, and how many were dropped.
    """
    left: dict[str, list[Mapping[str, Any]]] = {}
    dropped = 0
    for video, entries in results.items():
        left[video] = list(entries)
        if entries and video in intervals_s:
            segments = [entry["segment"] for entry in entries]
            touched = touches(segments, intervals_s[video], rule=rule, fps=fps, stride=stride)
            left[video] = [entry for entry, hit in zip(entries, touched, strict=True) if not hit]
            dropped += int(touched.sum())
    return left, dropped


def touches(
    segments_s: ArrayLike, intervals_s: ArrayLike, *, rule: Rule = "snippets", fps: float = 25.0, stride: int = 16
) -> NDArray[np.bool_]:
    """Whether segments (seconds, [N, 2]) share any time with one of the intervals (seconds, [M, 2]), [N].

    ``snippets``: an interval is rounded to whole snippets (to the even one at a half), a segment is cut to them, and
    they touch when they share one. ``seconds``: they touch when they share any time at all.
    """
    if rule == "snippets":
        return snippets_touch(np.asarray(segments_s, dtype=np.float64) * fps / stride + SLACK, intervals_s, fps, stride)
    if rule != "seconds":
        raise ValueError(f"rule must be snippets or seconds, got {rule!r}")
    return _share(_pairs(segments_s), _pairs(intervals_s))


def snippets_touch(
    segments: ArrayLike, intervals_s: ArrayLike, fps: float = 25.0, stride: int = 16
) -> NDArray[np.bool_]:
    """:func:`touches` by ``snippets``, of segments that are in snippets already, [N, 2], cut to whole ones here."""
    # A segment that is not a number touches nothing, as below.
    return _share(np.trunc(_pairs(segments)), np.round(_pairs(intervals_s) * fps / stride))


def _share(segments: Floats, intervals: Floats) -> NDArray[np.bool_]:
    """Whether each segment has a part in common with one of the intervals."""
    first = np.maximum(segments[:, None, 0], intervals[None, :, 0])
    last = np.minimum(segments[:, None, 1], intervals[None, :, 1])
    return np.asarray((first < last).any(axis=1))


def _pairs(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64).reshape(-1, 2)
