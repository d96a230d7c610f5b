"""The methods with everything known of them: paper, published and measured figures, parameters, options.

All of it lies in files, so that a listing needs no torch: ``published.json``, ``measured.json`` and ``methods.json`` of
the bundled models. Published figures are in percent as printed, measured ones are fractions as everywhere else here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from wtalkit.errors import ModelError
from wtalkit.methods import METHODS, MethodEntry
from wtalkit.methods.papers import PAPERS, Paper
from wtalkit.proposals import Proposer, Supervision
from wtalkit.published import Gain, PublishedRow, Source, Strict, load_published, read_bundled
from wtalkit.suggest import remedy
from wtalkit.zoo import bundled_dir

MAIN_PROTOCOL = "seconds"
"""What a listing shows where trainings were scored in several ways: wtalkit's own evaluation."""


class MeanStd(Strict):
    """Over seeds; ``std`` is the sample standard deviation, None of one seed."""

    mean: float
    std: float | None = None


class MeasuredRow(Strict):
    """Trainings measured here, over seeds.

    Attributes:
        dataset: ``"simulated THUMOS14"``, ``"samples"``, ...
        method: under which method it is listed: the plug-in that runs first, else the base.
        protocol: how it was scored, where there are several ways.
        supervision: what everything behind the models was told in training.
        proposer: of a method on proposals, who made them; trained with the same seed where nothing else is said.
        map: by threshold (``"0.10"``), fractions.
        averages: by range (``"0.1:0.7"``), fractions.
        settings: what differs from the recipe.
        training_seconds: of one training on ``machine``: wall time, or where that says CPU seconds, processor time of
            one thread, feature reading and calibration included.
    """

    dataset: str
    method: str
    base: str
    plugins: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    seeds: tuple[int, ...] = Field(min_length=1)
    protocol: str = MAIN_PROTOCOL
    supervision: Supervision = "video-level"
    proposer: Proposer | None = None
    map: dict[str, MeanStd]
    averages: dict[str, MeanStd]
    steps: int | None = None
    recipe: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    training_seconds: MeanStd | None = None
    machine: str | None = None
    wtalkit: str | None = None
    note: str | None = None


class Measured(Strict):
    """``measured.json``."""

    format: Literal[1] = 1
    rows: tuple[MeasuredRow, ...] = ()


class Option(Strict):
    """One hyper-parameter of a method."""

    name: str
    default: Any
    meaning: str


class Description(Strict):
    """What a method's code says of itself, see :mod:`wtalkit.methods.description`."""

    parameters: int
    components: tuple[str, ...]
    options: tuple[Option, ...]


class Descriptions(Strict):
    """``methods.json``."""

    format: Literal[1] = 1
    classes: int = 20
    feature_dim: int = 2048
    methods: dict[str, Description] = Field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """One method with everything known of it.

    Attributes:
        name: as on the command line.
        entry: its place in the table of methods.
        paper: None for a method of one's own.
        published: rows of papers, its own and others', about it.
        ablations: rows of its paper's ablation tables.
        gains: points its paper says it adds to bases.
        silent: why there is no published figure, where there is none.
        measured: trainings measured here.
        sources: what the rows' sources are.
        recipes: names of its bundled recipes.
    """

    name: str
    entry: MethodEntry
    paper: Paper | None
    published: tuple[PublishedRow, ...]
    ablations: tuple[PublishedRow, ...]
    gains: tuple[Gain, ...]
    silent: str | None
    measured: tuple[MeasuredRow, ...]
    sources: dict[str, Source]
    recipes: tuple[str, ...]
    described: Description | None

    @cached_property
    def description(self) -> Description | None:
        """Parameters, parts and options; asked of the code where the file does not know (that imports torch)."""
        if self.described is not None or not self.entry.available:
            return self.described
        from wtalkit.methods.description import describe

        return Description.model_validate(describe(self.name))

    @property
    def command(self) -> str | None:
        """How to train it; None if this version does not have it."""
        return f"wtalkit train --method {self.name}" if self.entry.available else None

    def headline(self, dataset: str) -> PublishedRow | None:
        """The published row a listing shows for a data set."""
        return next((row for row in self.published if row.dataset == dataset and row.headline), None)

    def headline_measured(self, dataset: str) -> MeasuredRow | None:
        """The whole method, on its usual base if it is not one, measured here; as near to its recipe as there is."""
        base = self.entry.default_base if self.entry.role == "plugin" else self.name
        plugins = (self.name,) if self.entry.role == "plugin" else ()
        fitting = [
            row
            for row in self.measured
            if (row.dataset, row.base, row.plugins, row.without) == (dataset, base, plugins, ())
            and (self.entry.role != "proposals" or _is_plain(row.proposer, self.entry.default_base))
        ]
        return min(fitting, key=lambda row: (row.protocol != MAIN_PROTOCOL, len(row.settings)), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        rows = {
            "published": self.published,
            "ablations": self.ablations,
            "gains": self.gains,
            "measured": self.measured,
        }
        used = {row.source for row in (*self.published, *self.ablations)} | {gain.source for gain in self.gains}
        described = None if self.description is None else self.description.model_dump(mode="json")
        return {
            "name": self.name,
            "role": self.entry.role,
            "title": self.entry.title,
            "default_base": self.entry.default_base,
            "available": self.entry.available,
            "command": self.command,
            "paper": None if self.paper is None else {**vars(self.paper), "citation": self.paper.citation},
            "recipes": list(self.recipes),
            **(described or {"parameters": None, "components": [], "options": []}),
            "published_nothing": self.silent,
            **{name: [row.model_dump(mode="json", exclude_none=True) for row in found] for name, found in rows.items()},
            "sources": {name: source.model_dump() for name, source in self.sources.items() if name in used},
        }


def _is_plain(proposer: Proposer | None, base: str | None) -> bool:
    """Whether proposals are of the usual base alone."""
    return proposer is not None and (proposer.method, proposer.plugins, proposer.without) == (base, (), ())


def catalogue() -> dict[str, Card]:
    """A card for every method, in the order of the table.

    Raises:
        ConfigError: one of the files is damaged.
    """
    folder = bundled_dir()
    published = load_published()
    measured = read_bundled("measured.json", Measured)
    described = read_bundled("methods.json", Descriptions)
    return {
        name: Card(
            name=name,
            entry=entry,
            paper=PAPERS.get(name),
            published=tuple(row for row in published.rows if row.method == name),
            ablations=tuple(row for row in published.ablations if row.method == name),
            gains=tuple(gain for gain in published.gains if gain.method == name),
            silent=published.silent.get(name),
            measured=tuple(row for row in measured.rows if row.method == name or name in (row.base, *row.plugins)),
            sources=published.sources,
            recipes=tuple(sorted(path.stem for path in (folder / "recipes" / name).glob("*.toml"))),
            described=described.methods.get(name),
        )
        for name, entry in METHODS.items()
    }


def card(name: str) -> Card:
    """The card of one method.

    Raises:
        ModelError: there is no such method.
    """
    cards = catalogue()
    if name not in cards:
        raise ModelError(f"there is no method {name!r}", remedy=remedy(name, cards))
    return cards[name]
