"""From a report to the text of its page: one HTML document with style, program and data inside."""

from __future__ import annotations

import html
import json
import math
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from wtalkit import __version__
from wtalkit.report.contents import Report, ReportVideo
from wtalkit.report.curves import curves_data
from wtalkit.report.media import Media
from wtalkit.report.thumbnails import Thumbnails

_SCRIPTS = ("format", "data", "timeline", "drawing", "table", "player", "app")
_SURROGATES = re.compile("[\ud800-\udfff]")  # names of files that are not UTF-8 hold them, a page cannot
# What the HTML parser could take for the end of the data, or JavaScript of old for the end of a line.
_ESCAPED = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def render(
    report: Report, media: Mapping[str, Media] | None = None, thumbnails: Mapping[str, Thumbnails] | None = None
) -> str:
    """The whole HTML document; the same report gives the same text.

    Nothing in it asks for the network, and its content security policy forbids it: only the very style and program
    that are inside run, whatever stands in labels and names.

    Args:
        report: what to show.
        media: where the page finds the videos, by key; it says which ones it has none for.
        thumbnails: pictures of the segments' starts, by key.
    """
    style, script = _asset("style.css"), _program()
    media = media or {}
    return Template(_asset("page.html")).substitute(
        policy=html.escape(_policy(style, script)),
        title=html.escape(_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", report.title)),
        style=style,
        script=script,
        data=to_json(data(report, media, thumbnails or {})),
        media="".join(
            f'<script type="text/plain" id="media-{number}">{media[video.key].embedded}</script>\n'
            for number, video in enumerate(report.videos)
            if video.key in media and media[video.key].embedded is not None
        ),
    )


def data(report: Report, media: Mapping[str, Media], thumbnails: Mapping[str, Thumbnails]) -> dict[str, Any]:
    """What the page's program reads."""
    labels = report.labels
    made_by = report.spec.get("backbone"), report.spec.get("flow")
    return {
        "title": report.title,
        "wtalkit": __version__,
        "model": _model(report.model),
        "features": " + ".join(str(each) for each in made_by if each not in (None, "none")),
        "labels": list(labels),
        "warnings": list(report.warnings),
        "failures": [{"path": each.path, "cause": each.cause} for each in report.failures],
        "videos": [
            _video(number, video, labels, media.get(video.key), thumbnails.get(video.key, Thumbnails()))
            for number, video in enumerate(report.videos)
        ],
    }


def to_json(value: Any) -> str:
    """JSON that may stand inside a script element.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPED)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # names of files that are not UTF-8


def _model(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of the model; a file of predictions may hold anything in its place."""
    told = {name: facts.get(name) for name in ("name", "method", "supervision")}
    plugins = facts.get("plugins")
    return {
        **{name: value if isinstance(value, str) else None for name, value in told.items()},
        "plugins": [each for each in plugins if isinstance(each, str)] if isinstance(plugins, list | tuple) else [],
    }


def _video(
    number: int, video: ReportVideo, labels: tuple[str, ...], media: Media | None, pictures: Thumbnails
) -> dict[str, Any]:
    numbers = {label: index for index, label in enumerate(labels)}
    found = video.candidates
    truth = video.truth
    return {
        "key": video.key,
        "file": media.name if media is not None else None,
        "link": media.link if media is not None and media.embedded is None else None,
        "media": f"media-{number}" if media is not None and media.embedded is not None else None,
        "type": media.type if media is not None else None,
        "codec": pictures.codec,
        "duration": round(video.duration_s, 3),
        "status": video.status,
        "warnings": list(video.warnings),
        "gaps": [[round(start, 3), round(end, 3)] for start, end in video.gaps],
        "threshold": video.threshold,
        "cut_at": video.cut_at,
        "candidates": {
            "label": [numbers[each.label] for each in found],
            "start": [round(each.start_s, 3) for each in found],
            "end": [round(each.end_s, 3) for each in found],
            "score": [float(each.score) for each in found],  # as they are: the threshold is not rounded either
            "picture": list(pictures.of_segment) or [-1] * len(found),
        },
        "truth": None
        if truth is None
        else [[numbers[each.label], round(each.start_s, 3), round(each.end_s, 3)] for each in truth],
        "curves": None if video.curves is None else curves_data(video.curves, labels, _worth(video)),
        "pictures": pictures.base64,
    }


def _worth(video: ReportVideo) -> dict[str, float]:
    """By label, as the timeline ranks its rows: what is annotated above all, then the best score."""
    worth: dict[str, float] = {}
    for each in video.candidates:
        worth[each.label] = max(each.score, worth.get(each.label, -math.inf))
    return worth | dict.fromkeys((each.label for each in video.truth or ()), math.inf)


def _policy(style: str, script: str) -> str:
    """Nothing but this style, this program, pictures inside the page, and videos inside it or beside it."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "media-src 'self' file: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


@cache
def _program() -> str:
    """All scripts as one, in a scope of their own."""
    parts = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


@cache
def _asset(name: str) -> str:
    return files("wtalkit.report").joinpath("assets", name).read_text(encoding="utf-8")
