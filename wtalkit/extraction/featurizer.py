"""Videos to features in one pass: decoding, flow, backbone and writing work at the same time on different frames.

    decoder process -> chunks -> flow -> windows -> backbone -> rows -> file or memory

Each arrow hands on a bounded number of pieces and then waits, so memory depends on the picture size, the batch and the
number of lanes, not on the length of a video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from wtalkit.cores import available_cores
from wtalkit.errors import ConfigError, InputError
from wtalkit.extraction.lanes import Done, Event, Lane, Result, lanes_for, run_lanes
from wtalkit.extraction.progress import Meter, Progress
from wtalkit.extraction.windows import Stretch, window_batches
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import FeatureFile
from wtalkit.flow import FlowAlgorithm, check_flow, get_flow
from wtalkit.inputs import Input
from wtalkit.timeline import Timeline
from wtalkit.video import PATIENCE_S, Decoder, DecodeReport, Decoding, Limits, describe_partial

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from wtalkit.backbones.backbone import MakesFeatures
    from wtalkit.extraction.compute import Compute, Later

    Rows = NDArray[np.float32]

OnPartial = Literal["error", "keep", "skip"]
ON_PARTIAL: tuple[OnPartial, ...] = ("error", "keep", "skip")

_BATCHES_AHEAD = 2
"""Batches waiting for the backbone."""


class PartialVideo(InputError):
    """The video is damaged, and what is there was not asked for.

    Attributes:
        report: what came out of decoding it.
    """

    def __init__(self, path: Path, report: DecodeReport) -> None:
        super().__init__(describe_partial(report), file=path, remedy="Use --on-partial keep to work with what is there")
        self.report = report


class TooShort(InputError):
    """The video has fewer frames than one window.

    Attributes:
        report: what came out of decoding it.
    """

    def __init__(self, path: Path, frames: int, window: int, report: DecodeReport) -> None:
        super().__init__(f"too short ({frames} < {window} frames)", file=path)
        self.report = report


class Sink(Protocol):
    """Takes the rows of a video as they come."""

    def append(self, rows: Rows) -> None:
        """Rows float32 ``[n, dim]``."""
        ...


class VideoFeaturizer:
    """Turns videos into features.

    It keeps decoder processes for the next video; :meth:`close` ends them, as does the end of its life.

    Args:
        backbone: from ``load_backbone``.
        flow: the algorithm or its name; a backbone without flow stream ignores it.
        fps: frames per second after resampling; the backbone's own by default.
        stride: frames from one window to the next; the backbone's own by default.
        workers: cores that compute on the CPU; all by default.
        on_partial: damaged videos are an ``error``, or ``keep`` what can be decoded, or are to ``skip``.
        limits: what a video may claim.
        patience_s: seconds without a sign of life after which a decoder counts as hung.
        progress: called every few frames from the calling thread.
        replicas: the same backbone on further devices; videos are spread over all of them.

    Raises:
        ConfigError: an unknown flow or a number that makes no sense.
    """

    def __init__(
        self,
        backbone: MakesFeatures,
        flow: str | FlowAlgorithm = "tvl1",
        *,
        fps: float | None = None,
        stride: int | None = None,
        workers: int | None = None,
        on_partial: OnPartial = "error",
        limits: Limits | None = None,
        patience_s: float = PATIENCE_S,
        progress: Callable[[Progress], None] | None = None,
        replicas: Sequence[MakesFeatures] = (),
    ) -> None:
        own = backbone.spec
        if on_partial not in ON_PARTIAL:
            raise ConfigError(f"on_partial is {on_partial!r}", remedy=f"Use one of {', '.join(ON_PARTIAL)}")
        if workers is not None and workers < 1:
            raise ConfigError(f"workers is {workers}", remedy="Use 1 or more")
        try:
            self.timeline = Timeline(
                fps if fps is not None else own.fps, own.window, own.stride if stride is None else stride
            )
        except ValueError as error:
            raise ConfigError("fps and stride must be positive") from error
        self.backbone = backbone
        if isinstance(flow, str):
            check_flow(flow)
            flow = get_flow(flow if "flow" in backbone.streams else "none")  # no weights are fetched for nothing
        algorithm = flow
        if "flow" in backbone.streams and algorithm.name == "none":
            raise ConfigError(f"{own.name} was loaded with its flow stream, which needs a flow algorithm")
        self.flow = algorithm if "flow" in backbone.streams else get_flow("none")
        self.workers = workers
        self.on_partial = on_partial
        self.limits, self.patience_s = limits or Limits(), patience_s
        self.progress = progress
        self._backbones = (backbone, *replicas)
        self._decoders: list[Decoder] = []
        self._running = False

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

    def close(self) -> None:
        """End the decoder processes; the next video starts new ones."""
        while self._decoders:
            self._decoders.pop().close()

    def features(self, path: Path, key: str | None = None) -> FeatureFile:
        """Features of one video, ``[T, dim]``, in memory.

        Raises:
            InputError: not a video, damaged (:class:`PartialVideo`), or shorter than one window.
        """
        for event in self.run([Input(key or path.stem, path)], self.collect):
            if isinstance(event, Progress) and self.progress is not None:
                self.progress(event)
            elif isinstance(event, Done):
                return event.result
        raise AssertionError("a lane ended without an outcome")

    def collect(self, video: Input, lane: Lane) -> FeatureFile:
        """The features of one video in memory; work for :meth:`run`.

        Raises:
            InputError: as for :meth:`features`.
        """
        import numpy as np

        rows: list[Rows] = []
        record = self.pour(video, lane, rows)
        return FeatureFile(np.concatenate(rows), record)

    def run(
        self, videos: Sequence[Input], work: Callable[[Input, Lane], Result]
    ) -> Generator[Event[Result], None, None]:
        """Do ``work`` with each video, several at once; events come as they happen, see :func:`run_lanes`."""
        from wtalkit.extraction.compute import compute_for, lanes_that_fit

        if self._running:
            raise RuntimeError("this featurizer is at work already, in another thread or an unfinished run")
        self._running = True
        room = sum(lanes_that_fit(backbone.device) for backbone in self._backbones)
        lanes = lanes_for(min(len(videos), room), self.backbone.device.type, len(self._backbones))
        while len(self._decoders) < lanes:
            self._decoders.append(Decoder())
        workers = max(1, (self.workers or available_cores()) // len(self._backbones))
        computes = [compute_for(backbone, self.flow, workers) for backbone in self._backbones]
        try:
            with closing(run_lanes(videos, work, computes, self._decoders[:lanes])) as events:
                yield from events
        finally:
            for compute in computes:
                compute.close()
            self._running = False

    def pour(self, video: Input, lane: Lane, sink: Sink) -> FeatureRecord:
        """Put the rows of one video into ``sink`` as they come; gives the record.

        Raises:
            InputError: as for :meth:`features`.
        """
        import numpy as np

        chunk_frames = lane.compute.chunk_frames
        size = self.backbone.spec.resize
        with lane.decoder.decode(
            video.path,
            self.timeline.fps,
            short_side=size,
            limits=self.limits,
            chunk_frames=chunk_frames,
            patience_s=self.patience_s,
        ) as decoding:
            meter = self._meter(video, decoding, lane.tell)
            filled = False
            for rows in self._rows(decoding, lane.compute, meter):
                if not np.isfinite(rows).all():
                    cause = f"the backbone gave numbers that are not finite, computing in {self.backbone.precision}"
                    raise InputError(cause, file=video.path, remedy="Extract with --precision float32")
                sink.append(rows)
                meter.computed(len(rows))
                filled = True
            record = self._record(decoding)
        if not filled:
            raise TooShort(video.path, record.frames, self.timeline.window, decoding.report)
        meter.show(finished=True)
        return record

    def _meter(self, video: Input, decoding: Decoding, tell: Callable[[Progress], None]) -> Meter:
        duration_s = decoding.info.container_duration_s
        return Meter(
            video.key,
            video.path,
            expected=None if duration_s is None else self.timeline.frame_count(duration_s),
            with_flow=self.flow.name != "none",
            stride=self.timeline.stride,
            tell=tell,
        )

    def _rows(self, decoding: Decoding, compute: Compute, meter: Meter) -> Iterator[Rows]:
        running: deque[Future[Rows]] = deque()
        stretches = self._stretches(_loaded(decoding, compute, meter), compute)
        batches = window_batches(stretches, self.timeline, compute.batch_windows, self.backbone.spec.picked)
        while True:
            with compute.here():
                if (batch := next(batches, None)) is None:
                    break
                running.append(compute.features(batch.rgb, batch.flow))
            if len(running) > _BATCHES_AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def _stretches(self, chunks: Iterator[Tensor], compute: Compute) -> Iterator[Stretch]:
        """Frames with the flow to the next one; the last frame gets the field of the one before."""
        import torch

        if self.flow.name == "none":
            yield from (Stretch(rgb, None) for rgb in chunks)
            return
        ahead: deque[tuple[Tensor, Later]] = deque()
        last: tuple[Tensor, Tensor] | None = (
            None  # the newest frame and what flow sees of it, which wait for the next one
        )
        field: Tensor | None = None
        for rgb in chunks:
            images = compute.gray(rgb)
            if last is not None:
                rgb, images = torch.cat([last[0], rgb]), torch.cat([last[1], images])
            last = rgb[-1:], images[-1:]
            if len(rgb) > 1:
                ahead.append((rgb[:-1], compute.flow(images)))
            if len(ahead) > compute.chunks_ahead:  # whose flow is being computed; more would only hold more frames
                frames, found = ahead.popleft()
                yield Stretch(frames, found.result())
        for frames, found in ahead:
            fields = found.result()
            field = fields[-1:]
            yield Stretch(frames, fields)
        if last is not None:
            still = torch.zeros(1, 2, *last[1].shape[1:3], device=last[0].device)
            yield Stretch(last[0], still if field is None else field)

    def _record(self, decoding: Decoding) -> FeatureRecord:
        from wtalkit import __version__

        report = decoding.report
        if not report.complete and self.on_partial != "keep":
            raise PartialVideo(decoding.path, report)
        return FeatureRecord(
            spec=self.spec,
            video=decoding.path.name,
            duration_s=report.duration_s,
            frames=decoding.frame_count,
            complete=report.complete,
            gaps=report.gaps,
            warnings=(*_remarks(report), *self.backbone.warnings),
            expected_duration_s=report.expected_duration_s,
            source_bytes=decoding.info.bytes,
            precision=self.backbone.precision,
            wtalkit=__version__,
        )


def _loaded(decoding: Decoding, compute: Compute, meter: Meter) -> Iterator[Tensor]:
    for chunk in decoding:
        rgb = compute.load(chunk.images)
        meter.read(len(rgb), chunk.decode_s)
        yield rgb


def _remarks(report: DecodeReport) -> tuple[str, ...]:
    return report.warnings if report.complete else (describe_partial(report), *report.warnings)
