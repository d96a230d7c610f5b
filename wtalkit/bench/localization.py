"""How fast activations become segments: the decoder against the same in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wtalkit.bench.plain_decoder import Plain, plain_decode
from wtalkit.bench.stages import Case, Row, paired
from wtalkit.localization import DecoderSettings, decode
from wtalkit.localization.decoder import ranked_rows, raw_proposals
from wtalkit.methods import create
from wtalkit.segments import Segment
from wtalkit.timeline import Timeline

Floats = NDArray[np.float64]
Video = TypeVar("Video")

VIDEOS = 200
CLASSES = tuple(f"class {number:02}" for number in range(20))
METHODS = ("co2net", "acrnet")
TIMELINE = Timeline(25.0)
SEED = 0
SLOW_VIDEOS = 10
"""Videos that plain Python is given where it decodes every class: short, middling and long as the others are."""


@dataclass(frozen=True)
class Film:
    """One video's activations as a trained model might give them.

    Attributes:
        act_scores: (T, C).
        logits: the raw product that CO2-Net scores with, (T, C).
        attn: (T,).
        video_scores: (C,).
    """

    act_scores: Floats
    logits: Floats
    attn: Floats
    video_scores: Floats

    @property
    def duration_s(self) -> float:
        return TIMELINE.window_s(len(self.attn) - 1)[1]


def measure(case: Case) -> Iterator[Row]:
    """Rows of CO2-Net's and ACRNet's settings for THUMOS14; on a GPU there are none, the decoder works on the CPU.

    "likely classes" is what a trained model leaves of them (one or two of a video), "all classes" keeps all of them.
    """
    if case.device.type != "cpu":
        return
    films = [film(np.random.default_rng((SEED, number))) for number in range(VIDEOS)]
    for method in METHODS:
        recipe = settings_of(method)
        everything = recipe.model_copy(update={"cls_threshold": 0.0})
        by_length = sorted(films, key=lambda each: len(each.attn))
        step = VIDEOS // SLOW_VIDEOS
        few = by_length[step // 2 :: step]
        yield _row(case, f"{method}, all classes, proposals + OIC + Soft-NMS", rows, films, everything, few)
        yield _row(case, f"{method}, likely classes, proposals + OIC + Soft-NMS", rows, films, recipe, films)
        yield _row(case, f"{method}, all classes, segments made, too", ours, films, everything, few)


def settings_of(method: str) -> DecoderSettings:
    """The decoder of a method's THUMOS14 recipe."""
    model = create(method, num_classes=len(CLASSES), feature_dim=16)
    return DecoderSettings.from_dict(model.decoder_settings())


def _row(
    case: Case,
    name: str,
    form: Callable[..., object],
    films: Sequence[Film],
    settings: DecoderSettings,
    few: Sequence[Film],
) -> Row:
    plain = [as_lists(each) for each in few]
    both = paired(
        lambda: _each(films, partial(form, settings=settings)),
        lambda: _each(plain, partial(plain_decode, settings=settings)),
        case,
        ours_count=len(films),
        theirs_count=len(few),
    )
    apart = max(difference(ours(each, settings), plain_decode(as_lists(each), settings)) for each in few[:SLOW_VIDEOS])
    return Row(
        stage="localization",
        case=f"{name}, {len(films)} videos x {len(CLASSES)} classes",
        unit="videos",
        ours="decode" if form is ours else "raw_proposals, ranked_rows",
        theirs="plain Python" if len(few) == len(films) else f"plain Python, {len(few)} videos",
        ours_per_s=both.ours_per_s,
        theirs_per_s=both.theirs_per_s,
        ratio=both.ratio,
        agreement=f"segments and scores within {apart:.1e}",
    )


def _each(videos: Iterable[Video], form: Callable[[Video], object]) -> None:
    for video in videos:
        form(video)


def rows(film: Film, settings: DecoderSettings) -> object:
    """All of the decoder but the making of segments as objects; plain Python's are tuples."""
    found = raw_proposals(
        film.act_scores,
        film.attn,
        film.video_scores,
        timeline=TIMELINE,
        settings=settings,
        score_logits=film.logits,
    )
    return ranked_rows(found, film.duration_s, settings)


def ours(film: Film, settings: DecoderSettings) -> list[Segment]:
    """The decoder."""
    return decode(
        film.act_scores,
        film.attn,
        film.video_scores,
        classes=CLASSES,
        timeline=TIMELINE,
        duration_s=film.duration_s,
        settings=settings,
        score_logits=film.logits,
    )


def as_lists(film: Film) -> Plain:
    """What plain Python is given: lists of numbers, a curve per class."""
    return Plain(
        act_scores=film.act_scores.T.tolist(),
        logits=film.logits.T.tolist(),
        attn=film.attn.tolist(),
        video_scores=film.video_scores.tolist(),
        snippet_s=TIMELINE.stride / TIMELINE.fps,
    )


def difference(segments: Sequence[Segment], rows: Sequence[tuple[int, float, float, float]]) -> float:
    """Largest difference of starts, ends and scores, once both are in one order; infinite if they do not pair up."""
    mine = sorted((each.label, each.start_s, each.end_s, each.score) for each in segments)
    theirs = sorted((CLASSES[label], start, end, score) for label, start, end, score in rows)
    if [row[0] for row in mine] != [row[0] for row in theirs]:
        return float("inf")
    numbers = np.array([row[1:] for row in mine]), np.array([row[1:] for row in theirs])
    return float(np.abs(numbers[0] - numbers[1]).max()) if mine else 0.0


def film(draw: np.random.Generator) -> Film:
    """A video of minutes: one or two classes happen a dozen times, all the others are noise."""
    snippets = int(np.clip(240 * np.exp(0.6 * draw.standard_normal()), 40, 1500))
    happens = np.zeros((snippets, len(CLASSES)))
    shown = draw.permutation(len(CLASSES))[: 1 + draw.integers(2)]
    for _ in range(max(3, snippets // 20)):
        start, length = int(draw.integers(snippets)), int(draw.integers(2, 12))
        happens[start : start + length, draw.choice(shown)] = 1
    smooth = partial(np.apply_along_axis, np.convolve, 0, v=np.hanning(7)[1:-1] / 3, mode="same")
    level = smooth(happens)
    noise = smooth(draw.standard_normal(happens.shape))
    logits = 7 * level + noise - 1
    attn = 1 / (1 + np.exp(3 - 6 * level.max(axis=1) - noise.mean(axis=1) * 2))
    act = 1 / (1 + np.exp(2 - 5 * level - noise))
    video = np.full(len(CLASSES), 0.02)
    video[shown] = 0.3 + 0.6 * draw.random(len(shown))
    return Film(act, attn[:, None] * logits, attn, video)
