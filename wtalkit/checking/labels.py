"""Labels held against the videos that are there, against each other, and against the clock."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from wtalkit.annotations import Annotations, Problems, VideoAnnotation, resolve_subset
from wtalkit.checking.report import Finding, Kind
from wtalkit.documents import read_limited
from wtalkit.errors import AnnotationsError
from wtalkit.suggest import nearest, some_of

_SURE_S, _SURE_SHARE = 0.5, 0.01
"""Durations that differ by no more than the larger of the two are taken for equal."""
_GUESSES = 20
"""Names that are looked for among those that are there; more are no slips of the pen."""
_NAME = re.compile(r'"(?:[^"\\]|\\.)*"(?=\s*:)')


@dataclass(frozen=True)
class Labels:
    """Annotations that are checked.

    Attributes:
        annotations: as far as they could be read.
        problems: what could not.
        source: how they are named in findings.
        train_subset: the subset that is trained on, as configured.
        test_subset: the subset that is scored, as configured.
        dataset: the data set they are of, where it was named.
    """

    annotations: Annotations
    problems: Problems
    source: str
    train_subset: str | None = None
    test_subset: str | None = None
    dataset: str | None = None

    @cached_property
    def train(self) -> str | None:
        """The subset trained on; None for the whole file.

        Raises:
            AnnotationsError: there is none.
        """
        return resolve_subset("train", self.annotations, configured=self.train_subset, dataset=self.dataset)

    @cached_property
    def test(self) -> str | None:
        """The subset scored; None where there is none."""
        try:
            return resolve_subset("test", self.annotations, configured=self.test_subset, dataset=self.dataset)
        except AnnotationsError:
            return None

    def findings(
        self, existing: Collection[str] | None, of_features: bool, durations_s: Mapping[str, float]
    ) -> Iterator[Finding]:
        """Everything about the labels.

        Args:
            existing: keys of the videos, or features, that are there; None where none were looked for.
            of_features: whether they are those of features.
            durations_s: seconds that videos really last, by key.
        """
        for problem in self.problems.found:
            yield Finding("annotations", problem.text, self.source, problem.line, is_problem=True)
        for warning in self.annotations.warnings:
            yield Finding("annotations", warning, self.source)
        try:
            train = self.annotations.subset(self.train)
        except AnnotationsError as error:
            yield Finding("splits", f"{error.cause}. {error.remedy}", self.source, is_problem=True)
            return
        if self.test_subset is not None:
            try:
                self.annotations.subset(self.test_subset)
            except AnnotationsError as error:
                yield Finding("splits", f"{error.cause}. {error.remedy}", self.source, is_problem=True)
        if existing is not None:
            yield from self._unmatched(train, existing, of_features)
        yield from self._classes(train, existing, of_features)
        for key, video in self.annotations.videos.items():
            yield from self._times(key, video, durations_s.get(key))

    def facts(self) -> dict[str, object]:
        """Path, and how many videos of which subsets there are."""
        subsets = {name: len(self.annotations.subset(name)) for name in self.annotations.subsets}
        counts = {"videos": len(self.annotations), "classes": len(self.annotations.classes), "subsets": subsets}
        return {"source": self.source, **counts}

    def _unmatched(self, train: Annotations, existing: Collection[str], of_features: bool) -> Iterator[Finding]:
        """In both directions. A row typed by hand is a slip; published files name videos that nobody has any more."""
        there = set(existing)
        absent = [key for key in self.annotations.videos if key not in there]
        slips = [key for key in absent if key in train.videos and train.videos[key].line is not None]
        unnamed = sorted(there - set(self.annotations.videos))
        for number, key in enumerate(slips):
            meant = nearest(key, unnamed) if number < _GUESSES else None
            guess = "" if meant is None else f"; did you mean {meant!r}?"
            text = f"{key!r} has labels, but {'no features' if of_features else 'there is no such video'}{guess}"
            yield Finding("labels", text, self.source, train.videos[key].line, is_problem=True)
        trusted = sorted(set(absent) - set(slips))
        if trusted and len(trusted) == len(self.annotations):
            text = (
                f"none of its {len(trusted)} videos {'has features' if of_features else 'is there'}: names must agree"
            )
            yield Finding("labels", text, self.source, is_problem=True)
        elif trusted:
            yield self._warn("labels", f"{'no features' if of_features else 'no file'} of {_some(trusted)}")
        if unnamed:
            yield self._warn("labels", f"no labels of {_some(unnamed)}")
        for key, video in train.videos.items():
            if not video.labels:
                yield self._problem("labels", f"{key!r} has no label", key, video)

    def _classes(self, train: Annotations, existing: Collection[str] | None, of_features: bool) -> Iterator[Finding]:
        counts: dict[str, int] = {}
        there: dict[str, int] = {}
        for key, video in train.videos.items():
            for label in video.labels:
                counts[label] = counts.get(label, 0) + 1
                there[label] = there.get(label, 0) + (existing is None or key in existing)
        for label in sorted(label for label, number in counts.items() if not there[label]):
            text = f"no training video of the class {label!r} {'has features' if of_features else 'is there'}"
            yield Finding("classes", text, self.source, is_problem=True)
        few = sorted(label for label in counts if there[label] == 1)
        if few:
            yield self._warn(
                "classes", f"{_count(few, 'class', 'classes')} with a single training video: {some_of(few)}"
            )
        if self.test is None or self.test == self.train:
            return
        known = set(counts)
        for key, video in self.annotations.subset(self.test).videos.items():
            for label in sorted(set(video.labels) - known):
                known.add(label)
                yield self._problem("classes", f"{key!r}: no training video has the class {label!r}", key, video)

    def _times(self, key: str, video: VideoAnnotation, real_s: float | None) -> Iterator[Finding]:
        stated_s = video.duration_s
        if real_s is not None and stated_s is not None and _differ(real_s, stated_s):
            yield self._odd(f"{key!r} lasts {real_s:.2f} s, not {stated_s:.2f} s as is written", key, video)
        end_s = real_s if real_s is not None else stated_s
        if end_s is None:
            return
        beyond = [instance for instance in video.segments if instance.end_s > end_s + _SURE_S or instance.start_s < 0]
        beyond_points = [point for point in video.points if point.at_s > end_s]
        for what, number in (("segment", len(beyond)), ("point", len(beyond_points))):
            if number:
                ends = f"outside of the video, which lasts {end_s:.2f} s"
                yield self._odd(f"{key!r} has {number} {what}{'s' * (number > 1)} {ends}", key, video)

    def _odd(self, text: str, key: str, video: VideoAnnotation) -> Finding:
        return Finding("times", text, self.source, self._line(key, video))

    def _problem(self, kind: Kind, text: str, key: str, video: VideoAnnotation) -> Finding:
        return Finding(kind, text, self.source, self._line(key, video), is_problem=True)

    def _warn(self, kind: Kind, text: str) -> Finding:
        return Finding(kind, text, self.source)

    def _line(self, key: str, video: VideoAnnotation) -> int | None:
        return video.line if video.line is not None else self._lines.get(key)

    @cached_property
    def _lines(self) -> dict[str, int]:
        """Where each name first stands in a JSON file of more than one line."""
        path = self.annotations.path
        if path is None or path.is_dir():
            return {}
        text = read_limited(path, error=AnnotationsError).decode("utf-8-sig", "replace")
        lines: dict[str, int] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            for match in _NAME.finditer(line):
                lines.setdefault(json.loads(match[0], strict=False), number)
        return lines if "\n" in text.rstrip() else {}


def _differ(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) > max(_SURE_S, _SURE_SHARE * max(one_s, other_s))


def _some(keys: list[str]) -> str:
    return f"{_count(keys, 'video', 'videos')}: {some_of(keys)}"


def _count(items: list[str], noun: str, plural: str) -> str:
    return f"{len(items)} {noun if len(items) == 1 else plural}"
