"""mAP of many draws of the videos: what intervals and paired tests are made of.

Which detection hits which instance does not depend on the videos drawn, so it is decided once, and a draw only counts
each video as often as it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wtalkit.compiled import kernel
from wtalkit.evaluation.average_precision import ClassMatches, Floats

Counts = NDArray[np.int64]


def drawn_counts(videos: int, samples: int, seed: int) -> Counts:
    """How often each video is in each of so many draws of as many videos, with replacement, [samples, videos + 1].

    The last column stands for videos without ground truth, which are never drawn. The same numbers give the same draws,
    so two sets of detections of the same videos can be held against each other draw by draw.
    """
    random = np.random.default_rng(seed)
    counts = np.zeros((samples, videos + 1), dtype=np.int64)
    for row in counts:
        row[:videos] = np.bincount(random.integers(videos, size=videos), minlength=videos)
    return counts


def resample(matches: Sequence[ClassMatches], counts: Counts) -> Floats:
    """mAP of every draw at every threshold, [samples, t]; NaN for a draw that holds no instance.

    A class without an instance in a draw does not count in that draw's mean.
    """
    levels = len(matches[0].hit)
    total, classes = np.zeros((len(counts), levels)), np.zeros(len(counts))
    found = np.empty((len(counts), levels))
    for match in matches:
        positives = (counts @ match.instances).astype(np.float64)
        places = np.ascontiguousarray(np.nonzero(match.hit)[1], dtype=np.int64)
        bounds = np.append(0, np.cumsum(np.count_nonzero(match.hit, axis=1))).astype(np.int64)
        _precisions_of_draws(places, bounds, np.ascontiguousarray(match.video), counts, positives, found)
        total += found
        classes += positives > 0
    with np.errstate(invalid="ignore"):
        means: Floats = total / classes[:, None]
    return means


@kernel("void(int64[::1], int64[::1], int64[::1], int64[:, ::1], float64[::1], float64[:, ::1])")
def _precisions_of_draws(
    hits: Counts, bounds: Counts, video: Counts, counts: Counts, positives: Floats, found: Floats
) -> None:
    """The area under the envelope of precision over recall, of every draw at every threshold.

    Args:
        hits: places of the true positives among the detections, rising, threshold by threshold.
        bounds: where each threshold's begin, and the end of the last, [t + 1].
        video: of each detection, [N].
        counts: how often each video is drawn, [samples, videos].
        positives: instances to be found in each draw, [samples].
        found: the areas, [samples, t]; written to. 0 where there is nothing to be found.
    """
    shown, repeats = np.empty(len(video)), np.empty(len(video))
    heights = np.empty(len(video))
    for draw in range(len(counts)):
        running = 0.0
        for place in range(len(video)):
            repeats[place] = counts[draw, video[place]]
            running += repeats[place]
            shown[place] = running
        for level in range(len(bounds) - 1):
            first, stop = bounds[level], bounds[level + 1]
            true = 0.0
            for index in range(first, stop):
                true += repeats[hits[index]]
                heights[index - first] = true / shown[hits[index]] if shown[hits[index]] > 0 else 0.0
            best, area = 0.0, 0.0
            for index in range(stop - 1, first - 1, -1):
                # One that was not drawn adds nothing, and its precision is no better than of those before it.
                best = max(best, heights[index - first])
                area += best * repeats[hits[index]]
            found[draw, level] = area / positives[draw] if positives[draw] > 0 else 0.0
