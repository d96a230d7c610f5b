"""Runs that differ in their seed only, and what to call them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wtalkit.errors import ModelError
from wtalkit.modelfile import ModelHeader
from wtalkit.proposals import Supervision, described
from wtalkit.runs import Run
from wtalkit.training.plan import Plan
from wtalkit.training.recipes import PROPOSER, flat
from wtalkit.training.timing import read_timing

_NAMED = 3
"""Differing settings that go into a name."""

AVERAGES = (
    ("0.1:0.5", 0.1, 0.5, 0.1),
    ("0.3:0.7", 0.3, 0.7, 0.1),
    ("0.1:0.7", 0.1, 0.7, 0.1),
    ("0.5:0.95", 0.5, 0.95, 0.05),
)
"""The papers' averages: name, first and last threshold, step."""


@dataclass(frozen=True)
class Figure:
    """A number over n trainings.

    Attributes:
        mean: their mean.
        std: their sample standard deviation; None of one training.
        n: how many.
    """

    mean: float
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))

    def to_dict(self) -> dict[str, float | None]:
        return {"mean": self.mean, "std": self.std}


@dataclass(frozen=True)
class Member:
    """A finished run with what it says of itself."""

    run: Run
    plan: Plan
    header: ModelHeader

    @classmethod
    def of(cls, run: Run) -> Member:
        """Read a run's ``config.toml`` and its model's header.

        Raises:
            ModelError, ConfigError: one of them is missing or cannot be used.
        """
        from wtalkit.modelfile import read_header

        if not run.config.is_file():
            raise ModelError("has no config.toml, so what was trained is unknown", file=run.folder)
        return cls(run, Plan.read(run.config), read_header(run.model))

    @property
    def seconds(self) -> float | None:
        """Wall time of its training, a proposer trained first included; None where it is not known in full."""
        own = _seconds(self.run, self.plan)
        if self.plan.proposals is None or self.plan.proposals.source != "trained":
            return own
        inner = Run(self.run.folder / PROPOSER)
        first = _seconds(inner, Plan.read(inner.config)) if inner.config.is_file() else None
        return None if own is None or first is None else own + first

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that is the same in runs that differ in their seed only."""
        return {
            **flat(self.plan.recipe.to_dict()),
            **self._identity_of_proposals(),
            "parts": self.plan.parts,
            "without": tuple(sorted(self.plan.without)),
            "subset": self.plan.subset,
            "data": self.header.provenance.get("data_digest"),
            "wtalkit": self.plan.wtalkit,
        }

    def _identity_of_proposals(self) -> dict[str, Any]:
        """The same of where the proposals come from; a proposer trained with this run differs in its seed, too."""
        proposals = self.plan.proposals
        if proposals is None:
            return {}
        if proposals.source != "trained":
            return {"proposals": proposals.sha256}
        config = Run(self.run.folder / PROPOSER).config
        if not config.is_file():  # somebody cleaned up; the model file still holds the proposer
            return {"proposals": proposals.name}
        inner = Plan.read(config)
        settings = {f"{PROPOSER}.{key}": value for key, value in flat(inner.recipe.to_dict()).items()}
        return {**settings, "proposals": (inner.parts, tuple(sorted(inner.without)))}


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only.

    Attributes:
        name: what to call them.
        members: by seed.
    """

    name: str
    members: tuple[Member, ...]

    @property
    def plan(self) -> Plan:
        return self.members[0].plan

    @property
    def supervision(self) -> Supervision:
        """What the labels of everything behind the models said."""
        return self.members[0].header.supervision

    @property
    def title(self) -> str:
        """The name, which says it all."""
        return self.name

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the members."""
        return tuple(member.plan.seed for member in self.members)

    @property
    def seconds(self) -> Figure | None:
        """Wall time of a training; None if one of them is not known."""
        known = [member.seconds for member in self.members]
        return Figure.of([value for value in known if value is not None]) if None not in known else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what was trained, and where the runs are."""
        plan = self.plan
        return {
            "name": self.name,
            "method": plan.plugins[0] if plan.plugins else plan.base,
            "base": plan.base,
            "plugins": list(plan.plugins),
            "without": list(plan.without),
            "supervision": self.supervision,
            "proposer": None if plan.proposals is None else plan.proposals.to_dict(),
            "seeds": list(self.seeds),
            "steps": plan.recipe.settings.steps,
            "recipe": plan.recipe.name,
            "settings": plan.recipe.to_dict(),
            "study": plan.study,
            "runs": [str(member.run.folder) for member in self.members],
            "predictions": None,
        }


