"""Collect everything wrong with a file before complaining, so that it is mended in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wtalkit.errors import AnnotationsError, UsageError

LISTED = 100


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file.

    Attributes:
        text: what is wrong, without a full stop.
        line: line of the file, counted from 1; None when no line can be named.
    """

    text: str
    line: int | None = None

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


@dataclass
class Problems:
    """The problems found in ``file`` so far."""

    file: Path | None
    error: type[UsageError] = AnnotationsError
    found: list[Problem] = field(default_factory=list)

    def add(self, text: str, line: int | None = None) -> None:
        self.found.append(Problem(text, line))

    @property
    def full(self) -> bool:
        """Whether more problems are only counted, so that finding their lines is not worth the time."""
        return len(self.found) >= LISTED

    def raise_if_any(self, remedy: str | None = None) -> None:
        """Raise one error that lists every problem, by line.

        Raises:
            UsageError: (of the kind given) there is at least one problem.
        """
        if not self.found:
            return
        if len(self.found) == 1:
            raise self.error(str(self.found[0]), file=self.file, remedy=remedy)
        ordered = self.found if len(self.found) > LISTED else sorted(self.found, key=lambda problem: problem.line or 0)
        lines = [f"  {problem}" for problem in ordered[:LISTED]]
        if len(ordered) > LISTED:
            lines.append(f"  and {len(ordered) - LISTED} more")
        raise self.error(f"{len(ordered)} problems:\n" + "\n".join(lines), file=self.file, remedy=remedy)
