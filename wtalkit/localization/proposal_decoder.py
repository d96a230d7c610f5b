"""From scored proposals to scored segments: what P-MIL and SEAL share with every other method's decoding.

Every proposal is a candidate for every likely class; class probability times attention times quality, plus gamma times
the video's class score, ranks it; Soft-NMS sorts out what overlaps. Source: P-MIL ``utils.py: get_prediction``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from wtalkit.errors import ModelError
from wtalkit.localization.decoder import Floats, Proposals, finite, kept_classes, ranked
from wtalkit.localization.settings import DecoderSettings
from wtalkit.segments import Segment

_NO_ATTENTION = 1e-6  # keeps the weighted mean finite where every attention is 0


def decode_proposals(
    scores: ArrayLike,
    attn: ArrayLike,
    quality: ArrayLike,
    *,
    segments: ArrayLike,
    seconds: ArrayLike,
    classes: Sequence[str],
    duration_s: float,
    settings: DecoderSettings,
) -> list[Segment]:
    """All candidates of one video after Soft-NMS, by descending score: what scoring uses.

    Args:
        scores: probabilities of the classes, background last, [M, C + 1].
        attn: how likely each proposal is any action, [M].
        quality: how well it covers one, [M].
        segments: start and end in snippets, [M, 2].
        seconds: the same in seconds, [M, 2].
        classes: names of the C classes.
        duration_s: seconds of video; segments are clipped to it.
        settings: of them count ``cls_threshold``, ``gamma`` and those of the suppression.

    Raises:
        ModelError: scores are misshapen or not finite.
    """
    found = score_proposals(scores, attn, quality, segments=segments, seconds=seconds, settings=settings)
    return ranked(found, classes, duration_s, settings)


def score_proposals(
    scores: ArrayLike,
    attn: ArrayLike,
    quality: ArrayLike,
    *,
    segments: ArrayLike,
    seconds: ArrayLike,
    settings: DecoderSettings,
) -> Proposals:
    """All candidates of one video before any suppression; arguments as for :func:`decode_proposals`.

    Raises:
        ModelError: scores are misshapen or not finite.
        ValueError: a proposal ends before it starts, or is not of finite numbers.
    """
    probabilities = finite("the proposals' class scores", scores, 2)[:, :-1]
    attention, completeness = finite("the proposals' attention", attn, 1), finite("their quality", quality, 1)
    boxes = np.asarray(segments, dtype=np.float64).reshape(-1, 2)
    times = np.asarray(seconds, dtype=np.float64).reshape(-1, 2)
    if len({len(probabilities), len(attention), len(completeness), len(boxes), len(times)}) != 1:
        raise ModelError(f"{len(boxes)} proposals got {len(probabilities)} scores and {len(attention)} attentions")
    for places in (boxes, times):
        if not (np.isfinite(places).all() and (places[:, 0] <= places[:, 1]).all()):
            raise ValueError("a proposal ends before it starts, or its times are not finite")
    video = proposal_video_scores(probabilities, attention)
    kept = kept_classes(video, settings.cls_threshold) if len(boxes) else np.zeros(0, dtype=np.intp)
    fused = probabilities[:, kept] * (attention * completeness)[:, None] + settings.gamma * video[kept]  # (M, kept)
    return Proposals(
        label=np.repeat(kept, len(boxes)),
        points=np.tile(boxes, (len(kept), 1)),
        seconds=np.tile(times, (len(kept), 1)),
        scores=fused.T.ravel(),
    )


def proposal_video_scores(probabilities: Floats, attn: Floats) -> Floats:
    """Class scores of a video, [C]: the mean of its proposals' probabilities [M, C], weighted by attention [M]."""
    weighted: Floats = attn @ probabilities / (attn.sum() + _NO_ATTENTION)
    return weighted
