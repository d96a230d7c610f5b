from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import mirror
from tests.mirror import Server
from wtalkit import download
from wtalkit.content import GitBlob, git_blob_id
from wtalkit.download import Fetching, announce, fetch
from wtalkit.errors import DiskFull, MachineError
from wtalkit.partial import partial_path
from wtalkit.web import Patience

CONTENT = random.Random(0).randbytes(300_000)
BLOB_ID = hashlib.sha1(b"blob 300000\0" + CONTENT).hexdigest()
LIMIT = 400_000
HASTE = Patience(connect_s=2, read_s=0.5, tries=3, pause_s=0.01)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with mirror.serving({"/file": CONTENT}) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "file"


def get(target: Path, *urls: str, patience: Patience = HASTE, **options: object) -> bool:
    return fetch(
        target, urls, content=GitBlob(BLOB_ID), limit_bytes=LIMIT, remedy="Try later", patience=patience, **options
    )  # type: ignore[arg-type]


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def failure(target: Path, *urls: str, patience: Patience = HASTE) -> str:
    with pytest.raises(MachineError) as caught:
        get(target, *urls, patience=patience)
    assert caught.value.exit_code == 3
    assert not target.exists()
    return str(caught.value)


def test_a_file_is_fetched_once(server: Server, target: Path) -> None:
    assert get(target, f"{server.base}/file") is True
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file"]
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask()
    assert get(target, f"{server.base}/file") is False
    assert server.ranges == [None]


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_comes_in_pieces_is_put_together(server: Server, target: Path) -> None:
    server.answers.extend([mirror.breaks_after(100_001)] * 2)
    get(target, f"{server.base}/file")
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100001-", "bytes=200002-"]
    assert server.headers[1]["If-Range"] == '"v1"'


def test_pieces_may_be_many_as_long_as_it_goes_on(server: Server, target: Path) -> None:
    server.usual = mirror.breaks_after(70_000)  # five of them, with no more than three tries in vain
    get(target, f"{server.base}/file", patience=Patience(2, 0.5, tries=1, pause_s=0.01))
    assert target.read_bytes() == CONTENT


def test_a_server_that_always_breaks_off_at_the_same_byte_is_given_up(server: Server, target: Path) -> None:
    server.usual = mirror.breaks_after(100_000, ranges=False)
    assert "broke off after 100,000 of 300,000 bytes" in failure(target, f"{server.base}/file")
    assert len(server.asked) == 4  # once with some success, three times in vain
    assert names(target) == [partial_path(target).name]  # for the next time


def test_the_next_run_goes_on_where_the_last_one_stopped(server: Server, target: Path) -> None:
    server.usual = mirror.breaks_after(200_000, ranges=False)
    failure(target, f"{server.base}/file")
    server.usual = mirror.fine
    server.asked.clear()
    seen: list[Fetching] = []
    get(target, f"{server.base}/file", progress=seen.append)
    assert server.ranges == ["bytes=200000-"]
    assert (seen[0].done_bytes, seen[-1].done_bytes, seen[-1].total_bytes) == (200_000, 300_000, 300_000)
    assert target.read_bytes() == CONTENT


def test_a_whole_part_needs_no_server(target: Path) -> None:
    target.parent.mkdir()
    partial_path(target).write_bytes(CONTENT)  # killed just before it got its name
    get(target, "http://127.0.0.1:9/file")
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("start", [b"x" * 1000, CONTENT + b"x", b"x" * 500_000], ids=["wrong", "long", "over limit"])
@pytest.mark.parametrize("answer", [mirror.fine, mirror.no_ranges], ids=["ranges", "no ranges"])
def test_a_part_that_does_not_belong_is_thrown_away(
    server: Server, target: Path, start: bytes, answer: mirror.Answer
) -> None:
    target.parent.mkdir()
    partial_path(target).write_bytes(start)
    server.usual = answer
    get(target, f"{server.base}/file")
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file"]


