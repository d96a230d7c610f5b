"""Compare trainings as the papers' tables do: mean and spread over seeds, and the difference to a base."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wtalkit.annotations import load_annotations
from wtalkit.errors import ModelError
from wtalkit.evaluation import DEFAULT_TIOU, tiou_key
from wtalkit.evaluation.average_precision import Floats
from wtalkit.evaluation.paired import Difference, mean_draws, paired_difference
from wtalkit.project import Project
from wtalkit.studies.find import find_runs
from wtalkit.studies.groups import Figure, Group, averaged, group, named_averages
from wtalkit.studies.scores import TestData, score
from wtalkit.suggest import remedy


@dataclass(frozen=True)
class Row:
    """A group of runs, scored.

    Attributes:
        group: the runs.
        map: mAP by threshold, fractions.
        averages: its averages over thresholds, by name.
        differences: to the base's means, by threshold and by name of average; empty without a base and for itself.
        paired: the same differences with what resampling the videos says of them.
    """

    group: Group
    map: dict[str, Figure]
    averages: dict[str, Figure]
    differences: dict[str, float]
    paired: dict[str, Difference]

    @property
    def figures(self) -> dict[str, Figure]:
        """Thresholds, then averages."""
        return {**self.map, **self.averages}

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a row of ``models/measured.json`` plus where it comes from."""
        plan, seconds = self.group.plan, self.group.seconds
        return {
            "name": self.group.name,
            "method": plan.plugins[0] if plan.plugins else plan.base,
            "base": plan.base,
            "plugins": list(plan.plugins),
            "without": list(plan.without),
            "supervision": self.group.supervision,
            "proposer": None if plan.proposals is None else plan.proposals.to_dict(),
            "seeds": [member.plan.seed for member in self.group.members],
            "map": {key: figure.to_dict() for key, figure in self.map.items()},
            "averages": {key: figure.to_dict() for key, figure in self.averages.items()},
            "difference": self.differences,
            "paired": {key: found.to_dict() for key, found in self.paired.items()},
            "training_seconds": None if seconds is None else seconds.to_dict(),
            "steps": plan.recipe.settings.steps,
            "recipe": plan.recipe.name,
            "settings": plan.recipe.to_dict(),
            "study": plan.study,
            "runs": [str(member.run.folder) for member in self.group.members],
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
        notes: what was left out, and what the scoring warns of.
    """

    rows: tuple[Row, ...]
    base: str | None
    subset: str | None
    videos: int
    instances: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document of ``compare --json``; scores are fractions."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "base": self.base,
            "subset": self.subset,
            "videos": self.videos,
            "instances": self.instances,
            "notes": list(self.notes),
        }


def compare(
    runs: Sequence[str | os.PathLike[str]] = (),
    *,
    base: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    ground_truth: str | os.PathLike[str] | None = None,
    subset: str | None = None,
    tiou: str = DEFAULT_TIOU,
    assume_spec: str | None = None,
    proposals: str | os.PathLike[str] | None = None,
    again: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Score runs on the test subset and lay them side by side.

    A difference to the base comes with an interval and a p-value of a paired bootstrap over the videos
    (:mod:`wtalkit.evaluation.paired`): both rows, each the mean of its runs, are scored on the same draws.

    Args:
        runs: runs, studies and folders of runs; the current folder's runs when empty.
        base: what the others are compared with: a run, a study, or the name of a row. Added if it is not among them.
        features: folder of features, the project's own by default.
        ground_truth: annotations with segments, the project's own by default.
        subset: the subset to score; by its usual names, or as ``wtalkit.toml`` says, when None.
        tiou: thresholds, as for :func:`wtalkit.evaluate`.
        assume_spec: spec of features without records.
        proposals: a file of them, for methods on proposals whose models hold no proposer.
        again: score anew what was scored before.
        progress: told runs done, runs in all, and the name of the next.

    Raises:
        UsageError: a run is not there, is not finished or does not fit the others, or there is nothing to score.
    """
    project = Project.load()
    given = [os.fspath(each) for each in runs] or [os.fspath(project.runs)]
    found, notes = find_runs(given, project)
    groups, left_out = group(found)
    chosen = None if base is None else os.fspath(base)
    if chosen is not None and not any(each.name == chosen for each in groups):
        groups, left_out, chosen = _with_base(groups, chosen, project)
    data = TestData(
        Path(project.features if features is None else features),
        Path(project.annotations if ground_truth is None else ground_truth),
        subset or project.settings.test_subset,
        tiou,
        assume_spec,
        None if proposals is None else Path(proposals),
    )
    load_annotations(data.truth)  # says in its own words when it is not there
    members = [member for each in groups for member in each.members]
    scores: dict[Path, dict[str, Any]] = {}
    for number, member in enumerate(members):
        if progress is not None:
            progress(number, len(members), member.run.name)
        scores[member.run.folder] = score(member.run, member.header, data, again=again)
    keys = [tiou_key(value) for value in data.thresholds]
    results = {each.name: [scores[member.run.folder] for member in each.members] for each in groups}
    rows = _against([_row(each, results[each.name], keys) for each in groups], chosen)
    if chosen is not None:
        rows = (rows[0], *(_tested(row, results[row.group.name], results[chosen], keys) for row in rows[1:]))
    first = next(iter(scores.values()))
    warned = [warning for result in scores.values() for warning in result["warnings"]]
    return Comparison(
        rows,
        chosen,
        first["subset"],
        first["videos"],
        first["instances"],
        tuple(dict.fromkeys([*notes, *left_out, *warned])),
    )


def _with_base(groups: list[Group], base: str, project: Project) -> tuple[list[Group], list[str], str]:
    """The groups with the base's own among them, what is left out, and the base's name."""
    try:
        found, _ = find_runs([base], project)
    except ModelError as error:
        if error.file is not None:  # there, but not finished
            raise
        names = [each.name for each in groups]
        raise ModelError(f"the base {base!r} is no row, run or study", remedy=remedy(base, names)) from error
    wanted = {run.folder.resolve() for run in found}
    given = [member.run for each in groups for member in each.members]
    more = [run for run in found if run.folder.resolve() not in {other.folder.resolve() for other in given}]
    together, left_out = group([*given, *more])
    holding = [each for each in together if wanted & {member.run.folder.resolve() for member in each.members}]
    if len(holding) != 1:
        names = [each.name for each in holding]
        raise ModelError(f"the base {base!r} stands for {len(holding)} rows", remedy=remedy(base, names))
    return together, left_out, holding[0].name


def _row(each: Group, results: Sequence[dict[str, Any]], keys: Sequence[str]) -> Row:
    per_run = [{key: float(result["map"][key]) for key in keys} for result in results]
    averages = [named_averages(scores) for scores in per_run]
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
    reference = next(row for row in rows if row.group.name == base)
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
