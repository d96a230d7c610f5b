"""Features of whole proposals: 1-D RoI-align over time, pooled to what lies left of a proposal, in it and right of it.

Source: P-MIL (``RenHuan1999/CVPR2023_P-MIL``, ``model.py: extract_roi_features``), which calls torchvision's RoI-align
with a width of one. This is the same arithmetic in one dimension, without padding rows to write and for proposals of
any length; the authors' zeros around a video are there as weights that are left out.

Raw features and proposals never change in a training, so regions are computed once per video, outside the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 12
LEFT, RIGHT = 2, 10  # bins before LEFT are the left surround, those from RIGHT on the right one
MARGIN = 0.25  # share of its length by which a proposal is extended at either side
MIN_LENGTH = 1.0  # snippets; torchvision's rule for ``aligned=False``, and the start stays where it is
ROUNDING = 1e-5  # snippets; a bin that is longer than a whole number by less has that number of samples
CHUNK_BYTES = 4 << 20  # of features of bins at a time: they are read again at once and should still be in the cache
CHUNK_ROWS = 1 << 20  # rows that are read for the proposals of a chunk, which bounds the memory for their weights


def pool_regions(
    features: Tensor, segments: Tensor, *, lengths: Sequence[int] | None = None, counts: Sequence[int] | None = None
) -> Tensor:
    """What lies left of each proposal, in it and right of it: the largest value of each part, per channel.

    Args:
        features: (T, W) of one video, or the videos of a batch one below the other, (sum of T, W).
        segments: (N, 2) start and end in snippets, video by video.
        lengths: snippets of each video; one video unless given.
        counts: proposals of each video, as many as ``lengths`` has; one video unless given.

    Returns:
        (N, 3, W).

    Raises:
        ValueError: shapes or numbers do not fit, or a segment is not finite.
    """
    features, first_row, last_row = _checked(features, segments, lengths, counts)
    segments = _extended(segments.double())
    size = max(1, CHUNK_BYTES // (BINS * features.shape[1] * features.element_size()))
    parts = [features.new_zeros(0, 3, features.shape[1])]
    for at in range(0, len(segments), size):
        chunk = slice(at, at + size)
        parts.append(surroundings(_align(features, segments[chunk], first_row[chunk], last_row[chunk], BINS)))
    return torch.cat(parts)


def roi_align(
    features: Tensor,
    segments: Tensor,
    *,
    bins: int = BINS,
    lengths: Sequence[int] | None = None,
    counts: Sequence[int] | None = None,
) -> Tensor:
    """Mean feature of every one of ``bins`` equal parts of each segment, differentiable in the features.

    A part is sampled at the centres of as many equal pieces as it has snippets, begun ones included. Snippet t has its
    centre at t + 0.5; between centres features are interpolated linearly, and all snippets outside a video are zero.

    Args:
        features: as for :func:`pool_regions`.
        segments: (N, 2) as for :func:`pool_regions`; taken as they are, not extended.
        bins: parts of a segment.
        lengths: as for :func:`pool_regions`.
        counts: as for :func:`pool_regions`.

    Returns:
        (N, bins, W).

    Raises:
        ValueError: as :func:`pool_regions`.
    """
    features, first_row, last_row = _checked(features, segments, lengths, counts)
    return _align(features, segments.double(), first_row, last_row, bins)


def surroundings(roi: Tensor) -> Tensor:
    """Left surround, inside and right surround, (N, 3, W), of the 12 bins (N, 12, W) of extended proposals."""
    return torch.stack([part.amax(dim=1) for part in (roi[:, :LEFT], roi[:, LEFT:RIGHT], roi[:, RIGHT:])], dim=1)


def _extended(segments: Tensor) -> Tensor:
    margin = MARGIN * (segments[:, 1] - segments[:, 0])
    return torch.stack([segments[:, 0] - margin, segments[:, 1] + margin], dim=1)


def _checked(
    features: Tensor, segments: Tensor, lengths: Sequence[int] | None, counts: Sequence[int] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The features in float32 or better, and where (N,) each proposal's video begins and ends among their rows."""
    if features.ndim != 2 or segments.ndim != 2 or segments.shape[1] != 2:
        raise ValueError(
            f"regions need features (T, W) and segments (N, 2), got {tuple(features.shape)} and {tuple(segments.shape)}"
        )
    lengths = [len(features)] if lengths is None else lengths
    counts = [len(segments)] if counts is None else counts
    if sum(lengths) != len(features) or sum(counts) != len(segments) or len(lengths) != len(counts):
        raise ValueError(
            f"{len(features)} snippets and {len(segments)} proposals do not split into videos of "
            f"{list(lengths)} snippets and {list(counts)} proposals"
        )
    if not torch.isfinite(segments).all():
        raise ValueError("a proposal's start or end is not finite")
    sizes, many = (torch.tensor(numbers, device=features.device, dtype=torch.long) for numbers in (lengths, counts))
    last = sizes.cumsum(0)
    videos = torch.arange(len(many), device=features.device).repeat_interleave(many, output_size=len(segments))
    if features.dtype not in (torch.float32, torch.float64):
        features = features.float()
    return features, (last - sizes)[videos], last[videos]


