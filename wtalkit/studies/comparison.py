"""Compare trainings and predictions as the papers' tables do: mean, spread over seeds, difference to a base."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wtalkit.annotations import load_annotations
from wtalkit.errors import ModelError, UsageError
from wtalkit.evaluation import tiou_key
from wtalkit.evaluation.average_precision import Floats
from wtalkit.evaluation.paired import Difference, mean_draws, paired_difference
from wtalkit.evaluation.protocols import Setup
from wtalkit.project import Project
from wtalkit.runs import resolve
from wtalkit.studies.find import find_runs
from wtalkit.studies.groups import Figure, Group, averaged, group, named_averages
from wtalkit.studies.predictions import PredictionsFile, predictions_files
from wtalkit.studies.scores import TestData, score, score_predictions
from wtalkit.suggest import remedy

Contender = Group | PredictionsFile


@dataclass(frozen=True)
class Row:
    """A group of runs, or a predictions file, scored.

    Attributes:
        group: the runs, or the file.
        map: mAP by threshold, fractions.
        averages: its averages over thresholds, by name.
        differences: to the base's means, by threshold and by name of average; empty without a base and for itself.
        paired: the same differences with what resampling the videos says of them.
    """

    group: Contender
    map: dict[str, Figure]
    averages: dict[str, Figure]
    differences: dict[str, float]
    paired: dict[str, Difference]

    @property
    def name(self) -> str:
        """What to call it."""
        return self.group.name

    @property
    def figures(self) -> dict[str, Figure]:
        """Thresholds, then averages."""
        return {**self.map, **self.averages}

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a row of ``models/measured.json`` plus where it comes from."""
        seconds = self.group.seconds
        return {
            **self.group.to_dict(),
            "map": {key: figure.to_dict() for key, figure in self.map.items()},
            "averages": {key: figure.to_dict() for key, figure in self.averages.items()},
            "difference": self.differences,
            "paired": {key: found.to_dict() for key, found in self.paired.items()},
            "training_seconds": None if seconds is None else seconds.to_dict(),
        }


@dataclass(frozen=True)
class Comparison:
    """Rows to lay side by side.

    Attributes:
        rows: the base first, the others in the order given.
        base: name of the row that the differences are to; None without one.
        subset: what was scored.
        videos: how many there are.
        instances: segments annotated in them.
        protocol: the setting of every rule of the scoring.
        notes: what was left out, and what the scoring warns of.
    """

    rows: tuple[Row, ...]
    base: str | None
    subset: str | None
    videos: int
    instances: int
    protocol: Mapping[str, Any]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document of ``compare --json``; scores are fractions."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "base": self.base,
            "subset": self.subset,
            "videos": self.videos,
            "instances": self.instances,
            "protocol": dict(self.protocol),
            "notes": list(self.notes),
        }


