"""Score a model over the features of the test subset, or a predictions file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.annotations import Annotations, load_annotations, resolve_subset
from wtalkit.errors import AnnotationsError, ProposalsError, UsageError
from wtalkit.features import FeatureFolder, preset
from wtalkit.project import Project
from wtalkit.suggest import some_of
from wtalkit.zoo import choose_model

if TYPE_CHECKING:
    from wtalkit.detector import Detector


def evaluate(
    predictions: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    ground_truth: str | os.PathLike[str] | None = None,
    subset: str | None = None,
    tiou: str | Sequence[float] = "0.1:0.7:0.1",
    assume_spec: str | None = None,
    proposals: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """mAP of a model over the test subset's features, or of predictions made elsewhere.

    Args:
        predictions: a predictions file or document; without it a model is run.
        model: as for :func:`wtalkit.detect`.
        features: folder of features, the project's own by default.
        ground_truth: annotations with segments, the project's own by default.
        subset: the subset to score; by its usual names, or as ``wtalkit.toml`` says, when None.
        tiou: thresholds, also as text (``0.1:0.7:0.1``, both ends included).
        assume_spec: spec of features without records.
        proposals: a file of them, in place of those that a method on proposals has made for itself.
        progress: told videos done and videos in all.

    Returns:
        ``{"map": {"0.10": x}, "average_map": x, "per_class": {...}, "videos": n, "excluded": {...}, "warnings": []}``
        with fractions, and what was scored.

    Raises:
        UsageError: annotations, features, model or predictions cannot be used.
    """
    from wtalkit.evaluation import evaluate_predictions, load_predictions, parse_tiou

    thresholds = parse_tiou(tiou) if isinstance(tiou, str) else tuple(tiou)
    project = Project.load()
    truth = load_annotations(project.annotations if ground_truth is None else ground_truth)
    chosen = resolve_subset("test", truth, configured=subset or project.settings.test_subset)
    if predictions is not None:
        if proposals is not None:
            raise UsageError("a predictions file was made from proposals already", remedy="Leave --proposals out")
        document = predictions if isinstance(predictions, Mapping) else load_predictions(predictions)
        path = None if isinstance(predictions, Mapping) else Path(predictions)
        result = evaluate_predictions(document, truth, thresholds, subset=chosen, path=path)
        return {**result, "model": _model_of(document)}
    folder = FeatureFolder(
        project.features if features is None else features, assume=None if assume_spec is None else preset(assume_spec)
    )
    from wtalkit.detector import Detector

    detector = Detector(choose_model(None if model is None else os.fspath(model), project), proposals=proposals)
    folder.require(detector.spec)
    there, missing = _with_features(truth, chosen, folder)
    unproposed = _without_proposals(detector, there)
    document = run_over_features(detector, folder, [key for key in there.videos if key not in unproposed], progress)
    result = evaluate_predictions(document, there, thresholds, subset=chosen)
    notes = [
        *_note("no features, left out", missing),
        *_note("no proposals in the file, so nothing is found there", sorted(unproposed)),
    ]
    warnings = [*detector.warnings, *notes, *result["warnings"]]
    excluded = {**result["excluded"], "missing_features": len(missing)}
    return {**result, "excluded": excluded, "warnings": warnings, "model": detector.model_facts}


def run_over_features(
    detector: Detector, folder: FeatureFolder, keys: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Every candidate in the videos named, as a predictions document."""
    from wtalkit.evaluation import to_document

    results = {}
    for number, key in enumerate(keys, start=1):
        results[key] = detector.candidates(folder.read(key), key)
        if progress is not None:
            progress(number, len(keys))
    return to_document(results, {"model": detector.model_facts, "spec": detector.spec.to_dict()})


def _with_features(truth: Annotations, subset: str | None, folder: FeatureFolder) -> tuple[Annotations, list[str]]:
    """The videos of the subset that have features, and the keys of those that have none."""
    wanted = truth.subset(subset)
    missing = [key for key in wanted.videos if key not in folder]
    if len(missing) == len(wanted):
        raise AnnotationsError(
            f"none of its {len(wanted)} test videos has features in {folder.path}",
            file=truth.path,
            remedy="Run wtalkit extract on them; features and annotations must use the same names",
        )
    return truth.only(set(wanted.videos) - set(missing)), missing


def _without_proposals(detector: Detector, truth: Annotations) -> set[str]:
    """Videos that a file of proposals in use does not name. They count: that nothing is found in them is an answer.

    Raises:
        ProposalsError: it names none.
    """
    if detector.proposals is None:
        return set()
    unnamed = {key for key in truth.videos if key not in detector.proposals.seconds}
    if len(unnamed) == len(truth):
        raise ProposalsError(
            f"holds proposals of none of the {len(truth)} test videos",
            file=detector.proposals.path,
            remedy="Make them with wtalkit detect --raw-proposals, and name the file with --proposals",
        )
    return unnamed


def _model_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a predictions document says of its model: whose proposals it judged goes with every score."""
    external = document.get("external_data")
    model = external.get("model") if isinstance(external, Mapping) else None
    return dict(model) if isinstance(model, Mapping) else {}


def _note(what: str, keys: Sequence[str]) -> list[str]:
    if not keys:
        return []
    return [f"{len(keys)} test video{'s have' if len(keys) > 1 else ' has'} {what}: {some_of(keys)}"]
