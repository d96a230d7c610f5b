"""Timelines of editing programs, by means of OpenTimelineIO.

Its adapter for EDLs is read with, not written: it takes time that grows with the square of the number of events.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from wtalkit.export.answer import Answer, VideoAnswer
from wtalkit.export.text import one_line
from wtalkit.export.written import Written
from wtalkit.segments import Segment

if TYPE_CHECKING:
    from wtalkit.export.footage import Footage

EDL_EVENTS = 999
"""Event numbers have three digits."""
_REEL = 8
_DROPS_FRAMES = (Fraction(30000, 1001), Fraction(60000, 1001))
"""At these rates time code may leave out numbers, to stay with the clock."""


def otio(answer: Answer) -> Written:
    """OpenTimelineIO: the video as one clip, with a marker from start to end of each segment."""
    (video,) = answer.videos
    timeline = _marked(video, video.seen.fps)
    text: str = _library().adapters.write_to_string(timeline, "otio_json")
    return Written(text if text.endswith("\n") else text + "\n")


def fcpxml(answer: Answer) -> Written:
    """Final Cut Pro 7 XML, which Premiere Pro and DaVinci Resolve open: the video as one clip, with markers."""
    (video,) = answer.videos
    fps = video.seen.timecode_fps
    timeline = _marked(video, fps, marks_from=0)
    if _origin_and_drop(video.seen, fps)[1]:
        references = (track[0].media_reference for track in timeline.tracks)
        for counted in (timeline, *references):
            counted.metadata["fcp_xml"] = {"timecode": {"displayformat": "DF"}}
    text: str = _library().adapters.write_to_string(timeline, "fcp_xml")
    # The format asks for it, the adapter leaves it out.
    text = text.replace("<xmeml ", "<!DOCTYPE xmeml>\n<xmeml ", 1)
    return Written(text, _other_rate(video, fps))


def edl(answer: Answer) -> Written:
    """CMX 3600: the segments one after the other, so that those that overlap in the video do not on the timeline."""
    (video,) = answer.videos
    footage = video.seen
    fps = footage.timecode_fps
    origin, stated_drop = _origin_and_drop(footage, fps)
    drop = fps in _DROPS_FRAMES if stated_drop is None else stated_drop
    kept, remarks = _fitting(video, fps, origin, drop)
    title = one_line(video.key)
    head = f"TITLE: {title}\nFCM: {'DROP' if drop else 'NON-DROP'} FRAME\n"
    reel = re.sub("[^0-9A-Za-z]", "", video.file_name.rpartition(".")[0] or video.file_name)[:_REEL] or "AX"
    events, recorded = [], 0
    for number, segment in enumerate(kept, start=1):
        shown = _range(segment.start_s, segment.end_s, fps, origin)
        source = shown.start_time, shown.end_time_exclusive()
        record = _time(recorded, fps), _time(recorded + int(shown.duration.value), fps)
        recorded += int(shown.duration.value)
        times = " ".join(_timecode(int(each.value), fps, drop) for each in (*source, *record))
        label = one_line(segment.label)
        events += [
            f"\n{number:03d}  {reel:{_REEL}} V     C        {times}",
            f"* FROM CLIP NAME:  {one_line(video.file_name)}",
            f"* LOC: {times[:11]} RED     {label}",
            f"* COMMENT: score {segment.score:.3f}",
        ]
    return Written(head + "".join(f"{each}\n" for each in events), remarks)


def _fitting(video: VideoAnswer, fps: Fraction, origin: int, drop: bool) -> tuple[list[Segment], tuple[str, ...]]:
    """The segments that an EDL can hold, and what is said of the others."""
    remarks = list(_other_rate(video, fps))
    day = _day_frames(fps, drop)
    kept: list[Segment] = []
    total = 0
    best = sorted(video.segments, key=lambda each: -each.score)
    for segment in best:
        shown = _range(segment.start_s, segment.end_s, fps, origin)
        ends, length = int(shown.end_time_exclusive().value), int(shown.duration.value)
        if len(kept) < EDL_EVENTS and ends < day and total + length < day:
            kept.append(segment)
            total += length
    if left := len(best) - len(kept):
        remarks.append(
            f"{video.key}: {left} of {len(best)} segments left out: an EDL holds {EDL_EVENTS} events and 24 hours"
        )
    return sorted(kept, key=lambda each: (each.start_s, each.end_s, each.label)), tuple(remarks)


def _other_rate(video: VideoAnswer, fps: Fraction) -> tuple[str, ...]:
    if fps == video.seen.fps:
        return ()
    own = float(video.seen.fps)
    return (
        f"{video.key}: has {own:.4g} frames a second, for which there is no time code: counted at {float(fps):.5g}",
    )


def _marked(video: VideoAnswer, fps: Fraction, *, marks_from: int | None = None) -> Any:
    """The whole video as one clip, beside its sound, with a marker for each segment."""
    schema = _library().schema
    origin, _ = _origin_and_drop(video.seen, fps)
    name = one_line(video.file_name)
    timeline = schema.Timeline(one_line(video.key))
    timeline.global_start_time = _time(0, fps)
    for kind, wanted in ((schema.TrackKind.Video, True), (schema.TrackKind.Audio, video.seen.has_sound)):
        if wanted:
            track = schema.Track(kind, kind=kind)
            whole = _range(0.0, video.end_s, fps, origin)
            track.append(schema.Clip(name, media_reference=_media(video, fps), source_range=whole))
            timeline.tracks.append(track)
    for segment in video.segments:
        timeline.tracks[0][0].markers.append(
            schema.Marker(
                one_line(segment.label),
                marked_range=_range(segment.start_s, segment.end_s, fps, origin if marks_from is None else marks_from),
                color="RED",
                metadata={
                    "wtalkit": {"score": segment.score, "start_s": segment.start_s, "end_s": segment.end_s},
                    "fcp_xml": {"comment": f"score {segment.score:.3f}"},
                },
            )
        )
    return timeline


def _media(video: VideoAnswer, fps: Fraction) -> Any:
    reference = _library().schema.ExternalReference(
        video.uri, available_range=_range(0.0, video.end_s, fps, _origin_and_drop(video.seen, fps)[0])
    )
    reference.name = one_line(video.file_name)
    return reference


def _origin_and_drop(footage: Footage, fps: Fraction) -> tuple[int, bool | None]:
    """Frames that the camera's time code has at the first picture, and whether it leaves out numbers.

    0 and None where it wrote no time code.
    """
    if footage.timecode is None:
        return 0, None
    try:
        origin = int(_library().opentime.from_timecode(footage.timecode, float(fps)).value)
    except ValueError:  # not every tag of that name is one, or one of that rate
        return 0, None
    return origin, ";" in footage.timecode and fps in _DROPS_FRAMES


def _timecode(frames: int, fps: Fraction, drop: bool) -> str:
    # Numbers that are not dropped are those of the whole rate; at 29.97 the library would begin anew after 23:58:33.
    rate = fps if drop else Fraction(round(fps))
    text: str = _library().opentime.to_timecode(_time(frames, rate), float(rate), drop)
    return text


def _day_frames(fps: Fraction, drop: bool) -> int:
    """How many frames time code can number."""
    nominal = round(fps)
    left_out = nominal // 15 * 54 * 24 if drop else 0  # two of thirty in each minute but the tenth ones
    return 24 * 3600 * nominal - left_out


def _range(start_s: float, end_s: float, fps: Fraction, origin: int) -> Any:
    """The frames nearest to start and end, one at least."""
    first = round(start_s * fps)
    last = max(first + 1, round(end_s * fps))
    return _library().opentime.TimeRange(_time(first + origin, fps), _time(last - first, fps))


def _time(frames: int, fps: Fraction) -> Any:
    return _library().opentime.RationalTime(frames, float(fps))


def _library() -> Any:
    import opentimelineio

    return opentimelineio
