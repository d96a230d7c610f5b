"""Score the sample project: the bundled model, models trained here, and what a localizer has to beat.

    python samples/benchmark.py samples --test samples --test fresh --out results.json

The first folder gives the training features, every ``--test`` a test subset to score (folders as ``render.py`` writes
them, after ``wtalkit extract videos/ --out feats/``). All rows come from the same evaluator. Prints Markdown.

Rows:

* bundled: the model in ``models/samples``; retrained: the same recipe, trained here.
* without CLASNet: its base ACRNet alone. RGB alone, flow alone: the same network with one stream in both inputs.
* clip classifier: the backbone's own class scores on the classes it was pre-trained on, no localizer at all.
* whole video, flow magnitude: both are told the true labels.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(REPOSITORY), str(HERE)]

from renderer.actions import SEEN, TARGETS  # noqa: E402

from wtalkit.annotations import Annotations, load_annotations  # noqa: E402
from wtalkit.detection import Detector  # noqa: E402
from wtalkit.evaluation import bootstrap, mean_average_precision  # noqa: E402
from wtalkit.features import FeatureFolder, write_features  # noqa: E402
from wtalkit.localization import DecoderSettings, decode  # noqa: E402
from wtalkit.segments import Segment  # noqa: E402
from wtalkit.timeline import Timeline  # noqa: E402
from wtalkit.training import train  # noqa: E402
from wtalkit.zoo import Choice  # noqa: E402

TIOU = [round(0.1 * i, 1) for i in range(1, 8)]
UNSEEN = tuple(name for name in TARGETS if name not in SEEN)
Results = dict[str, list[dict[str, Any]]]


class TestSet:
    """A project folder's test subset: ground truth and features."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.folder = folder
        self.truth: Annotations = load_annotations(folder / "annotations.json").subset("testing")
        self.features = FeatureFolder(folder / "feats")
        missing = [key for key in self.truth.videos if key not in self.features]
        if missing:
            raise SystemExit(f"{folder}: {len(missing)} test videos have no features; run wtalkit extract first")

    def labels(self, key: str) -> tuple[str, ...]:
        return tuple(sorted(set(self.truth.videos[key].labels)))


