"""Predictions to export: one file, or a folder of answers as ``detect --out`` leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wtalkit.documents import read_json
from wtalkit.errors import PredictionsError
from wtalkit.evaluation import load_predictions
from wtalkit.evaluation.predictions import SCHEMA_VERSION, check_predictions


def read_predictions(path: Path) -> dict[str, Any]:
    """The predictions document of a file, or that of all answers in a folder.

    Raises:
        PredictionsError: it cannot be read, is of another schema, or the folder holds no answer.
    """
    if not path.is_dir():
        return load_predictions(path)
    merged: dict[str, Any] = {}
    for each in sorted(path.rglob("*.json")):
        if each.name.startswith("."):
            continue
        document, text = read_json(each, error=PredictionsError)
        if not isinstance(document, Mapping) or document.get("version") != SCHEMA_VERSION:
            continue  # a file in another format lies beside the answers
        check_predictions(document, path=each, text=text)
        _merge(merged, document, each)
    if not merged:
        raise PredictionsError("there is no answer of detect in this folder", file=path)
    return merged


def _merge(merged: dict[str, Any], document: Mapping[str, Any], path: Path) -> None:
    """Add a document.

    Raises:
        PredictionsError: it answers for a video that another one answers for otherwise.
    """
    external = document.get("external_data")
    external = dict(external) if isinstance(external, Mapping) else {}
    if not merged:
        merged.update(version=document["version"], results={}, external_data={**external, "videos": {}})
        merged["external_data"]["failures"] = []
    for key, entries in document["results"].items():
        if merged["results"].setdefault(key, entries) != entries:
            raise PredictionsError(
                f"answers for {key}, as another file in this folder does otherwise", file=path,
                remedy="Keep the answers of two jobs in two folders",
            )  # fmt: skip
    if isinstance(failures := external.get("failures"), list):
        merged["external_data"]["failures"] += failures
    if isinstance(external.get("videos"), Mapping):
        merged["external_data"]["videos"].update(external["videos"])
