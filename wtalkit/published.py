"""What papers print about methods, those of others included: one file, ``published.json`` of the bundled models."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wtalkit.documents import read_json
from wtalkit.errors import ConfigError
from wtalkit.zoo import bundled_dir

Percent = dict[str, float]


class Strict(BaseModel):
    """A part of a bundled data file: what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """Where a published figure stands.

    Attributes:
        paper: short name of the document, after the method it presents; None where nobody had it at hand.
    """

    document: str
    printed_as: str
    paper: str | None = None


class PublishedRow(Strict):
    """A row of a paper's table.

    Attributes:
        name: of the method, as printed.
        method: as on the command line; None of a method that is not here.
        map: mAP in percent by threshold (``"0.50"``); what is printed as a dash is absent.
        averages: the same by range (``"0.1:0.7"``).
        headline: the one that a listing shows for its data set.
        checked: False where it was not compared with the paper.
        supervision: ``weak`` (labels per video), ``weak_extra`` (and something more, by the paper's own mark),
            ``points`` (a labelled frame per action) or ``full`` (segments), the proposer's included.
        proposer: whose proposals a method on proposals scored; None where that is not printed.
        proposal_supervision: what the proposer was told.
        without: parts left out, in an ablation; as ``--without`` names them.
        value: of a figure whose column is not known.
    """

    name: str
    method: str | None = None
    dataset: str
    source: str
    map: Percent
    averages: Percent
    base: str | None = None
    headline: bool = False
    checked: bool = True
    supervision: Literal["weak", "weak_extra", "points", "full"] = "weak"
    proposer: str | None = None
    proposal_supervision: Literal["weak", "points"] | None = None
    without: tuple[str, ...] = ()
    value: float | None = None
    note: str | None = None


class Gain(Strict):
    """Points of mAP that a paper says a plug-in adds to a base."""

    method: str
    base: str
    dataset: str
    source: str
    threshold: str | None
    gain: float
    note: str | None = None


class Published(Strict):
    """``published.json``."""

    format: Literal[1] = 1
    unit: str = ""
    sources: dict[str, Source] = Field(default_factory=dict)
    rows: tuple[PublishedRow, ...] = ()
    ablations: tuple[PublishedRow, ...] = ()
    gains: tuple[Gain, ...] = ()
    silent: dict[str, str] = Field(default_factory=dict)
    """Methods without a figure for the listing, and why."""


FileT = TypeVar("FileT", bound=Strict)


def load_published() -> Published:
    """All that papers print.

    Raises:
        ConfigError: the file is damaged.
    """
    return read_bundled("published.json", Published)


def read_bundled(name: str, kind: type[FileT]) -> FileT:
    """A data file beside the bundled models; one that is not there is empty.

    Raises:
        ConfigError: it is damaged.
    """
    path = bundled_dir() / name
    if not path.is_file():
        return kind()
    value, _ = read_json(path, error=ConfigError)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ConfigError(f"is not usable ({where}: {first['msg']})", file=path) from error