def rows_of(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    return [{"label": s.label, "score": s.score, "segment": [s.start_s, s.end_s]} for s in segments]


def by_model(detector: Detector, test: TestSet, pick: slice | None = None) -> Results:
    """All candidates of a model; ``pick`` puts one stream into both inputs."""
    found = {}
    for key in test.truth.videos:
        file = test.features.read(key)
        found[key] = rows_of(detector.candidates(one_stream(file, pick) if pick else file, key))
    return found


def one_stream(file: Any, pick: slice) -> Any:
    from dataclasses import replace

    half = np.asarray(file.array)[:, pick]
    return replace(file, array=np.concatenate([half, half], axis=1))


def whole_video(test: TestSet) -> Results:
    return {
        key: [{"label": n, "score": 1.0, "segment": [0.0, float(video.duration_s or 0)]} for n in test.labels(key)]
        for key, video in test.truth.videos.items()
    }


def flow_magnitude(test: TestSet, cache: Path) -> Results:
    """Runs of the mean flow magnitude (the frame's median motion removed) above ten levels, with the true labels."""
    cache.mkdir(parents=True, exist_ok=True)
    levels = tuple(np.linspace(0.1, 0.9, 17).tolist())
    settings = DecoderSettings(thresholds=levels, cls_threshold=0.5)
    found = {}
    for key, video in test.truth.videos.items():
        curve = _motion(test.folder / "videos" / f"{key}.mp4", cache / f"{test.name}-{key}.npy")
        smooth = np.convolve(curve, np.ones(7) / 7, mode="same")
        level = (smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-6)
        labels = test.labels(key)
        segments = decode(
            np.repeat(level[:, None], len(labels), axis=1), level, np.ones(len(labels)), classes=labels,
            timeline=Timeline(12.5, 1, 1), duration_s=float(video.duration_s or 0), settings=settings,
        )  # fmt: skip
        found[key] = rows_of(segments)
    return found


def _motion(path: Path, cached: Path) -> np.ndarray:
    from wtalkit.backbones.preprocess import to_gray
    from wtalkit.flow import get_flow, stream_flow
    from wtalkit.video import FrameStream

    if not cached.exists():
        frames = FrameStream(path, 12.5, short_side=96)
        curve = []
        for field in stream_flow((to_gray(frame) for frame in frames), get_flow("dis")):
            still = field - np.median(field, axis=(1, 2), keepdims=True)
            curve.append(float(np.hypot(still[0], still[1]).mean()))
        np.save(cached, np.array(curve))
    return np.asarray(np.load(cached))


def clip_classifier(test: TestSet, decoder: DecoderSettings) -> Results:
    """The backbone's two heads on every snippet; their classifier is linear, so it applies to stored features."""
    from safetensors import safe_open

    logits: dict[str, Any] = {}
    for stream in ("rgb", "flow"):
        with safe_open(REPOSITORY / "models" / "i3d-mini" / f"{stream}.safetensors", "np") as file:
            classes = json.loads(file.metadata()["classes"])
            logits[stream] = (
                file.get_tensor("logits.conv3d.weight")[:, :, 0, 0, 0],
                file.get_tensor("logits.conv3d.bias"),
            )
    known = [classes.index(name) for name in SEEN]
    found = {}
    for key, video in test.truth.videos.items():
        array = np.asarray(test.features.read(key).array)
        half = array.shape[1] // 2
        total = sum(array[:, i * half : (i + 1) * half] @ logits[s][0].T + logits[s][1] for i, s in enumerate(logits))
        total = total / 2
        share = np.exp(total - total.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        scores = share[:, known]
        top = np.sort(scores, axis=0)[-max(1, len(scores) // 10) :].mean(axis=0)
        segments = decode(
            scores, scores.max(axis=1), top, classes=list(SEEN), timeline=test.features.spec.timeline,
            duration_s=float(video.duration_s or 0), settings=decoder,
        )  # fmt: skip
        found[key] = rows_of(segments)
    return found


def score(results: Results, test: TestSet) -> dict[str, Any]:
    """mAP, averages for seen and unseen classes, 5-95 % bootstrap intervals over videos."""
    answer = mean_average_precision({"results": results}, test.truth, TIOU)
    out: dict[str, Any] = {"map": answer["map"], "average": answer["average_map"], "per_class": answer["per_class"]}
    for name, classes in (("all", TARGETS), ("seen", SEEN), ("unseen", UNSEEN)):
        spans = bootstrap({"results": results}, test.truth, TIOU, classes=classes, samples=1000)
        picked = [answer["per_class"][c] for c in classes if c in answer["per_class"]]
        out[name] = {
            "map": {t: float(np.mean([p[t] for p in picked])) for t in answer["map"]},
            "average": float(np.mean([list(p.values())[: len(TIOU)] for p in picked])),
            "interval_0.50": spans["map"]["0.50"],
            "interval_average": spans["average_map"],
        }
    return out


def trained(folder: Path, method: str, seed: int, pick: slice | None, work: Path) -> Path:
    """Train on the folder's training features; return the model file."""
    features = folder / "feats"
    if pick is not None:
        source = FeatureFolder(features)
        features = work / f"feats-{pick.start}"
        for key in source.keys:
            file = source.read(key)
            write_features(features, key, one_stream(file, pick).array, file.record)
    run = train(
        method, features=features, annotations=folder / "annotations.json", subset="training", recipe="samples",
        seed=seed, out=work / f"runs-{method}-{seed}-{pick.start if pick else 'both'}",
    )  # fmt: skip
    return Path(run.model)


def main() -> None:
    parser = argparse.ArgumentParser(description="Score the sample project.")
    parser.add_argument("project", type=Path, help="folder with the training features")
    parser.add_argument("--test", type=Path, action="append", required=True)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--cache", type=Path, default=Path("cache/benchmark"))
    parser.add_argument("--out", type=Path, help="write all numbers as JSON")
    parser.add_argument("--only", help="rows to run, separated by commas")
    args = parser.parse_args()
    tests = [TestSet(folder.resolve()) for folder in args.test]
    half = tests[0].features.spec.dim // 2
    seeds = [int(s) for s in args.seeds.split(",")]
    table: dict[str, dict[str, Any]] = {}

    def note(row: str, results: Results, test: TestSet) -> None:
        table.setdefault(row, {})[test.name] = score(results, test)
        got = table[row][test.name]
        apart = "  ".join(f"{name} {got[name]['average']:.3f}" for name in ("seen", "unseen"))
        line = f"{row:24s} {test.name:10s} @0.5 {got['map']['0.50']:.3f}  average {got['average']:.3f}  {apart}"
        print(line, file=sys.stderr, flush=True)

    def wanted(row: str) -> bool:
        return args.only is None or any(row.startswith(o) for o in args.only.split(","))

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        bundled = REPOSITORY / "models" / "samples" / "model.safetensors"
        if bundled.exists() and wanted("bundled"):
            detector = Detector(Choice(bundled, "samples", "bundled"), offline=True)
            for test in tests:
                note("bundled", by_model(detector, test), test)
        variants = (
            ("retrained", "clasnet", None), ("without CLASNet", "acrnet", None),
            ("RGB alone", "clasnet", slice(0, half)), ("flow alone", "clasnet", slice(half, 2 * half)),
        )  # fmt: skip
        for row, method, pick in variants:
            for seed in seeds if wanted(row) else ():
                model = trained(args.project.resolve(), method, seed, pick, work)
                detector = Detector(Choice(model, row, "trained here"), offline=True)
                for test in tests:
                    note(row if len(seeds) == 1 else f"{row}, seed {seed}", by_model(detector, test, pick), test)
    for test in tests:
        if wanted("clip classifier"):
            note("clip classifier", clip_classifier(test, DecoderSettings()), test)
        if wanted("flow magnitude"):
            note("flow magnitude", flow_magnitude(test, args.cache), test)
        if wanted("whole video"):
            note("whole video", whole_video(test), test)
    print(markdown(table, tests))
    if args.out:
        args.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def markdown(table: dict[str, dict[str, Any]], tests: Sequence[TestSet]) -> str:
    lines = []
    for test in tests:
        names = [*map(str, TIOU), "average (5-95 %)", "@0.5 (5-95 %)", "seen, average", "unseen, average"]
        lines += [f"\n### {test.name}, {len(test.truth)} test videos\n", "| system | " + " | ".join(names) + " |"]
        lines.append("| --- |" + " --- |" * len(names))
        for row, results in table.items():
            if test.name not in results:
                continue
            r = results[test.name]
            cells = [f"{v:.2f}".lstrip("0") for v in r["map"].values()]
            spans = [
                f"{r['average']:.3f} ({_span(r['all']['interval_average'])})",
                f"{r['map']['0.50']:.3f} ({_span(r['all']['interval_0.50'])})",
            ]
            apart = [f"{r[k]['average']:.3f} ({_span(r[k]['interval_average'])})" for k in ("seen", "unseen")]
            lines.append(f"| {row} | " + " | ".join([*cells, *spans, *apart]) + " |")
    return "\n".join(lines)


def _span(pair: Sequence[float]) -> str:
    return f"{pair[0]:.2f}-{pair[1]:.2f}"


if __name__ == "__main__":
    main()
