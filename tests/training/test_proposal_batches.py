"""Batches of proposals: every video once, at most so many of its proposals, each with its own regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.conftest import SPEC, Project
from wtalkit.annotations import load_annotations
from wtalkit.features import FeatureFolder
from wtalkit.methods.regions import pool_regions
from wtalkit.proposals import Pool, pool
from wtalkit.training.data import TrainingSet, load_training_set
from wtalkit.training.proposal_batches import ProposalBatches, TrainingProposals
from wtalkit.training.recipes import load_recipe

COUNTS = (50, 12, 0, 7, 30, 1, 25, 20, 13)
MOST = 20


@pytest.fixture
def data(project: Project) -> TrainingSet:
    return load_training_set(load_annotations(project.annotations), FeatureFolder(project.features), subset="training")


@pytest.fixture
def pools(data: TrainingSet) -> list[Pool]:
    draw = np.random.default_rng(0)
    found = []
    for count, array, duration_s in zip(COUNTS, data.arrays, data.durations, strict=True):
        start = draw.random(count) * (duration_s - 3)
        seconds = np.stack([start, start + 1 + draw.random(count)], axis=1)
        found.append(pool(seconds, timeline=SPEC.timeline, snippets=len(array), duration_s=duration_s))
    return found


def batches(proposals: TrainingProposals, seed: int = 0, batch_size: int = 9) -> ProposalBatches:
    changes = {"length": MOST, "batch_size": batch_size}
    return ProposalBatches(proposals, load_recipe("samples", "pmil", (), changes).settings, np.random.default_rng(seed))


def test_a_step_sees_every_video_and_at_most_so_many_proposals(data: TrainingSet, pools: list[Pool]) -> None:
    batch = batches(TrainingProposals.of(data, pools)).draw()
    seen = {meta.key: count for meta, count in zip(batch.meta, batch.counts, strict=True)}
    assert seen == {key: min(count, MOST) for key, count in zip(data.keys, COUNTS, strict=True)}
    for meta, labels in zip(batch.meta, batch.targets, strict=True):
        assert torch.equal(labels, torch.from_numpy(data.labels[data.keys.index(meta.key)]))


@pytest.mark.parametrize("limit_bytes", [1 << 30, 0])
def test_regions_are_those_of_the_segments_beside_them(data: TrainingSet, pools: list[Pool], limit_bytes: int) -> None:
    proposals = TrainingProposals.of(data, pools, limit_bytes)
    assert [kept is None for kept in proposals.regions] == [limit_bytes == 0] * len(COUNTS)
    batch = batches(proposals).draw()
    rows = zip(batch.meta, batch.split(batch.segments), batch.split(batch.regions), strict=True)
    for meta, segments, regions in rows:
        place = data.keys.index(meta.key)
        all_of_it = pools[place].segments.astype(np.float32)
        assert len(np.unique(segments.numpy(), axis=0)) == len(segments), "none is drawn twice"
        assert all((all_of_it == segment).all(axis=1).any() for segment in segments.numpy())
        expected = pool_regions(torch.from_numpy(data.arrays[place]), segments.double())
        torch.testing.assert_close(regions, expected.float(), atol=1e-4, rtol=1e-4)


def test_other_steps_see_other_proposals(data: TrainingSet, pools: list[Pool]) -> None:
    drawn = batches(TrainingProposals.of(data, pools))
    first, second = drawn.draw(), drawn.draw()
    key = data.keys[COUNTS.index(50)]
    mine, theirs = (
        batch.split(batch.segments)[[meta.key for meta in batch.meta].index(key)] for batch in (first, second)
    )
    assert not torch.equal(mine, theirs)


def test_what_is_drawn_next_is_kept(data: TrainingSet, pools: list[Pool]) -> None:
    proposals = TrainingProposals.of(data, pools)
    drawn = batches(proposals, batch_size=4)
    drawn.draw()
    state = drawn.state()
    expected = drawn.draw()
    again = batches(proposals, seed=5, batch_size=4)
    again.restore(state)
    found = again.draw()
    assert [meta.key for meta in found.meta] == [meta.key for meta in expected.meta]
    assert torch.equal(found.segments, expected.segments) and torch.equal(found.regions, expected.regions)
