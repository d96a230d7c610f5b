"""The decoder in plain Python: lists and loops, a class, a level, a run and a pair of candidates at a time.

This is how the authors' codes go about it (CO2-Net's ``get_proposal_oic`` and ``soft_nms``, ACRNet's ``main.py``),
written from our documentation (``docs/localization.md``) and apart from :mod:`wtalkit.localization`, so that the two
check each other. It knows the settings of CO2-Net's and ACRNet's recipes, no others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wtalkit.localization.settings import DecoderSettings

Run = tuple[int, int]
Candidate = list[float]  # start and end in points, start and end in seconds, score
Found = tuple[int, float, float, float]


@dataclass(frozen=True)
class Plain:
    """One video's activations as lists.

    Attributes:
        act_scores: a curve per class.
        logits: the curve per class that OIC looks at with ``score = "logits"``.
        attn: the attention.
        video_scores: a number per class.
        snippet_s: seconds from one snippet to the next; windows lie side by side.
    """

    act_scores: list[list[float]]
    logits: list[list[float]]
    attn: list[float]
    video_scores: list[float]
    snippet_s: float


def plain_decode(video: Plain, settings: DecoderSettings) -> list[Found]:
    """Class, start and end in seconds, and score of every candidate after Soft-NMS, by descending score."""
    _require_known(settings)
    duration_s = len(video.attn) * video.snippet_s
    attention: list[Run] = []
    if settings.attn_thresholds:
        attention = _runs(_upsample(video.attn, settings.upscale), settings.attn_thresholds, settings)
    found: list[Found] = []
    for label in _likely(video.video_scores, settings.cls_threshold):
        curve = contrast = _upsample(video.act_scores[label], settings.upscale)
        if settings.score == "logits":
            contrast = _upsample(video.logits[label], settings.upscale)
        candidates = []
        for start, end in _runs(curve, settings.thresholds, settings) + attention:
            score = _contrast(contrast, start, end, settings) + settings.gamma * video.video_scores[label]
            seconds = (start / settings.upscale * video.snippet_s, end / settings.upscale * video.snippet_s)
            candidates.append([start, end, *seconds, score])
        for _, _, start_s, end_s, score in _soft_nms(candidates, settings):
            start_s, end_s = max(start_s, 0.0), min(end_s, duration_s)
            if start_s < end_s:
                found.append((label, start_s, end_s, score))
    return sorted(found, key=lambda row: -row[3])


def _require_known(settings: DecoderSettings) -> None:
    plain = {
        "plugin_thresholds": {}, "keep_whole": True, "oic_below": "keep", "oic_pad": "clip", "lose_lone_first": False,
        "interpolation": "centred", "time_shift": (0.0, 0.0), "min_score": None, "drop_short": 0.0,
    }  # fmt: skip
    odd = [name for name, value in plain.items() if getattr(settings, name) != value]
    if odd or settings.nms not in ("gaussian", "bsn") or settings.plus_one == "seconds":
        raise ValueError(f"the plain decoder does not know these settings: {', '.join(odd) or 'Soft-NMS'}")


def _likely(video_scores: Sequence[float], threshold: float) -> list[int]:
    kept = [label for label, score in enumerate(video_scores) if score >= threshold]
    return kept or [max(range(len(video_scores)), key=lambda label: video_scores[label])]


def _upsample(curve: list[float], factor: int) -> list[float]:
    """Linear, each value at the middle of its cell."""
    if factor == 1 or len(curve) < 2:
        return [value for value in curve for _ in range(factor)]
    fine = []
    for point in range(factor * len(curve)):
        place = min(max((point + 0.5) / factor - 0.5, 0.0), len(curve) - 1.0)
        below = min(int(place), len(curve) - 2)
        fine.append(curve[below] + (place - below) * (curve[below + 1] - curve[below]))
    return fine


def _runs(curve: list[float], levels: Sequence[float], settings: DecoderSettings) -> list[Run]:
    """Stretches above each level."""
    runs = []
    for level in levels:
        start = None
        for point, value in enumerate(curve):
            above = value > level if settings.strict else value >= level
            if above and start is None:
                start = point
            elif not above and start is not None:
                runs.append((start, point))
                start = None
        if start is not None:
            runs.append((start, len(curve)))
    return [(start, end) for start, end in runs if end - start >= settings.min_points]


def _contrast(curve: list[float], start: int, end: int, settings: DecoderSettings) -> float:
    """Mean inside minus mean in the margins."""
    reach = settings.inflation * (end - start)
    low, high = start - reach, end + reach
    if settings.whole_margins:
        low, high = math.floor(low), math.floor(end - 1 + reach) + 1
    low, high = max(low, 0.0), min(high, float(len(curve)))
    width = (start - low) + (high - end)
    inner = sum(curve[start:end]) / (end - start)
    if width <= 0:
        return inner
    return inner - (_area(curve, low, start) + _area(curve, end, high)) / width


def _area(curve: list[float], left: float, right: float) -> float:
    """Area under the curve of steps; a margin may hold a part of a point at either end."""
    first, last = math.ceil(left), math.floor(right)
    area = sum(curve[first:last])
    if first > left:
        area += (first - left) * curve[first - 1]
    return area + (right - last) * curve[last] if right > last else area


def _soft_nms(candidates: list[Candidate], settings: DecoderSettings) -> list[Candidate]:
    """Swap the best to the front, lower what overlaps it, go on with the rest."""
    extra = 1.0 if settings.plus_one else 0.0
    first = 0 if settings.plus_one else 2  # points or seconds
    rows = [list(candidate) for candidate in candidates]
    for front in range(len(rows)):
        best = front
        for row in range(front + 1, len(rows)):
            if rows[row][4] > rows[best][4]:
                best = row
        rows[front], rows[best] = rows[best], rows[front]
        start, end = rows[front][first], rows[front][first + 1]
        for row in range(front + 1, len(rows)):
            other_start, other_end = rows[row][first], rows[row][first + 1]
            inter = max(min(end, other_end) - max(start, other_start) + extra, 0.0)
            if inter > 0:
                iou = inter / ((end - start + extra) + (other_end - other_start + extra) - inter)
                if settings.nms == "gaussian" or iou > settings.tiou:
                    rows[row][4] *= math.exp(-(iou * iou) / settings.sigma)
    return rows
