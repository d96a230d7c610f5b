"""Fetching one file: it appears whole and verified under its name, or not at all.

What has come is kept beside it in ``.NAME.wtalkit-partial``, also when the process is killed, and the next run goes on
from there. Where the file is known by a hash it does not matter which server which part of it came from; where it is
not, only parts that one server says belong together are put together, and none of an earlier run.
"""

from __future__ import annotations

import logging
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from wtalkit import __version__
from wtalkit.atomic import write_error
from wtalkit.content import Content
from wtalkit.errors import DiskFull, MachineError
from wtalkit.partial import Partial, claimed
from wtalkit.web import Patience, WebError, open_url, read_piece

log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 18
_FURTHER_BYTES = 1 << 16
"""An address that gives so much more counts as one that works, however often it breaks off."""
SLOWEST_BYTES_PER_S = 1024
"""Bytes a second; a server slower than that might as well be dead."""
_ANNOUNCE_S = 10.0


@dataclass(frozen=True)
class Fetching:
    """How far a file is.

    Attributes:
        path: the file to be.
        url: where it comes from at present.
        done_bytes: of it, those of earlier runs included.
        total_bytes: by what the server says, if it says so.
    """

    path: Path
    url: str
    done_bytes: int
    total_bytes: int | None


def fetch(
    path: Path,
    urls: Sequence[str],
    *,
    content: Content,
    limit_bytes: int,
    remedy: str,
    patience: Patience | None = None,
    progress: Callable[[Fetching], None] | None = None,
) -> bool:
    """Get a file from the first of several addresses that has it; nothing but ``content`` is accepted.

    Another process that fetches the same file is waited for.

    Args:
        path: the file to be; another file of that name is replaced, once the new one is verified.
        urls: http and https addresses, tried in turn.
        content: what the file is to hold.
        limit_bytes: more is never read, whatever a server claims or sends.
        remedy: what a person can do if none of the addresses has it, one sentence.
        patience: how long to wait for a server.
        progress: told at the start of each address and while bytes come.

    Returns:
        Whether it was fetched; False if it was there already. Without a hash only what another process has just put
        there counts.

    Raises:
        MachineError: no address has it, or it cannot be written; nothing new is under the name.
        DiskFull: there is no room for it.
    """
    patience = patience or Patience()
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        before = _identity(path)
        with claimed(path, keep=content.is_certain) as partial:
            now = _identity(path)
            is_known = now is not None and (content.is_certain or now != before)
            if is_known and content.flaw(path) is None:
                partial.drop()
                return False
            if partial.size > limit_bytes:
                partial.clear()
            job = _Job(partial, content, limit_bytes, patience, progress)
            causes = []
            if not job.is_whole():
                for url in urls:
                    try:
                        job.get(url)
                        break
                    except WebError as error:
                        causes.append(f"{urlsplit(url).hostname or url}: {error}")
                        log.info("%s from %s: %s", path.name, url, error)
                else:
                    raise MachineError(f"could not be fetched ({'; '.join(causes)})", file=path, remedy=remedy)
            partial.settle()
            return True