def test_a_file_that_changes_between_two_parts_is_begun_anew(server: Server, target: Path) -> None:
    server.answers.append(mirror.other(b"y" * 100, etag='"v0"'))
    server.answers.append(mirror.breaks_after(100_000, etag='"v0"'))
    server.usual = mirror.fine
    failure(target, f"{server.base}/file", patience=Patience(2, 0.5, tries=1))  # the first is simply wrong
    get(target, f"{server.base}/file")
    assert server.headers[2]["If-Range"] == '"v0"'
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "answer",
    [mirror.claims(+5000), mirror.chunked, mirror.without_length, mirror.status(500), mirror.status(503),
     mirror.other_part, mirror.breaks_after(0)],
    ids=["claims more", "chunked", "without length", "500", "503", "other part", "nothing"],
)  # fmt: skip
def test_odd_answers_do_no_harm(server: Server, target: Path, answer: mirror.Answer) -> None:
    server.answers.append(answer)
    get(target, f"{server.base}/file")
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (mirror.other(CONTENT[:-1] + b"x"), "what it sends is not the published file"),
        (mirror.other(b""), "what it sends is not the published file"),
        (mirror.other(b"x" * 500_000), "what it has is 500,000 bytes, too many for this file"),
        (mirror.claims(-5000), "what it sends is not the published file"),
        (mirror.status(404), "HTTP 404 Not Found"),
        (mirror.status(500), "HTTP 500 Internal Server Error"),
        (mirror.status(204), "HTTP 204 No Content"),
        (mirror.endless, "it sends more than 400,000 bytes"),
        (mirror.redirects("/file"), "HTTP 302 The HTTP server returned a redirect error that would lead to an "),
        (mirror.redirects("file:///x"), "HTTP 302 Found - Redirection to url 'file:///x' is not allowed"),
        (mirror.redirects("ftp://127.0.0.1/x"), "it redirects to an address of the kind ftp:, which is not followed"),
        (mirror.silent, "no whole answer within 0.5 s"),
        (mirror.slow_head, "no whole answer within 0.5 s"),
        (mirror.slow_body, "it sends less than 1,024 bytes a second"),
    ],
    ids=["wrong", "empty", "too many", "claims less", "404", "500", "204", "endless", "redirect loop", "to a file",
         "to ftp", "silent", "slow head", "slow body"],
)  # fmt: skip
def test_the_next_address_helps_and_without_one_nothing_is_kept_that_is_wrong(
    server: Server, target: Path, answer: mirror.Answer, said: str
) -> None:
    server.usual = answer
    begun = time.monotonic()
    text = failure(target, f"{server.base}/file")
    assert f"{target}: could not be fetched (127.0.0.1: {said}" in text
    assert text.endswith(". Try later.")
    assert time.monotonic() - begun < 6
    assert names(target) == ([partial_path(target).name] if answer is mirror.slow_body else [])
    with mirror.serving({"/file": CONTENT}) as good:
        get(target, f"{server.base}/file", f"{good.base}/file")
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file"]


