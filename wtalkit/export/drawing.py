"""Drawing on pictures: labels of what happens now, and a bar of all that happens."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from wtalkit.export.text import one_line

if TYPE_CHECKING:
    from wtalkit.segments import Segment
    from wtalkit.video.scaling import Image

Colour = tuple[int, int, int]
# Okabe and Ito's colours, which people who are colour-blind can tell apart, light ones first.
_COLOURS: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
_LIGHT: Colour = (245, 245, 245)
_MOST_LABELS = 6
_SHADE = 0.35
"""How bright the picture stays under labels and the bar."""


@dataclass(frozen=True)
class _Tag:
    """A label, drawn once: where it is [H, W] between 0 and 1, and the colour of its action."""

    mask: Any
    colour: Colour


class Overlay:
    """What is drawn on the pictures of one video.

    Args:
        segments: of the video.
        duration_s: its length.
        width: px of the pictures.
        height: px.
    """

    def __init__(self, segments: Sequence[Segment], duration_s: float, width: int, height: int) -> None:
        self._segments = sorted(segments, key=lambda each: (-each.score, each.start_s))
        self._duration_s = max(duration_s, 1e-3)
        self._size = max(10, min(width, height) // 18)
        labels = sorted({each.label for each in segments})
        self._colours = {label: _COLOURS[number % len(_COLOURS)] for number, label in enumerate(labels)}
        self._tags = {
            label: _Tag(_written(_readable(label, number), self._size, width * 3 // 4), self._colours[label])
            for number, label in enumerate(labels, start=1)
        }
        self._bar = self._drawn_bar(labels, width, height)

    def draw(self, image: Image, time_s: float) -> None:
        """Draw on a picture, uint8 RGB [H, W, 3], what is going on at ``time_s``."""
        top = margin = self._size // 2
        bar_height, width = self._bar.shape[:2]
        for segment in [each for each in self._segments if each.start_s <= time_s < each.end_s][:_MOST_LABELS]:
            tag = self._tags[segment.label]
            high, wide = tag.mask.shape[0] + self._size // 2, tag.mask.shape[1] + self._size
            if top + high > image.shape[0] - bar_height:
                break
            box = image[top : top + high, margin : margin + wide]
            box[:] = (box * _SHADE).astype(np.uint8)
            box[:, : max(2, self._size // 4)] = tag.colour
            share = (time_s - segment.start_s) / segment.duration_s
            box[-max(2, self._size // 8) :, : round(share * box.shape[1])] = tag.colour
            _blend(box[self._size // 4 :, self._size * 5 // 8 :], tag.mask, _LIGHT)
            top += high + self._size // 4
        below = image[-bar_height:]
        below[:] = (below * _SHADE).astype(np.uint8)
        np.copyto(below, self._bar, where=self._bar.any(axis=2, keepdims=True))
        at = min(width - 1, round(time_s / self._duration_s * (width - 1)))
        below[:, max(0, at - 1) : at + 1] = _LIGHT

    def _drawn_bar(self, labels: Sequence[str], width: int, height: int) -> Image:
        """The whole video from left to right, a row for each action; black is transparent."""
        row = max(3, min(self._size // 2, height // 4 // max(1, len(labels))))
        bar = np.zeros((min(height // 3, row * max(1, len(labels)) + 4), width, 3), np.uint8)
        for number, label in enumerate(labels):
            top = 2 + number * row
            for segment in self._segments:
                if segment.label == label:
                    left, right = (round(s / self._duration_s * width) for s in (segment.start_s, segment.end_s))
                    bar[top : top + row - 1, left : max(left + 1, right)] = self._colours[label]
        return bar


def _written(text: str, size: int, width: int) -> Any:
    """``text`` as a mask [H, W] between 0 and 1, at most ``width`` px wide: letters too many are left out."""
    canvas = np.zeros((size * 2, width + size * 2, 3), np.uint8)
    if hasattr(cv2, "FontFace"):  # OpenCV 5: a font with letters of most languages
        cv2.putText(canvas, text, (0, size * 3 // 2), (255, 255, 255), cv2.FontFace("sans"), size, 500)
    else:
        cv2.putText(canvas, text, (0, size * 3 // 2), cv2.FONT_HERSHEY_SIMPLEX, size / 26, (255,) * 3, 1, cv2.LINE_AA)
    mask = canvas[:, :width, :1] / np.float32(255)
    wide = int(np.flatnonzero(mask.any(axis=(0, 2))).max(initial=0)) + 1
    return mask[size // 2 :, :wide]


def _readable(label: str, number: int) -> str:
    """The label with what the font has; "action 3" where that is nothing."""
    text = one_line(label)
    if not hasattr(cv2, "FontFace"):  # only ASCII
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    # Emoji and signs beyond the basic plane are in no font of OpenCV's.
    text = "".join(char for char in text if ord(char) < 0x10000 and unicodedata.category(char) != "So").strip()
    return text or f"action {number}"


def _blend(box: Image, mask: Any, colour: Colour) -> None:
    part = box[: mask.shape[0], : mask.shape[1]]
    mask = mask[: part.shape[0], : part.shape[1]]
    part[:] = (part * (1 - mask) + np.array(colour, np.float32) * mask).astype(np.uint8)
