"""RoI-align over time against slow obvious arithmetic and torchvision, and the pooled parts against the bins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wtalkit.methods import regions
from wtalkit.methods.regions import pool_regions, roi_align, surroundings

EDGES = torch.tensor(
    [
        [0.0, 12.0],  # the whole video
        [-3.0, 15.25],  # over both ends
        [-20.0, -2.0],  # before the video
        [14.0, 40.0],  # behind it
        [11.5, 12.0],  # shorter than a snippet, at the end
        [3.25, 3.25],  # no length
        [5.0, 4.0],  # backwards: widened to one snippet, too
        [2.0, 3.0],
        [4.0, 4.75],
        [-0.5, 0.0],
        [-500.0, 500.0],  # many samples a bin, nearly all outside
    ]
)


def random_features(length: int, width: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(length, width, generator=torch.Generator().manual_seed(length), dtype=dtype)


def random_segments(count: int, length: float) -> Tensor:
    """Segments on a grid of quarters, where float32 and float64 agree on how many samples a bin has."""
    generator = torch.Generator().manual_seed(count)
    starts = torch.randint(-8, int(4 * length) + 8, (count,), generator=generator) / 4
    return torch.stack([starts, starts + torch.randint(0, int(4 * length), (count,), generator=generator) / 4], dim=1)


def slow_roi_align(features: Tensor, segments: Tensor, bins: int = 12) -> Tensor:
    """One sample after the other, as the operator is defined."""
    video = features.tolist()
    nothing = [0.0] * features.shape[1]
    found = []
    for start, end in segments.double().tolist():
        size = max(end - start, 1.0) / bins
        samples = math.ceil(size)
        for number in range(bins):
            total = list(nothing)
            for sample in range(samples):
                position = start + number * size + (sample + 0.5) * size / samples - 0.5
                below = math.floor(position)
                for row, weight in ((below, 1 - (position - below)), (below + 1, position - below)):
                    values = video[row] if 0 <= row < len(video) else nothing
                    total = [old + weight * value for old, value in zip(total, values, strict=True)]
            found.append([value / samples for value in total])
    return torch.tensor(found, dtype=torch.float64).reshape(len(segments), bins, features.shape[1])


@pytest.mark.parametrize("length", [1, 2, 12, 50])
@pytest.mark.parametrize("bins", [1, 5, 12])
def test_roi_align_is_what_one_sample_after_the_other_gives(length: int, bins: int) -> None:
    features, segments = random_features(length), torch.cat([EDGES, random_segments(60, length)])
    torch.testing.assert_close(roi_align(features, segments, bins=bins), slow_roi_align(features, segments, bins))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(-400, 4000), st.integers(0, 40000)), min_size=1, max_size=5),
)
def test_any_segments(length: int, drawn: list[tuple[int, int]]) -> None:
    """Boundaries on hundredths, as P-MIL's own files have them; whole bins are left to the test of rounding."""
    segments = torch.tensor([(start / 100, start / 100 + span / 100 + 0.001) for start, span in drawn]).double()
    features = random_features(length)
    torch.testing.assert_close(roi_align(features, segments), slow_roi_align(features, segments), atol=1e-9, rtol=1e-9)


def test_equals_torchvision() -> None:
    ops = pytest.importorskip("torchvision.ops")
    features, segments = random_features(40), random_segments(200, 40).double()
    pad = 100  # rows of zeros, so that no position is outside what torchvision sees
    image = torch.nn.functional.pad(features.T, (pad, pad))[None, :, :, None]  # (1, W, T, 1)
    ends = segments + pad - 0.5
    boxes = torch.stack([0 * ends[:, 0], ends[:, 0], 0 * ends[:, 0] + 1, ends[:, 1]], dim=1)
    expected = ops.roi_align(image, [boxes], [12, 1])[..., 0].mT
    torch.testing.assert_close(roi_align(features, segments), expected)


def test_a_single_snippet_fades_at_the_borders() -> None:
    """Snippet 0 has its centre at 0.5 and weighs less the further a sample is from it."""
    found = roi_align(torch.ones(1, 1), torch.tensor([[-1.0, 2.0]]), bins=6)
    assert found[0, :, 0].tolist() == pytest.approx([0.0, 0.25, 0.75, 0.75, 0.25, 0.0])


def test_rounding_errors_of_a_length_add_no_sample() -> None:
    """A length of 24 that misses 24 by the last digit is sampled as one of 24, twice a bin."""
    features = random_features(60)
    exact = torch.tensor([[10.0, 34.0]], dtype=torch.float64)
    above = roi_align(features, exact + torch.tensor([0.0, 1e-6]))
    torch.testing.assert_close(above, roi_align(features, exact), atol=1e-5, rtol=0)
    assert not torch.allclose(roi_align(features, exact + torch.tensor([0.0, 1e-3])), above, atol=1e-3)


@pytest.mark.parametrize("excess", [1e-6, 9e-6 * 12])
def test_samples_that_rounding_moves_apart_stay_in_their_bin(excess: float) -> None:
    """Two samples in the last bin, a little more than a snippet apart: just before one centre, just behind the next."""
    features = torch.arange(1.0, 61.0, dtype=torch.float64)[:, None]
    apart = 1 + excess / 24
    start = 20.0 - (apart * 22.5 - 22.5) - excess / 100
    found = roi_align(features, torch.tensor([[start, start + 24 * apart]], dtype=torch.float64))[0, :, 0]
    expected = start + (torch.arange(12) + 0.5) * 2 * apart + 0.5  # the features are a straight line
    torch.testing.assert_close(found, expected.double(), atol=1e-5, rtol=0)


