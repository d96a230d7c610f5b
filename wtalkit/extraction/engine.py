"""Where the videos of an extraction are worked on: in this process, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from wtalkit.errors import ConfigError, UsageError
from wtalkit.extraction.job import Extracted, ExtractionJob
from wtalkit.extraction.lanes import Event, Lane
from wtalkit.inputs import Failure, Input, attempt

if TYPE_CHECKING:
    from wtalkit.extraction.featurizer import VideoFeaturizer
    from wtalkit.features.store import FeatureFile

EngineName = Literal["local", "ray"]


class RunsVideos(Protocol):
    """Works on many videos, several at once; events come as they happen, one ``Done`` for each video."""

    def run(self, videos: Sequence[Input], job: ExtractionJob) -> Generator[Event[Extracted], None, None]:
        """Do a job with each video."""
        ...

    def features(self, videos: Sequence[Input]) -> Generator[Event[FeatureFile | Failure], None, None]:
        """The features of each video in memory."""
        ...

    def close(self) -> None:
        """End its processes."""
        ...


class LocalEngine:
    """Lanes of this process."""

    def __init__(self, featurizer: VideoFeaturizer) -> None:
        self._featurizer = featurizer

    def run(self, videos: Sequence[Input], job: ExtractionJob) -> Generator[Event[Extracted], None, None]:
        return self._featurizer.run(videos, job.here(self._featurizer))

    def features(self, videos: Sequence[Input]) -> Generator[Event[FeatureFile | Failure], None, None]:
        def work(video: Input, lane: Lane) -> FeatureFile | Failure:
            return attempt(video.path, partial(self._featurizer.collect, video, lane))

        return self._featurizer.run(videos, work)

    def close(self) -> None:
        self._featurizer.close()


class ClusterEngine:
    """A Ray cluster: features are computed there and written here."""

    def __init__(
        self, featurizer: VideoFeaturizer, *, address: str | None, device: str, precision: str, offline: bool
    ) -> None:
        from wtalkit import __version__
        from wtalkit.extraction.ray_engine import FeatureOrder, RayEngine

        order = FeatureOrder(
            backbone=featurizer.backbone.spec.name,
            flow=featurizer.flow.name,
            fps=featurizer.timeline.fps,
            stride=featurizer.timeline.stride,
            device=device,
            precision=precision,
            on_partial=featurizer.on_partial,
            offline=offline,
            limits=featurizer.limits,
            patience_s=featurizer.patience_s,
            spec=featurizer.spec,
            version=__version__,
        )
        self._engine = RayEngine(order, address=address, cores=featurizer.workers)

    def run(self, videos: Sequence[Input], job: ExtractionJob) -> Generator[Event[Extracted], None, None]:
        return self._engine.run(videos, job.begin, job.end)

    def features(self, videos: Sequence[Input]) -> Generator[Event[FeatureFile | Failure], None, None]:
        return self._engine.run(videos, lambda _: None, lambda _, made: made)

    def close(self) -> None:
        self._engine.close()


def engine_for(
    name: EngineName, featurizer: VideoFeaturizer, *, address: str | None, device: str, precision: str, offline: bool
) -> RunsVideos:
    """The engine of that name.

    Args:
        name: ``local`` or ``ray``.
        featurizer: says what is wanted; the local engine works with it.
        address: of the Ray cluster; None starts one on this machine.
        device: where the cluster computes, as of :func:`extract`.
        precision: likewise.
        offline: the cluster never fetches weights.

    Raises:
        ConfigError: there is none.
        UsageError: an address without a cluster.
        MachineError: Ray is not installed, or the cluster cannot be reached.
    """
    if name == "ray":
        return ClusterEngine(featurizer, address=address, device=device, precision=precision, offline=offline)
    if name != "local":
        raise ConfigError(f"there is no engine {name!r}", remedy="Use local or ray")
    if address is not None:
        raise UsageError("--address is that of a Ray cluster", remedy="Add --engine ray")
    return LocalEngine(featurizer)
