"""From activations to scored segments: the one decoder that all methods share.

Keep the likely classes, cut runs out of their curves (and out of the attention) at many levels, score each run by
outer-inner contrast plus gamma times the video score, turn points into seconds, and let Soft-NMS sort out what
overlaps. Sources: CO2-Net ``eval/proposal_methods.py`` and ACRNet ``main.py``, which differ in settings only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtalkit.errors import ModelError
from wtalkit.localization.nms import soft_nms
from wtalkit.localization.oic import outer_inner_contrast
from wtalkit.localization.runs import runs_above, upsample_centred, upsample_left
from wtalkit.localization.settings import DecoderSettings
from wtalkit.segments import Segment
from wtalkit.timeline import Timeline

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Proposals:
    """Scored candidates of one video, grouped by class, within a class in the order they were cut out.

    Attributes:
        label: index of the class, [N].
        points: start and half-open end in points of the (up-sampled) curve; of proposals in snippets, [N, 2].
        seconds: start and end, [N, 2]; neither clipped to the video nor free of zero-length ones.
        scores: OIC plus gamma times the video score, [N].
    """

    label: Indices
    points: Indices | Floats
    seconds: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.label)

    def within(self, duration_s: float) -> Proposals:
        """Clipped to the video; what has no length then is left out."""
        seconds = self.seconds.clip(0.0, duration_s)
        kept = seconds[:, 0] < seconds[:, 1]
        return Proposals(self.label[kept], self.points[kept], seconds[kept], self.scores[kept])


def decode(
    act_scores: ArrayLike,
    attn: ArrayLike | None,
    video_scores: ArrayLike,
    *,
    classes: Sequence[str],
    timeline: Timeline,
    duration_s: float,
    settings: DecoderSettings,
    plugin_attn: Mapping[str, ArrayLike] | None = None,
    score_logits: ArrayLike | None = None,
) -> list[Segment]:
    """All candidates of one video after Soft-NMS, by descending score: what scoring uses.

    Args:
        act_scores: scores of the classes per snippet, [T, C].
        attn: the base's attention per snippet, [T]; needed when ``settings.attn_thresholds`` is set.
        video_scores: scores of the classes for the whole video, [C].
        classes: names of the C classes.
        timeline: the snippets' place in time.
        duration_s: seconds of video; segments are clipped to it.
        settings: the knobs.
        plugin_attn: attention of plug-ins by name, [T] each; needed for those in ``settings.plugin_thresholds``.
        score_logits: raw class scores, [T, C]; needed with ``settings.score = "logits"``.

    Raises:
        ModelError: activations that are needed are missing, misshapen or not finite.
    """
    found = raw_proposals(
        act_scores, attn, video_scores, timeline=timeline, settings=settings, plugin_attn=plugin_attn,
        score_logits=score_logits,
    )  # fmt: skip
    return sorted(suppress_overlaps(found, classes, duration_s, settings), key=lambda segment: -segment.score)


def raw_proposals(
    act_scores: ArrayLike,
    attn: ArrayLike | None,
    video_scores: ArrayLike,
    *,
    timeline: Timeline,
    settings: DecoderSettings,
    plugin_attn: Mapping[str, ArrayLike] | None = None,
    score_logits: ArrayLike | None = None,
) -> Proposals:
    """All candidates of one video before any suppression; arguments as for :func:`decode`.

    Raises:
        ModelError: activations that are needed are missing, misshapen or not finite.
    """
    scores = finite("act_scores", act_scores, 2)
    video = finite("video_scores", video_scores, 1)
    if len(video) != scores.shape[1]:
        raise ModelError(f"the video scores have {len(video)} classes, the snippets' scores {scores.shape[1]}")
    if not len(scores):
        return _Collected().proposals(0, timeline, settings)
    logits = _curve("score_logits", score_logits, 2, len(scores)) if settings.score == "logits" else None
    shared = list(_attention_runs(attn, plugin_attn or {}, len(scores), settings))
    collected = _Collected()
    for label in kept_classes(video, settings.cls_threshold):
        # One class at a time: six hours at frame resolution are half a million points.
        fine = contrast = _upsample(scores[:, label], settings, clip=True)
        if logits is not None:
            contrast = _upsample(logits[:, label], settings, clip=False)
        # One curve at a time, too: OIC may look at another one for every level.
        runs = chain(_class_runs(fine, contrast, settings), ((*found, contrast) for found in shared))
        parts = [(first, stop, _contrast(curve, first, stop, settings)) for first, stop, curve in runs]
        starts, ends, oic = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        kept = slice(None) if settings.keep_whole else _partial(starts, ends, len(fine))
        collected.add(int(label), starts[kept], ends[kept], oic[kept] + settings.gamma * video[label])
    return collected.proposals(len(scores), timeline, settings)


def kept_classes(video_scores: Floats, threshold: float) -> Indices:
    """Classes whose video score reaches the threshold; the best one when none does."""
    kept = np.nonzero(video_scores >= threshold)[0]
    return kept if kept.size or not video_scores.size else np.array([int(video_scores.argmax())])


def to_seconds(points: ArrayLike, snippets: int, timeline: Timeline, upscale: int) -> Floats:
    """Seconds of point boundaries, of a curve of ``snippets * upscale`` points.

    With overlapping windows a snippet owns only the middle ``stride`` frames of its window, so half of what the
    windows overlap is owned by nobody before the first cell and after the last. A run that touches the first or last
    point has nothing on its other side that could say where it really begins or ends; the frames out there were seen
    by that snippet alone, so it gets them: position 0 is 0 s, the last position is the end of the last window.
    """
    places = np.asarray(points, dtype=np.float64)
    # Timeline.to_seconds is linear, so it holds for arrays as well as for a number.
    offset, slope = timeline.to_seconds(0.0), timeline.to_seconds(1.0) - timeline.to_seconds(0.0)
    seconds = offset + places / upscale * slope
    seconds = np.where(places <= 0, 0.0, seconds)
    return np.where(places >= snippets * upscale, timeline.window_s(snippets - 1)[1], seconds) if snippets else seconds


@dataclass
class _Collected:
    """Candidates of the classes so far."""

    def __post_init__(self) -> None:
        self._labels: list[Indices] = [np.zeros(0, dtype=np.intp)]
        self._points: list[Indices] = [np.zeros((0, 2), dtype=np.intp)]
        self._scores: list[Floats] = [np.zeros(0)]

    def add(self, label: int, starts: Indices, ends: Indices, scores: Floats) -> None:
        self._labels.append(np.full(len(starts), label, dtype=np.intp))
        self._points.append(np.stack([starts, ends], axis=1))
        self._scores.append(scores)

    def proposals(self, snippets: int, timeline: Timeline, settings: DecoderSettings) -> Proposals:
        points = np.concatenate(self._points)
        seconds = to_seconds(points, snippets, timeline, settings.upscale) + np.asarray(settings.time_shift)
        return Proposals(np.concatenate(self._labels), points, seconds, np.concatenate(self._scores))


def suppress_overlaps(
    found: Proposals, classes: Sequence[str], duration_s: float, settings: DecoderSettings
) -> Iterator[Segment]:
    """Soft-NMS class by class; clips to the video and leaves out what has no length then."""
    for label in np.unique(found.label):
        chosen = np.nonzero(found.label == label)[0]
        # The codes that add one to lengths count in points, except LAC's; everyone else compares seconds.
        boxes = found.points[chosen] if settings.plus_one is True else found.seconds[chosen]
        kept, scores = soft_nms(
            boxes,
            found.scores[chosen],
            kind=settings.nms,
            sigma=settings.sigma,
            tiou=settings.tiou,
            min_score=settings.min_score,
            plus_one=bool(settings.plus_one),
        )
        if settings.drop_short:
            # Only now: a short segment still lowers the scores of those it overlaps.
            long_enough = np.diff(found.points[chosen][kept], axis=1)[:, 0] > settings.drop_short * settings.upscale
            kept, scores = kept[long_enough], scores[long_enough]
        seconds = found.seconds[chosen][kept].clip(0.0, duration_s)
        for (start, end), score in zip(seconds.tolist(), scores.tolist(), strict=True):
            if start < end:
                yield Segment(start, end, classes[label], score)


def _attention_runs(
    attn: ArrayLike | None, plugin_attn: Mapping[str, ArrayLike], snippets: int, settings: DecoderSettings
) -> Iterator[tuple[Indices, Indices]]:
    """Runs of the attentions, which every kept class gets."""
    if settings.attn_thresholds:
        curve = _upsample(_curve("attn", attn, 1, snippets), settings, clip=True)
        yield _runs(curve, settings.attn_thresholds, settings)
    for name, levels in settings.plugin_thresholds.items():
        curve = _upsample(_curve(f"the attention of {name}", plugin_attn.get(name), 1, snippets), settings, clip=True)
        yield _runs(curve, levels, settings)


def _class_runs(
    curve: Floats, contrast: Floats, settings: DecoderSettings
) -> Iterator[tuple[Indices, Indices, Floats]]:
    """Starts and ends of a class's runs, and the curve that OIC of them looks at."""
    yield *_runs(curve, settings.thresholds if settings.oic_below == "keep" else (), settings), contrast
    if settings.oic_below == "zero":
        for level in settings.thresholds:
            yield *_runs(curve, (level,), settings), np.where(curve < level, 0.0, contrast)