def group(runs: Iterable[Run]) -> tuple[list[Group], list[str]]:
    """Put runs together that differ in their seed only, in the order given, and say what was left out.

    Raises:
        ModelError: a run cannot be read, or two know other actions.
    """
    members = [Member.of(run) for run in runs]
    _require_one_class_list(members)
    found: dict[str, dict[int, Member]] = {}
    notes = []
    for member in sorted(members, key=lambda member: member.run.order):
        alike = found.setdefault(repr(sorted(member.identity.items())), {})
        if member.plan.seed in alike:
            older = alike[member.plan.seed].run.folder
            notes.append(f"{older} is left out: {member.run.folder} is newer, with the same settings and seed")
        alike[member.plan.seed] = member
    place = {member.run.folder: index for index, member in enumerate(members)}
    groups = sorted(found.values(), key=lambda alike: min(place[member.run.folder] for member in alike.values()))
    ordered = [tuple(alike[seed] for seed in sorted(alike)) for alike in groups]
    return [Group(name, alike) for name, alike in zip(_names(ordered), ordered, strict=True)], notes


def averaged(keys: Sequence[str]) -> dict[str, list[str]]:
    """Thresholds of the papers' averages that these allow; else all of them as their mean, if there are several."""
    found = {}
    for name, first, last, step in AVERAGES:
        wanted = [f"{first + index * step:.2f}" for index in range(round((last - first) / step) + 1)]
        if all(key in keys for key in wanted):
            found[name] = wanted
    if not found and len(keys) > 1:
        found["mean"] = list(keys)
    return found


def named_averages(scores: Mapping[str, float]) -> dict[str, float]:
    """The papers' averages that the thresholds allow; else the mean over all of them, if there are several."""
    return {name: statistics.fmean(scores[key] for key in keys) for name, keys in averaged(list(scores)).items()}


def composition(plan: Plan) -> str:
    """``acrnet + clasnet without brm``; whose proposals were judged, and from which labels, is part of a name."""
    left_out = f" without {', '.join(plan.without)}" if plan.without else ""
    name = " + ".join(plan.parts) + left_out
    return name if plan.proposals is None else f"{name} on {plan.proposals}"


def _seconds(run: Run, plan: Plan) -> float | None:
    timing = read_timing(run)
    return timing.seconds if timing is not None and timing.steps >= plan.recipe.settings.steps else None


def _labelled(member: Member) -> str:
    """The composition; of a method that learnt from points, with that."""
    points = member.plan.proposals is None and member.header.supervision == "point-level"
    return composition(member.plan) + (f" ({described('point-level')})" if points else "")


def _require_one_class_list(members: Sequence[Member]) -> None:
    for member in members[1:]:
        if set(member.header.classes) != set(members[0].header.classes):
            odd = sorted(set(member.header.classes) ^ set(members[0].header.classes))
            raise ModelError(
                f"knows other actions than {members[0].run.folder} ({odd[0]} and {len(odd)} in all differ)",
                file=member.run.folder,
                remedy="Compare runs of one set of actions",
            )


def _names(groups: Sequence[tuple[Member, ...]]) -> list[str]:
    """A name for each group; where two would be the same, the settings that tell them apart are added."""
    plain = [_labelled(members[0]) for members in groups]
    identities = [members[0].identity for members in groups]
    names = []
    for name, identity in zip(plain, identities, strict=True):
        rivals = [other for other_name, other in zip(plain, identities, strict=True) if other_name == name]
        differing = [key for key in sorted(identity) if any(other.get(key) != identity[key] for other in rivals)]
        shown = ", ".join(f"{key}={_shown(identity[key])}" for key in differing[:_NAMED])
        more = ", ..." if len(differing) > _NAMED else ""
        names.append(f"{name} ({shown}{more})" if differing else name)
    counts, seen = Counter(names), Counter[str]()
    for index, name in enumerate(names):
        if counts[name] > 1:  # they differ in something that is absent from one of them, or beyond the first few
            seen[name] += 1
            names[index] = f"{name} #{seen[name]}"
    return names


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"{len(value)} values"
    return f"{value:g}" if isinstance(value, float) else str(value)
