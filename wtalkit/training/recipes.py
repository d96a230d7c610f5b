"""Recipes: TOML files of settings by method and data set, laid over each other, changed by ``--set``, then checked.

``models/recipes/<base>/<recipe>.toml`` comes first, then ``models/recipes/<plug-in>/<recipe>.toml`` with what the
plug-in changes, then the changes of the command line. Top-level keys are :class:`TrainSettings`; a table named after a
method holds that method's options.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wtalkit.documents import TOML_DEPTH, parse_toml
from wtalkit.documents import read_toml as read_toml_document
from wtalkit.errors import ConfigError
from wtalkit.methods import METHODS
from wtalkit.suggest import nearest
from wtalkit.training.settings import TrainSettings

Table = dict[str, Any]
PROPOSER = "proposer"
"""Table of a recipe, folder of a run and head of a ``--set`` that belong to the model that makes the proposals."""


@dataclass(frozen=True)
class Recipe:
    """Settings ready for use.

    Attributes:
        name: the recipe's name, or the path of the user's own file; of a run's ``config.toml``, the name in there.
        settings: the training's settings.
        options: the methods' own options, by method.
    """

    name: str
    settings: TrainSettings
    options: dict[str, Table]

    def to_dict(self) -> Table:
        """The layout of a recipe file, every setting written out."""
        return {**self.settings.model_dump(), **copy.deepcopy(self.options)}


def default_recipe(backbone: str, dataset: str | None = None) -> str:
    """Name of the recipe for features of ``backbone``: short rendered clips, or real footage.

    Args:
        backbone: its name.
        dataset: what the labels are of, if that is known; ActivityNet's have settings of their own.
    """
    if backbone == "i3d-mini":
        return "samples"
    return dataset if dataset in ("activitynet1.2", "activitynet1.3") else "thumos14"


def load_recipe(
    name: str, base: str, plugins: Sequence[str] = (), changes: Mapping[str, Any] | Sequence[str] = ()
) -> Recipe:
    """Read a recipe for ``base`` with ``plugins`` and apply ``changes``.

    Args:
        name: a bundled recipe, or the path of a TOML file (it must then hold everything itself).
        base: name of the base method.
        plugins: names of the plug-ins, in order.
        changes: ``KEY=VALUE`` texts or a mapping; keys may be dotted (``clasnet.n_dilated``).

    Raises:
        ConfigError: an unknown recipe, key or method table, or a value of the wrong type.
    """
    methods = (base, *plugins)
    table: Table = {}
    for path in _layers(name, methods):
        _overlay(table, read_toml(path))
    if base in METHODS and METHODS[base].role == "proposals":
        table.pop(PROPOSER, None)
    run = table.pop("run", None)  # the config.toml of a run serves as a recipe, too
    source = f"recipe {name}"
    pairs = changes.items() if isinstance(changes, Mapping) else [parse_assignment(text) for text in changes]
    for key, value in pairs:
        _overlay(table, _nested(key, value))
        source = f"recipe {name} with its changes"
    kept = run.get("recipe") if isinstance(run, dict) else None
    return check_recipe(kept if isinstance(kept, str) else name, table, methods, source)


def proposer_recipe(
    name: str, method: str, parts: Sequence[str], changes: Mapping[str, Any] | Sequence[str], fallback: str
) -> Recipe:
    """The recipe of the proposer's own training, where ``name`` is that of the method on proposals.

    Of a run's ``config.toml`` it is the proposer's ``config.toml``; else the bundled recipe of that name, or
    ``fallback`` beside a file of one's own. The table ``[proposer]`` of the method's recipe is laid over it, and
    ``changes`` over both.

    Raises:
        ConfigError: as :func:`load_recipe`.
    """
    own = Path(name)
    given = own.suffix == ".toml"
    kept = own.parent / PROPOSER / own.name
    table = read_toml(own if given else _layers(name, (method,))[0]).get(PROPOSER, {})
    if not isinstance(table, dict):
        raise ConfigError("[proposer] is not a table", file=f"recipe {name}")
    pairs = changes.items() if isinstance(changes, Mapping) else [parse_assignment(text) for text in changes]
    source = str(kept) if given and kept.is_file() else fallback if given else name
    return load_recipe(source, parts[0], parts[1:], {**flat(table), **dict(pairs)})


def split_changes(
    changes: Mapping[str, Any] | Sequence[str], parts: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes to the method on proposals, and those to its proposer: ``proposer.KEY``, or a table of its ``parts``.

    Raises:
        ConfigError: a text is not ``KEY=VALUE``.
    """
    pairs = changes.items() if isinstance(changes, Mapping) else [parse_assignment(text) for text in changes]
    own: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for key, value in pairs:
        head, _, rest = key.partition(".")
        if head == PROPOSER and rest:
            inner[rest] = value
        elif head in parts:
            inner[key] = value
        else:
            own[key] = value
    return own, inner


