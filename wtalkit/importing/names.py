"""How a pack's names of videos become the keys of the ground truth."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from wtalkit.annotations import Annotations, VideoAnnotation
from wtalkit.datasets import load_dataset
from wtalkit.errors import AnnotationsError
from wtalkit.importing.pack import PackVideo

_PREFIX = "v_"
"""Before the names of ActivityNet's files; its annotations do not have it."""
_YOUTUBE_ID = re.compile(r"(?:v=|/)([\w-]{11})/?$")
_FAMILIES = (("thumos14",), ("activitynet1.2", "activitynet1.3"))
"""Data sets that share videos stand together; names of different families cannot be mistaken."""
_SHARE = 0.5
"""Of a pack's videos that must be a data set's, for it to be taken for a pack of that one."""


def key_of(name: str, known: Collection[str], url: str | None = None) -> str:
    """The key that ``name`` stands for: itself, without ``v_``, or what stands in its address; itself if none is known.

    Args:
        name: as the pack has it.
        known: keys of the ground truth.
        url: where the video was, if the pack says.
    """
    if name in known:
        return name
    bare = name.removeprefix(_PREFIX)
    if bare in known:
        return bare
    found = None if url is None else _YOUTUBE_ID.search(url)
    return found[1] if found is not None and found[1] in known else name


def keys_of(videos: Iterable[PackVideo], known: Collection[str]) -> dict[str, str]:
    """Key of each video's name."""
    return {video.name: key_of(video.name, known, video.url) for video in videos}


def renamed(annotations: Annotations, keys: Mapping[str, str], known: Collection[str]) -> Annotations:
    """A pack's annotations by key; the first counts where two names are one."""
    videos: dict[str, VideoAnnotation] = {}
    for name, video in annotations.videos.items():
        videos.setdefault(keys.get(name) or key_of(name, known), video)
    return replace(annotations, videos=videos)


def recognised_dataset(videos: Sequence[PackVideo], classes: Collection[str]) -> tuple[str, Annotations] | None:
    """The built-in data set that a pack is of, by the names of its videos, and its ground truth.

    Where two know as many, that counts which knows more of the pack's ``classes``, then the one with fewer videos:
    ActivityNet 1.3 holds nearly all of 1.2.
    """
    for family in _FAMILIES:
        found: dict[str, tuple[tuple[int, int, int], Annotations]] = {}
        for name in family:
            truth = load_dataset(name)
            known = sum(key_of(video.name, truth.videos, video.url) in truth.videos for video in videos)
            if known and known >= _SHARE * len(videos):
                found[name] = ((known, len(set(classes) & set(truth.classes)), -len(truth)), truth)
        if found:
            best = max(found, key=lambda name: found[name][0])
            return best, found[best][1]
    return None


def require_of_dataset(videos: Sequence[PackVideo], truth: Annotations, dataset: str) -> None:
    """Make sure that a data set that was named knows any video of the pack.

    Raises:
        AnnotationsError: it knows none.
    """
    if not any(key_of(video.name, truth.videos, video.url) in truth.videos for video in videos):
        raise AnnotationsError(
            f"knows none of the pack's {len(videos)} videos, the first of which is {videos[0].name!r}",
            file=dataset,
            remedy="Leave --dataset out, and the pack's own annotations are taken",
        )
