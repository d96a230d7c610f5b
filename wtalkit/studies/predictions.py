"""Predictions files as rows of a comparison, whoever made them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtalkit.studies.groups import Figure


@dataclass(frozen=True)
class PredictionsFile:
    """Predictions that were made before.

    Attributes:
        name: what to call them.
        path: where they are.
    """

    name: str
    path: Path

    @property
    def seeds(self) -> tuple[int, ...]:
        """None is known."""
        return ()

    @property
    def seconds(self) -> Figure | None:
        """Not known."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, by the names that those of trainings have."""
        unknown = ("method", "base", "supervision", "proposer", "steps", "recipe", "settings", "study")
        return {
            "name": self.name, **dict.fromkeys(unknown), "plugins": [], "without": [], "seeds": [], "runs": [],
            "predictions": str(self.path),
        }  # fmt: skip


def predictions_files(paths: Sequence[Path], taken: Collection[str]) -> list[PredictionsFile]:
    """Each file once, called by its name without ``.json``, or by its path where that name is not the only one.

    Args:
        paths: the files, in the order of the rows.
        taken: names of other rows.
    """
    once = list({path.resolve(): path for path in reversed(paths)}.values())[::-1]
    plain = [path.name.removesuffix(".gz").removesuffix(".json") for path in once]
    counts = Counter([*plain, *taken])
    return [
        PredictionsFile(name if counts[name] == 1 else os.fspath(path), path)
        for name, path in zip(plain, once, strict=True)
    ]
