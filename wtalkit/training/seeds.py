"""A study: the same training with several seeds, kept together by a name in each run's ``config.toml``.

``--seeds 0,1,2`` starts one; with ``--resume`` the newest study of the same parts goes on: what is finished stays, what
was stopped goes on, what is missing starts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from wtalkit import runs
from wtalkit.errors import ConfigError, UsageError
from wtalkit.methods import METHODS
from wtalkit.runs import Run
from wtalkit.training.plan import Plan, resolve_parts, split_without


@dataclass(frozen=True)
class Study:
    """Trainings that differ in their seed only.

    Attributes:
        name: what ``compare`` calls it.
        members: its runs so far, by seed.
    """

    name: str
    members: dict[int, Run]

    @property
    def recipe(self) -> str | None:
        """The settings that a further seed has to have; None before there is a run."""
        return next((str(run.config) for run in self.members.values()), None)

    def in_order(self, seeds: Sequence[int]) -> list[int]:
        """What there is comes first: if its settings are not those asked for, nothing is started."""
        return sorted(seeds, key=lambda seed: (seed not in self.members, seeds.index(seed)))


def new_study(folder: str | os.PathLike[str], method: str, stamp: str) -> Study:
    """An empty study with a name that no other in ``folder`` has; ``stamp`` is the time, as in a run's name."""
    taken, name, number = all_studies(folder), f"{method}-{stamp}", 1
    while name in taken:
        number += 1
        name = f"{method}-{stamp}.{number}"
    return Study(name, {})


def all_studies(folder: str | os.PathLike[str]) -> dict[str, Study]:
    """The studies whose runs lie in ``folder``, by name, oldest first; of two runs with one seed the newest."""
    found: dict[str, Study] = {}
    for run in runs.all_runs(folder):
        plan = Plan.read(run.config) if run.config.is_file() else None
        if plan is not None and plan.study is not None:
            found.setdefault(plan.study, Study(plan.study, {})).members[plan.seed] = run
    return found


def study_to_resume(
    folder: str | os.PathLike[str],
    method: str,
    base: str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Study:
    """The newest study of these parts; of a method on proposals one whose proposer has the parts that are named.

    Raises:
        UsageError: there is none.
    """
    on_proposals = method in METHODS and METHODS[method].role == "proposals"
    own, inner = split_without(method, without) if on_proposals else (tuple(without), ())
    parts = (method,) if on_proposals else resolve_parts(method, base, plugins)
    maker = resolve_parts(base or METHODS[method].default_base or "", None, plugins) if on_proposals else ()
    for study in reversed(all_studies(folder).values()):
        kept = Plan.read(next(iter(study.members.values())).config)
        if (kept.parts, sorted(kept.without)) != (parts, sorted(own)):
            continue
        made_by = kept.proposals
        if (
            made_by is None
            or made_by.source != "trained"
            or (((made_by.method, *made_by.plugins), sorted(made_by.without)) == (maker, sorted(inner)))
        ):  # a file or a model is compared by content when its member goes on
            return study
    raise UsageError(
        f"there is no study of {' + '.join(parts)} to resume", file=folder, remedy="Start one without --resume"
    )


def parse_seeds(text: str) -> list[int]:
    """``"0,1,2"`` -> ``[0, 1, 2]``.

    Raises:
        ConfigError: not numbers from 0 on, or one of them twice.
    """
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--seeds {text!r} is not a list of numbers", remedy="Write it as 0,1,2") from error
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds {text!r} names a negative number, or one twice", remedy="Write it as 0,1,2")
    return seeds
