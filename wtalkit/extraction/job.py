"""What is done with each video of an extraction: is it there, may it be begun, what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.atomic import Busy, locked_folder
from wtalkit.errors import InputError
from wtalkit.extraction.featurizer import OnPartial, VideoFeaturizer
from wtalkit.features.folder import require_no_other_spec
from wtalkit.features.store import FeatureFile, FeatureWriter, feature_paths, read_features
from wtalkit.inputs import Failure, Input, attempt
from wtalkit.status import VideoStatus

if TYPE_CHECKING:
    from wtalkit.extraction.lanes import Lane
    from wtalkit.features.record import FeatureRecord
    from wtalkit.features.spec import FeatureSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extracted:
    """The outcome of one video.

    Attributes:
        outcome: ``done``, ``skipped`` (was there), ``partial`` (damaged, left out on request), ``busy`` (another
            process is at it), or its failure.
        status: for the status file; None while another process is at it.
    """

    outcome: str | Failure
    status: VideoStatus | None


BUSY = Extracted("busy", None)


class ExtractionJob:
    """The work on one video after the other, done here or elsewhere; :meth:`close` drops what was begun.

    Args:
        folder: takes the features.
        spec: what they are like.
        on_partial: what to do with damaged videos.
        overwrite: extract also what is there.
    """

    def __init__(self, folder: Path, spec: FeatureSpec, on_partial: OnPartial, *, overwrite: bool) -> None:
        self.folder, self.spec, self.on_partial, self.overwrite = folder, spec, on_partial, overwrite
        self._begun: dict[str, tuple[ExitStack, FeatureWriter, tuple[str, ...]]] = {}
        self._is_ours = overwrite

    def refuse_another_spec(self) -> None:
        """Never mix two kinds of features in one folder without being told to.

        Raises:
            FeaturesError: the folder holds features of another spec.
        """
        if not self.overwrite:
            remedy = "Use another --out, or --overwrite to extract them again"
            self._is_ours = require_no_other_spec(self.folder, self.spec, remedy)

    def here(self, featurizer: VideoFeaturizer) -> Callable[[Input, Lane], Extracted]:
        """The whole of it in a lane of this process, rows written as they come."""

        def work(video: Input, lane: Lane) -> Extracted:
            return self._guarded(video, partial(self._extract, featurizer, video, lane))

        return work

    def begin(self, video: Input) -> Extracted | None:
        """Claim a video that is worked on elsewhere; an outcome means that there is nothing to do."""

        def claim() -> Extracted | None:
            stack = ExitStack()
            with stack:
                found = self._claim(stack, video)
                if isinstance(found, Extracted):
                    return found
                self._begun[video.key] = (stack.pop_all(), *found)
            return None

        return self._guarded(video, claim)

    def end(self, video: Input, made: FeatureFile | Failure) -> Extracted:
        """Write what came of a video that was begun."""
        stack, writer, remarks = self._begun.pop(video.key)
        with stack:
            if isinstance(made, Failure):
                return self._failed(video, made)

            def write() -> Extracted:
                assert made.record is not None
                writer.append(made.array)
                self._finish(writer, made.record)
                return self._done(video, made.record, remarks)

            return self._guarded(video, write)

    def close(self) -> None:
        """Give up the claims on videos that are not through."""
        while self._begun:
            self._begun.popitem()[1][0].close()

    def _guarded(self, video: Input, action: Callable[[], Extracted | None]) -> Extracted:
        """What is wrong with the video is its outcome."""
        result = attempt(video.path, action)
        return self._failed(video, result) if isinstance(result, Failure) else result  # type: ignore[return-value]

    def _extract(self, featurizer: VideoFeaturizer, video: Input, lane: Lane) -> Extracted:
        with ExitStack() as stack:
            found = self._claim(stack, video)
            if isinstance(found, Extracted):
                return found
            writer, remarks = found
            record = featurizer.pour(video, lane, writer)
            self._finish(writer, record)
            return self._done(video, record, remarks)

    def _finish(self, writer: FeatureWriter, record: FeatureRecord) -> None:
        """Put features in their place; the first ones say for all processes what the folder holds."""
        if self._is_ours:
            writer.finish(record)
            return
        with locked_folder(self.folder):
            self.refuse_another_spec()  # one that began with us may have been quicker
            writer.finish(record)
            self._is_ours = True

    def _claim(self, stack: ExitStack, video: Input) -> Extracted | tuple[FeatureWriter, tuple[str, ...]]:
        """A writer for the video, with remarks on what was there; or its outcome, if it needs no work."""
        if isinstance(there := self._there(video), Extracted):
            return there
        try:
            writer = stack.enter_context(FeatureWriter(self.folder, video.key))
        except Busy:
            return BUSY
        there = self._there(video)  # another process may have finished it a moment ago
        if isinstance(there, Extracted):
            return there
        for remark in there:
            log.warning("%s: %s", video.path, remark)
        return writer, there

    def _there(self, video: Input) -> Extracted | tuple[str, ...]:
        """The outcome if whole features of this very video and spec are there; else remarks, if damaged ones are."""
        if self.overwrite:
            return ()
        array_path, record_path = feature_paths(self.folder, video.key)
        if not (array_path.exists() and record_path.exists()):
            return ()
        try:
            record = read_features(array_path).record
        except InputError as error:
            return (f"its features were damaged ({error.cause}) and are extracted again",)
        if record is None or record.spec != self.spec:
            return ()
        same_source = video.path.is_file() and record.source_bytes in (None, video.path.stat().st_size)
        if not (same_source and (record.complete or self.on_partial == "keep")):
            return ()
        return Extracted("skipped", VideoStatus.of_features(video.key, video.path, record))

    def _done(self, video: Input, record: FeatureRecord, remarks: tuple[str, ...]) -> Extracted:
        status = VideoStatus.of_features(video.key, video.path, record)
        return Extracted("done", replace(status, warnings=(*status.warnings, *remarks)))

    def _failed(self, video: Input, failure: Failure) -> Extracted:
        if failure.report is not None and not failure.report.complete and self.on_partial == "skip":
            log.info("%s: %s", failure.path, failure.cause)
            return Extracted("partial", VideoStatus.of_failure(video.key, failure, self.spec, "skipped"))
        return Extracted(failure, VideoStatus.of_failure(video.key, failure, self.spec))
