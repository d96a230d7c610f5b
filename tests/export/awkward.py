"""Answers with labels and times that formats trip over."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from wtalkit.export.answer import Answer, answer_of
from wtalkit.export.footage import Footage

LABELS = (
    'a, "quoted" b',
    "00:00:01,000 --> 00:00:02,000",
    "two\nlines\r\n\r\nand a blank",
    "<b>bold</b> & {\\an8} so",
    "🤸 прыжок",
    "قفز عالي",
    "tab\tand ; semicolon",
    "  ",
)
TIMES = (
    (0.0, 0.5),
    (0.0, 0.0004),
    (1.0005, 1.00051),
    (59.9996, 60.0),
    (3599.9999, 3661.25),
    (3600.0, 3700.0),
    (90_000.125, 90_010.5),
    (12.345, 15.6),
)
DURATION_S = 100_000.0


def document(results: dict[str, list[dict[str, Any]]], **facts: Any) -> dict[str, Any]:
    videos = {
        key: {"path": f"videos/{key}.mp4", "duration": DURATION_S, "status": "ok", "warnings": [], **facts}
        for key in results
    }
    return {
        "version": "wtalkit predictions 1",
        "results": results,
        "external_data": {
            "wtalkit": "1.0",
            "model": {"name": "toy"},
            "spec": {"backbone": "i3d"},
            "show": {"threshold": None, "all": False, "classes": None},
            "videos": videos,
            "failures": [],
        },
    }


def entries() -> list[dict[str, Any]]:
    return [
        {"label": label, "score": 0.5 - number / 10, "segment": list(time)}
        for number, (label, time) in enumerate(zip(LABELS, TIMES, strict=True))
    ]


def answer(*keys: str, found: list[dict[str, Any]] | None = None, fps: Fraction | None = None, **facts: Any) -> Answer:
    """The awkward segments, or ``found``, for each key; with ``fps`` each video is at hand."""
    made, _ = answer_of(document({key: entries() if found is None else found for key in keys or ("a",)}, **facts))
    if fps is None:
        return made
    return made.with_footage(lambda video: Footage(Path(f"/v/{video.file_name}"), fps, has_sound=True))


def segment(label: str, start_s: float, end_s: float, score: float = 0.5) -> dict[str, Any]:
    return {"label": label, "score": score, "segment": [start_s, end_s]}
