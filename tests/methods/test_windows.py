"""Inference in windows: cover, merge, exactness where nothing is cut, memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.methods.tiny import small
from wtalkit.methods import Batch, run_windows
from wtalkit.methods.windows import window_starts
from wtalkit.timeline import Timeline


def features(length: int, dim: int = 64) -> np.ndarray:
    return np.random.default_rng(0).random((length, dim), dtype=np.float32)


@given(st.integers(1, 400), st.integers(1, 60))
def test_windows_cover_and_overlap(length: int, size: int) -> None:
    size = min(size, length)
    starts = window_starts(length, size)
    assert starts[0] == 0 and starts[-1] + size == length
    for before, after in pairwise(starts):
        assert before < after <= before + max(1, size - int(size * 0.25))


def test_a_video_that_fits_runs_whole() -> None:
    model = small("clasnet").eval()
    found = run_windows(model, features(40), Timeline(25), max_length=40)
    out, auxes = model(Batch.from_features([torch.from_numpy(features(40))]))
    np.testing.assert_array_equal(found.act_scores, out.act_scores[0].detach().numpy())
    np.testing.assert_array_equal(found.attn, out.attn[0].detach().numpy())
    np.testing.assert_array_equal(found.plugin_attn["clasnet"], auxes["clasnet"]["attn"][0].detach().numpy())
    np.testing.assert_array_equal(found.video_scores, out.video_scores[0].detach().numpy())
    assert found.T == 40


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_method_that_sees_single_snippets_is_merged_exactly(batch_size: int) -> None:
    model = small(kernel=1, without=("mca", "bwa"))
    whole = run_windows(model, features(101), max_length=101)
    pieces = run_windows(model, features(101), max_length=20, batch_size=batch_size)
    np.testing.assert_allclose(pieces.act_scores, whole.act_scores, atol=1e-6)
    np.testing.assert_allclose(pieces.attn, whole.attn, atol=1e-6)
    assert model.training, "the model's mode is left as it was"


def test_a_class_scores_what_its_best_window_says() -> None:
    model = small(merge="heads")
    pieces = [run_windows(model, features(90)[s : s + 30], max_length=30) for s in window_starts(90, 30)]
    merged = run_windows(model, features(90), max_length=30)
    np.testing.assert_allclose(merged.video_scores, np.max([p.video_scores for p in pieces], axis=0), atol=1e-6)


def test_other_widths_and_nothing_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected features \(T, 64\)"):
        run_windows(small(), features(10, 32), max_length=5)
    with pytest.raises(ValueError, match="T >= 1"):
        run_windows(small(), features(0), max_length=5)


def test_the_model_never_sees_more_than_a_window() -> None:
    """Memory does not grow with the video."""
    model, seen = small(merge="heads"), []
    model.register_forward_hook(lambda _model, inputs, _output: seen.append(tuple(inputs[0].mask.shape)))
    result = run_windows(model, features(400), max_length=50, batch_size=4)
    assert set(seen) == {(4, 50), (3, 50)}
    assert result.T == 400
