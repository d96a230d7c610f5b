"""The two formats that are results as scoring reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wtalkit.answer import to_text
from wtalkit.export.answer import Answer
from wtalkit.export.written import Written

_YOUTUBE_FILE = re.compile(r"v_[\w-]{11}")


def json(answer: Answer) -> Written:
    """The predictions document itself; ``predictions.schema.json`` beside this file describes it."""
    return Written(to_text(answer.document))


def activitynet(answer: Answer) -> Written:
    """A submission as the official evaluator of ActivityNet 1.3 reads it.

    Its videos are named by their YouTube ids: the ``v_`` that their files begin with is no part of those.
    """
    names = {each.key: each.key[2:] if _YOUTUBE_FILE.fullmatch(each.key) else each.key for each in answer.videos}
    if len(set(names.values())) < len(names):
        names = {key: key for key in names}
    details = _trained_on(answer.document.get("external_data"))
    return Written(
        to_text(
            {
                "version": "VERSION 1.3",
                "results": {names[key]: entries for key, entries in answer.document["results"].items()},
                "external_data": {"used": bool(details), "details": details},
            }
        )
    )


def _trained_on(external: Any) -> str:
    """What the features rest on besides ActivityNet's own videos; empty where nothing is known of it."""
    spec = external.get("spec") if isinstance(external, Mapping) else None
    backbone = spec.get("backbone") if isinstance(spec, Mapping) else None
    return f"features of {backbone}" if isinstance(backbone, str) and backbone else ""