def _identity(path: Path) -> tuple[int, int] | None:
    """Changes when another file gets the name; None while there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_ino, facts.st_mtime_ns) if stat.S_ISREG(facts.st_mode) else None


def announce(say: Callable[[str], None], every_s: float = _ANNOUNCE_S) -> Callable[[Fetching], None]:
    """A ``progress`` for where no bar can move: a line for each address, and one now and then."""
    address: tuple[Path, str] | None = None
    last_s = 0.0

    def tell(state: Fetching) -> None:
        nonlocal address, last_s
        now_s = time.monotonic()
        if address != (state.path, state.url):
            address, last_s = (state.path, state.url), now_s
            there = f", {megabytes(state.done_bytes)} are here already" if state.done_bytes else ""
            say(f"fetching {state.path.name} from {state.url} into {state.path.parent}{there}")
        elif now_s - last_s >= every_s:
            last_s = now_s
            of = "" if state.total_bytes is None else f" of {megabytes(state.total_bytes)}"
            say(f"{state.path.name}: {megabytes(state.done_bytes)}{of}")

    return tell


def megabytes(size: int) -> str:
    """A number of bytes as people read it."""
    return f"{size / 1e6:.1f} MB"


class _Job:
    """What is to come into a partial file."""

    def __init__(
        self,
        partial: Partial,
        content: Content,
        limit_bytes: int,
        patience: Patience,
        progress: Callable[[Fetching], None] | None,
    ) -> None:
        self.partial, self.content, self.limit_bytes = partial, content, limit_bytes
        self.patience, self.progress = patience, progress
        self._etag: str | None = None

    def is_whole(self) -> bool:
        """Whether all of it has come, whatever a server says."""
        return self.content.is_certain and self.partial.size > 0 and self.content.flaw(self.partial.path) is None

    def get(self, url: str) -> None:
        """Get all that is missing from one address.

        Raises:
            WebError: it does not have it.
        """
        self._etag = None
        if not self.content.is_certain:
            self.partial.clear()
        furthest, in_vain = self.partial.size, 0
        while True:
            resumed = self.partial.size > 0
            problem: WebError
            try:
                self._read(url)
                if (flaw := self.content.flaw(self.partial.path)) is None:
                    return
                problem, wrong = WebError(f"what it sends {flaw}", lasting=not resumed), True
            except WebError as error:
                if self.is_whole():  # the server gave a length that is not true
                    return
                problem, wrong = error, error.status == 416
            # A part of it may have come from elsewhere, or what comes next may be of another file: from the start.
            if wrong or not (self.content.is_certain or self._etag is not None):
                self.partial.clear()
            if problem.lasting:
                raise problem
            in_vain = 0 if self.partial.size >= furthest + _FURTHER_BYTES else in_vain + 1
            furthest = max(furthest, self.partial.size)
            if in_vain >= self.patience.tries:
                raise problem
            time.sleep(self.patience.pause_s * 2 ** max(in_vain - 1, 0))

    def _read(self, url: str) -> None:
        """Ask once and append what comes."""
        offset = self.partial.size
        headers = {"User-Agent": f"wtalkit/{__version__}", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self._etag is not None:
                headers["If-Range"] = self._etag
        self._tell(url, None)
        with open_url(url, headers, self.patience) as answer:
            start, total = _span(answer, offset)
            if total is not None and total > self.limit_bytes:
                raise WebError(f"what it has is {total:,} bytes, too many for this file", lasting=True)
            if start < offset:  # the server sends it all
                self.partial.clear()
            tag = answer.headers.get("ETag", "")
            etag = tag if tag.startswith('"') else None  # weak ones say nothing about bytes
            if start and not self.content.is_certain and etag != self._etag:  # it took no notice of If-Range
                raise WebError("the file has changed meanwhile", status=416)
            self._etag = etag
            if total is None and not self.content.is_certain:
                cause = "it does not say how long the file is, so nothing would tell that it is cut off"
                raise WebError(cause, lasting=True)
            self._check_room(start, total)
            self._append(url, answer, total)
        if total is None or self.partial.size < total:  # without a length the end may be a break
            of = "" if total is None else f" of {total:,}"
            raise WebError(f"broke off after {self.partial.size:,}{of} bytes")

    def _append(self, url: str, answer: HTTPResponse, total: int | None) -> None:
        window_s, window_bytes = time.monotonic(), 0
        done = self.partial.size
        while piece := read_piece(answer, min(_PIECE_BYTES, self.limit_bytes + 1 - done)):
            done += len(piece)
            if done > self.limit_bytes:
                self.partial.clear()
                raise WebError(f"it sends more than {self.limit_bytes:,} bytes", lasting=True)
            self.partial.append(piece)
            self._tell(url, total)
            window_bytes += len(piece)
            if (passed_s := time.monotonic() - window_s) > self.patience.read_s:
                if window_bytes < SLOWEST_BYTES_PER_S * passed_s:
                    raise WebError(f"it sends less than {SLOWEST_BYTES_PER_S:,} bytes a second")
                window_s, window_bytes = time.monotonic(), 0

    def _check_room(self, start: int, total: int | None) -> None:
        if total is None:
            return
        free = shutil.disk_usage(self.partial.path.parent).free
        if total - start > free:
            cause = f"no space left on the disk: {megabytes(total - start)} are needed, {megabytes(free)} are free"
            raise DiskFull(cause, file=self.partial.final, remedy="Free some and run again")

    def _tell(self, url: str, total: int | None) -> None:
        if self.progress is not None:
            self.progress(Fetching(self.partial.final, url, self.partial.size, total))


def _span(answer: HTTPResponse, offset: int) -> tuple[int, int | None]:
    """Where the answer's body begins in the file, and how long that is.

    Raises:
        WebError: it is not an answer to what was asked.
    """
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise WebError("it sends the file packed, though asked for it as it is", lasting=True)
    if answer.status == 206:
        given = re.fullmatch(
            r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", answer.headers.get("Content-Range", "").strip()
        )
        if given is None or int(given[1]) != offset or offset == 0:
            raise WebError("it sends another part than it was asked for", status=416)
        return offset, None if given[2] == "*" else int(given[2])
    if answer.status != 200:
        raise WebError(f"HTTP {answer.status} {answer.reason}", lasting=True, status=answer.status)
    return 0, answer.length


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Within it what keeps ``path`` from being written is told in a user's words.

    Raises:
        MachineError: the disk is full, the folder read-only or no folder.
    """
    try:
        yield
    except OSError as error:
        raise write_error(error, path) from error
