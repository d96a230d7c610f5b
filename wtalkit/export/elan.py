"""ELAN annotation files (EAF 3.0, https://www.mpi.nl/tools/elan/EAFv3.0.xsd)."""

from __future__ import annotations

import mimetypes
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from wtalkit.export.answer import Answer, VideoAnswer
from wtalkit.export.text import one_line
from wtalkit.export.written import Written
from wtalkit.segments import Segment

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE = "action"
Span = tuple[int, int, Segment]
_NEVER = datetime(1970, 1, 1, tzinfo=UTC).isoformat()
"""The date that a document must have: the same answer gives the same file."""


def eaf(answer: Answer) -> Written:
    """A tier for each label; segments of a label that overlap are on further tiers, as a tier holds none that do."""
    (video,) = answer.videos
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "wtalkit",
            "DATE": _NEVER,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    tiers = list(_tiers(video))
    annotations = [span for _, spans in tiers for span in spans]
    _header(root, video, len(annotations))
    order = ET.SubElement(root, "TIME_ORDER")
    slots = sorted((ms, number, end) for number, span in enumerate(annotations) for end, ms in enumerate(span[:2]))
    names = {(number, end): f"ts{index}" for index, (_, number, end) in enumerate(slots, start=1)}
    for ms, number, end in slots:
        ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=names[number, end], TIME_VALUE=str(ms))
    number = 0
    for name, spans in tiers:
        tier = ET.SubElement(root, "TIER", LINGUISTIC_TYPE_REF=_TYPE, TIER_ID=name)
        for _, _, segment in spans:
            annotation = ET.SubElement(
                ET.SubElement(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{number + 1}",
                TIME_SLOT_REF1=names[number, 0],
                TIME_SLOT_REF2=names[number, 1],
            )
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = one_line(segment.label)
            number += 1
    ET.SubElement(root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true")
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return Written(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _header(root: ET.Element, video: VideoAnswer, annotations: int) -> None:
    header = ET.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    kind = mimetypes.guess_type(video.file_name)[0] or "video/mp4"
    ET.SubElement(
        header, "MEDIA_DESCRIPTOR", MEDIA_URL=one_line(video.uri), MIME_TYPE=kind,
        RELATIVE_MEDIA_URL=f"./{one_line(video.file_name)}",
    )  # fmt: skip
    ET.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(annotations)


def _tiers(video: VideoAnswer) -> Iterator[tuple[str, list[Span]]]:
    by_label: dict[str, list[Segment]] = {}
    for segment in video.segments:
        by_label.setdefault(one_line(segment.label) or "-", []).append(segment)
    used: set[str] = set()
    for label, segments in sorted(by_label.items()):
        for depth, spans in enumerate(_without_overlap(segments), start=1):
            name = label if depth == 1 else f"{label} ({depth})"
            while name in used:
                name += "'"
            used.add(name)
            yield name, spans


def _without_overlap(segments: Iterable[Segment]) -> list[list[Span]]:
    """Segments by start, each in the first row that is free by then; whole milliseconds, none empty."""
    rows: list[list[Span]] = []
    for segment in segments:
        start = round(segment.start_s * 1000)
        span = (start, max(start + 1, round(segment.end_s * 1000)), segment)
        free = next((row for row in rows if row[-1][1] <= start), None)
        if free is None:
            rows.append([span])
        else:
            free.append(span)
    return rows
