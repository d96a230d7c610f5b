"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What is there, and whether something is wrong with it.

    Attributes:
        about: the part of the machine: ``packages``, ``builds``, ``devices``, ``storage``, ``terminal``, ``extras``.
        what: what was looked at.
        found: what is there.
        problem: what is wrong, without a full stop; None where all is well.
        remedy: what to do about it, a sentence.
        breaks: something will not work; otherwise it is worth knowing only.
    """

    about: str
    what: str
    found: str
    problem: str | None = None
    remedy: str | None = None
    breaks: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The problem with its remedy."""
        return f"{self.what}: {self.problem}{f'. {self.remedy}' if self.remedy else ''}."
