"""From activations to scored segments: the one decoder that all methods share.

Keep the likely classes, cut runs out of their curves (and out of the attention) at many levels, score each run by
outer-inner contrast plus gamma times the video score, turn points into seconds, and let Soft-NMS sort out what
overlaps. Sources: CO2-Net ``eval/proposal_methods.py`` and ACRNet ``main.py``, which differ in settings only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wtalkit.errors import ModelError
from wtalkit.localization.curve_kernel import cut_out
from wtalkit.localization.nms import soft_nms_by_class
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
    return ranked(found, classes, duration_s, settings)


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
        nothing = np.zeros(0, dtype=np.intp)
        return Proposals(nothing, np.zeros((0, 2), dtype=np.intp), np.zeros((0, 2)), np.zeros(0))
    logits = _curve("score_logits", score_logits, 2, len(scores)) if settings.score == "logits" else None
    shared = list(_attention_runs(attn, plugin_attn or {}, len(scores), settings))
    kept = kept_classes(video, settings.cls_threshold)
    rows, counts = _cut_out(scores[:, kept], None if logits is None else logits[:, kept], shared, settings)
    points = rows[:, :2].astype(np.intp)
    return Proposals(
        label=np.repeat(kept, counts),
        points=points,
        seconds=to_seconds(points, len(scores), timeline, settings.upscale) + np.asarray(settings.time_shift),
        scores=rows[:, 2] + np.repeat(settings.gamma * video[kept], counts),
    )


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
    seconds: Floats = offset + places / upscale * slope
    if snippets:
        seconds[places <= 0] = 0.0
        seconds[places >= snippets * upscale] = timeline.window_s(snippets - 1)[1]
    return seconds


def suppress_overlaps(
    found: Proposals, classes: Sequence[str], duration_s: float, settings: DecoderSettings
) -> Iterator[Segment]:
    """Soft-NMS class by class; clips to the video and leaves out what has no length then."""
    yield from _segments(*_kept(found, duration_s, settings), classes)


def ranked(found: Proposals, classes: Sequence[str], duration_s: float, settings: DecoderSettings) -> list[Segment]:
    """What :func:`suppress_overlaps` gives, by descending score."""
    return _segments(*ranked_rows(found, duration_s, settings), classes)


def ranked_rows(found: Proposals, duration_s: float, settings: DecoderSettings) -> tuple[Indices, Floats, Floats]:
    """The same as arrays: class ``[N]``, start and end in seconds ``[N, 2]``, score ``[N]``."""
    label, seconds, scores = _kept(found, duration_s, settings)
    order = np.argsort(-scores, kind="stable")
    return label[order], seconds[order], scores[order]


def _kept(found: Proposals, duration_s: float, settings: DecoderSettings) -> tuple[Indices, Floats, Floats]:
    """Class, seconds within the video and score of what Soft-NMS leaves, class by class."""
    if (found.label[1:] < found.label[:-1]).any():
        order = np.argsort(found.label, kind="stable")
        found = Proposals(found.label[order], found.points[order], found.seconds[order], found.scores[order])
    kept, scores = soft_nms_by_class(
        # The codes that add one to lengths count in points, except LAC's; everyone else compares seconds.
        found.points if settings.plus_one is True else found.seconds,
        found.scores,
        found.label,
        kind=settings.nms,
        sigma=settings.sigma,
        tiou=settings.tiou,
        min_score=settings.min_score,
        plus_one=bool(settings.plus_one),
    )
    if settings.drop_short:
        # Only now: a short segment still lowers the scores of those it overlaps.
        long_enough = np.diff(found.points[kept], axis=1)[:, 0] > settings.drop_short * settings.upscale
        kept, scores = kept[long_enough], scores[long_enough]
    seconds = found.seconds[kept].clip(0.0, duration_s)
    label, has_length = found.label[kept], seconds[:, 0] < seconds[:, 1]
    if has_length.all():
        return label, seconds, scores
    return label[has_length], seconds[has_length], scores[has_length]


def _segments(label: Indices, seconds: Floats, scores: Floats, classes: Sequence[str]) -> list[Segment]:
    """The rows as segments; those given lie at or after 0 and have a length."""
    names = [classes[number] for number in label.tolist()]
    rows = zip(*seconds.T.tolist(), names, scores.tolist(), strict=True)
    if not (np.isfinite(seconds).all() and np.isfinite(scores).all()):
        return [Segment(*row) for row in rows]  # which says what is wrong
    # What the constructor checks was checked for all at once; calling it takes longer than all the rest of decoding.
    segments = list(map(object.__new__, repeat(Segment, len(names))))
    fields = [{"start_s": start, "end_s": end, "label": name, "score": score} for start, end, name, score in rows]
    for _ in map(object.__setattr__, segments, repeat("__dict__"), fields):
        pass
    return segments


def _cut_out(
    scores: Floats, logits: Floats | None, shared: Sequence[tuple[Indices, Indices]], settings: DecoderSettings
) -> tuple[Floats, Indices]:
    """Rows of start, end and OIC of all classes kept [T, K], class by class, and how many each class has."""
    curves = np.ascontiguousarray(scores.T)
    levels = np.asarray(settings.thresholds, dtype=np.float64)
    nothing = np.zeros(0, dtype=np.int64)
    return cut_out(
        curves,
        curves if logits is None else np.ascontiguousarray(logits.T),
        logits is None,
        levels,
        levels.argsort(),
        np.concatenate([nothing, *(starts for starts, _ in shared)]),
        np.concatenate([nothing, *(ends for _, ends in shared)]),
        settings.upscale,
        settings.interpolation == "centred",
        settings.interpolation != "left_beyond",  # extrapolation may leave the range of a probability
        settings.strict,
        settings.min_points,
        settings.lose_lone_first,
        settings.oic_below == "zero",
        settings.inflation,
        settings.whole_margins,
        settings.oic_pad == "zero",
        settings.keep_whole,
    )


def _attention_runs(
    attn: ArrayLike | None, plugin_attn: Mapping[str, ArrayLike], snippets: int, settings: DecoderSettings
) -> Iterator[tuple[Indices, Indices]]:
    """Runs of the attentions, which every kept class gets."""
    if settings.attn_thresholds:
        curve = _upsample(_curve("attn", attn, 1, snippets), settings)
        yield _runs(curve, settings.attn_thresholds, settings)
    for name, levels in settings.plugin_thresholds.items():
        curve = _upsample(_curve(f"the attention of {name}", plugin_attn.get(name), 1, snippets), settings)
        yield _runs(curve, levels, settings)


def _runs(curve: Floats, levels: Sequence[float], settings: DecoderSettings) -> tuple[Indices, Indices]:
    return runs_above(
        curve,
        levels,
        strict=settings.strict,
        min_points=settings.min_points,
        lose_lone_first=settings.lose_lone_first,
    )


def _upsample(curve: Floats, settings: DecoderSettings) -> Floats:
    if settings.upscale == 1:
        return curve
    grow = upsample_centred if settings.interpolation == "centred" else upsample_left
    fine = grow(curve, settings.upscale)
    return fine if settings.interpolation == "left_beyond" else fine.clip(0.0, 1.0)


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
