"""Acceptance case 13: a file that points at others opens none of them, and no connection."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import pytest
from av.error import FFmpegError

from tests.faults.runs import Cli
from tests.faults.videos import write_numbered

IN_OPEN, IN_NONBLOCK = 0x20, 0o4000

HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{target}'\n"
DASH = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S">
 <Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000">
  <BaseURL>{target}</BaseURL><SegmentBase indexRange="0-100"/>
 </Representation></AdaptationSet></Period>
</MPD>
"""
SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
M3U = "# a list without a header\n{target}\n"


@contextmanager
def opens_of(path: Path) -> Iterator[list[int]]:
    """Within it every opening of ``path``, by whatever process, is counted; the list is filled at the end."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "inotify_init1"):
        pytest.skip("this system has no inotify, which tells that a file was opened")
    handle = libc.inotify_init1(IN_NONBLOCK)
    assert libc.inotify_add_watch(handle, os.fsencode(path), IN_OPEN) >= 0
    events: list[int] = []
    try:
        yield events
        with suppress(BlockingIOError):
            events.append(len(os.read(handle, 65536)))
    finally:
        os.close(handle)


@contextmanager
def visits() -> Iterator[tuple[int, list[str]]]:
    """A port that takes connections, and the visitors it had, told at the end."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        seen: list[str] = []
        yield server.getsockname()[1], seen
        server.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                connection, address = server.accept()
                connection.close()
                seen.append(str(address))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A whole video outside the folder of videos."""
    return write_numbered(tmp_path / "target.mp4", range(40))


def write_disguised(folder: Path, target: Path, port: int) -> list[str]:
    """Playlists that end in .mp4 and name a file, a file by URL, and a server; gives their names."""
    names = []
    places = {"path": str(target), "file": f"file://{target}", "url": f"http://127.0.0.1:{port}/x.ts"}
    for kind, text in {"hls": HLS, "concat": CONCAT, "dash": DASH, "sdp": SDP, "bom": "\ufeff" + HLS}.items():
        for place, where in places.items():
            names.append(f"{kind}-{place}.mp4")
            (folder / names[-1]).write_text(text.format(target=where, port=port))
    return names


def write_reference(path: Path, target: Path, up: int) -> Path:
    """A QuickTime file whose pictures lie in another file: its data reference is an alias of ``target``.

    Args:
        path: in a folder that is made.
        target: one folder above, if found by ``up``.
        up: 2 names it by its place one folder up, 0 by its whole path.
    """
    path.parent.mkdir(exist_ok=True)
    content = target.read_bytes()
    name = str(target).encode()
    padded = name + b"\0" * (len(name) % 2)
    # An alias record as libavformat/mov.c reads it: names of volume and file, levels, then tagged strings.
    record = bytes(10) + bytes([0]) + bytes(27) + bytes(12) + bytes([0]) + bytes(63) + bytes(16)
    record += struct.pack(">hh", up, min(up, 1)) + bytes(16)
    record += struct.pack(">hH", 2, len(name)) + padded + struct.pack(">hH", -1, 0)
    alias = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    old = content.index(b"dref") - 4
    size = int.from_bytes(content[old : old + 4], "big")
    new = struct.pack(">I4sII", 16 + len(alias), b"dref", 0, 1) + alias
    grown = bytearray(content[:old] + new + content[old + size :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = grown.index(box) - 4
        grown[at : at + 4] = (int.from_bytes(grown[at : at + 4], "big") + len(new) - size).to_bytes(4, "big")
    moov = grown.index(b"moov") - 4
    path.write_bytes(bytes(grown[: grown.index(b"mdat") - 4]) + bytes(grown[moov:]))  # without pictures of its own
    return path


def test_case_13_what_the_plain_library_would_do(target: Path, tmp_path: Path) -> None:
    """The watch sees what FFmpeg opens where nothing forbids it; so what it does not see did not happen."""
    (tmp_path / "list.mp4").write_text(CONCAT.format(target=target))
    allowed = {"enable_drefs": "1", "use_absolute_path": "1"}
    disguises = {tmp_path / "list.mp4": {"safe": "0"}}
    disguises |= {write_reference(tmp_path / "other" / f"{up}.mov", target, up): allowed for up in (0, 2)}
    for path, options in disguises.items():
        with opens_of(target) as opened, suppress(FFmpegError), av.open(path, options=options) as container:
            next(container.decode(video=0), None)
        assert opened, path
    with visits() as (port, seen):
        (tmp_path / "list.m3u8").write_text(HLS.format(target=f"http://127.0.0.1:{port}/x.ts"))
        allowed = {"protocol_whitelist": "file,http,tcp", "timeout": "200000", "rw_timeout": "200000"}
        with suppress(FFmpegError):
            av.open(tmp_path / "list.m3u8", options=allowed)
    assert seen


@pytest.mark.parametrize("command", ["extract", "detect"])
def test_case_13_playlists(command: str, extract: Cli, detect: Cli, target: Path) -> None:
    """Playlists named .mp4 fail as `playlist not accepted`; the file they name is not opened, nobody is called."""
    Path("videos/list.mp4").write_text(M3U.format(target=target))
    with opens_of(target) as opened, visits() as (port, seen):
        names = write_disguised(Path("videos"), target, port)
        run, out = (extract(), "feats") if command == "extract" else (detect(), "answers")
    for name in names:
        run.failed(f"videos/{name}", "playlist not accepted. Give the video file itself", out=out)
    run.failed("videos/list.mp4", "not a video", out=out)
    assert (opened, seen) == ([], [])


def test_case_13_data_in_another_file(extract: Cli, target: Path) -> None:
    """A QuickTime file whose data reference is another file gives none of that file's pictures and does not open it."""
    target = target.rename("target.mp4").absolute()
    for up in (0, 2):
        write_reference(Path(f"videos/reference-{up}.mov"), target, up)
    with opens_of(target) as opened:
        run = extract()
    for up in (0, 2):
        run.failed(f"videos/reference-{up}.mov", "no frame could be decoded")
    assert opened == []


def test_case_13_system_calls(workplace: Path, target: Path) -> None:
    """Traced by strace, the whole command opens neither the target nor an internet connection."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    with visits() as (port, seen):
        write_disguised(Path("videos"), target, port)
        write_reference(Path("videos/reference.mov"), target, 0)
        command = ["extract", "videos", "--out", "feats", "--quiet"]
        done = subprocess.run(
            ["strace", "-f", "--seccomp-bpf", "-e", "trace=open,openat,openat2,connect,sendto", "-o", "calls",
             sys.executable, "-m", "wtalkit", *command], capture_output=True, text=True, check=False,
        )  # fmt: skip
    if "ptrace" in done.stderr or not Path("calls").exists():
        pytest.skip(f"strace may not trace here ({done.stderr.strip().splitlines()[0]})")
    calls = Path("calls").read_text()
    assert done.returncode == 1
    assert "videos/hls-path.mp4" in calls  # what the decoder opens is seen
    assert str(target) not in calls
    assert not re.search(r"connect\([^\n]*AF_INET", calls)
    assert seen == []
