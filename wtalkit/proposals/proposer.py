"""Who made proposals, and what it had been told: the label that every result of a second stage carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

Supervision: TypeAlias = Literal["video-level", "point-level", "unknown"]
"""``video-level``: which actions happen in a video; ``point-level``: also one labelled frame per action."""


class Proposer(BaseModel):
    """What is known of the maker of proposals.

    Attributes:
        method: its base; None where that is not stated.
        plugins: its plug-ins, in order.
        without: components it was trained without.
        supervision: what its training was told.
        source: ``trained`` in the same run, a ``model`` that was there already, or a ``file`` of proposals.
        path: of the model or the file.
        sha256: of the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = None
    plugins: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    supervision: Supervision = "unknown"
    source: Literal["trained", "model", "file"] = "file"
    path: str | None = None
    sha256: str | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from others: the content of a file or a model; of one trained in the same run its parts."""
        return self.source, self.name if self.source == "trained" or self.sha256 is None else self.sha256

    @property
    def name(self) -> str:
        """``co2net + clasnet``; where nobody said, the file."""
        if self.method is None:
            return f"an unnamed proposer ({self.path})" if self.path else "an unnamed proposer"
        left_out = f" without {', '.join(self.without)}" if self.without else ""
        return " + ".join((self.method, *self.plugins)) + left_out

    def __str__(self) -> str:
        return f"{self.name} ({described(self.supervision)})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON and TOML; what is None is left out."""
        return self.model_dump(mode="json", exclude_none=True)


def described(supervision: Supervision) -> str:
    """The words for people: ``video-level labels``."""
    return "unknown supervision" if supervision == "unknown" else f"{supervision} labels"


def proposer_of(facts: Mapping[str, Any]) -> Proposer | None:
    """Whose proposals a model judged, by what an output records about it; None of a method on snippets."""
    told = facts.get("proposer")
    if not isinstance(told, Mapping):
        return None
    try:
        return Proposer.model_validate(told)
    except ValidationError:  # something was told, so there is one
        return Proposer()


def attribution(facts: Mapping[str, Any]) -> str | None:
    """The line that stands under every table of results that are not from labels per video alone, in one stage.

    Args:
        facts: what an output records about its model (``external_data.model``).

    Returns:
        ``seal on proposals of co2net (video-level labels)``, with what was told in all where that is more, or ``lac
        (point-level labels)``; None where a method on snippets learnt from labels per video.
    """
    plugins = facts.get("plugins")
    name = " + ".join(map(str, (facts.get("method"), *(plugins if isinstance(plugins, list | tuple) else ()))))
    if (proposer := proposer_of(facts)) is not None:
        told_itself = facts.get("supervision")
        if told_itself in (proposer.supervision, None):
            return f"{name} on proposals of {proposer}"
        # A method trained on one proposer's and given another's: what was told anywhere counts.
        return f"{name} on proposals of {proposer}, {told_itself} labels in all"
    return f"{name} ({described('point-level')})" if facts.get("supervision") == "point-level" else None


def strongest(*kinds: Supervision) -> Supervision:
    """The supervision of a chain of models: as strong as its strongest part, unknown where one is not known.

    A method that saw points anywhere on its way may not be compared with methods that saw labels per video only.
    """
    if "point-level" in kinds:
        return "point-level"
    return "unknown" if "unknown" in kinds else "video-level"
