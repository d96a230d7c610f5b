"""What became of every video: ``status.jsonl`` in the folder that a command writes to, one line of JSON per video.

A line is added the moment a video is through, so a machine that dies loses none. At the end of a run the file is put in
order, one line per video, sorted: a run that was interrupted and gone on with leaves the very file of an unbroken one.
Several processes may write to one folder.
"""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from wtalkit import __version__
from wtalkit.atomic import locked_folder, write_error, write_text
from wtalkit.video.info import seconds_with_picture

if TYPE_CHECKING:
    from wtalkit.features.record import FeatureRecord
    from wtalkit.features.spec import FeatureSpec
    from wtalkit.inputs import Failure
    from wtalkit.segments import Detections

STATUS_FILE = "status.jsonl"
SCHEMA = 1

State = Literal["done", "partial", "skipped", "failed"]
"""``done``: whole. ``partial``: damaged, and kept as far as it goes. ``skipped``: left out, as was asked for.
``failed``: nothing came of it."""


@dataclass(frozen=True)
class VideoStatus:
    """What became of one video.

    Attributes:
        video: its key; the path of an input that names no video.
        path: where it was read.
        state: see :data:`State`.
        cause: why it failed or was left out, or what it lacks; None for one that is whole.
        decoded_s: seconds with a picture; None where nothing was decoded.
        expected_s: seconds the container states; None where it does not say.
        gaps: seconds ``(start, end)`` without a picture.
        warnings: remarks, one sentence each.
        spec: how the features were made.
        wtalkit: version that worked on it.
    """

    video: str
    path: str
    state: State
    cause: str | None = None
    decoded_s: float | None = None
    expected_s: float | None = None
    gaps: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()
    spec: dict[str, Any] | None = None
    wtalkit: str = __version__

    def to_line(self) -> str:
        """One line of JSON, with its line break."""
        # File names that are not UTF-8 hold lone surrogates, which JSON escapes.
        return json.dumps({"schema": SCHEMA, **asdict(self)}, allow_nan=False) + "\n"

    @classmethod
    def from_line(cls, line: str) -> VideoStatus | None:
        """Read what :meth:`to_line` wrote; None for anything else, such as a line a full disk cut off."""
        try:
            values = json.loads(line, parse_float=_finite, parse_constant=_finite)
            if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
                return None
            status = cls(**values)
            gaps = tuple((_seconds(start), _seconds(end)) for start, end in status.gaps)
            status = replace(
                status,
                decoded_s=None if status.decoded_s is None else _seconds(status.decoded_s),
                expected_s=None if status.expected_s is None else _seconds(status.expected_s),
                gaps=gaps,
                warnings=tuple(values.get("warnings", ())),
            )
        except (ValueError, TypeError, OverflowError, RecursionError):
            return None
        return status if _has_its_types(status, values) else None

    @classmethod
    def of_features(cls, video: str, path: str | os.PathLike[str], record: FeatureRecord) -> VideoStatus:
        """Of a video whose features are there, with what their record says."""
        return cls(
            video,
            os.fspath(path),
            "done" if record.complete else "partial",
            cause=None if record.complete or not record.warnings else record.warnings[0],
            decoded_s=seconds_with_picture(record.duration_s, record.gaps),
            expected_s=record.expected_duration_s,
            gaps=record.gaps,
            warnings=record.warnings,
            spec=record.spec.to_dict(),
        )

    @classmethod
    def of_detections(cls, found: Detections) -> VideoStatus:
        """Of a video that was searched for actions."""
        whole = found.status == "ok"
        return cls(
            found.key,
            found.path,
            "done" if whole else "partial",
            cause=None if whole else next(iter(found.warnings), None),
            decoded_s=found.decoded_s,
            expected_s=found.expected_s,
            gaps=found.gaps,
            warnings=found.warnings,
            spec=found.spec,
        )

    @classmethod
    def of_failure(cls, video: str, failure: Failure, spec: FeatureSpec | None, state: State = "failed") -> VideoStatus:
        """Of a video that failed or was left out."""
        report = failure.report
        status = cls(video, failure.path, state, cause=failure.cause, spec=None if spec is None else spec.to_dict())
        if report is None:
            return status
        return replace(
            status,
            decoded_s=report.decoded_s,
            expected_s=report.expected_duration_s,
            gaps=report.gaps,
            warnings=report.warnings,
        )


class StatusFile:
    """The status of a folder's videos, written as they come.

    Args:
        folder: made with the first line, if absent.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.path = self.folder / STATUS_FILE

    def add(self, status: VideoStatus) -> None:
        """Add one line; an older one of the same video no longer counts.

        Raises:
            MachineError: the disk is full or the folder read-only.
        """
        line = status.to_line().encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Opened anew each time: another process may have put a new file in its place.
            with locked_folder(self.folder), self.path.open("ab+") as file:
                if file.tell() and not _ends_a_line(file):
                    line = b"\n" + line  # whoever died here left half a line, which must not take ours with it
                file.write(line)
        except OSError as error:
            raise write_error(error, self.path) from error

    def tidy(self) -> dict[str, VideoStatus]:
        """Keep the newest line of every video, in order of their keys; gives them.

        Raises:
            MachineError: the disk is full or the folder read-only.
        """
        try:
            with locked_folder(self.folder):
                found = read_status(self.folder)
                text = "".join(found[video].to_line() for video in sorted(found))
                if found and text.encode() != self.path.read_bytes():
                    write_text(self.path, text)
                return found
        except OSError as error:
            raise write_error(error, self.path) from error


def read_status(folder: str | os.PathLike[str]) -> dict[str, VideoStatus]:
    """The newest status of every video of a folder, by key; empty where there is none. Damaged lines are left out.

    Args:
        folder: a features folder, a folder of answers, or a run.
    """
    path = Path(folder) / STATUS_FILE
    with suppress(FileNotFoundError, NotADirectoryError):
        lines = path.read_bytes().decode("utf-8", "replace").split("\n")
        found = (VideoStatus.from_line(line) for line in lines)
        return {status.video: status for status in found if status is not None}
    return {}


def _finite(number: str) -> float:
    """Of a document's number: what cannot be written again is not read either."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is no finite number")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number of seconds")
    return float(value)


def _has_its_types(status: VideoStatus, values: dict[str, Any]) -> bool:
    """Whether what was read from ``values`` is what a status consists of."""
    texts = (status.video, status.path, status.wtalkit, *status.warnings)
    return (
        status.state in get_args(State)
        and all(isinstance(text, str) for text in texts)
        and isinstance(status.cause, (str, type(None)))
        and isinstance(status.spec, (dict, type(None)))
        and isinstance(values.get("warnings", []), list)
    )


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")
