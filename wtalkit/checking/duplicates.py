"""The same content under two names: files of equal bytes, videos of equal pictures, arrays of equal numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from wtalkit.annotations import Annotations
from wtalkit.checking.report import CheckedFeatures, CheckedVideo, Finding
from wtalkit.suggest import some_of

Item = TypeVar("Item")
Group = tuple[str, ...]


def find_duplicates(videos: Sequence[CheckedVideo], arrays: Sequence[CheckedFeatures]) -> list[tuple[Group, str]]:
    """Groups of keys with the same content, and what it is that they share; a group is listed once.

    Files are held against files of equal size, pictures and numbers by the digests that reading them gave.
    """
    files = [(video.key, Path(video.path)) for video in videos if Path(video.path).is_file()]
    same_size = _groups(files, lambda item: item[1].stat().st_size)
    by_bytes = (keys for group in same_size for keys in _groups(group, lambda item: _digest(item[1]) or item[0]))
    kinds: tuple[tuple[str, Iterable[Group]], ...] = (
        ("the same file", (tuple(key for key, _ in group) for group in by_bytes)),
        ("the same pictures", _keys_of_equal(videos)),
        ("the same features", _keys_of_equal(arrays)),
    )
    found: list[tuple[Group, str]] = []
    for what, groups in kinds:
        for keys in groups:
            if not any(set(keys) <= set(known) for known, _ in found):
                found.append((keys, what))
    return found


def duplicate_findings(
    duplicates: Iterable[tuple[Group, str]],
    annotations: Annotations | None,
    *,
    train_subset: str | None = None,
    test_subset: str | None = None,
) -> Iterator[Finding]:
    """What is wrong with each group; worst is one with a foot in either subset: its scores are remembered, not found.

    Args:
        duplicates: from :func:`find_duplicates`.
        annotations: the whole file, if there is one.
        train_subset: the subset that is trained on; None where the file names none.
        test_subset: the subset that is scored.
    """
    for keys, what in duplicates:
        videos = [] if annotations is None else [annotations.videos[key] for key in keys if key in annotations.videos]
        subsets = {(video.subset or "").casefold() for video in videos}
        leaks = (
            train_subset is not None
            and test_subset is not None
            and train_subset.casefold() != test_subset.casefold()
            and {train_subset.casefold(), test_subset.casefold()} <= subsets
        )
        text = f"{some_of([repr(key) for key in keys])} are {what}"
        if leaks:
            text += f", in {train_subset} and in {test_subset}: what was trained on would be scored"
        elif len({video.labels for video in videos}) > 1:
            text += ", with different labels"
        yield Finding("splits", text, is_problem=leaks)


def _keys_of_equal(items: Sequence[CheckedVideo] | Sequence[CheckedFeatures]) -> Iterator[Group]:
    known = [(item.key, item.content) for item in items if item.content is not None]
    return (tuple(key for key, _ in group) for group in _groups(known, lambda item: item[1]))


def _groups(items: Iterable[Item], by: Callable[[Item], Hashable]) -> Iterator[list[Item]]:
    """Those that agree in something, two or more each."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(by(item), []).append(item)
    return (group for group in groups.values() if len(group) > 1)


def _digest(path: Path) -> str | None:
    """Of a file's content; None where it cannot be read, which another check tells of."""
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return None
