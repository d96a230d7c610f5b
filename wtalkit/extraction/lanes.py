"""Lanes: a few videos are worked on at once, so that the machine stays busy at the start and the end of each of them.

Every lane has a decoder process and a thread; the threads share what computes. Whatever goes wrong with one video is
the outcome of that video; whatever is wrong with the machine stops all lanes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from wtalkit.cores import available_cores
from wtalkit.extraction.progress import Progress
from wtalkit.inputs import Input
from wtalkit.video import Decoder

if TYPE_CHECKING:
    from wtalkit.extraction.compute import Compute

Result = TypeVar("Result")

_CORES_A_LANE = 8
"""Cores that the frames of one decoder keep busy with flow and network."""
_GPU_LANES = 8
"""A decoder gives about a thousand frames a second of 340x256 px."""

_AGAIN_S = 0.02
"""Seconds between looks at lanes that are to stop."""


class Stopped(BaseException):
    """The job was given up while this video was worked on; like an interruption, it is no outcome of the video."""


@dataclass(frozen=True)
class Lane:
    """What one video at a time has to itself, and what it shares.

    Attributes:
        decoder: the lane's own process.
        compute: shared with other lanes.
        tell: takes progress; raises :class:`Stopped` once the job is given up.
    """

    decoder: Decoder
    compute: Compute
    tell: Callable[[Progress], None]


@dataclass(frozen=True)
class Begun:
    """Work on a video begins."""

    video: Input


@dataclass(frozen=True)
class Done(Generic[Result]):
    """A video is through."""

    video: Input
    result: Result


Event = Begun | Progress | Done[Result]


def lanes_for(videos: int, device_type: str, devices: int = 1) -> int:
    """How many videos to work on at once."""
    cores = available_cores()
    most = min(_GPU_LANES * devices, max(2, cores - 2)) if device_type == "cuda" else max(2, cores // _CORES_A_LANE)
    return max(1, min(videos, max(most, devices)))


def run_lanes(
    videos: Sequence[Input],
    work: Callable[[Input, Lane], Result],
    computes: Sequence[Compute],
    decoders: Sequence[Decoder],
) -> Generator[Event[Result], None, None]:
    """Work on several videos at once; events come as they happen.

    Args:
        videos: taken up in this order.
        work: one video in one lane; what it raises stops the job.
        computes: lanes take turns at them.
        decoders: one a lane.

    Raises:
        whatever ``work`` raises, once all lanes have stopped.
    """
    events: queue.SimpleQueue[Event[Result] | BaseException] = queue.SimpleQueue()
    stop = threading.Event()
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()

    def tell(progress: Progress) -> None:
        if stop.is_set():
            raise Stopped
        events.put(progress)

    for number, decoder in enumerate(decoders):
        free.put(Lane(decoder, computes[number % len(computes)], tell))

    def take(video: Input) -> None:
        lane = free.get()
        try:
            if not stop.is_set():
                events.put(Begun(video))
                events.put(Done(video, work(video, lane)))
        except BaseException as error:
            events.put(error)
        finally:
            free.put(lane)

    left = len(videos)
    pool = ThreadPoolExecutor(len(decoders), "wtalkit-lane")
    try:
        for video in videos:
            pool.submit(take, video)
        while left:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            left -= isinstance(event, Done)
            yield event
    finally:
        stop.set()
        if left:
            for compute in computes:
                compute.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            while free.qsize() < len(decoders):  # a lane may be starting its process, which cannot be ended before
                for decoder in decoders:
                    decoder.abort()
                time.sleep(_AGAIN_S)
        pool.shutdown(wait=True, cancel_futures=True)
