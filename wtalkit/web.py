"""Opening an address of the web with a limit on the time of every step: http and https only, proxies as usual.

``urllib`` alone waits for each address of a host in turn, for a resolver as long as that likes, and for a server that
sends a byte now and then forever.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

_PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
"""HTTP states that another try may change."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Attributes:
        connect_s: seconds for finding and connecting to it.
        read_s: seconds for the whole head of an answer, and between two pieces of its body.
        tries: how often an address is asked in a row without getting any further.
        pause_s: seconds before the second try; each further pause is twice as long.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    tries: int = 3
    pause_s: float = 1.0


class WebError(Exception):
    """An address did not give what was asked for.

    Attributes:
        lasting: another try at the same address would be no use.
        status: the HTTP state, if it came to an answer.
    """

    def __init__(self, cause: str, *, lasting: bool = False, status: int | None = None) -> None:
        self.lasting, self.status = lasting, status
        super().__init__(cause)


def open_url(url: str, headers: Mapping[str, str], patience: Patience) -> http.client.HTTPResponse:
    """Ask for ``url``; the answer's body is still to be read, with :func:`read_piece`.

    Raises:
        WebError: there is no answer, or one that is no success.
    """
    try:
        request = urllib.request.Request(url, headers=dict(headers))
        answer: http.client.HTTPResponse = _opener(patience).open(request, timeout=patience.connect_s)
    except urllib.error.HTTPError as error:
        error.close()
        reason = str(error.reason).split("\n")[0].rstrip(".")
        raise WebError(f"HTTP {error.code} {reason}", lasting=error.code not in _PASSING, status=error.code) from error
    except urllib.error.URLError as error:  # it did not come to a question, and would not in a second either
        reason = error.reason if isinstance(error.reason, str) else _explained(error.reason)
        raise WebError(reason, lasting=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise WebError(_explained(error), lasting=isinstance(error, http.client.InvalidURL)) from error
    except ValueError as error:
        raise WebError(f"not a web address ({error})", lasting=True) from error
    return answer


def read_piece(answer: http.client.HTTPResponse, most: int) -> bytes:
    """What has come of the body, at most ``most`` bytes; nothing at its end.

    Raises:
        WebError: nothing came in time, or the connection broke.
    """
    try:
        return answer.read1(most)
    except (OSError, http.client.HTTPException) as error:
        raise WebError(_explained(error)) from error


def _explained(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return str(error) if error.args and "timed out" not in str(error) else "no answer in time"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke"
    return str(error) or type(error).__name__


def _opener(patience: Patience) -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()  # build_opener would add file:, ftp: and data:
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _Plain(patience.read_s),
        _Secure(patience.read_s),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    """To http and https only, and never from a secure address to one that is not."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        fp.close()  # the base class would read the whole body, however much it is
        scheme = newurl.partition(":")[0].lower()
        if scheme != "https" and not (scheme == "http" and req.type == "http"):
            raise WebError(f"it redirects to an address of the kind {scheme}:, which is not followed", lasting=True)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Timed(http.client.HTTPConnection):
    """Connects within its timeout, all addresses of the host together; then every answer has ``read_s``."""

    def __init__(self, *arguments: Any, read_s: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._read_s = read_s
        self._create_connection = _dial

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self._read_s)

    def getresponse(self) -> http.client.HTTPResponse:
        with _cut_after(self._read_s, self.sock):
            return super().getresponse()


class _TimedSecure(_Timed, http.client.HTTPSConnection):
    """The same over TLS."""


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, read_s: float) -> None:
        super().__init__()
        self._read_s = read_s

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Timed, req, read_s=self._read_s)  # type: ignore[arg-type]


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, read_s: float) -> None:
        super().__init__()
        self._read_s = read_s

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TimedSecure, req, read_s=self._read_s)  # type: ignore[arg-type]


def _dial(address: tuple[str, int], timeout: float, source_address: tuple[str, int] | None = None) -> socket.socket:
    """Connect to a host by whichever of its addresses answers, in ``timeout`` seconds altogether."""
    until = time.monotonic() + timeout
    found = _resolve(*address, timeout)
    problem: OSError = TimeoutError(f"no connection within {timeout:g} s")
    for family, kind, protocol, _, each in found:
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left_s if len(found) == 1 else min(left_s, timeout / 2))
            if source_address is not None:
                connection.bind(source_address)
            connection.connect(each)
        except TimeoutError:
            connection.close()
        except OSError as error:
            connection.close()
            problem = error
        except BaseException:
            connection.close()
            raise
        else:
            connection.settimeout(max(until - time.monotonic(), 0.1))  # for TLS, which is part of connecting
            return connection
    raise problem


def _resolve(host: str, port: int, timeout_s: float) -> list[tuple[Any, ...]]:
    """Addresses of a host. In a thread: the system's resolver knows no limit of ours and cannot be interrupted."""
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else socket.gaierror(str(error)))

    threading.Thread(target=ask, name="wtalkit-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError(f"its name was not resolved within {timeout_s:g} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


@contextmanager
def _cut_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    """End the connection when the block takes longer: a timeout of the socket begins anew with every byte."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if late.is_set() or isinstance(error, TimeoutError):
            raise TimeoutError(f"no whole answer within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
    if late.is_set():  # what was cut off looks like a whole head to http.client
        raise TimeoutError(f"no whole answer within {seconds:g} s")
