"""Features of many videos on a Ray cluster: a task for each video, and the results come back to the process that asks.

It alone claims, writes and notes what became of the videos, so a cluster leaves the same files as one machine does.
Dead workers and lost nodes are seen here, too, and not left to Ray's own retries: those would repeat a video that
takes all memory of a node for ever, and would not say how often.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from wtalkit.errors import ConfigError, MachineError
from wtalkit.extraction.lanes import Begun, Done, Event
from wtalkit.extraction.ray_cluster import Cluster, Share
from wtalkit.extraction.ray_worker import FeatureOrder, Made, Refused, features_of
from wtalkit.features.store import FeatureFile
from wtalkit.inputs import Failure, Input

if TYPE_CHECKING:
    from ray import ObjectRef

__all__ = ["FeatureOrder", "RayEngine"]

Result = TypeVar("Result")

_TRIES = 4
"""Workers that may die over a video before it counts as the cause."""
_PAUSE_S = 1.0
"""Before a video is tried again, twice as long each time: the cluster has to notice that a node is lost."""
_AHEAD = 2
"""Tasks that wait for a worker, so that none waits for a task."""
_LOOK_S = 0.5
_GPU_SHARE = 0.25
"""Of a GPU a task: four processes with a decoder each keep one busy, and their memory fits one of 24 GB."""
_GPU_CORES = 2
"""For the decoder, and for the process that feeds the GPU."""


@dataclass
class _Task:
    """A video on its way.

    Attributes:
        video: which.
        deaths: workers that died over it.
        due_s: not to be tried again before, in seconds of the monotonic clock.
    """

    video: Input
    deaths: int = 0
    due_s: float = 0.0


class RayEngine:
    """Features of many videos on a Ray cluster.

    Args:
        order: what is to come out.
        address: ``HOST:PORT`` of a cluster that this machine is a part of, or ``auto`` for the one that runs here;
            None starts one on this machine, which ends with :meth:`close`.
        cores: of each task; by default one on the CPU, two beside a GPU.

    Raises:
        ConfigError: not an address, or not a device that a cluster has.
        MachineError: Ray is not installed, or the cluster cannot be reached, or none of its nodes is large enough.
    """

    def __init__(self, order: FeatureOrder, *, address: str | None = None, cores: int | None = None) -> None:
        if order.device not in ("auto", "cpu", "cuda"):
            cause = f"device {order.device!r} is one of this machine, not of a cluster"
            raise ConfigError(cause, remedy="Use auto, cpu or cuda")
        self._cluster = Cluster(address)
        try:
            on_gpu = order.device == "cuda" or (order.device == "auto" and self._cluster.has_gpus)
            self._cores = cores or (_GPU_CORES if on_gpu else 1)
            self._cluster.ask_for(Share(self._cores, _GPU_SHARE if on_gpu else 0))
            self._order = replace(order, device="cuda" if on_gpu else "cpu")
            self._text = self._order.to_json()
            self._remote = self._cluster.remote(features_of)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        self._cluster.close()

    def run(
        self,
        videos: Sequence[Input],
        begin: Callable[[Input], Result | None],
        end: Callable[[Input, FeatureFile | Failure], Result],
    ) -> Generator[Event[Result], None, None]:
        """Work on many videos; events come as they happen, of the progress of a video only the last.

        Tasks of a run that is given up end by themselves, or with :meth:`close`. They are not cancelled: Ray ends this
        very process when the result of a task arrives that it has written off, and a task that is interrupted while
        its worker imports something leaves a worker that fails at every video after.

        Args:
            videos: taken up in this order.
            begin: called here before a video is sent away; a result means that it need not be.
            end: called here with what became of it.

        Raises:
            MachineError: a node cannot do this work, or none is left that is large enough.
        """
        waiting = deque(_Task(video) for video in videos)
        again: list[_Task] = []
        running: dict[ObjectRef[Made | Refused], _Task] = {}
        while waiting or again or running:
            has_room = len(running) < self._cluster.slots() + _AHEAD
            due = next((task for task in again if task.due_s <= time.monotonic()), None)
            started = has_room and (due is not None or bool(waiting))
            if has_room and due is not None:
                again.remove(due)
                running[self._submit(due)] = due
            elif has_room and waiting:
                task = waiting.popleft()
                yield Begun(task.video)
                found = begin(task.video)
                if found is not None:
                    yield Done(task.video, found)
                else:
                    running[self._submit(task)] = task
            ended = self._cluster.first_ready(list(running), 0.0 if started else _LOOK_S)
            if ended is None:
                continue
            task = running.pop(ended)
            outcome = self._outcome(task, self._cluster.take(ended))
            del ended  # the last reference: the object store drops it
            if outcome is None:
                again.append(task)
                continue
            progress, made = outcome
            if progress is not None:
                yield progress
            yield Done(task.video, end(task.video, made))

    def _submit(self, task: _Task) -> ObjectRef[Made | Refused]:
        ref: Any = self._remote.options(name=f"wtalkit {task.video.key}").remote(
            self._order.version, self._text, task.video.key, os.fspath(task.video.path.absolute()), self._cores
        )
        return ref  # type: ignore[no-any-return]

    def _outcome(self, task: _Task, found: Made | Refused | str) -> tuple[Any, FeatureFile | Failure] | None:
        """The last progress and the features or failure of a task that ended; None if it is to be tried again."""
        path = os.fspath(task.video.path)
        if isinstance(found, Refused):
            raise MachineError(f"node {found.node}: {found.cause}", file=found.file, remedy=found.remedy)
        if isinstance(found, str):
            task.deaths += 1
            task.due_s = time.monotonic() + _PAUSE_S * 2 ** (task.deaths - 1)
            return None if task.deaths < _TRIES else (None, Failure(path, _died(task.deaths, found)))
        made = found.result
        if isinstance(made, Failure):
            if not found.readable and os.access(path, os.R_OK):
                made = Failure(path, f"node {found.node} cannot read it. Every node needs it under the same path")
            return None, replace(made, path=path)
        progress = None
        if found.progress is not None:
            progress = replace(found.progress, key=task.video.key, path=task.video.path)
        # What Ray hands over lies in the object store, read-only, and stays there as long as anything refers to it.
        return progress, FeatureFile(np.array(made.array), made.record)


def _died(times: int, last: str) -> str:
    return f"the worker died {times} times (last: {last})"