@pytest.fixture
def secure(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes the server speak TLS with a certificate that is trusted here; gives its address."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("needs the openssl command for a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return f"https://localhost:{server.server_address[1]}"


def test_secure_addresses_work_and_break_off_as_others_do(secure: str, server: Server, target: Path) -> None:
    server.answers.extend([mirror.breaks_after(100_001), mirror.redirects(f"{secure}/file")])
    get(target, f"{secure}/file")
    assert server.ranges == [None, "bytes=100001-", "bytes=100001-"]
    assert target.read_bytes() == CONTENT


def test_secure_addresses_never_lead_to_others(secure: str, server: Server, target: Path) -> None:
    with mirror.serving({"/file": CONTENT}) as plain:
        server.usual = mirror.redirects(f"{plain.base}/file")
        assert "it redirects to an address of the kind http:, which is not followed" in failure(
            target, f"{secure}/file"
        )
        assert plain.asked == []


def test_certificates_are_checked(secure: str, server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "its certificate is not trusted" in failure(target, f"{secure}/file")
    assert server.asked == []


def test_redirects_are_followed_and_keep_the_range(server: Server, target: Path) -> None:
    server.answers.extend([mirror.breaks_after(100_000), mirror.redirects(f"{server.base}/file")])
    get(target, f"{server.base}/file")
    assert server.ranges == [None, "bytes=100000-", "bytes=100000-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "unknown url type: file"),
        ("ftp://127.0.0.1/x", "unknown url type: ftp"),
        ("data:,x", "unknown url type: data"),
        ("nonsense", "not a web address"),
        ("http://127.0.0.1:x/", "nonnumeric port"),
        ("http://127.0.0.1:9/file", "connection refused"),
        ("http://name.invalid/file", "its name cannot be resolved"),
    ],
)
def test_addresses_that_lead_nowhere(target: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    whole = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> Any:
        if host == "name.invalid":  # the machine's own resolver may take its time over that
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return whole(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    begun = time.monotonic()
    assert said in failure(target, url).lower()
    assert time.monotonic() - begun < 2.5
    assert names(target) == []


def test_a_host_that_takes_no_connections_is_not_waited_for_long(target: Path) -> None:
    with socket.socket() as full:  # its queue is full, so the system answers no more of them
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            begun = time.monotonic()
            url = f"http://127.0.0.1:{full.getsockname()[1]}/file"
            failure(target, url, patience=Patience(connect_s=0.5, read_s=0.5, tries=1))
            assert time.monotonic() - begun < 2
        finally:
            for each in waiting:
                each.close()


def test_a_resolver_that_hangs_is_not_waited_for_long(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        hanging.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    begun = time.monotonic()
    said = failure(target, "http://example.invalid/file", patience=Patience(connect_s=0.2))
    assert "its name was not resolved within 0.2 s" in said
    assert time.monotonic() - begun < 2
    hanging.set()


def test_of_a_hosts_addresses_one_that_answers_is_enough(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.server_address[1]
    ends = [("127.0.0.1", 9), ("127.0.0.1", port)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", end) for end in ends]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    get(target, f"http://example.invalid:{port}/file")
    assert target.read_bytes() == CONTENT


def test_proxies_of_the_environment_are_used(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.base)
    get(target, "http://example.invalid/file")
    assert server.asked[0][0] == "http://example.invalid/file"
    assert target.read_bytes() == CONTENT


def test_another_file_of_that_name_stays_until_the_new_one_is_verified(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    server.usual = mirror.other(b"wrong")
    with pytest.raises(MachineError):
        get(target, f"{server.base}/file")
    assert target.read_bytes() == b"old"
    server.usual = mirror.fine
    get(target, f"{server.base}/file")
    assert target.read_bytes() == CONTENT


def test_two_at_once_fetch_it_once(server: Server, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.usual = mirror.throttled(1_000_000)
    results: list[bool] = []
    # Locks belong to open files, so threads exclude each other as processes do.
    threads = [threading.Thread(target=lambda: results.append(get(target, f"{server.base}/file"))) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(results) == [False, False, True]
    assert len(server.asked) == 1
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file"]
    assert "another process is fetching file" in caplog.text


def test_a_part_that_another_process_gave_up_is_not_written_to(
    server: Server, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fcntl = pytest.importorskip("fcntl")
    target.parent.mkdir()
    with partial_path(target).open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=get, args=(target, f"{server.base}/file"))
        thread.start()
        while "another process" not in caplog.text:
            time.sleep(0.01)
        partial_path(target).unlink()
    thread.join()
    assert target.read_bytes() == CONTENT


def test_without_locks_each_writes_a_part_of_its_own(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("wtalkit.partial.fcntl.flock", none)
    target.parent.mkdir()
    left = partial_path(target.with_name("file.0a1b"))  # by one that was killed
    left.write_bytes(b"part")
    os.utime(left, (0, 0))
    server.usual = mirror.throttled(1_000_000)
    threads = [threading.Thread(target=get, args=(target, f"{server.base}/file")) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file"]
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask()


def test_a_full_disk_is_said_before_anything_is_written(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(target.parents[1])
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    with pytest.raises(DiskFull, match=r"no space left on the disk: 0.3 MB are needed, 0.1 MB are free"):
        get(target, f"{server.base}/file")
    assert names(target) == []


@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "no space left on the disk"), (errno.EDQUOT, "no space left on the disk")]
)
def test_a_disk_that_fills_up_leaves_nothing_behind(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    append = download.Partial.append

    def full(self: download.Partial, piece: bytes) -> None:
        append(self, piece[:1000])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(download.Partial, "append", full)
    with pytest.raises(DiskFull, match=said):
        get(target, f"{server.base}/file")
    assert names(target) == []


@pytest.mark.skipif(os.name != "posix", reason="needs limits of processes")
def test_a_limit_on_the_size_of_files_is_an_error_of_ours(server: Server, target: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        text = failure(target, f"{server.base}/file")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written (File too large)" in text


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file")
    with pytest.raises(MachineError, match="is a file where a folder is needed"):
        get(tmp_path / "weights" / "file", f"{server.base}/file")


def test_lines_say_where_from_and_how_far(tmp_path: Path) -> None:
    said: list[str] = []
    tell = announce(said.append, every_s=0)
    for done in (0, 1_000_000, 2_000_000):
        tell(Fetching(tmp_path / "file", "http://a/file", done, 2_000_000))
    tell(Fetching(tmp_path / "file", "http://b/file", 2_000_000, None))
    assert said == [
        f"fetching file from http://a/file into {tmp_path}",
        "file: 1.0 MB of 2.0 MB",
        "file: 2.0 MB of 2.0 MB",
        f"fetching file from http://b/file into {tmp_path}, 2.0 MB are here already",
    ]


def test_blob_ids_are_those_of_git(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"some content\n")
    assert git_blob_id(path) == "2ef267e25bd6c6a300bb473e604b092b6a48523b"  # as given by git hash-object
