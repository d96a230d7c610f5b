"""LAC's seeds and its search, against slow versions that follow the description step by step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from wtalkit.methods import lac_search
from wtalkit.methods.lac_search import MOST, Seeds, find_elements, search_boundaries, search_sequence, select_seeds

SEEDS = range(60)


class Video(NamedTuple):
    """Scores (T, C + 1) with the background's last, points (T, C)."""

    scores: np.ndarray
    points: np.ndarray

    @property
    def background(self) -> np.ndarray:
        return self.scores[:, -1]


def video(seed: int, longest: int = 60) -> Video:
    """Scores that stay near 0 or 1 for a few snippets at a time; one to three classes, some points side by side."""
    draw = np.random.default_rng(seed)
    length, classes = int(draw.integers(2, longest)), int(draw.integers(1, 4))
    noise = draw.standard_normal((length + 4, classes + 1))
    smooth = sum(noise[shift : shift + length] for shift in range(5))
    q = 1 / (1 + np.exp(-3 * np.asarray(smooth)))
    q[:, :-1] *= 1 - q[:, -1:]
    points = np.zeros((length, classes))
    for place in draw.choice(length, int(draw.integers(1, min(length, 9))), replace=False):
        points[place, draw.integers(classes)] = points[place, draw.integers(classes)] = 1
    return Video(q.astype(np.float32), points)


def slow_seeds(seen: Video, low: float = 0.1, high: float = 0.95) -> Seeds:
    background = seen.background.tolist()
    length, marked = len(background), [t for t in range(len(background)) if seen.points[t].any()]
    sure = [False] * length
    for left, right in itertools.pairwise([-1, *marked, length]):
        gap = list(range(left + 1, right))
        if not gap or not marked:
            continue
        likely = [t for t in gap if background[t] >= np.float32(high)]
        if len(likely) < (2 if left >= 0 and right < length else 1):
            likely = [max(gap, key=lambda t: background[t])]
        first = 0 if left < 0 else likely[0]
        last = length - 1 if right == length else likely[-1]
        sure[first : last + 1] = [True] * (last + 1 - first)
    action = seen.points > 0
    for mark in marked:
        for step in (-1, 1):
            t = mark + step
            while 0 <= t < length and t not in marked and not sure[t] and background[t] <= np.float32(low):
                action[t] = seen.points[mark] > 0
                t += step
    return Seeds(action, np.array(sure))


def contrast(curve: np.ndarray, start: int, end: int) -> float:
    margin = 0.25 * (end - start)
    around = [t for t in range(max(0, int(start - margin)), min(len(curve), int(end - 1 + margin) + 1))]
    outside = [float(curve[t]) for t in around if not start <= t < end]
    inside = [float(value) for value in curve[start:end]]
    return math.fsum(inside) / len(inside) - (math.fsum(outside) / len(outside) if outside else 0.0)


def contrasts(curve: np.ndarray, action_first: bool, starts: tuple[int, ...], until: int | None = None) -> list[float]:
    """OIC of all runs but the last, which ``until`` closes."""
    edges = [0, *starts, *([] if until is None else [until])]
    both = (1 - curve, curve)
    return [
        contrast(both[(number + action_first) % 2], start, end)
        for number, (start, end) in enumerate(itertools.pairwise(edges))
    ]


def ranges(action: np.ndarray, background: np.ndarray) -> list[tuple[bool, int, int]]:
    """Kind, first and last seed of each run, found by walking along the video."""
    found: list[tuple[bool, int, int]] = []
    for t in range(len(action)):
        if not (action[t] or background[t]):
            continue
        if found and found[-1][0] == bool(action[t]):
            found[-1] = (found[-1][0], found[-1][1], t)
        else:
            found.append((bool(action[t]), t, t))
    return found


