"""A real web server on this machine that gives files, and can be told to misbehave in the ways that servers do."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler", bytes], None]


class Server(ThreadingHTTPServer):
    """Gives ``files``; the next requests get ``answers`` first, and everything after them ``usual``."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.answers: deque[Answer] = deque()
        self.usual: Answer = fine
        self.asked: list[tuple[str, str | None]] = []
        self.headers: list[Mapping[str, str]] = []
        self.stopping = threading.Event()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def ranges(self) -> list[str | None]:
        return [given for _, given in self.asked]

    def handle_error(self, *_: object) -> None:
        """A client that goes away in mid-answer is what the tests do."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.close_connection = True
        server = self.server
        server.asked.append((self.path, self.headers["Range"]))
        server.headers.append(dict(self.headers))
        # A proxy is asked for whole addresses.
        content = server.files.get(re.sub(r"^https?://[^/]+", "", self.path))
        answer = server.answers.popleft() if server.answers else server.usual
        if content is None and answer in (fine, no_ranges):
            answer = status(404)
        answer(self, content or b"")

    def start(self, content: bytes, *, ranges: bool = True, claim: int | None = None, etag: str = '"v1"') -> bytes:
        """Send the head; gives the part of the content that belongs below it."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "") if ranges else None
        if self.headers["If-Range"] not in (None, etag):
            asked = None
        first = int(asked[1]) if asked else 0
        if asked and first >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return b""
        body = content[first:]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body) if claim is None else claim))
        self.send_header("ETag", etag)
        self.end_headers()
        return body

    def log_message(self, *_: Any) -> None:
        """Not into the tests' output."""


def fine(handler: Handler, content: bytes) -> None:
    handler.wfile.write(handler.start(content))


def no_ranges(handler: Handler, content: bytes) -> None:
    """Sends it all, whatever part was asked for."""
    handler.wfile.write(handler.start(content, ranges=False))


def breaks_after(count: int, *, ranges: bool = True, etag: str = '"v1"') -> Answer:
    return lambda handler, content: _write(handler, handler.start(content, ranges=ranges, etag=etag)[:count])


def claims(more: int) -> Answer:
    """States a length that is wrong by ``more`` bytes."""

    def answer(handler: Handler, content: bytes) -> None:
        _write(handler, handler.start(content, ranges=False, claim=len(content) + more))

    return answer


def other(content: bytes, etag: str = '"v1"') -> Answer:
    """Sends something else."""
    return lambda handler, _: _write(handler, handler.start(content, etag=etag))


def other_part(handler: Handler, content: bytes) -> None:
    """Sends the wrong part with the state of a right one."""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 5-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - 5))
    handler.end_headers()
    handler.wfile.write(content[5:])


def goes_on_with_another(content: bytes, etag: str = '"v2"') -> Answer:
    """Sends the part that was asked for, but of a file that has changed, whatever ``If-Range`` says."""

    def answer(handler: Handler, _: bytes) -> None:
        first = int((handler.headers["Range"] or "bytes=0-")[len("bytes=") : -1])
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - first))
        handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(content[first:])

    return answer


def status(code: int) -> Answer:
    def answer(handler: Handler, _: bytes) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "4")
        handler.end_headers()
        handler.wfile.write(b"oops")

    return answer


def redirects(target: str) -> Answer:
    def answer(handler: Handler, _: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", str(2**40))  # whoever wants to read that first waits long
        handler.end_headers()
        handler.wfile.flush()
        handler.server.stopping.wait(0.2)

    return answer


def endless(handler: Handler, _: bytes) -> None:
    """A body without a length and without an end."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.stopping.is_set():
        handler.wfile.write(b"x" * 65536)


def without_length(handler: Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)


def chunked(handler: Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for first in range(0, len(content), 10_000):
        piece = content[first : first + 10_000]
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


def silent(handler: Handler, _: bytes) -> None:
    """Takes the question and never answers."""
    handler.server.stopping.wait(60)


def slow_head(handler: Handler, _: bytes) -> None:
    """A head that never ends, a letter now and then."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    _drip(handler)


def slow_body(handler: Handler, content: bytes) -> None:
    """A body of a byte now and then."""
    handler.start(content)
    _drip(handler)


def throttled(bytes_per_s: float, piece: int = 16_384) -> Answer:
    def answer(handler: Handler, content: bytes) -> None:
        body = handler.start(content)
        for first in range(0, len(body), piece):
            handler.wfile.write(body[first : first + piece])
            handler.wfile.flush()
            time.sleep(piece / bytes_per_s)

    return answer


def _write(handler: Handler, content: bytes) -> None:
    handler.wfile.write(content)


def _drip(handler: Handler) -> None:
    for _ in range(200):  # ten seconds, to be failed by and not to hang
        if handler.server.stopping.wait(0.05):
            return
        handler.wfile.write(b"x")
        handler.wfile.flush()


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Server]:
    """A server for the time of the block."""
    with Server(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()
