"""Tables: a row for each segment, the columns of ``labels.csv`` and its score."""

from __future__ import annotations

import csv as tables
import io

from wtalkit.export.answer import Answer
from wtalkit.export.text import encodable
from wtalkit.export.written import Written

COLUMNS = ("video", "label", "start", "end", "score")


def csv(answer: Answer) -> Written:
    """Comma-separated values (RFC 4180); seconds to the microsecond, scores to as many digits."""
    return _table(answer, ",")


def tsv(answer: Answer) -> Written:
    """The same separated by tabs; a label with a tab, a quote or a line break is quoted."""
    return _table(answer, "\t")


def _table(answer: Answer, separator: str) -> Written:
    text = io.StringIO()
    writer = tables.writer(text, delimiter=separator, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for video in answer.videos:
        for each in video.segments:
            numbers = (round(number, 6) for number in (each.start_s, each.end_s, each.score))
            writer.writerow((encodable(video.key), encodable(each.label), *numbers))
    return Written(text.getvalue())