def slow_search(
    curve: np.ndarray, runs: list[tuple[bool, int, int]], budget: int, floor: float
) -> tuple[tuple[int, ...], float]:
    """Snippet by snippet: stay in the run, or start the next one, or both."""
    kind = runs[0][0]

    def closed(starts: tuple[int, ...]) -> float:
        return float(np.mean(contrasts(curve, kind, starts))) if starts else math.inf

    beam: list[tuple[int, ...]] = [()]
    for t in range(1, len(curve)):
        grown: list[tuple[int, ...]] = []
        for starts in beam:
            following = len(starts) + 1
            if following < len(runs) and t == runs[following][1]:
                grown.append((*starts, t))
                continue
            grown.append(starts)
            if following < len(runs) and t > runs[following - 1][2]:
                grown.append((*starts, t))
        scores = {starts: closed(starts) for starts in grown}
        best = max(grown, key=lambda starts: scores[starts])
        beam = [starts for starts in grown if scores[starts] >= floor] or [best]
        if len(beam) > budget:
            cut = sorted((scores[starts] for starts in beam), reverse=True)[budget - 1]
            beam = [starts for starts in beam if scores[starts] >= cut]
    final = {starts: float(np.mean(contrasts(curve, kind, starts, len(curve)))) for starts in beam}
    chosen = max(reversed(beam), key=lambda starts: final[starts])
    return chosen, final[chosen]


def slow_sequence(
    seen: Video, seeds: Seeds, search: Callable[..., tuple[tuple[int, ...], float]] = slow_search
) -> tuple[np.ndarray, float]:
    labels, scores = np.zeros(seen.points.shape, dtype=bool), []
    for label in range(seen.points.shape[1]):
        action = seeds.action[:, label]
        if action.any():
            others = np.delete(seeds.action, label, axis=1).any(axis=1)
            runs = ranges(action, seeds.background | (others & ~action))
            starts, score = search(seen.scores[:, label], runs, 25, 0.1)
            for number, (start, end) in enumerate(itertools.pairwise([0, *starts, len(action)])):
                labels[start:end, label] = runs[0][0] == (number % 2 == 0)
            scores.append(score)
    return labels, float(np.mean(scores)) if scores else 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds_are_those_of_the_description(seed: int) -> None:
    seen = video(seed)
    found, expected = select_seeds(seen.background, seen.points), slow_seeds(seen)
    np.testing.assert_array_equal(found.background, expected.background)
    np.testing.assert_array_equal(found.action, expected.action)


def test_the_made_up_videos_have_all_kinds_of_seeds() -> None:
    """So that the comparison above is one: seeds that grew, filled gaps, and gaps where no snippet was likely."""
    found = [(seen, select_seeds(seen.background, seen.points)) for seen in map(video, SEEDS)]
    assert sum(int((seeds.action.any(1) & ~seen.points.any(1)).sum()) for seen, seeds in found) > 50
    assert sum(int((seeds.background & (seen.background < 0.5)).sum()) for seen, seeds in found) > 50
    assert sum(int((seen.background >= 0.95).sum() < 2) for seen, _ in found) >= 5


@pytest.mark.parametrize(
    ("background", "points", "action", "seeds"),
    [
        ("0.2 0.96 0.3 0.0", "...a", "...a", "##.."),  # all outward of the nearest that reaches 0.95
        ("0.2 0.90 0.3 0.0", "...a", "...a", "##.."),  # or of the likeliest
        ("0.0 0.3 0.90 0.2", "a...", "a...", "..##"),
        ("0.0 0.97 0.1 0.96 0.0", "a...a", "a...a", ".###."),  # filled between two
        ("0.0 0.3 0.97 0.2 0.0", "a...a", "a...a", "..#.."),  # one is not enough to fill
        ("0.0 0.95 0.1 0.95 0.96", "a...a", "a...a", ".###."),  # the level itself is background
        ("0.0 0.1 0.97 0.05 0.0", "a...b", "aa.bb", "..#.."),  # the level itself is action
        ("0.0 0.0 0.0 0.0", "a.b.", "a.b.", ".#.#"),  # background in every gap, however unlikely
        ("0.0 0.0 0.09 0.08 0.97", "ab...", "abbb.", "....#"),  # growing outward, not over a neighbour
        ("0.99 0.99", "..", "..", ".."),  # nothing is known of a video without points
        ("0.99 0.99", "aa", "aa", ".."),
    ],
)
def test_seeds_by_hand(background: str, points: str, action: str, seeds: str) -> None:
    marks = np.array([[mark == "a", mark == "b"] for mark in points])
    found = select_seeds(np.array(background.split(), np.float32), marks)
    told = "".join("a" if a else "b" if b else "." for a, b in found.action)
    assert (told, "".join("#" if sure else "." for sure in found.background)) == (action, seeds)


