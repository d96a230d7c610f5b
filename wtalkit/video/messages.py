"""What a decoder and its reader say to each other: one JSON document a line, over a pipe. Frames go another way."""

from __future__ import annotations

import json
import os
import select
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from wtalkit.video.info import DecodeReport, VideoInfo

Message = dict[str, Any]

_READ_BYTES = 1 << 16


class Pipe:
    """One end for reading and one for writing."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._poll = select.poll()
        self._poll.register(reading, select.POLLIN | select.POLLHUP)

    def send(self, message: Message) -> None:
        """Write one message.

        Raises:
            OSError: the other side is gone.
        """
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(self._writing, line) :]

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Wait for a message; None when the other side is gone.

        Raises:
            TimeoutError: nothing came in ``timeout_s``.
        """
        while b"\n" not in self._buffer:
            if not self._poll.poll(None if timeout_s is None else timeout_s * 1000):
                raise TimeoutError
            read = os.read(self._reading, _READ_BYTES)
            if not read:
                return None
            self._buffer += read
        line, self._buffer = self._buffer.split(b"\n", 1)
        message: Message = json.loads(line)
        return message

    def close(self) -> None:
        """Close both ends."""
        os.close(self._reading)
        os.close(self._writing)


def info_to_message(info: VideoInfo) -> Message:
    """Plain values."""
    ratio = info.sample_aspect_ratio
    return {**asdict(info), "path": str(info.path), "sample_aspect_ratio": [ratio.numerator, ratio.denominator]}


def info_from_message(values: Message) -> VideoInfo:
    """What :func:`info_to_message` took apart."""
    ratio = Fraction(*values["sample_aspect_ratio"])
    return VideoInfo(**{**values, "path": Path(values["path"]), "sample_aspect_ratio": ratio})


def report_to_message(report: DecodeReport) -> Message:
    """Plain values."""
    return asdict(report)


def report_from_message(values: Message) -> DecodeReport:
    """What :func:`report_to_message` took apart."""
    gaps = tuple((float(start), float(end)) for start, end in values["gaps"])
    steps_s = tuple(values["steps_s"])
    return DecodeReport(**{**values, "gaps": gaps, "warnings": tuple(values["warnings"]), "steps_s": steps_s})