def flat(table: Mapping[str, Any], prefix: str = "") -> Table:
    """Tables within a table as dotted keys."""
    found: Table = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = value
    return found


def check_recipe(name: str, table: Table, methods: Sequence[str], source: str) -> Recipe:
    """Turn a merged table into a :class:`Recipe`; tables named in ``methods`` hold those methods' options.

    Raises:
        ConfigError: see :func:`load_recipe`; every problem is listed.
    """
    options = {method: table[method] for method in methods if method in table}
    plain = {key: value for key, value in table.items() if key not in options}
    problems = [f"{method} is not a table" for method, value in options.items() if not isinstance(value, dict)]
    settings: TrainSettings | None = None
    try:
        settings = TrainSettings.model_validate(plain)
    except ValidationError as error:
        problems += [_sentence(dict(item), methods) for item in error.errors(include_url=False)]
    if problems or settings is None:
        raise ConfigError("; ".join(problems), file=source)
    return Recipe(name, settings, {method: options.get(method, {}) for method in methods})


def parse_assignment(text: str) -> tuple[str, Any]:
    """``lr=1e-3`` -> ``("lr", 0.001)``; the value is read as TOML, and as text where that fails.

    Raises:
        ConfigError: no ``=`` or no key.
    """
    key, equals, raw = (part.strip() for part in text.partition("="))
    steps = key.split(".")
    if not equals or not all(steps) or len(steps) > TOML_DEPTH:
        raise ConfigError(f"--set {text!r} is not KEY=VALUE", remedy="Write for instance --set lr=0.001")
    try:
        return key, parse_toml(f"value = {raw}")["value"]
    except ValueError:
        pass
    try:
        return key, float(raw)  # .5 and 1. are numbers to everybody but TOML
    except ValueError:
        return key, raw


def _layers(name: str, methods: Sequence[str]) -> list[Path]:
    own = Path(name)
    if own.suffix == ".toml":
        if not own.is_file():
            raise ConfigError("no such recipe file", file=own)
        return [own]
    from wtalkit.zoo import bundled_dir

    folder = Path(bundled_dir()) / "recipes"
    base, *plugins = (folder / method / f"{name}.toml" for method in methods)
    if not base.is_file():
        known = sorted(path.stem for path in base.parent.glob("*.toml"))
        raise ConfigError(
            f"there is no recipe {name!r} for {methods[0]}",
            remedy=f"Choose one of {', '.join(known) or '(none yet)'}, or give a path to a TOML file",
        )
    return [base, *(path for path in plugins if path.is_file())]


def read_toml(path: Path) -> Table:
    """The table of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    return read_toml_document(path, error=ConfigError)


def _overlay(below: Table, above: Table) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _overlay(below[key], value)
        else:
            below[key] = copy.deepcopy(value)


def _nested(key: str, value: Any) -> Table:
    first, dot, rest = key.partition(".")
    return {first: _nested(rest, value) if dot else value}


def _sentence(item: Table, methods: Sequence[str]) -> str:
    """One of pydantic's complaints as a sentence with the nearest name."""
    where = [fspath(part) if isinstance(part, Path) else str(part) for part in item["loc"]]
    key = ".".join(where)
    if item["type"] == "extra_forbidden":
        known = _known_keys(where[:-1], methods)
        near = nearest(where[-1], known)
        return f"unknown key {key!r}" + (f", did you mean {near!r}?" if near else f" (known: {', '.join(known)})")
    if item["type"] == "missing":
        return f"{key!r} is missing"
    return f"{key} = {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _known_keys(parents: Sequence[str], methods: Sequence[str]) -> list[str]:
    model: Any = TrainSettings
    for parent in parents:
        model = model.model_fields[parent].annotation
    return [*model.model_fields, *(() if parents else methods)]
