"""A folder of features that a command depends on: all of one spec, all with records."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from wtalkit.errors import FeaturesError, InputError
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import FeatureFile, feature_paths, read_features, read_record

log = logging.getLogger(__name__)


class FeatureFolder:
    """The features below a folder, by key.

    Args:
        path: the folder, searched recursively.
        assume: spec of arrays without a record (``preset(name)`` for the public packs).

    Raises:
        FeaturesError: no such folder, nothing in it, or no array has a record and no spec is assumed.
    """

    def __init__(self, path: str | os.PathLike[str], *, assume: FeatureSpec | None = None) -> None:
        self.path = Path(path)
        self.assume = assume
        if not self.path.is_dir():
            raise FeaturesError("there is no such features folder", file=path, remedy="Run wtalkit extract first")
        arrays = sorted(found.relative_to(self.path).as_posix()[:-4] for found in self.path.rglob("*.npy"))
        if not arrays:
            raise FeaturesError("holds no features (*.npy)", file=path, remedy="Run wtalkit extract first")
        recorded = [key for key in arrays if feature_paths(self.path, key)[1].exists()]
        if not recorded and assume is None:
            cause = "holds arrays without records, so how they were made is unknown"
            remedy = "Name it with --assume-spec PRESET (i3d-25fps-s16 for the public packs) or use wtalkit import"
            raise FeaturesError(cause, file=path, remedy=remedy)
        self.keys: tuple[str, ...] = tuple(arrays if assume is not None else recorded)
        self.unfinished: tuple[str, ...] = tuple(key for key in arrays if key not in set(self.keys))

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.keys)

    @cached_property
    def records(self) -> dict[str, FeatureRecord]:
        """The records that exist, by key.

        Raises:
            FeaturesError: one cannot be read.
        """
        with _as_dependency():
            paths = {key: feature_paths(self.path, key)[1] for key in self.keys}
            return {key: read_record(path) for key, path in paths.items() if path.exists()}

    @cached_property
    def spec(self) -> FeatureSpec:
        """The one spec of all features here.

        Raises:
            FeaturesError: two files differ; the message names them and what differs.
        """
        specs = {key: record.spec for key, record in self.records.items()}
        first = next(iter(specs), "")
        reference = self.assume or specs[first]  # without an assumption every key has a record
        for key, spec in specs.items():
            if differences := reference.differences(spec):
                named = "--assume-spec" if self.assume else repr(first)
                cause = f"holds features of different specs: {named} against {key!r}: {'; '.join(differences)}"
                raise FeaturesError(cause, file=self.path, remedy="Extract all videos with the same settings")
        return reference

    def require(self, spec: FeatureSpec) -> None:
        """Make sure that the features here are of the kind ``spec`` (a model's).

        Raises:
            FeaturesError: they are not; the message says what differs.
        """
        if differences := spec.differences(self.spec):
            cause = f"expects features of {spec}, got {self.spec}: {'; '.join(differences)}"
            raise FeaturesError(cause, file=self.path, remedy="Extract the features with the model's settings")

    def read(self, key: str) -> FeatureFile:
        """Features of one video.

        Raises:
            FeaturesError: no such key, or its files are damaged.
        """
        if key not in self:
            raise FeaturesError(f"holds no features of {key!r}", file=self.path, remedy="Run wtalkit extract")
        with _as_dependency():
            return read_features(feature_paths(self.path, key)[0], assume=self.assume)


def require_no_other_spec(folder: Path, spec: FeatureSpec, remedy: str) -> bool:
    """Never mix two kinds of features in one folder without being told to.

    Returns:
        Whether there are features in the folder, which then are of this spec.

    Raises:
        FeaturesError: there are some of another spec; ``remedy`` says what to do.
    """
    found = False
    for path in sorted(folder.rglob("*.json")):
        if not path.with_name(f"{path.name[:-5]}.npy").exists():
            continue
        try:
            there = read_record(path).spec
        except InputError as error:
            log.warning("%s", error)  # damaged: done again if its video is among those that are to come
            continue
        if there != spec:
            differing = "; ".join(spec.differences(there)) or "what is not known of them"
            cause = f"holds features of {there}; asked for are features of {spec}: {differing}"
            raise FeaturesError(cause, file=folder, remedy=remedy)
        found = True
    return found


@contextmanager
def _as_dependency() -> Iterator[None]:
    """A damaged file fails one input, but stops a command that depends on the folder."""
    try:
        yield
    except InputError as error:
        raise FeaturesError(error.cause, file=error.file, remedy=error.remedy) from error