def test_levels_are_settings() -> None:
    background, points = [0.5, 0.6, 0.0, 0.4, 0.7], [[0], [0], [1], [0], [0]]
    found = select_seeds(background, points, action_level=0.4, background_level=0.5)
    assert found.background.tolist() == [True, True, False, False, True]
    assert found.action[:, 0].tolist() == [False, False, True, True, False]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_finds_what_the_slow_one_finds(seed: int) -> None:
    seen = video(seed)
    seeds = select_seeds(seen.background, seen.points)
    labels, score = slow_sequence(seen, seeds)
    found = search_sequence(seen.scores[:, :-1], seeds)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.score == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize(("budget", "floor"), [(1, 0.1), (2, -1.0), (5, 0.3)])
def test_a_narrow_beam_is_the_same_beam(budget: int, floor: float) -> None:
    differs = 0
    for seed in SEEDS:
        seen = video(seed, longest=40)
        seeds = select_seeds(seen.background, seen.points)
        label = int(np.flatnonzero(seeds.action.any(axis=0))[0])
        action = seeds.action[:, label]
        background = seeds.background | (seeds.action.any(axis=1) & ~action)
        elements, curve = find_elements(action, background), seen.scores[:, label]
        starts, score = search_boundaries(curve, elements, budget=budget, floor=floor)
        expected, best = slow_search(curve, ranges(action, background), budget, floor)
        assert tuple(starts.tolist()) == expected
        assert score == pytest.approx(best, abs=1e-6)
        differs += expected != slow_search(curve, ranges(action, background), 25, 0.1)[0]
    assert differs > 0


def test_without_limits_no_placement_of_boundaries_is_better() -> None:
    sizes = []
    for seed in range(200):
        draw = np.random.default_rng(seed)
        curve = draw.random(int(draw.integers(6, 20))).astype(np.float32)
        seeded = np.sort(draw.choice(len(curve), int(draw.integers(1, 6)), replace=False))
        action, background = np.zeros((2, len(curve)), bool)
        action[seeded[::2]] = background[seeded[1::2]] = True
        elements = find_elements(action, background) if seed % 2 else find_elements(background, action)
        windows = [range(low, high + 1) for low, high in zip(elements.earliest, elements.latest, strict=True)]
        everything = list(itertools.product(*windows))
        assert len(everything) <= MOST
        sizes.append(len(everything))
        means = [np.mean(contrasts(curve, elements.action_first, starts, len(curve))) for starts in everything]
        starts, score = search_boundaries(curve, elements, budget=MOST, floor=-np.inf)
        assert score == pytest.approx(max(means), abs=1e-6)
        assert means[everything.index(tuple(starts.tolist()))] == pytest.approx(max(means), abs=1e-6)
    assert max(sizes) > 50


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_agree_with_the_seeds(seed: int) -> None:
    seen = video(seed)
    seeds = select_seeds(seen.background, seen.points)
    labels = search_sequence(seen.scores[:, :-1], seeds).labels
    assert labels[seeds.action].all()
    for label in range(labels.shape[1]):
        others = np.delete(seeds.action, label, axis=1).any(axis=1) & ~seeds.action[:, label]
        assert not labels[seeds.background | others, label].any()


