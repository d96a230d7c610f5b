"""What an import found and did: kept in the features folder, and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from wtalkit import __version__
from wtalkit.features.spec import FeatureSpec
from wtalkit.importing.pack import LayoutName
from wtalkit.inputs import Failure
from wtalkit.status import VideoStatus

IMPORT_FILE = "import.json"
SCHEMA = 1

Kind = Literal[
    "length", "pace", "rate", "duration", "subset", "labels", "instances", "ambiguous", "points", "unknown video",
    "no features", "not in its list", "features",
]  # fmt: skip
How = Literal["linked", "symlinked", "copied"]


@dataclass(frozen=True)
class Disagreement:
    """Something in which a pack differs from itself, from its preset, or from the ground truth.

    Attributes:
        kind: what it is about.
        text: what is the matter, without a full stop.
        video: the key it concerns; None for the whole pack.
    """

    kind: Kind
    text: str
    video: str | None = None

    def __str__(self) -> str:
        return self.text if self.video is None else f"{self.video}: {self.text}"


@dataclass(frozen=True)
class ImportResult:
    """The outcome of an import.

    Attributes:
        out: the features folder.
        packs: what was imported.
        layout: of the packs.
        preset: name of the spec.
        spec: how the features were made.
        dataset: built-in data set that the ground truth is of; None for another ground truth.
        truth: where the ground truth is from; None if there is none.
        annotations: the project's annotations; None if there are none.
        annotations_written: whether they were written now; else they were there, and were left as they are.
        done: keys of the videos imported now, and how each was.
        skipped: keys whose features were there already.
        failed: videos that could not be imported, with the cause.
        disagreements: everything in which the pack differs, by kind and video.
        notes: what is to be known, a sentence each.
        dry_run: nothing was written; ``done`` is what would be.
        statuses: of every video, in order.
    """

    out: Path
    packs: tuple[Path, ...]
    layout: LayoutName
    preset: str
    spec: FeatureSpec
    dataset: str | None = None
    truth: str | None = None
    annotations: Path | None = None
    annotations_written: bool = False
    done: Mapping[str, How] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    statuses: tuple[VideoStatus, ...] = field(default=(), repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """How many disagreements there are of each kind."""
        return dict(Counter(each.kind for each in self.disagreements))

    def to_dict(self) -> dict[str, Any]:
        """All of it as a JSON document, which ``import.json`` holds."""
        return {
            "schema": SCHEMA,
            "wtalkit": __version__,
            "packs": [str(path) for path in self.packs],
            "layout": self.layout,
            "preset": self.preset,
            "spec": self.spec.to_dict(),
            "dataset": self.dataset,
            "ground_truth": self.truth,
            "features": str(self.out),
            "annotations": None if self.annotations is None else str(self.annotations),
            "annotations_written": self.annotations_written,
            "dry_run": self.dry_run,
            "videos": {
                **{how: sum(each == how for each in self.done.values()) for how in ("linked", "symlinked", "copied")},
                "there": len(self.skipped),
                "failed": len(self.failed),
            },
            "failures": [{"path": each.path, "cause": each.cause} for each in self.failed],
            "counts": self.counts,
            "disagreements": [asdict(each) for each in self.disagreements],
            "notes": list(self.notes),
        }
