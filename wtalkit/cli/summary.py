"""The table at the end of a long job: what became of the videos that are not simply done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.cli.terminal import Terminal

if TYPE_CHECKING:
    from wtalkit.status import VideoStatus

_MOST_ROWS = 30


def summarize(terminal: Terminal, statuses: Sequence[VideoStatus], file: Path | None) -> None:
    """A row for each video that failed, was left out or is incomplete; nothing where all are whole.

    Args:
        terminal: where to.
        statuses: of the videos of this job.
        file: where all of it is written down, None for nowhere.
    """
    odd = [status for status in statuses if status.state != "done"]
    if not odd or terminal.quiet:
        return
    rows = [(status.video, status.state, status.cause or "") for status in odd[:_MOST_ROWS]]
    terminal.write()
    terminal.table(("video", "state", "cause"), rows)
    if len(odd) > _MOST_ROWS:
        terminal.write(f"and {len(odd) - _MOST_ROWS} more{'' if file is None else f', all in {file}'}")
