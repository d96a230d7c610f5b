"""The annotations of packs as JSON: the ActivityNet schema, taken less strictly than a person's own file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from wtalkit.annotations import Annotations
from wtalkit.annotations.activitynet import parse_activitynet
from wtalkit.documents import read_json
from wtalkit.errors import AnnotationsError


def read_annotations(path: Path) -> Annotations:
    """Annotations of a pack: seconds may be text, as in BaS-Net's ``gt.json``.

    Raises:
        AnnotationsError: it cannot be read, or is not of the schema.
    """
    document, text = read_json(path, error=AnnotationsError)
    database = document.get("database") if isinstance(document, dict) else None
    for entry in database.values() if isinstance(database, dict) else ():
        if not isinstance(entry, dict):
            continue
        for annotation in entry["annotations"] if isinstance(entry.get("annotations"), list) else ():
            if isinstance(annotation, dict) and isinstance(annotation.get("segment"), list):
                annotation["segment"] = [_seconds(bound) for bound in annotation["segment"]]
        if "duration" in entry:
            entry["duration"] = _seconds(entry["duration"])
    annotations = parse_activitynet(document, path=path, text=text)
    return replace(annotations, warnings=())


def find_annotations(folder: Path) -> Path | None:
    """The first JSON file of a folder that has a ``database``."""
    for path in sorted(folder.glob("*.json")):
        try:
            document, _ = read_json(path, error=AnnotationsError)
        except AnnotationsError:
            continue
        if isinstance(document, dict) and isinstance(document.get("database"), dict):
            return path
    return None


def _seconds(value: Any) -> Any:
    """A number in place of its text; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value
