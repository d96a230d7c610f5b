"""Weights that are being fetched, as bars on a terminal and lines elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from wtalkit.download import Fetching


@contextmanager
def shown(terminal: Terminal) -> Iterator[Callable[[Fetching], None]]:
    """Within it the files that are fetched have bars on a terminal, elsewhere lines."""
    from wtalkit.download import announce

    lines = announce(terminal.remark)
    if not terminal.live:
        yield lines
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from wtalkit.cli.terminal import stderr_console

    lines = announce(terminal.remark, every_s=float("inf"))
    bars = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), console=stderr_console(), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    tasks: dict[Path, TaskID] = {}

    def tell(state: Fetching) -> None:
        lines(state)
        if state.path not in tasks:
            tasks[state.path] = bars.add_task(state.path.name, total=None)
        bars.update(tasks[state.path], completed=state.done_bytes, total=state.total_bytes)

    with bars:
        yield tell
