"""Predictions files as rows of a comparison, whoever made them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.proposals import attribution

if TYPE_CHECKING:
    from wtalkit.studies.groups import Figure


@dataclass(frozen=True)
class PredictionsFile:
    """Predictions that were made before.

    Attributes:
        name: what to call them.
        path: where they are.
        model: what the file says of the model that made them; empty where it says nothing.
    """

    name: str
    path: Path
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name, with what has to be said of the model's labels and of its proposals."""
        told = attribution(self.model)
        return self.name if told is None else f"{self.name}: {told}"

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
        unknown = ("method", "base", "steps", "recipe", "settings", "study")
        told = {name: self.model.get(name) for name in ("supervision", "proposer")}
        return {
            "name": self.name, **dict.fromkeys(unknown), **told, "plugins": [], "without": [], "seeds": [], "runs": [],
            "predictions": str(self.path),
        }  # fmt: skip


def predictions_files(paths: Sequence[Path], taken: Collection[str]) -> list[PredictionsFile]:
    """Each file once, called by its name without ``.json``, or by its path where that name is not the only one.

    Args:
        paths: the files, in the order of the rows.
        taken: names of other rows.
    """
    first: dict[Path, Path] = {}
    for path in paths:
        first.setdefault(path.resolve(), path)
    once = list(first.values())
    names = [path.name.removesuffix(".gz").removesuffix(".json") for path in once]
    for longer in (os.fspath, lambda path: os.fspath(path.resolve())):  # a path, too, may read like another row's name
        counts = Counter([*names, *taken])
        names = [name if counts[name] == 1 else longer(path) for name, path in zip(names, once, strict=True)]
    return [PredictionsFile(name, path) for name, path in zip(names, once, strict=True)]