def _contrast(curve: Floats, starts: Indices, ends: Indices, settings: DecoderSettings) -> Floats:
    return outer_inner_contrast(
        curve,
        starts,
        ends,
        inflation=settings.inflation,
        whole_margins=settings.whole_margins,
        pad=settings.oic_pad,
    )


def _partial(starts: Indices, ends: Indices, points: int) -> NDArray[np.bool_]:
    """Which runs leave something of the curve out; all when none does."""
    partial = (starts > 0) | (ends < points)
    return partial if partial.any() else ~partial


def _runs(curve: Floats, levels: Sequence[float], settings: DecoderSettings) -> tuple[Indices, Indices]:
    if settings.lose_lone_first:
        # `np.where(...)[0].any()` in the codes is False when index 0 is the only one above the level.
        levels = [level for level in levels if not _only_first_above(curve, level, settings.strict)]
    return runs_above(curve, levels, strict=settings.strict, min_points=settings.min_points)


def _only_first_above(curve: Floats, level: float, strict: bool) -> bool:
    above = curve > level if strict else curve >= level
    return bool(above[0]) and int(above.sum()) == 1


def _upsample(curves: Floats, settings: DecoderSettings, *, clip: bool) -> Floats:
    if settings.upscale == 1:
        return curves
    grow = upsample_centred if settings.interpolation == "centred" else upsample_left
    fine = grow(curves, settings.upscale)
    # Extrapolation may leave the range of a probability.
    return fine.clip(0.0, 1.0) if clip and settings.interpolation != "left_beyond" else fine


def _curve(name: str, values: ArrayLike | None, dimensions: int, snippets: int) -> Floats:
    if values is None:
        raise ModelError(f"the decoder needs {name}, and the model does not give it")
    curve = finite(name, values, dimensions)
    if len(curve) != snippets:
        raise ModelError(f"{name} has {len(curve)} snippets instead of {snippets}")
    return curve


def finite(name: str, values: Any, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions:
        raise ModelError(f"{name} has {array.ndim} dimensions instead of {dimensions}")
    if not np.isfinite(array).all():
        raise ModelError(f"{name} holds numbers that are not finite", remedy="Train the model again")
    return array
