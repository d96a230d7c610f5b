"""Where the videos of an extraction are worked on: in this process, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from wtalkit.errors import ConfigError, UsageError
from wtalkit.extraction.job import Extracted, ExtractionJob
from wtalkit.extraction.lanes import Event
from wtalkit.inputs import Input

if TYPE_CHECKING:
    from wtalkit.extraction.featurizer import VideoFeaturizer

Engine = Literal["local", "ray"]


class RunsJobs(Protocol):
    """Works on many videos, several at once."""

    def run(self, videos: Sequence[Input], job: ExtractionJob) -> Generator[Event[Extracted], None, None]:
        """Events as they happen, one ``Done`` for each video."""
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

    def close(self) -> None:
        self._engine.close()


def engine_for(
    name: Engine, featurizer: VideoFeaturizer, *, address: str | None, device: str, precision: str, offline: bool
) -> RunsJobs:
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
