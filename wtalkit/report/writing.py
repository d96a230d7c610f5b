"""From a report to its file: pictures are taken, videos linked or put inside, the page is written whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wtalkit.errors import UsageError
from wtalkit.report.contents import Report, ReportVideo
from wtalkit.report.media import Media, embedded, linked
from wtalkit.report.page import render
from wtalkit.report.thumbnails import Thumbnails, take_thumbnails

EMBED_LIMIT_BYTES = 64 * 2**20
"""Videos that a page holds inside, all together; base64 makes them a third larger."""
THUMBNAILS = 300
"""Pictures of a page, all together; they take about 2.3 kB each."""


@dataclass(frozen=True)
class Written:
    """What became of a report.

    Attributes:
        bytes: size of the page.
        warnings: what the page lacks, a sentence each.
    """

    bytes: int
    warnings: tuple[str, ...]


def write_report(
    path: str | os.PathLike[str],
    report: Report,
    *,
    embed: bool = False,
    thumbnails: int = THUMBNAILS,
    progress: Callable[[str], None] | None = None,
) -> Written:
    """Write the page of a report; it appears whole or not at all.

    Args:
        path: the HTML file.
        report: what to show.
        embed: put the videos inside, as far as :data:`EMBED_LIMIT_BYTES` go, instead of linking them.
        thumbnails: pictures in all; 0 takes none.
        progress: told the key of each video before it is looked at.

    Raises:
        UsageError: the report has no video.
        MachineError: the folder cannot be written to, or the disk is full.
    """
    from wtalkit.atomic import write_text

    page = Path(path)
    if not report.videos:
        raise UsageError("there is no video to show", file=page)
    ahead = sum(video.path is not None for video in report.videos)
    left = thumbnails  # what one video does not use is shared by those after it
    pictures: dict[str, Thumbnails] = {}
    media: dict[str, Media] = {}
    warnings: list[str] = []
    room = EMBED_LIMIT_BYTES if embed else 0
    for video in report.videos:
        if video.path is None:
            warnings.append(f"{video.key}: its video was not found, so the page shows none")
            continue
        if progress is not None:
            progress(video.key)
        taken = take_thumbnails(video.path, video.candidates, -(-left // ahead))
        left -= len(taken.pictures)
        ahead -= 1
        pictures[video.key] = taken
        if taken.why_not is not None:
            warnings.append(f"{video.path}: {taken.why_not}; the page has no pictures of it")
        media[video.key] = _media(video, video.path, page, room if taken.codec else 0)
        if media[video.key].embedded is not None:
            room -= video.path.stat().st_size
        elif embed:
            limit = f"{EMBED_LIMIT_BYTES / 2**20:.4g} MiB of videos"
            warnings.append(f"{video.path}: linked, not embedded: a page holds at most {limit} that can be decoded")
    text = render(report, media, pictures)
    write_text(page, text)
    return Written(page.stat().st_size, tuple(warnings))


def _media(video: ReportVideo, path: Path, page: Path, room: int) -> Media:
    """Inside the page if there is room; only what was decoded is: no other file is carried off in a page."""
    return embedded(path, page) if 0 < path.stat().st_size <= room else linked(path, page)
