"""What became of every video of the training subset: trained on, or left out and why.

``status.jsonl`` in the run's folder says so of each video, the notes that are told say it of each cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from wtalkit.atomic import write_text
from wtalkit.features import FeatureFolder
from wtalkit.features.store import feature_paths
from wtalkit.runs import Run
from wtalkit.status import VideoStatus, read_status
from wtalkit.suggest import some_of

LISTED = 10
WITHOUT_FEATURES = "without features"
WITHOUT_A_POINT = "without a point"
WITHOUT_A_PROPOSAL = "without a proposal"


@dataclass(frozen=True)
class LeftOut:
    """Keys of the videos of the training subset that are not trained on, by cause; a video counts for the first only.

    Attributes:
        missing: those without features.
        short: those with too few snippets.
        pointless: those without a labelled frame, of a method that needs one.
        min_snippets: how many snippets are enough.
    """

    missing: Collection[str]
    short: Collection[str] = ()
    pointless: Collection[str] = ()
    min_snippets: int = 1

    def causes(self) -> dict[str, str]:
        """Why, by video."""
        in_order: tuple[tuple[Collection[str], str], ...] = (
            (self.missing, WITHOUT_FEATURES),
            (self.short, f"shorter than {self.min_snippets} snippets"),
            (self.pointless, WITHOUT_A_POINT),
        )
        found: dict[str, str] = {}
        for keys, cause in in_order:
            for key in keys:
                found.setdefault(key, cause)
        return found


@dataclass(frozen=True)
class Account:
    """The statuses of all videos of the training subset.

    Attributes:
        statuses: one each, by key.
    """

    statuses: Mapping[str, VideoStatus] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: FeatureFolder, keys: Iterable[str], left_out: LeftOut) -> Account:
        """Of ``keys``, with what the records of their features say, and where there are none, ``wtalkit extract``."""
        causes, extracted = left_out.causes(), read_status(folder.path)
        statuses = {}
        for key in sorted(keys):
            status = _status(folder, key, extracted)
            cause = causes.get(key)
            statuses[key] = status if cause is None else replace(status, state="skipped", cause=cause)
        return cls(statuses)

    def without(self, keys: Iterable[str], cause: str) -> Account:
        """The same with some more videos left out."""
        skipped = {key: replace(self.statuses[key], state="skipped", cause=cause) for key in keys}
        return Account({**self.statuses, **skipped})

    def notes(self) -> list[str]:
        """What was left out, and what is incomplete, one sentence per cause."""
        groups: dict[str, list[str]] = {}
        for key, status in self.statuses.items():
            if status.state == "skipped":
                groups.setdefault(f"training videos left out, {status.cause}", []).append(key)
            elif status.state == "partial":
                groups.setdefault("training videos incomplete (damaged files, kept on request)", []).append(key)
        return [note(what, keys) for what, keys in groups.items()]

    def write(self, run: Run) -> None:
        """Write the run's ``status.jsonl``: the same whenever the run goes on, for it does on the same data only.

        Raises:
            MachineError: the disk is full or the folder read-only.
        """
        write_text(run.status, "".join(status.to_line() for status in self.statuses.values()))


def summary(statuses: Collection[VideoStatus]) -> str | None:
    """What to know of a finished training's videos in one sentence; None where all were trained on as they are."""
    causes = Counter(status.cause for status in statuses if status.state == "skipped")
    incomplete = sum(status.state == "partial" for status in statuses)
    found = [f"{count} left out ({cause})" for cause, count in causes.items()]
    if incomplete:
        found.append(f"{incomplete} incomplete")
    return f"of {len(statuses)} training videos, {', '.join(found)}" if found else None


def note(what: str, keys: Collection[str]) -> str:
    """How many, what of them, and the names of the first."""
    return f"{len(keys)} {what}: {some_of(sorted(keys), LISTED)}"


def _status(folder: FeatureFolder, key: str, extracted: Mapping[str, VideoStatus]) -> VideoStatus:
    path, spec = str(feature_paths(folder.path, key)[0]), folder.spec.to_dict()
    record = folder.records.get(key)
    if record is not None:
        return VideoStatus.of_features(key, path, record)
    known = extracted.get(key)
    if key in folder or known is None:
        return VideoStatus(key, path, "done", spec=spec)
    # Why there are no features is known to whoever was to extract them.
    told = () if known.cause is None else (f"wtalkit extract: {known.cause}",)
    return VideoStatus(
        key, path, known.state, decoded_s=known.decoded_s, expected_s=known.expected_s, gaps=known.gaps,
        warnings=(*told, *known.warnings), spec=spec,
    )  # fmt: skip
