"""What a training was asked for, and the steps that every kind of training takes with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from wtalkit import __version__, runs
from wtalkit.annotations import Annotations, Problems, resolve_subset
from wtalkit.datasets import dataset as known_dataset
from wtalkit.datasets import recognised
from wtalkit.features import FeatureFolder
from wtalkit.proposals import Proposer
from wtalkit.runs import Run
from wtalkit.training.data import FeatureArrays, TrainingSet, load_training_set
from wtalkit.training.fit import Report, learns_from_points
from wtalkit.training.plan import Plan
from wtalkit.training.recipes import Recipe, default_recipe
from wtalkit.training.resuming import kept_plan, members_of, require_same_data, require_unchanged

Changes: TypeAlias = Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True)
class Request:
    """The arguments of :func:`wtalkit.train`, read and checked as far as that needs no method."""

    method: str
    base: str | None
    plugins: tuple[str, ...]
    without: tuple[str, ...]
    device: str
    folder: FeatureFolder
    labels: Annotations
    problems: Problems
    dataset: str | None
    subset: str | None
    recipe: str | None
    overrides: Changes
    seed: int | None
    out: Path
    resume: bool | str | os.PathLike[str]
    stamp: str
    study: str | None
    command: str
    features: str
    annotations: str | None
    progress: Report | None
    say: Callable[[str], None]
    stage: Callable[[str], None]
    arrays: Callable[[FeatureFolder, tuple[str, ...]], FeatureArrays] = field(
        default_factory=lambda: lru_cache(maxsize=1)(FeatureArrays.read)
    )
    """Reads the features; once, if two trainings are asked for."""

    @property
    def usual_recipe(self) -> str:
        """The one for these features and labels."""
        return default_recipe(self.folder.spec.backbone, self._known_dataset)

    @property
    def _known_dataset(self) -> str | None:
        return recognised(self.labels) if self.dataset is None else known_dataset(self.dataset).name

    def recipe_name(self, run: Run | None) -> str:
        """The recipe that was named, else that of the run to go on with, else the usual one."""
        if self.recipe is not None:
            return self.recipe
        if run is not None:
            return str(run.config)
        name, backbone = self.usual_recipe, self.folder.spec.backbone
        made_for = f"{self._known_dataset} and " if name == self._known_dataset else ""
        self.say(f"recipe {name}, the one for {made_for}{backbone} features")
        return name

    def plan(
        self, parts: Sequence[str], without: Sequence[str], recipe: Recipe, proposals: Proposer | None = None
    ) -> Plan:
        """The plan of one training."""
        return Plan(
            method=self.method,
            base=parts[0],
            plugins=tuple(parts[1:]),
            without=tuple(without),
            recipe=recipe,
            seed=self.seed or 0,
            subset=resolve_subset("train", self.labels, configured=self.subset, dataset=self.dataset),
            features=self.features,
            annotations=self.annotations,
            dataset=self.dataset,
            device=self.device,
            stamp=self.stamp,
            command=self.command,
            wtalkit=__version__,
            study=self.study,
            proposals=proposals,
        )

    def started(self, run: Run | None, plan: Plan) -> tuple[Run | None, Plan]:
        """The run to go on with, and the plan that it was started with.

        Raises:
            ConfigError: settings, subset, proposer or seed are others.
        """
        if run is None:
            return None, plan
        plan = kept_plan(run, plan, self.seed)
        if run.finished:
            runs.mark_latest(self.out)  # it may have been killed just before
        self.say(f"{run.folder} is finished" if run.finished else f"going on with {run.folder}")
        return run, plan

    def training_set(self, plan: Plan) -> TrainingSet:
        """The data of a training, with points if a part of it learns from them.

        Raises:
            AnnotationsError, FeaturesError: as :func:`wtalkit.training.data.load_training_set`.
        """
        return load_training_set(
            self.labels, self.folder, subset=plan.subset, min_snippets=plan.recipe.settings.min_snippets,
            points=learns_from_points(plan.parts), read=self.arrays, problems=self.problems,
        )  # fmt: skip

    def tell(self, data: TrainingSet) -> None:
        """Say what is trained on, and what was left out."""
        for note in data.notes:
            self.say(note)
        if not self.labels.subsets:
            self.say(
                "the labels name no subsets, so all videos are trained on and none is left to score with; "
                "wtalkit annotations split sets some apart"
            )
        told = "labels only" if data.points is None else f"labels and {sum(map(len, data.points))} points"
        self.say(f"{len(data)} training videos, {len(data.classes)} classes, {told}")

    @contextmanager
    def working_in(self, run: Run | None, plan: Plan, data: TrainingSet) -> Iterator[Run]:
        """The run to go on with, or a new and empty one, for this process alone.

        Another process may be training the very run, or may have finished it meanwhile. A member of a study sees what
        the other members see.

        Raises:
            ConfigError, FeaturesError: settings or data of a new one are not those of its study.
        """
        if run is not None:
            with runs.alone_in(run, lambda: self.say(f"another process is training {run.folder}: waiting for its end")):
                if run.finished:
                    self.say(f"{run.folder} is finished")
                yield run
            return
        members = members_of(self.out, self.study)
        for member, kept in members.items():
            require_unchanged(member, kept.changed_settings(plan))
        require_same_data(members, data.digest)
        with runs.begin(self.out, self.method, plan.stamp) as new:
            yield new