def test_gradients() -> None:
    features = random_features(12).requires_grad_()
    segments = torch.cat([EDGES[:-1], random_segments(5, 12)])
    assert torch.autograd.gradcheck(lambda x: roi_align(x, segments, bins=3), features)
    assert torch.autograd.gradcheck(lambda x: pool_regions(x, segments[:4], lengths=(5, 7), counts=(1, 3)), features)


def test_deterministic_algorithms_are_enough() -> None:
    features, segments = random_features(30, dtype=torch.float32), random_segments(50, 30)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        gradients = []
        for _ in range(2):
            leaf = features.clone().requires_grad_()
            pool_regions(leaf, segments).square().sum().backward()
            gradients.append(leaf.grad)
    finally:
        torch.use_deterministic_algorithms(before)
    assert torch.equal(*gradients)


LENGTHS, COUNTS = (7, 0, 1, 30, 4), (6, 0, 5, 40, 0)


@pytest.mark.parametrize("compute", [roi_align, pool_regions])
def test_videos_together_give_what_they_give_alone(compute: Callable[..., Tensor]) -> None:
    videos = [random_features(length) for length in LENGTHS]
    segments = [random_segments(count, length + 1) for count, length in zip(COUNTS, LENGTHS, strict=True)]
    together = compute(torch.cat(videos), torch.cat(segments), lengths=LENGTHS, counts=COUNTS)
    alone = torch.cat([compute(video, part) for video, part in zip(videos, segments, strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=1e-12)


def test_a_video_without_snippets_is_zero() -> None:
    found = pool_regions(torch.zeros(0, 4), EDGES)
    assert found.shape == (len(EDGES), 3, 4) and not found.any()


def test_regions_are_the_largest_of_each_part_of_the_extended_proposal() -> None:
    features = random_features(50)
    segments = random_segments(30, 40)
    margin = 0.25 * (segments[:, 1] - segments[:, 0])
    bins = slow_roi_align(features, torch.stack([segments[:, 0] - margin, segments[:, 1] + margin], dim=1))
    parts = [bins[:, :2], bins[:, 2:10], bins[:, 10:]]
    expected = torch.stack([part.max(dim=1).values for part in parts], dim=1)
    torch.testing.assert_close(pool_regions(features, segments), expected)
    torch.testing.assert_close(surroundings(bins), expected)


@pytest.mark.parametrize("name", ["CHUNK_BYTES", "CHUNK_ROWS"])
@pytest.mark.parametrize("limit", [1, 5000])
def test_chunks_change_nothing(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, segments = random_features(40), torch.cat([EDGES, random_segments(50, 40)])
    whole, bins = pool_regions(features, segments), roi_align(features, segments)
    monkeypatch.setattr(regions, name, limit)
    torch.testing.assert_close(pool_regions(features, segments), whole, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(roi_align(features, segments), bins, atol=1e-12, rtol=1e-12)


def test_memory_and_time_are_linear_in_the_proposals(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a chunk holds does not grow with the proposals; 20,000 at full width would need 2 GB at once."""
    held = []
    align = regions._align

    def watched(*arguments: Any) -> Tensor:
        found = align(*arguments)
        held.append(found.numel() * found.element_size())
        return found

    monkeypatch.setattr(regions, "_align", watched)
    found = pool_regions(random_features(30, 2048, torch.float32), random_segments(2000, 30))
    assert found.shape == (2000, 3, 2048)
    assert len(held) > 10 and max(held) <= regions.CHUNK_BYTES


def test_weights_of_long_proposals_come_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    weigh = regions._weights

    def watched(*arguments: Any) -> tuple[Tensor, ...]:
        found = weigh(*arguments)
        held.append(len(found[1]))
        return found

    monkeypatch.setattr(regions, "_weights", watched)
    monkeypatch.setattr(regions, "CHUNK_ROWS", 20_000)
    roi_align(random_features(1000), torch.tensor([[0.0, 1000.0]]).repeat(100, 1))
    assert len(held) > 4 and 15_000 < max(held) <= 22_000


def test_six_hours_and_a_proposal_over_all_of_them() -> None:
    features = random_features(33_750, 8, torch.float32)
    segments = torch.tensor([[0.0, 33_750.0], [33_749.5, 33_750.0]])
    found = roi_align(features, segments)
    for number in range(12):
        part = features[number * 33_750 // 12 : (number + 1) * 33_750 // 12]
        torch.testing.assert_close(found[0, number], part.mean(dim=0), atol=2e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_averaged_in_float32(dtype: torch.dtype) -> None:
    features = random_features(20).to(dtype)
    found = pool_regions(features, EDGES)
    assert found.dtype == torch.float32
    assert torch.equal(found, pool_regions(features.float(), EDGES))


def test_no_proposals() -> None:
    features = random_features(5, 4, torch.float32)
    nothing = torch.zeros(0, 2)
    assert pool_regions(features, nothing).shape == (0, 3, 4)
    assert roi_align(features, nothing).shape == (0, 12, 4)
    assert pool_regions(features, nothing, lengths=(2, 3), counts=(0, 0)).shape == (0, 3, 4)
    assert pool_regions(features[:0], nothing, lengths=(), counts=()).shape == (0, 3, 4)


def test_what_does_not_fit_is_refused() -> None:
    features, segments = torch.zeros(5, 4), torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"features \(T, W\) and segments \(N, 2\), got \(5, 4\) and \(3, 1\)"):
        pool_regions(features, segments[:, :1])
    for videos in ({"lengths": (2, 2), "counts": (1, 2)}, {"counts": (1, 1)}, {"lengths": (5,), "counts": (1, 2)}):
        with pytest.raises(ValueError, match="5 snippets and 3 proposals do not split"):
            pool_regions(features, segments, **videos)
    with pytest.raises(ValueError, match="not finite"):
        roi_align(features, segments + math.nan)
