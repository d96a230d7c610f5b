"""Predictions files: the ActivityNet results schema, read strictly and written whole.

``{"version", "results": {video: [{"label", "score", "segment": [start_s, end_s]}]}, "external_data": {...}}``
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

from wtalkit.annotations.problems import Problems
from wtalkit.atomic import write_text
from wtalkit.documents import SIZE_LIMIT_BYTES, line_of_key, read_json
from wtalkit.errors import PredictionsError
from wtalkit.segments import Segment

SCHEMA_VERSION = "wtalkit predictions 1"
Results = Mapping[str, Sequence[Mapping[str, Any]]]


def load_predictions(path: str | PathLike[str], *, limit_bytes: int = SIZE_LIMIT_BYTES) -> dict[str, Any]:
    """Read a predictions file (``.json`` or ``.json.gz``) and check that it is of the schema.

    Odd *values* pass (a NaN score, an end before the start): scoring counts and excludes them. A wrong *kind* does not.

    Raises:
        PredictionsError: the file cannot be read or is not of the schema; every problem is listed.
    """
    path = Path(path)
    document, text = read_json(path, error=PredictionsError, allow_nan=True, limit_bytes=limit_bytes)
    check_predictions(document, path=path, text=text)
    return dict(document)


def check_predictions(document: Any, *, path: Path | None = None, text: str = "") -> None:
    """Make sure that a parsed document is of the schema; ``text`` serves to name lines.

    Raises:
        PredictionsError: it is not.
    """
    results = document.get("results") if isinstance(document, Mapping) else None
    if not isinstance(results, Mapping):
        raise PredictionsError(
            "is not of the ActivityNet results schema: it has no object 'results'",
            file=path,
            remedy='Give a file of the form {"results": {"<video>": [{"label", "score", "segment"}]}}',
        )
    problems = Problems(path, PredictionsError)
    for video, entries in results.items():
        wrong = _wrong_entry(entries)
        if wrong is not None:
            problems.add(f"{video!r}: {wrong}", None if problems.full else line_of_key(text, video))
    problems.raise_if_any()


def to_document(results: Mapping[str, Iterable[Segment]], external_data: Mapping[str, Any]) -> dict[str, Any]:
    """The predictions document of segments by video, sorted by start."""
    return {
        "version": SCHEMA_VERSION,
        "results": {
            key: [
                {"label": segment.label, "score": segment.score, "segment": [segment.start_s, segment.end_s]}
                for segment in sorted(segments, key=lambda each: (each.start_s, each.end_s, each.label, -each.score))
            ]
            for key, segments in results.items()
        },
        "external_data": dict(external_data),
    }


def write_predictions(path: str | PathLike[str], document: Mapping[str, Any]) -> None:
    """Write a predictions document; it appears whole or not at all.

    Raises:
        ValueError: a number in it is not finite.
        MachineError: the folder cannot be written to, or the disk is full.
    """
    write_text(path, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def _wrong_entry(entries: Any) -> str | None:
    """What is of the wrong kind in a video's list, None when all is well."""
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return "its predictions are not a list"
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, Mapping):
            return f"prediction {number} is not an object"
        if not isinstance(entry.get("label"), str):
            return f"prediction {number} has no label"
        if "score" not in entry or number_of(entry["score"]) is None:
            return f"prediction {number} has no score"
        segment = entry.get("segment")
        if not isinstance(segment, list | tuple) or len(segment) != 2 or None in [number_of(end) for end in segment]:
            return f"prediction {number} has a segment that is not two numbers"
    return None


def number_of(value: Any) -> float | None:
    """A JSON number as a float; None for anything else. ``null`` is how many writers spell NaN, so it is one here."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf  # an integer beyond the range of a float; not finite is all that matters
