"""How the public codes score, a detection at a time: slow, obvious, and apart from what it is held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]  # video, label, start, end, score
Interval = tuple[float, float]


def rows_of(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Row]:
    return [
        {
            "video": video,
            "label": each["label"],
            "start": each["segment"][0],
            "end": each["segment"][1],
            "score": each["score"],
        }
        for video, entries in results.items()
        for each in entries
    ]


def in_snippets(rows: list[Row], digits: int | None) -> list[Row]:
    return [
        {**row, "start": round(row["start"] * 25 / 16, digits), "end": round(row["end"] * 25 / 16, digits)}
        for row in rows
    ]


def plus_one_iou(one: Row, other: Row) -> float:
    inter = max(min(one["end"], other["end"]) - max(one["start"], other["start"]) + 1, 0)
    return inter / ((one["end"] - one["start"] + 1) + (other["end"] - other["start"] + 1) - inter)


def soft_nms(rows: list[Row]) -> list[Row]:
    """Of one video and class: the best is taken, the others fade with their overlap."""
    left, found = list(rows), []
    while left:
        best = max(left, key=lambda row: row["score"])
        found.append(best)
        left = [
            {**row, "score": row["score"] * math.exp(-(plus_one_iou(best, row) ** 2) / 0.3)}
            for row in left
            if row is not best
        ]
    return found


def hard_nms(rows: list[Row]) -> list[Row]:
    found: list[Row] = []
    for row in sorted(rows, key=lambda row: row["score"], reverse=True):
        if all(plus_one_iou(row, better) < 0.7 for better in found):
            found.append(row)
    return found


def by_video_and_class(rows: list[Row], suppress: Callable[[list[Row]], list[Row]]) -> list[Row]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["video"], row["label"]), []).append(row)
    return [row for group in groups.values() for row in suppress(group)]


def without_ambiguous(snippets: list[Row], intervals_s: Mapping[str, Sequence[Interval]]) -> list[Row]:
    """The rule of whole snippets, one by one."""

    def touches(row: Row) -> bool:
        mine = set(range(int(row["start"]), int(row["end"])))
        theirs = (range(round(start * 25 / 16), round(end * 25 / 16)) for start, end in intervals_s[row["video"]])
        return any(mine & set(each) for each in theirs)

    return [row for row in snippets if not touches(row)]


def iou(row: Row, truth: Row) -> float:
    inter = max(0.0, min(row["end"], truth["end"]) - max(row["start"], truth["start"]))
    union = (truth["end"] - truth["start"]) + (row["end"] - row["start"]) - inter
    return inter / union if union else math.nan


def average_precision(rows: list[Row], truths: list[Row], threshold: float) -> float:
    """Of one class."""
    taken: set[int] = set()
    hits = []
    for place in np.array([row["score"] for row in rows]).argsort()[::-1]:
        row = rows[place]
        mine = [number for number, truth in enumerate(truths) if truth["video"] == row["video"]]
        overlaps = np.array([iou(row, truths[number]) for number in mine])
        hit = False
        for choice in overlaps.argsort()[::-1]:
            if overlaps[choice] < threshold:
                break
            if mine[choice] not in taken:
                taken.add(mine[choice])
                hit = True
                break
        hits.append(hit)
    true = np.cumsum(hits)
    precision = true / (1 + np.arange(len(hits)))
    recall = true / len(truths)
    area, before = 0.0, 0.0
    for place in np.nonzero(hits)[0]:
        area += (recall[place] - before) * precision[place:].max()
        before = recall[place]
    return area


def scores(rows: list[Row], truths: list[Row], thresholds: Sequence[float]) -> dict[str, list[float]]:
    """AP of every class of the ground truth at every threshold."""
    labels = sorted({truth["label"] for truth in truths})
    return {
        label: [
            average_precision(
                [row for row in rows if row["label"] == label],
                [truth for truth in truths if truth["label"] == label],
                threshold,
            )
            for threshold in thresholds
        ]
        for label in labels
    }
