"""The other side of :class:`wtalkit.video.decoder.Decoder`: decodes one video after the other, in a process of its own.

Frames go into slots of the shared memory, and a line over the pipe says that a slot is full. A slot is filled anew once
the reader gave it back; while none is free the decoder waits, so it is never ahead by more than the slots hold.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator

import cv2

if sys.platform != "win32":
    import resource

from wtalkit.errors import InputError
from wtalkit.video.container import open_video
from wtalkit.video.frame_memory import FrameMemory
from wtalkit.video.info import Limits
from wtalkit.video.messages import Message, Pipe, info_to_message, report_to_message
from wtalkit.video.scaling import Image
from wtalkit.video.stream import FrameStream

SLOTS = 3
"""One that is read, one that is full, one that is being filled."""
_PULSE_S = 2.0
_MOST_BYTES = 96 * 2**20
"""Of all slots; frames so large that this holds few of them come in shorter chunks."""


def main(commands: int, messages: int, memory: int) -> None:
    """Serve until the reader is gone; the arguments are the handles of both pipes and of the memory."""
    for asked_to_end in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # sent to the whole group: the reader decides, and closes the pipe
        signal.signal(asked_to_end, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    cv2.setNumThreads(1)  # other decoders work beside this one
    pipe, frames = Pipe(commands, messages), FrameMemory(memory)
    try:
        pipe.send({"ready": True})
        while (command := pipe.receive()) is not None:
            if "path" in command:
                pipe.send(_serve(command, pipe, frames))
            elif "length_of" in command:
                pipe.send({"length_s": _length_s(command["length_of"])})
    except (BrokenPipeError, EOFError):
        return


def _leave_with(parent: int) -> None:
    """End when the reader is killed while a file keeps the decoder from looking at the pipe."""
    while os.getppid() == parent:
        time.sleep(_PULSE_S)
    os._exit(1)


def _length_s(path: str) -> float | None:
    """What the container says, without decoding; None where it says nothing or cannot be opened."""
    try:
        container, _ = open_video(path, Limits())
    except InputError:
        return None
    with container:
        return None if container.duration is None else container.duration / 1e6


def _serve(command: Message, pipe: Pipe, memory: FrameMemory) -> Message:
    """Decode one video; the message that ends it."""
    pulse = _Pulse(pipe)
    limits = Limits(**command["limits"])
    _allow_memory(limits.memory)
    try:
        stream = FrameStream(
            command["path"],
            command["fps"],
            short_side=command["short_side"],
            limits=limits,
            alive=pulse.beat,
        )
        try:
            pipe.send({"info": info_to_message(stream.info)})
            _fill(stream, command["chunk"], pipe, memory)
            return {"report": report_to_message(stream.report), "frames": stream.frame_count}
        finally:
            stream.close()
    except InputError as error:
        return {"failed": {"cause": error.cause, "file": error.file, "remedy": error.remedy}}
    except (BrokenPipeError, EOFError):
        raise
    except MemoryError:
        return {"memory": True}
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            return {"memory": True}
        return _defect(error)
    except Exception as error:
        return _defect(error)


def _allow_memory(gib: float) -> None:
    """Let the process take so much of its own; the memory it shares with the reader does not count."""
    if sys.platform != "win32":
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = math.ceil(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted if most < 0 else min(wanted, most), most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a file that crashes it would leave a dump each time


def _defect(error: Exception) -> Message:
    return {"defect": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


class _Pulse:
    """Says that decoding goes on where it is long until the next chunk: at a low rate, or with large pictures."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._last = time.monotonic()

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._last > _PULSE_S:
            self._pipe.send({"alive": True})
            self._last = now


def _fill(stream: FrameStream, most: int, pipe: Pipe, memory: FrameMemory) -> None:
    free: deque[int] = deque(range(SLOTS))
    images = iter(stream)
    first, spent_s = _timed_next(images)
    if first is None:
        return
    height, width = first.shape[:2]
    size = max(1, min(most, _MOST_BYTES // (SLOTS * first.nbytes)))
    image: Image | None = first
    while image is not None:
        number = _free_slot(free, pipe)
        slot = memory.slot(number, size, height, width)
        filled = 0
        while image is not None:
            slot[filled] = image
            filled += 1
            if filled == size:
                break
            image, seconds = _timed_next(images)
            spent_s += seconds
        pipe.send({"slot": number, "room": size, "count": filled, "shape": [height, width], "decode_s": spent_s})
        if image is not None:
            image, spent_s = _timed_next(images)


def _timed_next(images: Iterator[Image]) -> tuple[Image | None, float]:
    started = time.perf_counter()
    image = next(images, None)
    return image, time.perf_counter() - started


def _free_slot(free: deque[int], pipe: Pipe) -> int:
    """A slot the reader is done with; waits for one."""
    while not free:
        command = pipe.receive()
        if command is None:
            raise EOFError("the reader is gone")
        free.append(command["free"])
    return free.popleft()
