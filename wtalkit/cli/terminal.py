"""What goes to the terminal: results to stdout, all else to stderr, for people or, with ``--log-json``, programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from wtalkit.clock import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

__all__ = ["Level", "Terminal", "clock", "count", "log_line", "printable", "stderr_console"]

_UNBOUNDED_COLUMNS = 10_000

Level = Literal["debug", "info", "warning", "error"]


def printable(text: str) -> str:
    """``text`` with control characters escaped: a file's name must not move the cursor or change colours."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 video``, ``2 videos``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def log_line(level: Level, event: str, message: str | None = None, **facts: Any) -> str:
    """One event as one line of JSON, with the time of now; ASCII, so no terminal is moved by it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    said = {} if message is None else {"message": message}
    record = {"time": now, "level": level, "event": event, **said, **facts}
    return json.dumps(_known(record), allow_nan=False, default=str).replace("\x7f", "\\u007f")


def _known(value: Any) -> Any:
    """The value, with None for numbers that are none, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: _known(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Terminal:
    """Speaks to one command's user.

    Args:
        quiet: leave out remarks.
        verbose: add details.
        json: stdout belongs to a JSON document; what would be shown there goes to stderr.
        log_json: stderr belongs to a program: an object for each event, one a line, instead of text and bars.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, json: bool = False, log_json: bool = False
    ) -> None:
        self.quiet, self.verbose, self.json, self.log_json = quiet, verbose, json, log_json

    @property
    def live(self) -> bool:
        """Whether a progress bar has somewhere to move."""
        return sys.stderr.isatty() and not self.quiet and not self.log_json

    def remark(self, text: str, event: str = "remark", **facts: Any) -> None:
        """Something useful to know, on stderr; a program is told the event and its facts besides."""
        if not self.quiet:
            self._stderr("info", text, "dim", event, facts)

    def detail(self, text: str, event: str = "remark", **facts: Any) -> None:
        """Something for those who ask, on stderr."""
        if self.verbose:
            self._stderr("debug", text, "dim", event, facts)

    def warn(self, text: str, event: str = "warning", **facts: Any) -> None:
        """Something that must not be overlooked, on stderr, also when quiet."""
        self._stderr("warning", text if self.log_json else f"warning: {text}", "yellow", event, facts)

    def fail(self, text: str, event: str = "failure", **facts: Any) -> None:
        """A failed input, on stderr."""
        self._stderr("error", text, "red", event, facts)

    def tell(self, event: str, **facts: Any) -> None:
        """Something that a program wants to know and people see otherwise, as how far the work is."""
        if self.log_json and not self.quiet:
            _write_stderr(log_line("info", event, **facts))

    def next_step(self, text: str) -> None:
        """What to do next, the last line; on stderr where stdout is JSON."""
        if self.json:
            self.remark(text)
        elif not self.quiet:
            self.write()
            self.write(text)

    def write(self, text: str = "") -> None:
        """A line of the result, on stdout."""
        sys.stdout.write(printable(text) + "\n")
        sys.stdout.flush()

    def document(self, text: str) -> None:
        """The JSON document, on stdout."""
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()

    def table(
        self, header: Iterable[str], rows: Iterable[Iterable[str]], *, right: Iterable[int] = (), gap: int = 4
    ) -> None:
        """Columns ``gap`` characters apart on stdout; those numbered in ``right`` are aligned to the right."""
        console = self._stdout_console()
        with console.capture() as capture:
            console.print(_table(list(header), rows, set(right), gap))
        for line in capture.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")
        sys.stdout.flush()

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """Show that something takes its time, where that can be shown."""
        if not self.live:
            yield
            return
        with stderr_console().status(printable(text)):
            yield

    def _stdout_console(self) -> Console:
        from rich.console import Console

        width = None if sys.stdout.isatty() else _UNBOUNDED_COLUMNS
        return Console(width=width, highlight=False, emoji=False, markup=False)

    def _stderr(self, level: Level, text: str, style: str, event: str, facts: dict[str, Any]) -> None:
        if self.log_json:
            _write_stderr(log_line(level, event, text, **facts))
        elif sys.stderr.isatty():
            stderr_console().print(printable(text), style=style)
        else:
            _write_stderr(printable(text))


def _write_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@cache
def stderr_console() -> Console:
    """The console on stderr; one for all, so that lines are printed above the bars."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, markup=False)


def _table(header: list[str], rows: Iterable[Iterable[str]], right: set[int], gap: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for index, name in enumerate(header):
        table.add_column(Text(name), justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
