"""What is known about a set of videos: their labels, and what some files say of when each action happens."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wtalkit.errors import AnnotationsError

LONGEST_S = 366 * 86_400.0
"""Seconds of a video; a file that says more means something else."""


@dataclass(frozen=True)
class Instance:
    """One annotated action, seconds as written in the file.

    Public files hold instances of zero length and instances that end after their video; the official evaluator scores
    them as they are, so they are kept as they are.
    """

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class Point:
    """One labelled frame of an action: a second at which it is going on; when it starts and ends is not said."""

    at_s: float
    label: str


@dataclass(frozen=True)
class VideoAnnotation:
    """Labels, instances and points of one video.

    Attributes:
        subset: the subset the file puts it in; None when it names none.
        duration_s: seconds; None when the file does not say.
        labels: weak labels: which actions happen somewhere in the video, sorted.
        segments: when they happen, in file order; empty for weakly labelled videos.
        points: one labelled frame of each, in file order; empty where nobody marked any.
        line: line of ``labels.csv`` that first names the video.
        ambiguous: start and end, seconds, of stretches that show something like an action; THUMOS14 marks them.
        fps: frames per second of the video; None when the file does not say.
        frames: how many it has; None when the file does not say.
    """

    subset: str | None = None
    duration_s: float | None = None
    labels: tuple[str, ...] = ()
    segments: tuple[Instance, ...] = ()
    points: tuple[Point, ...] = ()
    line: int | None = None
    ambiguous: tuple[tuple[float, float], ...] = ()
    fps: float | None = None
    frames: int | None = None


@dataclass(frozen=True)
class Annotations:
    """Annotated videos by key, and the class names of the whole file.

    Attributes:
        videos: the videos in file order.
        classes: sorted names of every label in the *file*; a subset keeps them, so that class numbers never shift.
        path: where they were read from.
        version: the ``version`` the file states.
        warnings: oddities that were dealt with, one sentence each.
    """

    videos: Mapping[str, VideoAnnotation]
    classes: tuple[str, ...]
    path: Path | None = None
    version: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def subsets(self) -> tuple[str, ...]:
        """Names of the subsets, in file order. Capitals do not matter; a subset is named as at its first video."""
        names: dict[str, str] = {}
        for video in self.videos.values():
            if video.subset is not None:
                names.setdefault(video.subset.casefold(), video.subset)
        return tuple(names.values())

    @property
    def has_segments(self) -> bool:
        """Whether any video says when an action happens."""
        return any(video.segments for video in self.videos.values())

    @property
    def has_points(self) -> bool:
        """Whether any video has a labelled frame."""
        return any(video.points for video in self.videos.values())

    def subset(self, name: str | None) -> Annotations:
        """Only the videos of subset ``name`` (capitals do not matter); all of them for None.

        Raises:
            AnnotationsError: the file has no such subset.
        """
        if name is None:
            return self
        videos = {
            key: video
            for key, video in self.videos.items()
            if video.subset is not None and video.subset.casefold() == name.casefold()
        }
        if not videos:
            raise AnnotationsError(f"has no subset {name!r}", file=self.path, remedy=self._subset_remedy(name))
        return replace(self, videos=videos)

    def only(self, keys: set[str] | frozenset[str]) -> Annotations:
        """Only the videos named in ``keys``."""
        return replace(self, videos={key: video for key, video in self.videos.items() if key in keys})

    def weak(self) -> Annotations:
        """The same videos without any instance or point: what a method may see that learns from labels per video."""
        unseen: dict[str, Any] = {"segments": (), "points": (), "ambiguous": ()}
        return replace(self, videos={key: replace(video, **unseen) for key, video in self.videos.items()})

    def pointed(self) -> Annotations:
        """The same videos without any instance, with their points: what a method may see that learns from points."""
        unseen: dict[str, Any] = {"segments": (), "ambiguous": ()}
        return replace(self, videos={key: replace(video, **unseen) for key, video in self.videos.items()})

    def to_activitynet(self) -> dict[str, Any]:
        """The ActivityNet JSON document of these annotations."""
        database: dict[str, Any] = {}
        for key, video in self.videos.items():
            entry: dict[str, Any] = {}
            if video.subset is not None:
                entry["subset"] = video.subset
            facts = {"duration": video.duration_s, "fps": video.fps, "frames": video.frames}
            entry.update({name: value for name, value in facts.items() if value is not None})
            entry["video_labels"] = list(video.labels)
            entry["annotations"] = [
                {"segment": [instance.start_s, instance.end_s], "label": instance.label} for instance in video.segments
            ]
            entry["annotations"] += [{"point": point.at_s, "label": point.label} for point in video.points]
            if video.ambiguous:
                entry["ambiguous"] = [list(interval) for interval in video.ambiguous]
            database[key] = entry
        return {"version": self.version or "", "database": database}

    def _subset_remedy(self, name: str) -> str:
        if not self.subsets:
            return "None of its videos names a subset"
        near = difflib.get_close_matches(name, self.subsets, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"It has {', '.join(map(repr, self.subsets))}.{hint}"