def test_boundaries_lie_where_the_scores_change() -> None:
    curve = np.array([0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1], np.float32)[:, None]
    points = np.eye(10)[5][:, None]
    found = search_sequence(curve, select_seeds(1 - curve[:, 0], points))
    assert np.flatnonzero(found.labels).tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_where_all_is_action_there_is_nothing_to_search(length: int) -> None:
    seeds = Seeds(np.ones((length, 1), bool), np.zeros(length, bool))
    found = search_sequence(np.full((length, 1), 0.75), seeds)
    assert found.labels.all()
    assert found.score == pytest.approx(0.75)  # no margin to be compared with


def test_seeds_at_the_ends_reach_to_the_ends() -> None:
    seeds = Seeds(np.array([[0], [0], [1], [0], [0]], bool), np.array([0, 0, 0, 1, 0], bool))
    found = search_sequence(np.full((5, 1), 0.5), seeds)
    assert found.labels[:, 0].tolist() == [True, True, True, False, False]


def test_of_equal_labellings_the_last_is_taken() -> None:
    """Background from 0 to a boundary at 1, 2 or 3 has no margin, which scores 1; the beam has the earliest last."""
    seeds = Seeds(np.arange(8)[:, None] >= 5, np.arange(8) == 0)
    found = search_sequence(np.zeros((8, 1)), seeds)
    assert np.flatnonzero(found.labels).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert found.score == 0.5


def test_two_classes_in_one_snippet() -> None:
    scores = np.array([[0.1, 0.1], [0.9, 0.8], [0.9, 0.1], [0.1, 0.1]], np.float32)
    found = search_sequence(scores, select_seeds([0.9, 0.0, 0.3, 0.9], [[0, 0], [1, 1], [0, 0], [0, 0]]))
    assert found.labels.T.tolist() == [[False, True, True, False], [False, True, False, False]]


def test_a_video_without_points_and_one_without_snippets() -> None:
    for length in (0, 3):
        seeds = select_seeds(np.zeros(length), np.zeros((length, 2)))
        assert not (seeds.action.any() or seeds.background.any())
        found = search_sequence(np.zeros((length, 2)), seeds)
        assert found.labels.shape == (length, 2)
        assert not found.labels.any() and found.score == 0.0


def test_equal_scores_are_all_kept_but_not_without_end() -> None:
    """Every placement inside the ones scores the same: the authors' beam would hold their product."""
    length = 200
    points = np.zeros((length, 1))
    points[5::10] = 1
    scores = np.ones((length, 1), np.float32)
    seeds = select_seeds(np.where(np.arange(length) % 10 == 0, 0.5, 0.4), points)
    assert len(find_elements(seeds.action[:, 0], seeds.background).latest) == 40
    found = search_sequence(scores, seeds, floor=-np.inf)
    assert found.labels[seeds.action[:, 0]].all() and not found.labels[seeds.background].any()
    kept = np.zeros(4 * MOST, np.int64)
    assert lac_search._survivors(np.ones(3 * MOST), 3 * MOST, 25, 0.1, kept) == MOST
    assert kept[:MOST].tolist() == list(range(2 * MOST, 3 * MOST))


def test_numbers_that_are_none_stop_nothing() -> None:
    """A training that diverged is told so by its losses, not by a crash in here."""
    scores = np.full((12, 1), np.nan)
    seeds = select_seeds(scores[:, 0], np.eye(12)[[3, 8]].sum(axis=0)[:, None])
    labels = search_sequence(scores, seeds).labels
    assert labels[[3, 8]].all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected background scores \(T,\) and points \(T, C\), got \(3,\)"):
        select_seeds(np.zeros(3), np.zeros((4, 2)))


@pytest.mark.parametrize("budget", [0, MOST + 1])
def test_a_budget_that_is_none_is_refused(budget: int) -> None:
    with pytest.raises(ValueError, match=f"keeps 1 to {MOST} hypotheses, not {budget}"):
        search_sequence(np.zeros((3, 1)), select_seeds(np.zeros(3), np.eye(3)[:, :1]), budget=budget)
