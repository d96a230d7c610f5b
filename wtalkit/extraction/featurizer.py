"""One video to features in one pass: decode, flow and backbone work at the same time on different parts of it.

Frames go decode -> flow threads -> windows -> backbone thread and are dropped on the way, so memory depends on the
picture size and the batch, not on the length of the video (the rows themselves are 46 MB an hour for i3d).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wtalkit.backbones.preprocess import to_gray
from wtalkit.errors import ConfigError, InputError
from wtalkit.extraction.windows import WindowBatch, window_batches
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import FeatureFile
from wtalkit.flow import FlowAlgorithm, get_flow, stream_flow
from wtalkit.timeline import Timeline
from wtalkit.video import DecodeReport, FrameStream, describe_partial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtalkit.backbones.backbone import Backbone
    from wtalkit.extraction.windows import FrameAndFlow

OnPartial = Literal["error", "keep", "skip"]
ON_PARTIAL: tuple[OnPartial, ...] = ("error", "keep", "skip")

_WINDOWS_PER_BATCH = 8
_BATCHES_AHEAD = 2
"""Batches waiting for the backbone; more would only hold more frames."""


class PartialVideo(InputError):
    """The video is damaged, and what is there was not asked for."""


@dataclass(frozen=True)
class Progress:
    """How far the extraction of one video is.

    Attributes:
        key: the video.
        path: its file.
        frames: resampled frames read so far.
        frames_expected: frames the container promises; None if it does not say.
        decode_fps: frames per second of time spent in decoding.
        flow_pairs_per_s: flow fields per second of wall time; 0 without flow.
        elapsed_s: seconds since the start of this video.
        finished: the video is done.
    """

    key: str
    path: Path
    frames: int
    frames_expected: int | None
    decode_fps: float
    flow_pairs_per_s: float
    elapsed_s: float
    finished: bool = False


class VideoFeaturizer:
    """Turns videos into features, one after the other.

    Args:
        backbone: from ``load_backbone``.
        flow: the algorithm or its name; a backbone without flow stream ignores it.
        fps: frames per second after resampling; the backbone's own by default.
        stride: frames from one window to the next; the backbone's own by default.
        workers: threads that compute flow; one per core by default.
        on_partial: damaged videos are an ``error``, or ``keep`` what can be decoded, or are to ``skip``.
        progress: called every few frames from the calling thread.

    Raises:
        ConfigError: an unknown flow or a number that makes no sense.
    """

    def __init__(
        self,
        backbone: Backbone,
        flow: str | FlowAlgorithm = "tvl1",
        *,
        fps: float | None = None,
        stride: int | None = None,
        workers: int | None = None,
        on_partial: OnPartial = "error",
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        own = backbone.spec
        if on_partial not in ON_PARTIAL:
            raise ConfigError(f"on_partial is {on_partial!r}", remedy=f"Use one of {', '.join(ON_PARTIAL)}")
        try:
            self.timeline = Timeline(
                fps if fps is not None else own.fps, own.window, own.stride if stride is None else stride
            )
        except ValueError as error:
            raise ConfigError("fps and stride must be positive") from error
        self.backbone = backbone
        algorithm = get_flow(flow) if isinstance(flow, str) else flow
        if "flow" in backbone.streams and algorithm.name == "none":
            raise ConfigError(f"{own.name} was loaded with its flow stream, which needs a flow algorithm")
        self.flow = algorithm if "flow" in backbone.streams else get_flow("none")
        self.workers = workers
        self.on_partial = on_partial
        self.progress = progress

    @property
    def spec(self) -> FeatureSpec:
        """The spec of the features that come out."""
        own = self.backbone.spec
        return FeatureSpec(
            fps=self.timeline.fps,
            window=self.timeline.window,
            stride=self.timeline.stride,
            streams=self.backbone.streams,
            dim=self.backbone.dim,
            backbone=own.name,
            weights_hash=self.backbone.weights_hash,
            flow=self.flow.name,
            flow_version=None if self.flow.name == "none" else self.flow.version,
            resize=own.resize,
            crop=own.crop,
        )

    def features(self, path: Path, key: str | None = None) -> FeatureFile:
        """Features of one video, ``[T, dim]``.

        Raises:
            InputError: not a video, damaged (:class:`PartialVideo`), or shorter than one window.
        """
        stream = FrameStream(path, self.timeline.fps, short_side=self.backbone.spec.resize)
        meter = _Meter(key or path.stem, path, self._frames_expected(stream), self.flow.name != "none", self.progress)
        with closing(stream):
            rows = self._rows(self._frames_and_flow(stream, meter))
            record = self._record(stream, path)
        if not rows:
            raise InputError(f"too short ({stream.frame_count} < {self.timeline.window} frames)", file=path)
        import numpy as np

        meter.show(finished=True)
        return FeatureFile(np.concatenate(rows), record)

    def _frames_expected(self, stream: FrameStream) -> int | None:
        duration_s = stream.info.container_duration_s
        return None if duration_s is None else self.timeline.frame_count(duration_s)

    def _frames_and_flow(self, stream: FrameStream, meter: _Meter) -> Iterator[FrameAndFlow]:
        if self.flow.name == "none":
            for image in meter.timed(iter(stream)):
                yield image, None
            return
        waiting: deque[NDArray[np.uint8]] = deque()  # frames whose flow is still being computed

        def grays() -> Iterator[NDArray[np.uint8]]:
            for image in meter.timed(iter(stream)):
                waiting.append(image)
                yield to_gray(image)

        with closing(stream_flow(grays(), self.flow, workers=self.workers)) as fields:  # type: ignore[type-var]
            for field in fields:
                yield waiting.popleft(), field

    def _rows(self, frames: Iterator[FrameAndFlow]) -> list[NDArray[np.float32]]:
        rows: list[NDArray[np.float32]] = []
        running: deque[Future[NDArray[np.float32]]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="wtalkit-backbone") as worker:
            try:
                for batch in window_batches(frames, self.timeline, _WINDOWS_PER_BATCH):
                    if len(running) == _BATCHES_AHEAD:
                        rows.append(running.popleft().result())
                    running.append(worker.submit(self._extract, batch))
                rows.extend(future.result() for future in running)
            finally:
                worker.shutdown(wait=True, cancel_futures=True)
                frames.close()  # type: ignore[attr-defined]  # stops the flow threads of a video given up
        return rows

    def _extract(self, batch: WindowBatch) -> NDArray[np.float32]:
        return self.backbone.extract(batch.rgb, batch.flow)

    def _record(self, stream: FrameStream, path: Path) -> FeatureRecord:
        from wtalkit import __version__

        report = stream.report
        if not report.complete and self.on_partial != "keep":
            raise PartialVideo(
                describe_partial(report), file=path, remedy="Use --on-partial keep to work with what is there"
            )
        return FeatureRecord(
            spec=self.spec,
            video=path.name,
            duration_s=report.duration_s,
            frames=stream.frame_count,
            complete=report.complete,
            gaps=report.gaps,
            warnings=(*self.backbone.warnings, *_remarks(report)),
            source_bytes=stream.info.bytes,
            wtalkit=__version__,
        )


def _remarks(report: DecodeReport) -> tuple[str, ...]:
    return report.warnings if report.complete else (describe_partial(report), *report.warnings)


class _Meter:
    """Counts frames and seconds of one video and tells the caller."""

    def __init__(
        self,
        key: str,
        path: Path,
        frames_expected: int | None,
        with_flow: bool,
        tell: Callable[[Progress], None] | None,
    ) -> None:
        self._key, self._path, self._expected = key, path, frames_expected
        self._with_flow, self._tell = with_flow, tell
        self._frames = 0
        self._decode_s = 0.0
        self._started = time.perf_counter()

    def timed(self, frames: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """The same frames, counted, with the time they take to come."""
        while True:
            asked = time.perf_counter()
            image = next(frames, None)
            self._decode_s += time.perf_counter() - asked
            if image is None:
                return
            self._frames += 1
            if self._frames % 8 == 0:
                self.show()
            yield image

    def show(self, *, finished: bool = False) -> None:
        if self._tell is None:
            return
        elapsed_s = time.perf_counter() - self._started
        self._tell(
            Progress(
                self._key,
                self._path,
                self._frames,
                self._frames if finished else self._expected,
                decode_fps=self._frames / max(self._decode_s, 1e-9),
                flow_pairs_per_s=self._frames / max(elapsed_s, 1e-9) if self._with_flow else 0.0,
                elapsed_s=elapsed_s,
                finished=finished,
            )
        )
