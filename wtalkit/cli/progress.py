"""How far the work is, on stderr: a moving bar on a terminal, otherwise one line per video."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from wtalkit.cli.terminal import Terminal, clock, printable, stderr_console

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Bar

    from wtalkit.extraction import Progress
    from wtalkit.inputs import Input

_ROOM_FOR_RATES = 90
"""Columns a terminal needs for a bar and the rates beside it."""


class VideoProgress:
    """Shows one video after the other.

    Args:
        terminal: where to.
        total: videos in all.
    """

    def __init__(self, terminal: Terminal, total: int) -> None:
        self.terminal, self.total = terminal, total
        self._number = 0
        self._started = 0.0
        self._last: Progress | None = None
        self._bar: Bar | None = None

    def __enter__(self) -> VideoProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def start(self, video: Input) -> None:
        """Work on ``video`` begins."""
        self._number += 1
        self._started = time.perf_counter()
        self._last = None
        if not self.terminal.live:
            return
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = stderr_console()
        rates = [TextColumn("{task.fields[rates]}", style="dim")] if console.width >= _ROOM_FOR_RATES else []
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), *rates)
        self._bar = Bar(*columns, TimeRemainingColumn(compact=True), console=console, transient=True)
        self._bar.start()
        self._bar.add_task(self._numbered(printable(os.path.relpath(video.path))), total=None, rates="")

    def update(self, progress: Progress) -> None:
        """So much of the video is done."""
        self._last = progress
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], completed=progress.frames, total=progress.frames_expected, rates=_rates(progress)
            )

    def done(self, path: str | os.PathLike[str], duration_s: float | None = None) -> None:
        """The video is finished."""
        self._clear()
        facts = [] if duration_s is None else [clock(duration_s)]
        if self._last is not None:
            facts.append(_rates(self._last))
        facts.append(f"done in {clock(time.perf_counter() - self._started)}")
        self.terminal.remark(f"{self._numbered(os.fspath(path))}  {' · '.join(facts)}")

    def skipped(self, path: str | os.PathLike[str], why: str) -> None:
        """The video needs no work."""
        self._clear()
        self.terminal.remark(f"{self._numbered(os.fspath(path))}  {why}")

    def failed(self, text: str) -> None:
        """The video failed."""
        self._clear()
        self.terminal.fail(text)

    def _numbered(self, name: str) -> str:
        return f"[{self._number}/{self.total}] {name}" if self.total > 1 else name

    def _clear(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _rates(progress: Progress) -> str:
    text = f"decode {progress.decode_fps:.0f} fps"
    return f"{text} · flow {progress.flow_pairs_per_s:.0f} pairs/s" if progress.flow_pairs_per_s else text
