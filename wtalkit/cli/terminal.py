"""What goes to the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

_UNBOUNDED_COLUMNS = 10_000


def printable(text: str) -> str:
    """``text`` with control characters escaped: a file's name must not move the cursor or change colours."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def clock(seconds: float) -> str:
    """Seconds as people read them: ``0:03.8``, ``1:02:03.4``."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{tenths // 10:02d}.{tenths % 10}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 video``, ``2 videos``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


class Terminal:
    """Speaks to one command's user.

    Args:
        quiet: leave out remarks.
        verbose: add details.
        json: stdout belongs to a JSON document; what would be shown there goes to stderr.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, json: bool = False) -> None:
        self.quiet, self.verbose, self.json = quiet, verbose, json

    @property
    def live(self) -> bool:
        """Whether a progress bar has somewhere to move."""
        return sys.stderr.isatty() and not self.quiet

    def remark(self, text: str) -> None:
        """Something useful to know, on stderr."""
        if not self.quiet:
            self._stderr(text, style="dim")

    def detail(self, text: str) -> None:
        """Something for those who ask, on stderr."""
        if self.verbose:
            self._stderr(text, style="dim")

    def warn(self, text: str) -> None:
        """Something that must not be overlooked, on stderr, also when quiet."""
        self._stderr(f"warning: {text}", style="yellow")

    def fail(self, text: str) -> None:
        """A failed input, on stderr."""
        self._stderr(text, style="red")

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

    def _stderr(self, text: str, style: str) -> None:
        if sys.stderr.isatty():
            stderr_console().print(printable(text), style=style)
        else:
            sys.stderr.write(printable(text) + "\n")
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
