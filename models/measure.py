"""Train and score every method on one data set, several seeds each, and keep the figures in ``models/measured.json``.

    python models/measure.py thumos14-sim --project cache/thumos14-sim       # train and score what is not done yet
    python models/measure.py samples --project samples
    python models/measure.py --write                                         # models/measured.json from what is done

A row is a composition; a finished (row, seed) is never trained again, so several of these may run side by side on
``--rows`` of their own. Every row of a data set gets the same number of steps, batch size, length and rate
(``SETTINGS``), so the table compares methods, not budgets. ``seal@co2net`` is SEAL on the proposals of the row
``co2net`` of the same seed, which is measured first. ``--write`` leaves rows as they are that are not in the cache.

Scores: ``seconds`` is wtalkit's own evaluation. ``snippets`` is that of the CO2-Net and DELU codes, for
these two: ground truth and detections in whole snippets, and detections that touch an interval marked ambiguous left
out.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from wtalkit.annotations import load_annotations
from wtalkit.annotations.points import points_from_segments
from wtalkit.atomic import write_text
from wtalkit.catalogue import Measured
from wtalkit.detector import Detector
from wtalkit.evaluation import mean_average_precision
from wtalkit.evaluation.ambiguous import drop_ambiguous
from wtalkit.features import FeatureFolder
from wtalkit.modelfile import ModelHeader, read_header
from wtalkit.proposals import Proposer
from wtalkit.runs import Run
from wtalkit.scoring import run_over_features
from wtalkit.studies.groups import Figure, named_averages
from wtalkit.training import train
from wtalkit.zoo import Choice

REPOSITORY = Path(__file__).resolve().parent.parent
SCORED_IN_SNIPPETS = ("-co2net", "-delu")
TIOU = [round(0.1 * i, 1) for i in range(1, 8)]
SETTINGS: dict[str, dict[str, Any]] = {
    # As the official CO2-Net and DELU codes were run on these features; length and rate for everybody.
    "thumos14-sim": {"recipe": "thumos14", "steps": 801, "batch_size": 10, "length": 200, "lr": 5e-4},
    "samples": {"recipe": "samples"},
}
SUBSETS = {"thumos14-sim": ("validation", "test"), "samples": ("training", "testing")}
POINTS = "points.json"
"""Beside the annotations: the same with a point per instance of the training videos, for methods that need them."""
BASES = ("co2net", "delu", "acrnet", "tssam")
NAMES = {"thumos14-sim": "simulated THUMOS14", "samples": "samples"}
MACHINE = "one thread of a shared 2-core machine, CPU seconds"
SECOND_STAGE = (
    *("pmil@co2net", "seal@co2net-sme-pc-sc", "seal@co2net"),
    *("seal@co2net-pc-sc", "seal@co2net-sme-sc", "seal@co2net-sme-pc"),
    *("seal@co2net-sc", "seal@co2net-sme", "seal@co2net-moderate-pc-sc"),
    *("pmil@lac", "seal@lac-sme-pc-sc", "seal@lac"),
)
ROWS = (
    *BASES,
    *(f"{plugin}+{base}" for plugin in ("clasnet", "fenet") for base in BASES),
    "fenet+clasnet+co2net",
    "lac",
    *SECOND_STAGE,
)
# What a base's rows change in their recipe on the simulated features; a row named with "~" changes nothing. ACRNet
# trains its attention towards its own choice of snippets: from a random start it settled on the background with one
# seed. tssam's guide loss, summed over time with the paper's weight, drives the foreground attention to 1 everywhere.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "thumos14-sim": {
        "acrnet": {"acrnet.even_attention": True},
        "tssam": {"tssam.gui_weight": 0.0002, "tssam.guide_length": 750},
        # Whole videos, as its authors: most points would lie outside of 200 snippets.
        "lac": {"length": 4096},
        # Proposals of a video, not snippets.
        "pmil": {"length": 1000},
        "seal": {"length": 1000},
    },
    "samples": {},
}


@dataclass(frozen=True)
class Row:
    """``clasnet+acrnet-brm`` is ACRNet under CLASNet without brm, ``seal@acrnet`` SEAL on ACRNet's proposals."""

    base: str
    plugins: tuple[str, ...]
    without: tuple[str, ...]
    changes: dict[str, Any]
    proposer: str | None = None

    @classmethod
    def parse(cls, text: str, dataset: str) -> Row:
        names, *without = text.split("-")
        names, _, proposer = names.partition("@")
        *plugins, base = names.removesuffix("~").split("+")
        changes = {} if names.endswith("~") else CHANGES[dataset].get(base, {})
        return cls(base, tuple(plugins), tuple(without), changes, proposer or None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", choices=SETTINGS)
    parser.add_argument("--project", type=Path, help="folder with wtalkit.toml, annotations.json and feats/")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--cache", type=Path, default=REPOSITORY / "cache" / "measure")
    parser.add_argument("--write", action="store_true", help="write models/measured.json")
    options = parser.parse_args()
    if options.dataset:
        torch.set_num_threads(1)
        for seed in map(int, options.seeds.split(",")):
            for row in options.rows.split(","):
                measure(options.dataset, options.project, row, seed, options.cache)
    if options.write:
        write(options.cache)


def measure(dataset: str, project: Path, row: str, seed: int, cache: Path) -> None:
    """Train and score one row with one seed, unless that is done."""
    folder = cache / dataset / row / str(seed)
    result = folder / "result.json"
    if result.exists():
        return
    parts = Row.parse(row, dataset)
    settings = SETTINGS[dataset] | parts.changes
    recipe = settings.pop("recipe")
    proposer = None if parts.proposer is None else proposer_of(dataset, project, parts.proposer, seed, cache)
    annotations = points_of(dataset, project) if parts.base == "lac" else project / "annotations.json"
    started = time.process_time()
    run = train(
        parts.base,
        plugins=parts.plugins,
        without=parts.without,
        features=project / "feats",
        annotations=annotations,
        subset=SUBSETS[dataset][0],
        recipe=recipe,
        overrides=settings,
        seed=seed,
        out=folder / "runs",
        proposer=proposer,
    )
    seconds = time.process_time() - started  # the machine is shared: wall time would measure the others
    scores = score(run, project, SUBSETS[dataset][1])
    header = read_header(run.model)
    document = {"dataset": dataset, "row": row, **asdict(parts), "seed": seed, "recipe": recipe}
    document |= {"supervision": header.supervision, "proposals": told(header)}
    document |= {"settings": settings, "steps": steps_of(run), "train_cpu_seconds": round(seconds, 1), **scores}
    result.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{row} seed {seed}: {scores['seconds']['average']:.4f} in {seconds:.0f} s", flush=True)


def proposer_of(dataset: str, project: Path, row: str, seed: int, cache: Path) -> Path:
    """The model of another row with the same seed, trained now if it is not there."""
    measure(dataset, project, row, seed, cache)
    (model,) = (cache / dataset / row / str(seed) / "runs").glob("*-*/model.safetensors")
    return model


def points_of(dataset: str, project: Path) -> Path:
    """Annotations whose training videos have one point an instance instead of its start and end."""
    path = project / POINTS
    if not path.exists():
        everything = load_annotations(project / "annotations.json")
        derived = points_from_segments(everything, subset=SUBSETS[dataset][0], distribution="gaussian", seed=0)
        write_text(path, json.dumps(derived.to_activitynet()))
    return path


def told(header: ModelHeader) -> dict[str, Any] | None:
    """Who made the proposals, without where on this machine."""
    if header.proposals is None:
        return None
    return header.proposals.model_copy(update={"path": None, "sha256": None}).to_dict()


def steps_of(run: Run) -> int:
    return int(tomllib.loads(run.config.read_text())["steps"])


def score(run: Run, project: Path, subset: str) -> dict[str, Any]:
    """mAP of a run's model by both evaluations."""
    detector = Detector(Choice(run.model, run.name, "measured"))
    truth = load_annotations(project / "annotations.json").subset(subset)
    features = FeatureFolder(project / "feats")
    truth = truth.only(set(truth.videos) & set(features.keys))
    found = run_over_features(detector, features, tuple(truth.videos))["results"]
    scores = {"seconds": figures(found, truth.to_activitynet()["database"])}
    raw = json.loads((project / "annotations.json").read_text())["database"]
    if run.name.endswith(SCORED_IN_SNIPPETS) and any("ambiguous" in video for video in raw.values()):
        scores["snippets"] = figures(*in_snippets(found, {key: raw[key] for key in truth.videos}))
    return scores


def figures(results: dict[str, Any], database: dict[str, Any]) -> dict[str, Any]:
    scored = mean_average_precision(results, {"database": database}, TIOU)
    return {"map": scored["map"], "average": scored["average_map"]}


def in_snippets(results: dict[str, Any], database: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Detections and ground truth as the CO2-Net code compares them.

    Hundredths of a snippet are kept: seconds that were whole snippets must be whole again, since IoU often equals its
    threshold there.
    """
    left, _ = drop_ambiguous(results, {key: video.get("ambiguous", []) for key, video in database.items()})
    kept = {
        key: [{**row, "segment": [round(second * 25 / 16, 2) for second in row["segment"]]} for row in rows]
        for key, rows in left.items()
    }
    truth = {key: {"annotations": [whole(row) for row in video["annotations"]]} for key, video in database.items()}
    return kept, truth


def whole(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "segment": [round(second * 25 / 16) for second in row["segment"]]}


def write(cache: Path) -> None:
    """Write ``models/measured.json`` and print its tables as Markdown."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted(cache.glob("*/*/*/result.json")):
        found = json.loads(path.read_text())
        rows.setdefault((found["dataset"], found["row"]), []).append(found)
    ordered = sorted(rows.items())
    measured = [line for (dataset, row), runs in ordered for line in lines(dataset, row, runs)]
    path = REPOSITORY / "models" / "measured.json"
    kept = [row for row in json.loads(path.read_text())["rows"] if identity(row) not in map(identity, measured)]
    document = Measured.model_validate({"rows": sorted([*kept, *measured], key=place)})
    write_text(path, document.model_dump_json(indent=1, exclude_none=True) + "\n")
    for dataset in dict.fromkeys(line["dataset"] for line in measured):
        for protocol in dict.fromkeys(line["protocol"] for line in measured if line["dataset"] == dataset):
            table([line for line in measured if (line["dataset"], line["protocol"]) == (dataset, protocol)])


def identity(row: dict[str, Any]) -> str:
    """What a row of the file is a row of."""
    proposer = row.get("proposer") or {}
    parts = [row["base"], list(row.get("plugins", ())), list(row.get("without", ())), proposer.get("method")]
    return json.dumps([row["dataset"], row["protocol"], *parts, row.get("settings", {})], sort_keys=True)


def place(row: dict[str, Any]) -> tuple[str, str, int, str]:
    """Sorts rows: by data set and way of scoring, then as ``ROWS``."""
    proposer = (row.get("proposer") or {}).get("method")
    name = "+".join((*row.get("plugins", ()), row["base"])) + (f"@{proposer}" if proposer else "")
    name += "".join(f"-{part}" for part in row.get("without", ()))
    return row["dataset"], row["protocol"], ROWS.index(name) if name in ROWS else len(ROWS), identity(row)


def lines(dataset: str, row: str, runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row of the file for every way of scoring."""
    first = runs[0]
    plugins = first["plugins"]
    for protocol in ("seconds", "snippets"):
        if not all(protocol in run for run in runs):
            continue
        scores = [run[protocol]["map"] for run in runs]
        averages = [named_averages(each) for each in scores]
        yield {
            "dataset": NAMES[dataset],
            "method": plugins[0] if plugins else first["base"],
            "base": first["base"],
            "plugins": plugins,
            "without": first["without"],
            "seeds": [run["seed"] for run in runs],
            "protocol": protocol,
            "supervision": first.get("supervision", "video-level"),
            "proposer": first.get("proposals"),
            "map": {key: Figure.of([each[key] for each in scores]).to_dict() for key in scores[0]},
            "averages": {key: Figure.of([each[key] for each in averages]).to_dict() for key in averages[0]},
            "recipe": first["recipe"],
            "steps": first["steps"],
            "settings": first["settings"] | first["changes"],
            "training_seconds": cpu_seconds(runs),
            "machine": MACHINE,
        }


def cpu_seconds(runs: list[dict[str, Any]]) -> dict[str, float | None] | None:
    known = [run["train_cpu_seconds"] for run in runs if run["train_cpu_seconds"] is not None]
    return Figure.of(known).to_dict() if known else None


def table(rows: list[dict[str, Any]]) -> None:
    print(f"\n{rows[0]['dataset']}, {rows[0]['protocol']}, mAP in %, mean and standard deviation over seeds\n")
    keys = list(rows[0]["map"])
    print("| method | seeds |", " | ".join(keys), "| .1:.7 | CPU s |")
    print("| --- | --- |", " | ".join("---" for _ in keys), "| --- | --- |")
    for row in rows:
        parts = " + ".join((row["base"], *row["plugins"])) + "".join(f" without {part}" for part in row["without"])
        parts += f" on {Proposer.model_validate(row['proposer'])}" if row["proposer"] else ""
        means = " | ".join(f"{100 * row['map'][key]['mean']:.1f}" for key in keys)
        average = row["averages"]["0.1:0.7"]
        spread = "" if average["std"] is None else f" ± {100 * average['std']:.1f}"
        seconds = f"{row['training_seconds']['mean']:.0f}" if row["training_seconds"] else ""
        changes = "".join(f", {key}={value}" for key, value in row["settings"].items() if "." in key)
        print(f"| {parts}{changes} | {len(row['seeds'])} | {means} | {100 * average['mean']:.1f}{spread} | {seconds} |")


if __name__ == "__main__":
    main()
