"""Names that come out of files and may become paths: which are refused, and how a file's name becomes a key."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wtalkit.inputs import VIDEO_SUFFIXES

_NAMED_OUTRIGHT = frozenset((".y4m",))
"""No folder is searched for these, but who extracts one by its name may write that name into a table, too."""
_DRIVE = re.compile(r"^[A-Za-z]:")


def unsafe_key(key: str) -> str | None:
    """Why ``key`` must never be joined to a folder; None when it is harmless."""
    if not key.strip():
        return "the video has no name"
    if "\0" in key:
        return f"the video's name {key!r} holds a NUL character"
    parts = key.replace("\\", "/").split("/")
    if parts[0] == "" or _DRIVE.match(key):
        return f"the video's name {key!r} is an absolute path"
    if ".." in parts:
        return f"the video's name {key!r} leaves its folder"
    return None


def keys_from_file_names(names: Iterable[str]) -> dict[str, str]:
    """Map file names to keys: ``/`` separators, no video extension; names that would clash keep theirs."""
    bare: dict[str, str] = {}
    for name in dict.fromkeys(names):
        path = name.replace("\\", "/").removeprefix("./")
        stem, dot, suffix = path.rpartition(".")
        bare[name] = stem if stem and f"{dot}{suffix}".lower() in VIDEO_SUFFIXES | _NAMED_OUTRIGHT else path
    users: dict[str, int] = {}
    for key in bare.values():
        users[key] = users.get(key, 0) + 1
    return {name: key if users[key] == 1 else name.replace("\\", "/").removeprefix("./") for name, key in bare.items()}