def compare(
    runs: Sequence[str | os.PathLike[str]] = (),
    *,
    base: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    ground_truth: str | os.PathLike[str] | None = None,
    subset: str | None = None,
    tiou: str | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    nms: str | None = None,
    rules: Mapping[str, str] | None = None,
    assume_spec: str | None = None,
    proposals: str | os.PathLike[str] | None = None,
    again: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Score runs and predictions files on the test subset and lay them side by side.

    A difference to the base comes with an interval and a p-value of a paired bootstrap over the videos
    (:mod:`wtalkit.evaluation.paired`): both rows, each the mean of its runs, are scored on the same draws.

    Args:
        runs: runs, studies, folders of runs, and predictions files, which come after them; the current folder's runs
            when empty.
        base: what the others are compared with: a run, a study, a predictions file, or the name of a row. Added if it
            is not among them.
        features: folder of features, the project's own by default.
        ground_truth: annotations with segments, the project's own by default.
        subset: the subset to score; by its usual names, or as ``wtalkit.toml`` says, when None.
        tiou: thresholds, as for :func:`wtalkit.evaluate`, and likewise the following four.
        dataset: a built-in data set as ground truth.
        protocol: score as one of the public codes does.
        nms: suppress overlapping predictions first.
        rules: settings that differ from the protocol's.
        assume_spec: spec of features without records.
        proposals: a file of them, for methods on proposals whose models hold no proposer.
        again: score anew what was scored before.
        progress: told runs done, runs in all, and the name of the next.

    Raises:
        UsageError: a run is not there, is not finished or does not fit the others, or there is nothing to score.
    """
    project = Project.load()
    listed, notes, chosen = _meant([os.fspath(each) for each in runs], base, project)
    if proposals is not None and all(isinstance(each, PredictionsFile) for each in listed):
        raise UsageError("predictions files were made from proposals already", remedy="Leave --proposals out")
    changed = {**(rules or {}), **({} if nms is None else {"nms": nms})}
    setup = Setup.of(protocol=protocol, dataset=dataset, from_file=ground_truth is not None, tiou=tiou, rules=changed)
    own = setup.dataset is None
    data = TestData(
        Path(project.features if features is None else features),
        Path(project.annotations if ground_truth is None else ground_truth) if own else None,
        subset or (project.settings.test_subset if own else None),
        setup,
        changed,
        assume_spec,
        None if proposals is None else Path(proposals),
    )
    if data.truth is not None:
        load_annotations(data.truth)  # says in its own words when it is not there
    jobs = [(each, *job) for each in listed for job in _jobs(each, data, again=again)]
    results: dict[str, list[dict[str, Any]]] = {each.name: [] for each in listed}
    for number, (each, name, job) in enumerate(jobs):
        if progress is not None:
            progress(number, len(jobs), name)
        results[each.name].append(job())
    keys = [tiou_key(value) for value in setup.thresholds]
    rows = _against([_row(each, results[each.name], keys) for each in listed], chosen)
    if chosen is not None:
        rows = (rows[0], *(_tested(row, results[row.name], results[chosen], keys) for row in rows[1:]))
    first = results[listed[0].name][0]
    return Comparison(
        rows,
        chosen,
        first["subset"],
        first["videos"],
        first["instances"],
        setup.to_dict(),
        tuple(dict.fromkeys([*notes, *_warnings(listed, results)])),
    )


def _warnings(listed: Sequence[Contender], results: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[str]:
    """What the scoring warns of; what it says of one predictions file only, with the file's name."""
    said = {each.name: [warning for result in results[each.name] for warning in result["warnings"]] for each in listed}
    common = set.intersection(*map(set, said.values()))
    for each in listed:
        named = isinstance(each, PredictionsFile)
        yield from (f"{each.name}: {text}" if named and text not in common else text for text in said[each.name])


def _meant(
    given: Sequence[str], base: str | os.PathLike[str] | None, project: Project
) -> tuple[list[Contender], list[str], str | None]:
    """What is to be scored, what is left out, and the name of the base."""
    chosen = None if base is None else os.fspath(base)
    given = given or [os.fspath(project.runs)]
    files = [Path(each) for each in given if _is_predictions(each)]
    if chosen is not None and _is_predictions(chosen):
        files.append(Path(chosen))
    found, notes = find_runs([each for each in given if not _is_predictions(each)], project)
    groups, left_out = group(found)
    listed = _with_files(groups, files)
    if chosen is None or any(each.name == chosen for each in groups):
        pass
    elif _is_predictions(chosen):
        same = [each for each in listed if isinstance(each, PredictionsFile) and each.path.samefile(chosen)]
        chosen = same[0].name
    elif all(each.name != chosen for each in listed):
        groups, left_out, chosen = _with_base(groups, chosen, project, [each.name for each in listed])
        listed = _with_files(groups, files)
    return listed, [*notes, *left_out], chosen


def _is_predictions(name: str) -> bool:
    """Whether a file is meant; where there are no links, ``runs/latest`` is one and means a run."""
    with suppress(OSError):
        return Path(name).is_file() and resolve(name) is None
    return False  # no file can have such a name


def _with_files(groups: Sequence[Group], files: Sequence[Path]) -> list[Contender]:
    return [*groups, *predictions_files(files, {each.name for each in groups})]


def _jobs(each: Contender, data: TestData, *, again: bool) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
    """What there is to score, with names."""
    if isinstance(each, PredictionsFile):
        return [(each.name, partial(score_predictions, each, data))]
    return [(member.run.name, partial(score, member.run, member.header, data, again=again)) for member in each.members]


def _with_base(
    groups: list[Group], base: str, project: Project, names: Sequence[str]
) -> tuple[list[Group], list[str], str]:
    """The groups with the base's own among them, what is left out, and the base's name; ``names`` are those of rows."""
    try:
        found, _ = find_runs([base], project)
    except ModelError as error:
        if error.file is not None:  # there, but not finished
            raise
        cause = f"the base {base!r} is no row, run, study or predictions file"
        raise ModelError(cause, remedy=remedy(base, names)) from error
    wanted = {run.folder.resolve() for run in found}
    given = [member.run for each in groups for member in each.members]
    more = [run for run in found if run.folder.resolve() not in {other.folder.resolve() for other in given}]
    together, left_out = group([*given, *more])
    holding = [each for each in together if wanted & {member.run.folder.resolve() for member in each.members}]
    if len(holding) != 1:
        held = [each.name for each in holding]
        raise ModelError(f"the base {base!r} stands for {len(holding)} rows", remedy=remedy(base, held))
    return together, left_out, holding[0].name


def _row(each: Contender, results: Sequence[dict[str, Any]], keys: Sequence[str]) -> Row:
    per_run = [{key: float(result["map"][key]) for key in keys} for result in results]
    averages = [named_averages(scores) for scores in per_run]
    if isinstance(each, PredictionsFile):
        each = replace(each, model=results[0]["model"])
    return Row(
        each,
        {key: Figure.of([scores[key] for scores in per_run]) for key in keys},
        {name: Figure.of([values[name] for values in averages]) for name in averages[0]},
        {},
        {},
    )


def _against(rows: Sequence[Row], base: str | None) -> tuple[Row, ...]:
    """The rows with their differences to the base, which comes first."""
    if base is None:
        return tuple(rows)
    reference = next(row for row in rows if row.name == base)
    others = [row for row in rows if row is not reference]
    means = {key: figure.mean for key, figure in reference.figures.items()}
    return reference, *(
        replace(row, differences={key: figure.mean - means[key] for key, figure in row.figures.items()})
        for row in others
    )


def _tested(row: Row, ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]], keys: Sequence[str]) -> Row:
    """The row with its differences tested; untested where the two were not scored on the same videos."""
    if len({result["draws"]["of"] for result in (*ours, *theirs)}) > 1:
        return row
    own, other = (mean_draws([_drawn(result) for result in results]) for results in (ours, theirs))
    columns = {key: [place] for place, key in enumerate(keys)}
    columns |= {name: [keys.index(key) for key in some] for name, some in averaged(keys).items()}
    return replace(
        row,
        paired={
            key: paired_difference(row.differences[key], own[:, some].mean(axis=1), other[:, some].mean(axis=1))
            for key, some in columns.items()
        },
    )


def _drawn(result: dict[str, Any]) -> Floats:
    """mAP of every draw of the videos, [samples, t]; NaN where one holds no instance."""
    return np.array(result["draws"]["map"], dtype=np.float64)
