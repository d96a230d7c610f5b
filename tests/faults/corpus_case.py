"""What a case of the corpus is: a file and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.faults.corpus_sources import FPS, FRAMES, Workshop

Outcome = Literal["whole", "partial", "refused"]
"""``whole``: done. ``partial``: fails, and kept on request as far as it goes. ``refused``: fails in any case."""

DAMAGE = r"^(decoded \d+\.\d\d of \d+\.\d\d s|partial, duration unknown: decoded \d+\.\d\d s) \(.+\)"
"""How a partial video is described."""

STEADY = tuple(number / FPS for number in range(FRAMES))
LENGTH_S = FRAMES / FPS
FRAME_S = 1 / FPS


@dataclass(frozen=True)
class Expected:
    """What must come of a file, by how it was made.

    Attributes:
        outcomes: one, or several where the bytes allow more than one reading; then ``reason`` says why.
        cause: what the sentence must match when it is refused.
        duration_s: least and most seconds of the features, unless it is refused.
        times_s: when each number is shown; None where pictures cannot be read.
        unsure_s: stretches whose pictures may be wrong, because they depend on damaged bytes.
        right_after_s: from here on pictures must be there and right again, not only be told as missing.
        shift_s: least and most seconds by which the clock may begin late, where the first frames are gone.
        stretched: pictures are shown in another shape than they were drawn.
        warning: what a remark of the status must match.
        reason: why there are several outcomes.
    """

    outcomes: frozenset[Outcome]
    cause: str = ""
    duration_s: tuple[float, float] = (LENGTH_S - 0.02, LENGTH_S + 0.02)
    times_s: Sequence[float] | None = STEADY
    unsure_s: tuple[tuple[float, float], ...] = ()
    right_after_s: float | None = None
    shift_s: tuple[float, float] = (0.0, 0.0)
    stretched: bool = False
    warning: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if (len(self.outcomes) > 1) != bool(self.reason):
            raise ValueError(f"{self.outcomes = } and {self.reason = }")
        if "refused" in self.outcomes and not self.cause:
            raise ValueError("a refusal needs its cause")


Build = Callable[[Workshop, Path], Expected]
"""Puts the file at the path and says what must come of it."""


@dataclass(frozen=True)
class Case:
    """One file of the corpus.

    Attributes:
        name: of the file, with its extension; unique.
        family: of faults.
        build: makes it.
    """

    name: str
    family: str
    build: Build = field(repr=False)


def whole(**facts: object) -> Expected:
    """It is a good video."""
    return Expected(frozenset({"whole"}), **facts)  # type: ignore[arg-type]


def partial(**facts: object) -> Expected:
    """Something is missing that was there."""
    return Expected(frozenset({"partial"}), **facts)  # type: ignore[arg-type]


def refused(cause: str) -> Expected:
    """Nothing can come of it."""
    return Expected(frozenset({"refused"}), cause)


def either(reason: str, *outcomes: Outcome, **facts: object) -> Expected:
    """The bytes allow more than one reading."""
    return Expected(frozenset(outcomes), reason=reason, **facts)  # type: ignore[arg-type]


def of_bytes(make: Callable[[Workshop], tuple[bytes, Expected]]) -> Build:
    """A build that makes the content of the file."""

    def build(workshop: Workshop, path: Path) -> Expected:
        content, expected = make(workshop)
        path.write_bytes(content)
        return expected

    return build
