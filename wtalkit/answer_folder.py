"""A folder of answers, one file a video, written as they come: a job that was cut off goes on where it stopped.

What became of each video is in the folder's ``status.jsonl``, as for features.
"""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit import atomic
from wtalkit.answer import document, to_text
from wtalkit.documents import read_json
from wtalkit.errors import InputError, MachineError, PredictionsError
from wtalkit.features.store import feature_paths
from wtalkit.inputs import Failure, Input
from wtalkit.places import require_folder
from wtalkit.segments import Detections, Segment
from wtalkit.status import StatusFile, VideoStatus, read_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wtalkit.detector import Detector, Show

_WHO_ASKED = ("name", "path", "chosen_by")
"""What an answer says of its model that changes with where the model lies."""


class AnswerFolder:
    """The answers of one model to one question.

    Args:
        folder: made with the first answer, if absent.
        detector: the model.
        show: which candidates are wanted.

    Raises:
        UsageError: a file is in the folder's place.
    """

    def __init__(self, folder: Path, detector: Detector, show: Show) -> None:
        require_folder(folder, "answers need")
        self.folder, self.detector, self.show = folder, detector, show
        self._status = StatusFile(folder)
        self._known = read_status(folder)
        self._asked = _question(json.loads(to_text(document([], (), detector, show)))["external_data"])
        atomic.sweep(folder)

    def find(self, each: Input) -> Detections | None:
        """The answer that is there already, to the same question about the same file; None where there is none."""
        try:
            path = self._path(each.key)
            if not path.is_file():
                return None
            value, _ = read_json(path, error=PredictionsError)
            external: Mapping[str, Any] = value["external_data"]
            facts: Mapping[str, Any] = external["videos"][each.key]
            if _question(external) != self._asked or facts["bytes"] != each.path.stat().st_size:
                return None
            if facts["status"] != "ok" and self.detector.on_partial != "keep":
                return None
            found = _detections(each, facts, value["results"][each.key], self.detector)
        except (
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            OverflowError,
            OSError,
            InputError,
            PredictionsError,
        ):
            return None  # of another program, or damaged: it is made again
        status = VideoStatus.of_detections(found)
        if self._known.get(each.key) != status:  # a kill came between the answer and its line
            self._status.add(status)
        return found

    def keep(self, each: Input, answer: Detections | Failure) -> Detections | Failure:
        """Write an answer and the status of its video; gives the failure if its name cannot be that of a file.

        Raises:
            MachineError: the disk is full or the folder read-only.
        """
        if isinstance(answer, Detections):
            try:
                atomic.write_text(self._path(each.key), to_text(document([answer], (), self.detector, self.show)))
            except (OSError, InputError) as error:
                if isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG:
                    raise MachineError(f"cannot be written to ({error.strerror or error})", file=self.folder) from error
                answer = Failure(os.fspath(each.path), "its name is too long to name an answer's file")
        if isinstance(answer, Failure):
            self._status.add(VideoStatus.of_failure(each.key, answer, self.detector.spec))
            return answer
        self._status.add(VideoStatus.of_detections(answer))
        return answer

    def missing(self, failure: Failure) -> None:
        """Note an input that is not there."""
        self._status.add(VideoStatus.of_failure(Path(failure.path).stem, failure, None))

    def close(self) -> None:
        """Put the folder in order."""
        self._status.tidy()
        atomic.sweep(self.folder)  # another process may have been killed here meanwhile

    def _path(self, key: str) -> Path:
        return feature_paths(self.folder, key)[1]


def _question(external: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer depends on besides its video."""
    model = {name: value for name, value in external["model"].items() if name not in _WHO_ASKED}
    return {"model": model, **{name: external[name] for name in ("wtalkit", "spec", "show")}}


def _detections(
    each: Input, facts: Mapping[str, Any], results: Sequence[Mapping[str, Any]], detector: Detector
) -> Detections:
    return Detections(
        key=each.key,
        path=str(each.path),
        segments=tuple(map(_segment, results)),
        duration_s=_finite(facts["duration"]),
        status=str(facts["status"]),
        warnings=tuple(map(str, facts["warnings"])),
        best_score=_finite_or_none(facts["best_score"]),
        threshold=_finite_or_none(facts["threshold"]),
        expected_s=_finite_or_none(facts["expected_duration"]),
        gaps=tuple((_finite(start), _finite(end)) for start, end in facts["gaps"]),
        model=detector.model_facts,
        spec=detector.spec.to_dict(),
    )


def _segment(found: Mapping[str, Any]) -> Segment:
    start_s, end_s = found["segment"]
    return Segment(_finite(start_s), _finite(end_s), str(found["label"]), _finite(found["score"]))


def _finite(value: object) -> float:
    """A number of a document, which may be anything."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _finite_or_none(value: object) -> float | None:
    return None if value is None else _finite(value)
