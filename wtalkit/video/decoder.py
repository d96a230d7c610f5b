"""Decoding in a process of its own: it works beside everything else, and what breaks it breaks one video only."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from wtalkit.errors import InputError, MachineError
from wtalkit.video.frame_memory import FrameMemory, Images
from wtalkit.video.info import PATIENCE_S, DecodeReport, Limits, VideoInfo
from wtalkit.video.messages import Message, Pipe, info_from_message, report_from_message

log = logging.getLogger(__name__)

CHUNK_FRAMES = 16
_GRACE_S = 3.0

_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from wtalkit.video.decoder_process import main; main(*map(int, sys.argv[2:]))"
)


class DecoderDefect(RuntimeError):
    """The decoder came upon a mistake of ours, not of the video."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive frames of a video at a constant rate.

    Attributes:
        images: uint8 RGB [n, H, W, 3]; valid until the next chunk is asked for.
        decode_s: seconds the decoder spent on them.
    """

    images: Images
    decode_s: float


class Decoder:
    """A process that decodes one video after the other; it is started by the first and kept for the next."""

    def __init__(self) -> None:
        self._process: _Process | None = None

    def decode(
        self,
        path: str | os.PathLike[str],
        fps: float,
        *,
        short_side: int | None = None,
        limits: Limits | None = None,
        chunk_frames: int = CHUNK_FRAMES,
        patience_s: float = PATIENCE_S,
    ) -> Decoding:
        """Begin with a video; the arguments are those of :class:`wtalkit.video.FrameStream`.

        Args:
            path: a local file.
            fps: frames per second to give.
            short_side: px the smaller side is scaled to; ``None`` keeps it.
            limits: what the file may claim.
            chunk_frames: most frames in a chunk; fewer where they are very large.
            patience_s: seconds without a sign of life after which the video is given up.

        Raises:
            InputError: the file is no video that can be decoded.
        """
        limits = limits or Limits()
        order = {
            "path": os.fspath(Path(path).absolute()),
            "fps": fps,
            "short_side": short_side,
            "limits": asdict(limits),
            "chunk": chunk_frames,
        }
        return Decoding(self._ready(), Path(path), order, limits, patience_s)

    def length_s(self, path: str | os.PathLike[str]) -> float | None:
        """Seconds as the container states them, without decoding; None where it does not say, or is none."""
        process = self._ready()
        with suppress(OSError):
            process.pipe.send({"length_of": os.fspath(Path(path).absolute())})
        try:
            length_s: float | None = process.receive(PATIENCE_S, Path(path))["length_s"]
        except InputError:
            return None
        return length_s

    def _ready(self) -> _Process:
        if self._process is None or not self._process.is_ready:
            self.close()
            self._process = _Process()
        return self._process

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def abort(self) -> None:
        """End the process from another thread than the one that reads; that one gets an :class:`InputError`."""
        if (process := self._process) is not None:
            process.kill()


class Decoding:
    """One video on its way through a :class:`Decoder`: iterate over its chunks, then ask for the report.

    Attributes:
        path: the file.
        limits: what the file may claim.
        info: what the container and the first frame say.
    """

    def __init__(self, process: _Process, path: Path, order: Message, limits: Limits, patience_s: float) -> None:
        self.path, self.limits = path, limits
        self._process, self._patience_s = process, patience_s
        self._report: DecodeReport | None = None
        self._frames = 0
        process.is_idle = False
        self._send(order)
        self.info: VideoInfo = replace(info_from_message(self._receive("info")["info"]), path=path)

    def __enter__(self) -> Decoding:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Chunk]:
        """The chunks in order. Can be used once.

        Raises:
            InputError: the decoder crashed, hung, or refused the rest of the file.
        """
        while "slot" in (message := self._receive("slot", "report")):
            height, width = message["shape"]
            slot = self._process.memory.slot(message["slot"], message["room"], height, width)
            yield Chunk(slot[: message["count"]], message["decode_s"])
            self._send({"free": message["slot"]})
        self._report, self._frames = report_from_message(message["report"]), message["frames"]
        self._process.is_idle = True

    @property
    def report(self) -> DecodeReport:
        """The outcome; known once all chunks were taken."""
        if self._report is None:
            raise RuntimeError("the report is known only after the last frame")
        return self._report

    @property
    def frame_count(self) -> int:
        """Frames given; known once all were taken."""
        if self._report is None:
            raise RuntimeError("the number of frames is known only after the last one")
        return self._frames

    def close(self) -> None:
        """Give up a video that was not read to its end."""
        if not self._process.is_idle:
            self._process.end()

    def _send(self, message: Message) -> None:
        with suppress(OSError):  # gone: _receive says how it ended
            self._process.pipe.send(message)

    def _receive(self, *wanted: str) -> Message:
        message = self._process.receive(self._patience_s, self.path)
        if any(key in message for key in wanted):
            return message
        self._process.is_idle = True
        if "failed" in message:
            failed = message["failed"]
            raise InputError(failed["cause"], file=self.path if failed["file"] else None, remedy=failed["remedy"])
        if "memory" in message:
            self._process.end()  # what it still holds is in pieces
            cause = f"over limit: decoding it takes more than {self.limits.memory:g} GiB of memory"
            raise InputError(cause, file=self.path, remedy="Raise it with --max-memory")
        log.debug("%s: %s", self.path, message["traceback"])
        raise DecoderDefect(message["defect"])


class _Process:
    """The child with its pipe and memory."""

    def __init__(self) -> None:
        self.memory = FrameMemory.create()
        commands, messages = os.pipe(), os.pipe()
        theirs = (commands[0], messages[1], self.memory.handle)
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-c", _CHILD, json.dumps(sys.path), *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=theirs,
            )
        except BaseException as error:
            os.close(messages[0])
            os.close(commands[1])
            self.memory.close()
            if isinstance(error, OSError):
                cause = f"no process can be started for decoding ({error.strerror})"
                raise MachineError(cause, remedy="Free memory, or work on fewer videos at once") from error
            raise
        finally:
            os.close(commands[0])
            os.close(messages[1])
        self.pipe = Pipe(messages[0], commands[1])
        self.is_idle = True
        self._started = False
        self._finalizer = weakref.finalize(self, _end, self._child, self.pipe, self.memory)

    def receive(self, patience_s: float, path: Path) -> Message:
        """The next message about the video at ``path``.

        Raises:
            InputError: the child crashed or hung over this video.
            MachineError: it could not be started.
        """
        while True:
            try:
                message = self._receive(patience_s)
            except TimeoutError:
                self.end()
                cause = f"timeout: the decoder gave no sign of life for {patience_s:g} s"
                raise InputError(cause, file=path, remedy="Raise it with --timeout") from None
            except OSError:
                message = None
            if message is None:
                ended = self.end()
                if not self._started:
                    raise MachineError(
                        f"the process that decodes cannot be started ({ended})", remedy="Run wtalkit doctor"
                    )
                raise InputError(f"the decoder crashed ({ended})", file=path)
            if "ready" in message:
                self._started = True
            elif "alive" not in message:
                return message

    def _receive(self, patience_s: float) -> Message | None:
        if not self._started:  # which takes longer than any file on a busy machine, and is no fault of this one
            patience_s = max(patience_s, PATIENCE_S)
        try:
            return self.pipe.receive(patience_s)
        except TimeoutError:  # also after a pause of both processes, Ctrl-Z for one: then the answer comes at once
            return self.pipe.receive(min(patience_s, _GRACE_S))

    @property
    def is_ready(self) -> bool:
        """Whether it lives and has nothing to do."""
        return self.is_idle and self._child.poll() is None

    def kill(self) -> None:
        """Whoever reads sees the end of the pipe."""
        self._child.kill()

    def end(self) -> str:
        """Kill it, if it lives; says how it ended."""
        self.is_idle = False
        self._finalizer()
        code = self._child.returncode
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"signal {-code}, {signal.Signals(-code).name}"
        return f"exit code {code}"


def _end(child: subprocess.Popen[bytes], pipe: Pipe, memory: FrameMemory) -> None:
    if child.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.05)  # one that crashed a moment ago shall keep the signal it died of
    if child.poll() is None:
        child.kill()
    with suppress(subprocess.TimeoutExpired):  # one that waits for a dead file system cannot be killed
        child.wait(_GRACE_S)
    pipe.close()
    memory.close()
