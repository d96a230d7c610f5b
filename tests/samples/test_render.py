"""The renderer of the sample project: deterministic, balanced, and without jumps that would give actions away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
sys.path.insert(0, str(SAMPLES))

import render  # noqa: E402
from renderer import plan  # noqa: E402
from renderer.actions import ACTIONS, SEEN, TARGETS  # noqa: E402
from renderer.body import joints, mirrored, pose, random_body  # noqa: E402


@pytest.mark.parametrize("seed", range(6))
def test_every_class_has_enough_videos_and_pairs_also_appear_apart(seed: int) -> None:
    for split, least in (("train", 8), ("test", 5)):
        sets = render.sets(seed, split, 40)
        counts = Counter(name for names in sets for name in names)
        assert all(counts[name] >= least for name in TARGETS), counts
        for a, b in plan.PAIRS:
            assert sum(a in names and b not in names for names in sets) >= 3
            assert sum(b in names and a not in names for names in sets) >= 3


def test_the_script_keeps_its_promises_on_length_background_and_instances() -> None:
    stages = [render.stage(3, "test", i, names) for i, names in enumerate(render.sets(3, "test", 40))]
    for stage, names in zip(stages, render.sets(3, "test", 40), strict=True):
        assert 10 <= stage.duration <= 30
        assert {a.label for a in stage.annotations} == set(names)
        share = sum(a.end - a.start for a in stage.annotations) / stage.duration
        assert 0.28 <= share <= 0.5
        ends = [(a.start, a.end) for a in stage.annotations]
        assert all(b[0] - a[1] > 0.3 for a, b in pairwise(ends)), "instances overlap"
        assert all(0.9 <= e - s <= 10 for s, e in ends)
    assert any(len({(a.label) for a in s.annotations}) < len(s.annotations) for s in stages), "nothing ever repeats"


def test_the_same_seed_gives_the_same_frames_and_another_seed_others() -> None:
    names = render.sets(4, "test", 3)[2]
    first, again, other = (render.stage(seed, "test", 2, names).picture(3.2) for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(3))
def test_figures_move_without_jumps(seed: int) -> None:
    """A figure that jumps at the border between two beats would give the action away."""
    names = render.sets(seed, "train", 8)[seed]
    stage = render.stage(seed, "train", seed, names)
    for actor in stage.actors:
        if not hasattr(actor, "beats") or type(actor).__name__ == "_Prop":
            continue
        before: dict[str, np.ndarray] | None = None
        for k in range(int(stage.duration * 25)):
            t = k / 25
            place, yaw = actor.place(t)
            points = joints(actor.body, actor.beat(t).pose(t, actor.left_handed), yaw)
            points = {n: p + np.array([place.x / place.size, 0, 0]) for n, p in points.items()}
            if before is not None:
                leap = max(float(np.linalg.norm(points[n] - before[n])) for n in points)
                acting = actor.beat(t).performance is not None and actor.beat(t) is actor.beat(t - 1 / 25)
                assert leap < (0.45 if acting else 0.2), (
                    f"{leap:.2f} body heights in one frame at {t:.2f} s: {actor.beat(t)}"
                )
            before = points


def test_actions_start_and_end_in_their_rest_poses() -> None:
    rng = np.random.default_rng(0)
    body = random_body(rng, 120)
    for action in ACTIONS.values():
        performance = plan.example(action.name)
        for phase, rest in ((0.0, action.before), (1.0, action.after)):
            got = joints(body, performance.pose(phase, phase * action.seconds[0]), 20.0)
            want = joints(body, rest, 20.0)
            off = max(float(np.linalg.norm(got[n] - want[n])) for n in got)
            assert off < 0.13, f"{action.name} at phase {phase}: {off:.2f} body heights off its rest pose"


def test_mirroring_twice_is_the_identity_and_feet_stay_on_the_ground() -> None:
    vector = pose(r_arm_flex=80, twist=20, l_knee=40)
    assert np.allclose(mirrored(mirrored(vector)), vector)
    body = random_body(np.random.default_rng(1), 120)
    for action in ACTIONS.values():
        points = joints(body, plan.example(action.name).pose(0.5, 1.0), 0.0)
        assert min(p[1] for n, p in points.items() if n != "face") > 0


def test_pretraining_sees_half_of_the_targets_only() -> None:
    classes = plan.pretraining_classes()
    assert len(classes) >= 16
    assert set(classes) & set(TARGETS) == set(SEEN)
    assert len(SEEN) * 2 == len(TARGETS)


def test_command_line_writes_a_project(tmp_path: Path) -> None:
    command = [sys.executable, str(SAMPLES / "render.py"), "--seed", "9", "--out", str(tmp_path / "p")]
    subprocess.run([*command, "--train", "1", "--test", "1"], check=True, capture_output=True)
    document = json.loads((tmp_path / "p" / "annotations.json").read_text())
    assert set(document["database"]) == {"train_000", "test_000"}
    for key, entry in document["database"].items():
        assert (tmp_path / "p" / "videos" / f"{key}.mp4").stat().st_size > 1000
        assert entry["subset"] in ("training", "testing")
        assert all(0 <= s["segment"][0] < s["segment"][1] <= entry["duration"] for s in entry["annotations"])
    assert (tmp_path / "p" / "wtalkit.toml").is_file()
