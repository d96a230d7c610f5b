"""Score a model over the features of the test subset, or a predictions file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.annotations import Annotations, load_annotations, resolve_subset
from wtalkit.datasets import load_dataset, recognised
from wtalkit.errors import AnnotationsError, ProposalsError, UsageError
from wtalkit.features import FeatureFolder, preset
from wtalkit.project import Project
from wtalkit.suggest import some_of
from wtalkit.zoo import choose_model

if TYPE_CHECKING:
    from wtalkit.detector import Detector
    from wtalkit.evaluation.preparing import Prepared
    from wtalkit.evaluation.protocols import Setup
    from wtalkit.evaluation.rules import Rules

    Observer = Callable[[Prepared, tuple[float, ...], Rules], None]


def evaluate(
    predictions: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    ground_truth: str | os.PathLike[str] | None = None,
    subset: str | None = None,
    tiou: str | Sequence[float] | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    nms: str | None = None,
    rules: Mapping[str, str] | None = None,
    against: str | None = None,
    assume_spec: str | None = None,
    proposals: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    observe: Observer | None = None,
) -> dict[str, Any]:
    """mAP of a model over the test subset's features, or of predictions made elsewhere.

    Args:
        predictions: a predictions file or document; without it a model is run.
        model: as for :func:`wtalkit.detect`.
        features: folder of features, the project's own by default.
        ground_truth: annotations with segments, the project's own by default.
        subset: the subset to score; by its usual names, or as ``wtalkit.toml`` says, when None.
        tiou: thresholds, also as text; those of the protocol, or ``0.1:0.7:0.1`` (both ends included), when None.
        dataset: a built-in data set (:data:`wtalkit.datasets.DATASETS`) as ground truth, instead of a file.
        protocol: score as one of the public codes does (:data:`wtalkit.evaluation.protocols.PROTOCOLS`); it brings a
            data set unless that or a file is given.
        nms: ``softnms`` or ``lac``: suppress overlapping predictions first; short for the rule of that name.
        rules: settings of :class:`wtalkit.evaluation.rules.Rules` that differ from the protocol's.
        against: ``paper:SEAL`` or a method's name: put published rows beside.
        assume_spec: spec of features without records.
        proposals: a file of them, in place of those that a method on proposals has made for itself.
        progress: told videos done and videos in all.
        observe: given what is scored, see :func:`wtalkit.evaluation.evaluate_predictions`; for
            :func:`wtalkit.evaluation.analysis.analyse_prepared`, say.

    Returns:
        ``{"map": {"0.10": x}, "average_map": x, "per_class": {...}, "videos": n, "excluded": {...}, "warnings": []}``
        with fractions, what was scored, ``protocol``: the setting of every rule, and ``against``: published rows, if
        any were asked for.

    Raises:
        UsageError: annotations, features, model or predictions cannot be used, or the options do not fit together.
    """
    from wtalkit.evaluation.protocols import Setup

    changed = {**(rules or {}), **({} if nms is None else {"nms": nms})}
    setup = Setup.of(protocol=protocol, dataset=dataset, from_file=ground_truth is not None, tiou=tiou, rules=changed)
    project = Project.load()
    truth, chosen = _ground_truth(setup, ground_truth, subset, project)
    rows = None if against is None else _published(against, setup, truth)
    inputs = _Inputs(predictions, model, features, assume_spec, proposals)
    result = _score(inputs, project, truth, chosen, setup, progress, observe)
    result["protocol"] = {**setup.to_dict(), "subset": chosen}
    if rows is not None:
        from wtalkit.against import beside

        result["against"] = beside(result, rows)
    return result


@dataclass(frozen=True)
class _Inputs:
    """What is scored: predictions, or a model over features."""

    predictions: str | os.PathLike[str] | Mapping[str, Any] | None
    model: str | os.PathLike[str] | None
    features: str | os.PathLike[str] | None
    assume_spec: str | None
    proposals: str | os.PathLike[str] | None


def _ground_truth(
    setup: Setup, file: str | os.PathLike[str] | None, subset: str | None, project: Project
) -> tuple[Annotations, str | None]:
    """The ground truth and the subset to score; that of ``wtalkit.toml`` is one of the project's own annotations."""
    if setup.dataset is not None:
        truth = load_dataset(setup.dataset)
        return truth, resolve_subset("test", truth, configured=subset, dataset=setup.dataset)
    truth = load_annotations(project.annotations if file is None else file)
    return truth, resolve_subset("test", truth, configured=subset or project.settings.test_subset)


def _published(name: str, setup: Setup, truth: Annotations) -> list[dict[str, Any]]:
    from wtalkit.against import published_rows

    dataset = setup.dataset or recognised(truth)
    if dataset is None:
        raise UsageError(
            "papers report on public data sets, and this ground truth is of none of them",
            file=truth.path,
            remedy="Name the data set with --dataset, or leave --against out",
        )
    return published_rows(name, dataset)


def _score(
    inputs: _Inputs,
    project: Project,
    truth: Annotations,
    subset: str | None,
    setup: Setup,
    progress: Callable[[int, int], None] | None,
    observe: Observer | None,
) -> dict[str, Any]:
    """The scores with what is known of the model."""
    from wtalkit.evaluation import evaluate_predictions, load_predictions
    from wtalkit.evaluation.preparing import counting_videos

    predictions, proposals = inputs.predictions, inputs.proposals
    scored: dict[str, Any] = {"subset": subset, "rules": setup.rules, "observe": observe}
    if predictions is not None:
        if proposals is not None:
            raise UsageError("a predictions file was made from proposals already", remedy="Leave --proposals out")
        document = predictions if isinstance(predictions, Mapping) else load_predictions(predictions)
        path = None if isinstance(predictions, Mapping) else Path(predictions)
        result = evaluate_predictions(document, truth, setup.thresholds, **scored, path=path)
        return {**result, "model": _model_of(document)}
    folder = FeatureFolder(
        project.features if inputs.features is None else inputs.features,
        assume=None if inputs.assume_spec is None else preset(inputs.assume_spec),
    )
    from wtalkit.detector import Detector

    named = None if inputs.model is None else os.fspath(inputs.model)
    detector = Detector(choose_model(named, project), proposals=proposals)
    folder.require(detector.spec)
    there, missing = _with_features(counting_videos(truth.subset(subset), setup.rules)[0], folder)
    unproposed = _without_proposals(detector, there)
    document = run_over_features(detector, folder, [key for key in there.videos if key not in unproposed], progress)
    known = truth.only(set(truth.videos) - set(missing))
    result = evaluate_predictions(document, known, setup.thresholds, **scored)
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


def _with_features(wanted: Annotations, folder: FeatureFolder) -> tuple[Annotations, list[str]]:
    """The videos that have features, and the keys of those that have none."""
    missing = [key for key in wanted.videos if key not in folder]
    if len(missing) == len(wanted):
        raise AnnotationsError(
            f"none of its {len(wanted)} test videos has features in {folder.path}",
            file=wanted.path,
            remedy="Run wtalkit extract on them; features and annotations must use the same names",
        )
    return wanted.only(set(wanted.videos) - set(missing)), missing


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
