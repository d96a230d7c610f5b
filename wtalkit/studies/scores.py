"""Scores of runs, kept in each run's folder, so that what was scored once is not scored again.

A kept score is found by everything it depends on: the model file, the ground truth, the feature files (by size and
time of change), subset, thresholds, and the code that localizes and scores. With it are kept the scores of many draws
of the videos, the same for all runs that are scored on the same ones: what a paired test needs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.atomic import write_text
from wtalkit.datasets import dataset
from wtalkit.errors import MachineError, ModelError
from wtalkit.evaluation.paired import SAMPLES
from wtalkit.evaluation.protocols import Setup
from wtalkit.features import FeatureFolder, FeatureSpec, preset
from wtalkit.modelfile import ModelHeader
from wtalkit.runs import Run
from wtalkit.studies.predictions import PredictionsFile

if TYPE_CHECKING:
    from wtalkit.evaluation.preparing import Prepared

SCHEMA = 3
SEED = 0
"""Of the draws of the videos."""
_DIGITS = 7
_KEPT = ("map", "average_map", "per_class", "videos", "instances", "subset", "excluded", "warnings", "model")
_CODE = (
    "annotations", "datasets", "evaluation", "features", "localization", "methods", "proposals",
    "detection.py", "localizer.py", "scoring.py",
)  # fmt: skip


@dataclass(frozen=True)
class TestData:
    """What runs are scored on.

    Attributes:
        features: folder of features.
        truth: annotations with segments; None where a built-in data set takes their place.
        subset: the subset scored; None for its usual names.
        setup: how they are scored.
        rules: settings in it that differ from its protocol's.
        assume_spec: spec of features without records.
        proposals: a file of them, for models that hold no proposer.
    """

    __test__ = False  # no class of tests, whatever pytest thinks

    features: Path
    truth: Path | None
    subset: str | None
    setup: Setup
    rules: Mapping[str, str]
    assume_spec: str | None
    proposals: Path | None = None

    @cached_property
    def spec(self) -> FeatureSpec:
        """The one spec of the features.

        Raises:
            FeaturesError: there is no such folder, or it holds features of several specs.
        """
        assume = None if self.assume_spec is None else preset(self.assume_spec)
        return FeatureFolder(self.features, assume=assume).spec

    @property
    def how(self) -> dict[str, Any]:
        """What :func:`wtalkit.evaluate` is asked, whatever is scored."""
        return {
            "ground_truth": self.truth, "subset": self.subset, "tiou": self.setup.thresholds,
            "dataset": self.setup.dataset, "protocol": self.setup.protocol and self.setup.protocol.name,
            "rules": self.rules,
        }  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """Changes when the ground truth, a feature file or the scoring code does."""
        truth = self.truth if self.setup.dataset is None else dataset(self.setup.dataset).path
        digest = hashlib.sha256(truth.read_bytes() if truth is not None and truth.is_file() else b"")
        for path in sorted(self.features.rglob("*")):
            if path.suffix in (".npy", ".json"):
                facts = path.stat()
                name = path.relative_to(self.features).as_posix()
                digest.update(f"{name} {facts.st_size} {facts.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        package = Path(__file__).parent.parent
        for part in _CODE:
            for path in sorted((package / part).rglob("*.py")) or [package / part]:
                digest.update(path.read_bytes())
        return digest.hexdigest()


def score(run: Run, header: ModelHeader, data: TestData, *, again: bool = False) -> dict[str, Any]:
    """What :func:`wtalkit.evaluate` says of a run's model, from its folder if it was asked before.

    Beside that ``draws``: ``{"of": ..., "map": [samples][thresholds]}``, mAP of many draws of the videos, null where
    one holds no instance. Those of two runs belong together where ``of`` is the same.

    Args:
        run: a finished run.
        header: of its model.
        data: what to score it on.
        again: score in any case.

    Raises:
        UsageError: the model does not fit the features, or there is nothing to score.
    """
    _require_features(run, header, data)
    facts = {
        "schema": SCHEMA,
        "model": _sha256(run.model),
        "data": data.digest,
        "subset": data.subset,
        "scoring": data.setup.to_dict(),
        "assume_spec": data.assume_spec,
        "draws": [SAMPLES, SEED],
    }
    proposals = data.proposals if header.proposals is not None and header.proposer is None else None
    if proposals is not None:
        facts["proposals"] = _sha256(proposals)
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = run.folder / "scores" / f"{name}.json"
    kept = None if again else _read(path, facts)
    if kept is not None:
        return kept
    result = _scored(data, model=run.model, features=data.features, assume_spec=data.assume_spec, proposals=proposals)
    with suppress(MachineError):  # somebody else's run, or a full disk: it is only kept to save time
        write_text(path, json.dumps({**facts, "result": result}) + "\n")
    return result


def score_predictions(file: PredictionsFile, data: TestData) -> dict[str, Any]:
    """The same of predictions; they are scored in a moment, so nothing is kept.

    Raises:
        UsageError: the file is no predictions file, or there is nothing to score.
    """
    return _scored(data, predictions=file.path)


def _scored(data: TestData, **what: Any) -> dict[str, Any]:
    from wtalkit.scoring import evaluate

    drawn: dict[str, Any] = {}
    found = evaluate(
        **what, **data.how, observe=lambda prepared, thresholds, _: drawn.update(_draws(prepared, thresholds))
    )
    return {**{key: found[key] for key in _KEPT if key in found}, "draws": drawn}


def _draws(prepared: Prepared, thresholds: Sequence[float]) -> dict[str, Any]:
    """mAP of every draw, and a name for the videos drawn from."""
    from wtalkit.evaluation.resampling import drawn_counts, resample

    videos = list(prepared.truth.videos)
    found = resample(prepared.matches(thresholds), drawn_counts(len(videos), SAMPLES, SEED))
    rows = [[None if value != value else round(value, _DIGITS) for value in row] for row in found.tolist()]
    return {"of": hashlib.sha256("\n".join(videos).encode("utf-8", "surrogateescape")).hexdigest()[:16], "map": rows}


def _require_features(run: Run, header: ModelHeader, data: TestData) -> None:
    if header.feature_spec is None:
        raise ModelError("does not say which features it was trained on", file=run.model)
    if differences := FeatureSpec.from_dict(header.feature_spec).differences(data.spec):
        raise ModelError(
            f"was trained on other features than {data.features} holds: {'; '.join(differences)} (the model's first)",
            file=run.folder,
            remedy="Name its own with --features, and compare runs of other features apart",
        )


def _read(path: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        result: dict[str, Any] = document.pop("result")
        return result if document == facts else None
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
