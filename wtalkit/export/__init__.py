"""Segments as files for other tools: tables, subtitles, timelines, annotation projects, clips, labelled videos."""

from __future__ import annotations

from wtalkit.export.answer import Answer, VideoAnswer, answer_of
from wtalkit.export.formats import FORMATS, Format, checked_formats, format_of

__all__ = ["FORMATS", "Answer", "Format", "VideoAnswer", "answer_of", "checked_formats", "format_of"]
