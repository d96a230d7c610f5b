"""How a page gets at its video: a link relative to the page, or the file itself inside the page."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg"}
_TYPES[".mkv"] = "video/webm"  # what browsers call the Matroska files that they do play


@dataclass(frozen=True)
class Media:
    """Where the page finds a video.

    Attributes:
        name: the file's name, to be shown.
        link: relative URL.
        embedded: the file in base64; None where it is only linked.
        type: MIME type to try; browsers look at the content anyway.
    """

    name: str
    link: str
    embedded: str | None = None
    type: str = "video/mp4"


def linked(video: Path, page: Path) -> Media:
    """A link from the page to the video, relative, so that both can be moved together."""
    try:
        relative = os.path.relpath(video.absolute(), page.absolute().parent)
    except ValueError:  # another drive, on Windows
        return Media(video.name, video.absolute().as_uri(), type=_type(video))
    # With a dot in front no name can look like a scheme; surrogates stand for bytes that are not UTF-8.
    return Media(video.name, "./" + quote(os.fsencode(Path(relative).as_posix())), type=_type(video))


def embedded(video: Path, page: Path) -> Media:
    """The video inside the page."""
    link = linked(video, page)
    return Media(link.name, link.link, b64encode(video.read_bytes()).decode("ascii"), link.type)


def _type(video: Path) -> str:
    return _TYPES.get(video.suffix.lower(), "video/mp4")
