"""Everything decided before the first step, and ``config.toml``, which keeps it.

``config.toml`` has the layout of a recipe plus a table ``[run]``; so it also serves as a recipe: ``--recipe
runs/latest/config.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wtalkit.atomic import write_text
from wtalkit.errors import ConfigError, ModelError
from wtalkit.proposals import Proposer
from wtalkit.training.recipes import Recipe, check_recipe, flat, read_toml


@dataclass(frozen=True)
class Plan:
    """One training, as it was asked for.

    Attributes:
        method: the name given, which names the run.
        base: the base, or the method on proposals.
        plugins: the plug-ins, in order.
        without: components left out.
        recipe: all settings.
        seed: of everything random.
        subset: the training subset; None for the whole file.
        features: folder of the features.
        annotations: the annotations; None where a data set's are taken.
        device: where it runs.
        stamp: when it was started.
        command: the command line, for people to read.
        wtalkit: version that started it.
        study: name of the group of trainings it belongs to, which differ in their seed only; None outside one.
        proposals: of a method on proposals: who makes them, as :class:`wtalkit.proposals.Proposer` says it.
        dataset: the data set whose labels are taken.
    """

    method: str
    base: str
    plugins: tuple[str, ...]
    without: tuple[str, ...]
    recipe: Recipe
    seed: int
    subset: str | None
    features: str
    annotations: str | None
    device: str
    stamp: str
    command: str
    wtalkit: str
    study: str | None = None
    proposals: Proposer | None = None
    dataset: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.base, *self.plugins)

    def has_maker(self, proposals: Proposer | None) -> bool:
        """Whether its proposals, if it has any, are of this maker."""
        if self.proposals is None or proposals is None:
            return self.proposals is proposals
        return self.proposals.identity == proposals.identity

    def facts(self) -> dict[str, Any]:
        """The table ``[run]``; what is None is left out."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "recipe"}
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        values["proposals"] = None if self.proposals is None else self.proposals.to_dict()
        return {name: value for name, value in {**values, "recipe": self.recipe.name}.items() if value is not None}

    def write(self, path: Path) -> None:
        """Write ``config.toml``."""
        import tomli_w

        heading = "# Every setting of this run. wtalkit train --recipe takes this file, too.\n\n"
        write_text(path, heading + tomli_w.dumps({**self.recipe.to_dict(), "run": self.facts()}))

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read what :meth:`write` wrote.

        Raises:
            ConfigError: it is damaged or was changed by hand to something that is not usable.
        """
        table = read_toml(path)
        try:
            facts = dict(table.pop("run"))
            name, parts = str(facts.pop("recipe")), (facts["base"], *facts["plugins"])
            facts.update(plugins=tuple(facts["plugins"]), without=tuple(facts["without"]))
            if "proposals" in facts:
                facts["proposals"] = Proposer.model_validate(facts["proposals"])
            recipe = check_recipe(name, table, parts, str(path))
            return cls(recipe=recipe, **{"subset": None, "annotations": None, **facts})
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise ConfigError(f"is not a run's config ({error} in [run])", file=path) from error

    def changed_settings(self, other: Plan) -> list[str]:
        """What differs: keys (dotted) of the recipe with the methods' options, parts left out, subset, proposer."""
        changed = sorted(_differences(flat(self.recipe.to_dict()), flat(other.recipe.to_dict())))
        if sorted(self.without) != sorted(other.without):
            changed.append("without")
        if self.subset != other.subset:
            changed.append("subset")
        if not self.has_maker(other.proposals):
            changed.append("proposals")
        return changed


def resolve_parts(method: str, base: str | None, plugins: Sequence[str]) -> tuple[str, ...]:
    """The base and then the plug-ins that ``--method``, ``--base`` and ``--plugin`` mean together.

    Raises:
        ModelError: a base was given another base; unknown names are left to :func:`wtalkit.methods.create`.
    """
    from wtalkit.methods import METHODS, ROLE_NAMES

    chain = list(plugins)
    entry = METHODS.get(method)
    if entry is not None and entry.role == "plugin":
        return base or entry.default_base or "", *dict.fromkeys([method, *chain])
    if base not in (None, method):
        role = ROLE_NAMES[entry.role] if entry is not None else "a method"
        raise ModelError(f"{method} is {role} itself and takes no other base ({base})")
    return method, *dict.fromkeys(chain)


def _differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    missing = object()
    return [key for key in mine.keys() | theirs.keys() if mine.get(key, missing) != theirs.get(key, missing)]


def split_without(method: str, without: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Components of a method on proposals, and those of its proposer; what neither has is left to the method to refuse.

    Raises:
        ModelError: there is no such method.
    """
    from wtalkit.methods import METHODS

    mine = _components(method)
    theirs = {part for name, entry in METHODS.items() if entry.role != "proposals" for part in _components(name)}
    inner = [part for part in without if part not in mine and part in theirs]
    return tuple(part for part in without if part not in inner), tuple(inner)


def _components(name: str) -> set[str]:
    """What ``--without`` accepts of one method."""
    from wtalkit.methods import method_class

    components = method_class(name).components
    return {*components, *(f"{name}.{part}" for part in components)}
