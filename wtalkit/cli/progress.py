"""How far the work on videos is, on stderr: moving bars on a terminal, otherwise lines, or events for a program."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wtalkit.cli.terminal import Terminal, clock, printable, stderr_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from wtalkit.extraction import Progress
    from wtalkit.inputs import Input
    from wtalkit.timeline import Timeline
    from wtalkit.video import Decoder

_ROOM_FOR_RATES = 90
"""Columns a terminal needs for a bar and the rates beside it."""
_SHORT_S = 5.0
"""Less than this is not worth an estimate."""
_LINE_EVERY_S = 60.0
"""Seconds between lines about one video, where no bar can move."""
_EVENT_EVERY_S = 1.0
"""The same for a program, which minds more lines less."""


class VideoProgress:
    """Shows the videos that are worked on, several at once, and how long the rest will take.

    Args:
        terminal: where to.
        total: videos in all.
    """

    def __init__(self, terminal: Terminal, total: int) -> None:
        from wtalkit.extraction import Estimate

        self.terminal, self.total = terminal, total
        self.through = self.succeeded = 0
        self._estimate = Estimate(total)
        self._started: dict[str, float] = {}
        self._last: dict[str, Progress] = {}
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._whole: TaskID | None = None
        self._prober: threading.Thread | None = None
        self._asked: Decoder | None = None
        self._stop = threading.Event()
        self._told_s: dict[str, float] = {}

    def __enter__(self) -> VideoProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        if self._prober is not None and self._asked is not None:
            while self._prober.is_alive():  # it may be starting its process, which cannot be ended before
                self._asked.abort()
                self._prober.join(0.02)

    def look_ahead(
        self, videos: Sequence[Input], timeline: Timeline, known: Callable[[int], None] | None = None
    ) -> None:
        """Ask the containers, beside the work, how long the videos are, for an estimate that is right early.

        Args:
            videos: of this job.
            timeline: of the features.
            known: told how many snippets the videos have, once all were asked.
        """
        if self.terminal.quiet:
            return
        from wtalkit.errors import WtalkitError
        from wtalkit.video import Decoder

        decoder = self._asked = Decoder()

        def ask() -> None:
            snippets = 0
            try:
                for video in videos:
                    if self._stop.is_set():
                        return
                    if (length_s := decoder.length_s(video.path)) is not None:
                        frames = timeline.frame_count(length_s)
                        self._estimate.expect(video.key, frames)
                        snippets += timeline.snippet_count(frames)
                if known is not None:
                    known(snippets)
            except WtalkitError:  # the work itself will say what is wrong with the machine
                pass
            finally:
                decoder.close()

        self._prober = threading.Thread(target=ask, name="wtalkit-lengths")
        self._prober.start()

    def start(self, video: Input) -> None:
        """Work on ``video`` begins."""
        self._started[video.key] = self._told_s[video.key] = time.perf_counter()
        self.terminal.tell("video_started", key=video.key, path=os.fspath(video.path), total=self.total)
        if not self.terminal.live:
            return
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
            if self.total > 1:
                self._whole = self._bars.add_task("", total=self.total, rates="")
        name = printable(os.path.relpath(video.path))
        self._tasks[video.key] = self._bars.add_task(name, total=None, rates="")

    def update(self, progress: Progress) -> None:
        """So much of the video is done."""
        self._last[progress.key] = progress
        if progress.frames_expected is not None:
            self._estimate.expect(progress.key, progress.frames_expected)
        self._estimate.update(progress.key, progress.frames_done)
        if self._bars is not None and progress.key in self._tasks:
            self._bars.update(
                self._tasks[progress.key],
                completed=progress.frames_done,
                total=progress.frames_expected,
                rates=_rates(progress),
            )
            self._show_whole()
        if not self.terminal.live:
            self._report(progress)

    def done(self, video: Input, duration_s: float | None = None) -> None:
        """The video is finished."""
        self.succeeded += 1
        last = self._last.pop(video.key, None)
        took_s = time.perf_counter() - self._started[video.key]
        facts = [] if duration_s is None else [clock(duration_s)]
        if last is not None:
            facts.append(_rates(last))
        facts.append(f"done in {clock(took_s)}")
        self._end(video.key)
        if (left_s := self._left_s()) is not None:
            facts.append(f"about {clock(left_s)} left")
        self.terminal.remark(
            f"{self._numbered(os.fspath(video.path))}  {' · '.join(facts)}", "video_done", **self._state(video),
            took_s=took_s, **({} if duration_s is None else {"duration_s": duration_s}), **_measured(last),
        )  # fmt: skip

    def skipped(self, video: Input, why: str) -> None:
        """The video needs no work."""
        self._end(video.key, worked=False)
        text = f"{self._numbered(os.fspath(video.path))}  {why}"
        self.terminal.remark(text, "video_skipped", **self._state(video), cause=why)

    def postponed(self, video: Input) -> None:
        """Another process is at the video; it comes up again when that one is through."""
        text = f"{video.path}  another process is at it"
        self.terminal.detail(text, "video_postponed", key=video.key, path=os.fspath(video.path))
        self._drop_bar(video.key)

    def failed(self, video: Input, text: str) -> None:
        """The video failed."""
        self._last.pop(video.key, None)
        self._end(video.key)
        cause = text.removeprefix(f"{video.path}: ")
        self.terminal.fail(text, "video_failed", **self._state(video), cause=cause)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within it stdout can be written to: no bar is on the screen."""
        bars = self._bars
        if bars is not None:
            bars.stop()
        yield
        if bars is not None and bars is self._bars:
            bars.start()

    def _numbered(self, name: str) -> str:
        return f"[{self.through}/{self.total}] {name}" if self.total > 1 else name

    def _state(self, video: Input) -> dict[str, Any]:
        """What a program is told of a video that is through, and of the whole job."""
        path = os.fspath(video.path)
        return {
            "key": video.key, "path": path, "through": self.through, "total": self.total,
            "left_s": self._estimate.left_s if self.through < self.total else 0.0,
        }  # fmt: skip

    def _report(self, progress: Progress) -> None:
        """Where no bar moves: an event now and then for a program, and a line for people where a video takes long."""
        now_s = time.perf_counter()
        every_s = _EVENT_EVERY_S if self.terminal.log_json else _LINE_EVERY_S
        if progress.finished or now_s - self._told_s.get(progress.key, now_s) < every_s:
            return
        self._told_s[progress.key] = now_s
        left_s = self._estimate.left_s
        facts = {"key": progress.key, "path": os.fspath(progress.path), **_measured(progress), "left_s": left_s}
        if self.terminal.log_json:
            self.terminal.tell("video_progress", **facts)
            return
        share = f"{progress.frames_done / progress.frames_expected:.0%} · " if progress.frames_expected else ""
        rest = "" if left_s is None else f" · about {clock(left_s)} left"
        self.terminal.remark(f"{os.fspath(progress.path)}  {share}{_rates(progress)}{rest}")

    def _left_s(self) -> float | None:
        left_s = self._estimate.left_s if self.through < self.total else None
        return left_s if left_s is not None and left_s >= _SHORT_S else None

    def _end(self, key: str, *, worked: bool = True) -> None:
        self.through += 1
        self._estimate.finish(key, worked=worked)
        self._drop_bar(key)

    def _drop_bar(self, key: str) -> None:
        if self._bars is None:
            return
        if key in self._tasks:
            self._bars.remove_task(self._tasks.pop(key))
        self._show_whole()
        if (
            not self._tasks
        ):  # nothing moves until the next one begins, and what is printed meanwhile must not be wiped out
            self._bars.stop()
            self._bars = self._whole = None

    def _show_whole(self) -> None:
        if self._bars is not None and self._whole is not None:
            left_s = self._left_s()
            self._bars.update(
                self._whole,
                completed=self.through,
                description=f"{self.through}/{self.total} videos",
                rates="" if left_s is None else f"about {clock(left_s)} left",
            )


def _bars() -> Bars:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    console = stderr_console()
    rates = [TextColumn("{task.fields[rates]}", style="dim")] if console.width >= _ROOM_FOR_RATES else []
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        *rates,
        console=console,
        transient=True,
        redirect_stdout=False,  # results go to stdout, wherever that leads
        redirect_stderr=False,
    )


def _measured(progress: Progress | None) -> dict[str, Any]:
    """How far a video is, and how fast, in numbers for a program."""
    if progress is None:
        return {}
    return {
        "frames_done": progress.frames_done, "frames_expected": progress.frames_expected,
        "decode_fps": round(progress.decode_fps, 1), "flow_pairs_per_s": round(progress.flow_pairs_per_s, 1),
        "elapsed_s": round(progress.elapsed_s, 3),
    }  # fmt: skip


def _rates(progress: Progress) -> str:
    text = f"decode {progress.decode_fps:.0f} fps"
    return f"{text} · flow {progress.flow_pairs_per_s:.0f} pairs/s" if progress.flow_pairs_per_s else text
