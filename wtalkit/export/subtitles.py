"""Subtitles: SubRip and WebVTT. Segments that overlap overlap as cues, which both allow."""

from __future__ import annotations

from wtalkit.export.answer import Answer
from wtalkit.export.text import one_line
from wtalkit.export.written import Written

# SubRip has no escapes; players take <...> for markup and {\...} for commands, and --> for a line of times.
_SRT = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
_VTT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(answer: Answer) -> Written:
    """SubRip, one cue a segment. What players would take for markup is written with look-alikes."""
    cues = [
        f"{number}\n{times}\n{label.replace('-->', '→').translate(_SRT)}\n"
        for number, (times, label) in enumerate(_cues(answer, ","), start=1)
    ]
    return Written("\n".join(cues))


def vtt(answer: Answer) -> Written:
    """WebVTT (https://www.w3.org/TR/webvtt1/), one cue a segment."""
    cues = [
        f"{number}\n{times}\n{label.translate(_VTT)}\n"
        for number, (times, label) in enumerate(_cues(answer, "."), start=1)
    ]
    return Written("\n".join(["WEBVTT\n", *cues]))


def _cues(answer: Answer, point: str) -> list[tuple[str, str]]:
    cues = []
    for segment in (each for video in answer.videos for each in video.segments):
        start_ms = round(segment.start_s * 1000)
        end_ms = max(start_ms + 1, round(segment.end_s * 1000))
        times = f"{_clock(start_ms, point)} --> {_clock(end_ms, point)}"
        cues.append((times, one_line(segment.label) or "-"))
    return cues


def _clock(ms: int, point: str) -> str:
    minutes, ms = divmod(ms, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}{point}{ms % 1000:03d}"
