"""Batches: every video in turn, samplings, padding, pairs, and a state that can be put back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.conftest import Project
from wtalkit.annotations import load_annotations, points_from_segments
from wtalkit.features import FeatureFolder
from wtalkit.training.batches import Batches
from wtalkit.training.data import TrainingSet, load_training_set
from wtalkit.training.settings import TrainSettings


@pytest.fixture
def data(project: Project) -> TrainingSet:
    return load_training_set(load_annotations(project.annotations), FeatureFolder(project.features), subset="training")


def settings(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate(
        {"steps": 10, "batch_size": 4, "lr": 0.1, "length": 20, "sampling": "full", **changes}
    )


def batches(data: TrainingSet, seed: int = 0, **changes: object) -> Batches:
    return Batches(data, settings(**changes), np.random.default_rng(seed))


def test_every_video_is_seen_before_any_is_seen_twice(data: TrainingSet) -> None:
    stream = batches(data, batch_size=3)
    for _ in range(4):
        epoch = [meta.key for _ in range(3) for meta in stream.draw().meta]
        assert sorted(epoch) == list(data.keys)


def test_a_batch_may_be_larger_than_the_data(data: TrainingSet) -> None:
    keys = [meta.key for meta in batches(data, batch_size=20).draw().meta]
    assert {keys.count(key) for key in data.keys} == {2, 3}


@pytest.mark.parametrize("sampling", ["random", "slots", "uniform", "full"])
@pytest.mark.parametrize("length", [7, 29, 60])
def test_rows_are_the_snippets_they_say(data: TrainingSet, sampling: str, length: int) -> None:
    batch = batches(data, sampling=sampling, length=length).draw()
    for row, meta in enumerate(batch.meta):
        index = data.keys.index(meta.key)
        assert meta.positions is not None
        rows = len(meta.positions)
        assert rows == (min(length, meta.n_snippets) if sampling == "full" else length)
        assert list(meta.positions) == sorted(meta.positions)
        joined = torch.cat([batch.rgb[row], batch.flow[row]], dim=-1)
        np.testing.assert_array_equal(joined[:rows], data.arrays[index][list(meta.positions)])
        assert batch.mask[row].tolist() == [True] * rows + [False] * (len(joined) - rows)
        assert not joined[rows:].any()
        np.testing.assert_array_equal(batch.targets[row], data.labels[index])


def test_long_videos_are_cut_somewhere_else_each_time(data: TrainingSet) -> None:
    stream = batches(data, length=5)
    starts = {meta.positions[0] for _ in range(20) for meta in stream.draw().meta if meta.positions}
    assert len(starts) > 10
    assert max(starts) <= max(data.arrays.lengths) - 5


def test_pairs_share_a_class(data: TrainingSet) -> None:
    stream = batches(data, similar_pairs=2, batch_size=5)
    for _ in range(10):
        batch = stream.draw()
        assert batch.pairs == ((0, 1), (2, 3))
        assert len(batch) == 5
        for first, second in batch.pairs:
            assert batch.meta[first].key != batch.meta[second].key
            assert (batch.targets[first] * batch.targets[second]).any()


def test_the_state_puts_the_future_back(data: TrainingSet) -> None:
    stream = batches(data, length=6, sampling="random", similar_pairs=1)
    stream.draw()
    state = stream.state()
    expected = [stream.draw() for _ in range(5)]
    other = batches(data, seed=99, length=6, sampling="random", similar_pairs=1)
    other.restore(state)
    for batch in expected:
        again = other.draw()
        assert again.meta == batch.meta
        assert torch.equal(again.rgb, batch.rgb)


def test_seeds_differ(data: TrainingSet) -> None:
    orders = {tuple(meta.key for meta in batches(data, seed=seed).draw().meta) for seed in range(5)}
    assert len(orders) > 1


def test_compiled_code_sees_one_shape(data: TrainingSet) -> None:
    plain, fixed = batches(data, length=60), batches(data, length=60, compile=True)
    for _ in range(3):
        mine, theirs = fixed.draw(), plain.draw()
        assert mine.rgb.shape == (4, 60, 16)
        longest = theirs.rgb.shape[1]
        assert longest < 60
        assert torch.equal(mine.rgb[:, :longest], theirs.rgb) and torch.equal(mine.mask[:, :longest], theirs.mask)
        assert not mine.mask[:, longest:].any() and not mine.flow[:, longest:].any()


@pytest.fixture
def pointed(project: Project) -> TrainingSet:
    annotations = points_from_segments(load_annotations(project.annotations), subset="training")
    return load_training_set(annotations, FeatureFolder(project.features), subset="training", points=True)


@pytest.mark.parametrize("sampling", ["random", "slots", "uniform", "full"])
@pytest.mark.parametrize("length", [7, 29, 60])
def test_points_go_with_the_snippets_that_hold_them(pointed: TrainingSet, sampling: str, length: int) -> None:
    batch = batches(pointed, batch_size=9, sampling=sampling, length=length).draw()
    assert batch.points is not None
    assert batch.points.shape == (*batch.mask.shape, len(pointed.classes))
    assert batch.points.dtype == torch.float32
    assert pointed.points is not None
    for row, meta in enumerate(batch.meta):
        index = pointed.keys.index(meta.key)
        held = {
            (min(int(meta.timeline.to_position(second)), meta.n_snippets - 1), int(label))
            for second, label in pointed.points[index]
        }
        assert held, "every video has a point"
        for place, snippet in enumerate(meta.positions or ()):
            expected = [float((snippet, label) in held) for label in range(len(pointed.classes))]
            assert batch.points[row, place].tolist() == expected
        assert not batch.points[row, len(meta.positions or ()) :].any()
    assert batch.points.any()


def test_points_are_padded_with_the_snippets(pointed: TrainingSet) -> None:
    batch = batches(pointed, length=60, compile=True).draw()
    assert batch.points is not None
    assert batch.points.shape == (4, 60, len(pointed.classes))


def test_no_points_without_point_labels(data: TrainingSet) -> None:
    assert batches(data).draw().points is None