def _align(features: Tensor, segments: Tensor, first_row: Tensor, last_row: Tensor, bins: int) -> Tensor:
    """The bins (N, bins, W) of segments (N, 2) in videos that begin and end at these rows (N,) of the features."""
    length = (segments[:, 1] - segments[:, 0]).clamp(min=MIN_LENGTH)
    samples = torch.ceil(length / bins - ROUNDING).long()  # (N,) in each bin, at least one
    parts = [features.new_zeros(0, features.shape[1])]
    for chunk in _chunks(bins * (samples + 2), CHUNK_ROWS):
        rows, weights, sizes = _weights(segments[chunk, 0], length[chunk] / bins, samples[chunk], bins)
        bags = torch.arange(len(sizes), device=rows.device).repeat_interleave(sizes, output_size=len(rows))
        proposals = bags // bins
        rows = rows + first_row[chunk][proposals]
        inside = (rows >= first_row[chunk][proposals]) & (rows < last_row[chunk][proposals]) & (weights != 0)
        rows, weights, bags = rows[inside], weights[inside], bags[inside]
        offsets = torch.searchsorted(bags, torch.arange(len(sizes), device=rows.device))
        weights = weights.to(features.dtype)
        parts.append(F.embedding_bag(rows, features, offsets, mode="sum", per_sample_weights=weights))
    return torch.cat(parts).reshape(len(segments), bins, features.shape[1])


def _weights(start: Tensor, size: Tensor, samples: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Snippets (counted from the video's first) that a bin reads, their weights, and how many they are per bin.

    Samples in a bin are at most one snippet apart, so n samples read n + 1 snippets in a row (n + 2 by rounding):
    weights that fall on the same snippet are added up here, and its features read once instead of twice.

    Args:
        start: (N,) of the segments.
        size: (N,) snippets in a bin.
        samples: (N,) in a bin.
        bins: in a segment.

    Returns:
        (R,) snippets and (R,) weights, bin by bin, and (N bins,) how many each bin has.
    """
    count = samples.repeat_interleave(bins)  # (N bins,)
    bags = torch.arange(len(count), device=count.device).repeat_interleave(count)  # (S,) the bin of every sample
    begin = count.cumsum(0) - count
    number = torch.arange(len(bags), device=bags.device) - begin[bags]  # 0, 1, ... in each bin
    share = (number.double() + 0.5) / count[bags] + bags % bins  # in bins from the segment's start
    position = start[bags // bins] + size[bags // bins] * share - 0.5
    lower = torch.floor(position)
    fraction = position - lower
    lower = lower.long()

    first = lower[begin]  # (N bins,)
    sizes = count + 2
    begin_rows = sizes.cumsum(0) - sizes
    place = begin_rows[bags] + lower - first[bags]
    weights = position.new_zeros(len(bags) + 2 * len(count))
    weights.index_add_(0, place, (1 - fraction) / count[bags])
    weights.index_add_(0, place + 1, fraction / count[bags])
    own = torch.arange(len(weights), device=count.device) - begin_rows.repeat_interleave(sizes)
    return first.repeat_interleave(sizes) + own, weights, sizes


def _chunks(sizes: Tensor, limit: int) -> Iterator[slice]:
    """Slices of consecutive entries whose sizes (N,) sum to at most about ``limit``; at least one entry each."""
    if len(sizes) == 0:
        return
    group = (sizes.cumsum(0) - 1) // limit
    edges = (torch.diff(group).nonzero()[:, 0] + 1).tolist()
    for low, high in pairwise([0, *edges, len(sizes)]):
        yield slice(low, high)
