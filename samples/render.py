"""Render a sample project: videos of acting figures with exact ground truth.

    python samples/render.py --seed 7 --out fresh --train 0 --test 40

writes ``OUT/videos/*.mp4``, ``OUT/annotations.json`` and ``OUT/wtalkit.toml``. The same seed gives the same frames.
Videos that are there already are kept, so an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from renderer import plan
from renderer.draw import HEIGHT, WIDTH
from renderer.encode import FPS, write_video
from renderer.stage import Stage

SPLITS = {"train": "training", "test": "testing", "demo": "demo"}
MATCH = ("jumping jack", "kick", "sit down", "stand up", "throw", "wave")
SETTINGS = """# Defaults for the commands run in this folder.
videos = "videos"
annotations = "annotations.json"
features = "feats"
runs = "runs"
backbone = "i3d-mini"
flow = "tvl1"
model = "samples"
"""


def stage(seed: int, split: str, index: int, names: tuple[str, ...]) -> Stage:
    """The script of one video; depends on nothing but its arguments."""
    rng = np.random.default_rng([seed, list(SPLITS).index(split), index])
    if split == "demo":
        return plan.video(rng, names, duration=60.0, repeats=2)
    return plan.video(rng, names)


def sets(seed: int, split: str, count: int) -> list[tuple[str, ...]]:
    """The classes of every video of a split."""
    if split == "demo":
        return [MATCH]
    return plan.class_sets(np.random.default_rng([seed, list(SPLITS).index(split), 10_000]), count)


def _job(args: tuple[int, str, int, tuple[str, ...], str]) -> tuple[str, dict[str, object]]:
    import cv2

    cv2.setNumThreads(1)
    seed, split, index, names, path = args
    target = Path(path)
    script = stage(seed, split, index, names)
    frames = round(script.duration * FPS)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".part")
        write_video(partial, (script.picture(k / FPS) for k in range(frames)))
        partial.replace(target)
    segments = [{"segment": [round(a.start, 3), round(a.end, 3)], "label": a.label} for a in script.annotations]
    entry = {
        "subset": SPLITS[split],
        "duration": frames / FPS,
        "resolution": f"{WIDTH}x{HEIGHT}",
        "annotations": segments,
    }
    return target.stem, entry


def main() -> None:
    parser = argparse.ArgumentParser(description="Render a sample project: videos with exact ground truth.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=40, help="training videos")
    parser.add_argument("--test", type=int, default=40, help="test videos")
    parser.add_argument("--demo", action="store_true", help="also render match.mp4, a minute of subset demo")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    jobs: list[tuple[int, str, int, tuple[str, ...], str]] = []
    for split, count in (("train", args.train), ("test", args.test)):
        for index, names in enumerate(sets(args.seed, split, count)):
            jobs.append((args.seed, split, index, names, str(args.out / "videos" / f"{split}_{index:03d}.mp4")))
    if args.demo:
        jobs.append((args.seed, "demo", 0, MATCH, str(args.out / "match.mp4")))
    database: dict[str, dict[str, object]] = {}
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        for done, (key, entry) in enumerate(pool.map(_job, jobs), start=1):
            database[key] = entry
            print(f"\r{done}/{len(jobs)} videos", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    args.out.mkdir(parents=True, exist_ok=True)
    document = {"version": f"wtalkit samples, seed {args.seed}", "database": database}
    (args.out / "annotations.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (args.out / "wtalkit.toml").write_text(SETTINGS, encoding="utf-8")
    print(f"{args.out}: {len(database)} videos. Next: cd {args.out} && wtalkit extract videos/ --out feats/")


if __name__ == "__main__":
    main()
