"""One HTML file to look at what was found: player, timeline, curves, table; it needs no network and no other file.

from wtalkit.report import from_predictions, write_report
write_report("report.html", from_predictions("found.json"))
"""

from __future__ import annotations

from wtalkit.report.contents import Report, ReportVideo
from wtalkit.report.page import render
from wtalkit.report.sources import from_detections, from_predictions, with_truth
from wtalkit.report.writing import EMBED_LIMIT_BYTES, THUMBNAILS, Written, write_report

__all__ = [
    "EMBED_LIMIT_BYTES",
    "THUMBNAILS",
    "Report",
    "ReportVideo",
    "Written",
    "from_detections",
    "from_predictions",
    "render",
    "with_truth",
    "write_report",
]
