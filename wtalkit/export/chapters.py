"""Chapters for the description of a video on YouTube.

They must begin at 0:00, be three at least, in order, and last 10 seconds each
(https://support.google.com/youtube/answer/9884579).
"""

from __future__ import annotations

from wtalkit.export.answer import Answer, VideoAnswer
from wtalkit.export.text import one_line
from wtalkit.export.written import Written

LEAST_S = 10
LEAST_CHAPTERS = 3
_OPENING = "Start"
# A description with angle brackets is refused.
_BRACKETS = str.maketrans({"<": "‹", ">": "›"})


def chapters(answer: Answer) -> Written:
    """A line for each chapter: where actions begin, those less than 10 s after a chapter's begin share it."""
    texts, remarks = [], []
    for video in answer.videos:
        begun, merged = _begun(video)
        texts.append("".join(f"{_clock(start_s)} {', '.join(labels)}\n" for start_s, labels in begun))
        if merged:
            remarks.append(f"{video.key}: {merged} of {len(video.segments)} segments share a chapter with others")
        if len(begun) < LEAST_CHAPTERS:
            remarks.append(
                f"{video.key}: YouTube shows no fewer than {LEAST_CHAPTERS} chapters, there are {len(begun)}"
            )
    return Written("\n".join(texts), tuple(remarks))


def _begun(video: VideoAnswer) -> tuple[list[tuple[int, list[str]]], int]:
    """Whole second and labels of each chapter, and how many segments have none of their own."""
    # One in the last 10 seconds would be too short itself.
    last_s = int(video.end_s) - LEAST_S
    begun: list[tuple[int, list[str]]] = []
    merged = 0
    for segment in video.segments:
        start_s, label = int(segment.start_s), one_line(segment.label).translate(_BRACKETS) or "-"
        if not begun and start_s >= LEAST_S:
            begun.append((0, [_OPENING]))
        if not begun:
            begun.append((0, [label]))
        elif start_s - begun[-1][0] >= LEAST_S and start_s <= last_s:
            begun.append((start_s, [label]))
        else:
            merged += 1
            if label not in begun[-1][1]:
                begun[-1][1].append(label)
    return begun or [(0, [_OPENING])], merged


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
