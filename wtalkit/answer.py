"""What ``detect`` answers, as one document: the ActivityNet results schema, everything of ours in ``external_data``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wtalkit import __version__
from wtalkit.evaluation import to_document
from wtalkit.inputs import Failure
from wtalkit.segments import Detections

if TYPE_CHECKING:
    from wtalkit.detector import Detector, Show

# What moves a terminal's cursor or turns the direction of writing; JSON itself escapes only what is below U+0020.
_UNSHOWN = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_NUMBER = r"(-?[0-9][^\s,\]]*)"
_PAIR = re.compile(rf"\[\n\s+{_NUMBER},\n\s+{_NUMBER}\n\s+\]")
_PREDICTION = re.compile(r'\{\n\s+("label": .*),\n\s+("score": .*),\n\s+("segment": .*)\n\s+\}')


def document(
    results: Iterable[Detections], failures: Iterable[Failure], detector: Detector, show: Show
) -> dict[str, Any]:
    """The document of several videos' detections; a failed input is listed, not left out in silence."""
    found = list(results)
    external = {
        "wtalkit": __version__,
        "model": detector.model_facts,
        "spec": detector.spec.to_dict(),
        "show": {"threshold": show.threshold, "all": show.everything, "classes": show.classes, "label": show.label},
        "videos": {each.key: each.facts() for each in found},
        "failures": [{"path": each.path, "cause": each.cause} for each in failures],
    }
    return to_document({each.key: each.segments for each in found}, external)


def to_text(value: Mapping[str, Any]) -> str:
    """JSON that people can read too: one line per prediction.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    # Strings in JSON never hold a raw line break, so these only match the layout itself.
    text = _PREDICTION.sub(r"{\1, \2, \3}", _PAIR.sub(r"[\1, \2]", text))
    text = _UNSHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    # File names that are not UTF-8 hold lone surrogates; their escape is what JSON writes for them anyway.
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
