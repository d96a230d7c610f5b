"""What a notebook shows of a video's segments: a drawing in time and a table, in one piece of HTML without script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from unicodedata import category

from wtalkit.clock import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtalkit.segments import Detections, Segment

_WIDTH, _LABELS, _MARGIN, _ROW, _BAR = 720, 160, 30, 22, 14
"""Pixels of the drawing, of the labels to its left, of its right margin, from one action to the next, of a bar."""
_MOST_ACTIONS, _MOST_ROWS = 40, 50
_LEAST_BAR = 2.0
_TICKS = 6
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_HUES = (210, 25, 140, 330, 270, 50, 180, 0)

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What sets the direction of writing; other invisible characters, such as joiners, belong to words and emoji."""


def to_html(found: Detections) -> str:
    """The segments as HTML: every text escaped, colours that are readable on light and dark."""
    labels = sorted({each.label for each in found})
    head = f"<b>{_text(found.key)}</b> · {clock(found.duration_s)} · {len(found)} segment{'s' * (len(found) != 1)}"
    warnings = "".join(f'<div style="color:#b35900">{_text(each)}</div>' for each in found.warnings)
    if not found.segments:
        return f'<div class="wtalkit">{head}{warnings}<div>{_nothing(found)}</div></div>'
    left_out = len(labels) - _MOST_ACTIONS
    more = f"<div>and {left_out} more actions</div>" if left_out > 0 else ""
    return (
        f'<div class="wtalkit">{head}{warnings}{_drawing(found, labels[:_MOST_ACTIONS])}{more}'
        f"{_table(found.segments)}</div>"
    )


def _nothing(found: Detections) -> str:
    if found.best_score is None or found.threshold is None:
        return "nothing found"
    return f"nothing found: the best candidate scores {found.best_score:.2f}, the threshold is {found.threshold:.2f}"


def _drawing(found: Detections, labels: Sequence[str]) -> str:
    width = _WIDTH - _LABELS - _MARGIN
    scale = width / found.duration_s
    height = _ROW * len(labels) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="100%" '
        f'style="max-width:{_WIDTH}px;display:block;font:12px sans-serif" fill="currentColor" role="img">'
    ]
    for row, label in enumerate(labels):
        top = row * _ROW
        parts.append(
            f'<text x="{_LABELS - 8}" y="{top + 15}" text-anchor="end">{_text(_short(label))}</text>'
            f'<rect x="{_LABELS}" y="{top + 4}" width="{width}" height="{_BAR}" fill-opacity="0.08"/>'
        )
        colour = f"hsl({_HUES[row % len(_HUES)]} 65% 50%)"
        parts += [
            f'<rect x="{_LABELS + each.start_s * scale:.1f}" y="{top + 4}" '
            f'width="{max(each.duration_s * scale, _LEAST_BAR):.1f}" height="{_BAR}" fill="{colour}" '
            f'fill-opacity="0.8"><title>{_text(_said(each))}</title></rect>'
            for each in found
            if each.label == label
        ]
    for at_s in _ticks(found.duration_s):
        x = _LABELS + at_s * scale
        parts.append(f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle" fill-opacity="0.7">{clock(at_s)}</text>')
    return "".join((*parts, "</svg>"))


def _table(segments: Sequence[Segment]) -> str:
    rows = "".join(
        f"<tr><td>{clock(each.start_s)}</td><td>{clock(each.end_s)}</td>"
        f'<td style="text-align:left">{_text(each.label)}</td><td>{each.score:.2f}</td></tr>'
        for each in segments[:_MOST_ROWS]
    )
    left_out = len(segments) - _MOST_ROWS
    rows += f'<tr><td colspan="4">and {left_out} more</td></tr>' if left_out > 0 else ""
    head = '<tr><th>start</th><th>end</th><th style="text-align:left">action</th><th>score</th></tr>'
    return f"<table>{head}{rows}</table>"


def _ticks(duration_s: float) -> list[float]:
    """Round moments, at most :data:`_TICKS` steps apart."""
    step = next((each for each in _STEPS_S if duration_s / each <= _TICKS), duration_s / _TICKS)
    return [number * step for number in range(int(duration_s / step) + 1)]


def _said(segment: Segment) -> str:
    return f"{segment.label} {clock(segment.start_s)} to {clock(segment.end_s)}, score {segment.score:.2f}"


def _short(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"


def _text(text: str) -> str:
    """Escaped; file names that are not UTF-8 hold what cannot be shown, and controls must not turn the writing."""
    return escape("".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(char) else char for char in text))


def _is_hidden(char: str) -> bool:
    return char in _TURNING or category(char) in ("Cc", "Cs", "Cn")
