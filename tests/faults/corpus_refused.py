"""Files that are no videos, playlists in disguise, things that are no files, and headers that claim too much."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from tests.faults.corpus_case import Case, Expected, either, refused, whole
from tests.faults.corpus_sources import Workshop
from tests.faults.videos import numbered

_HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
_DASH = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period></Period></MPD>'
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n"


def no_videos() -> Iterator[Case]:
    """What opens as no video, or must not be opened."""
    for name, content in _contents().items():
        yield _file(f"{name}.mp4", "no video", content, r"^empty file" if name == "empty" else r"^not a video")
    for name, text in _playlists().items():
        yield _file(
            f"{name}.mp4", "playlists in disguise", text, r"^playlist not accepted\. Give the video file itself"
        )
    wide = "playlist-in-utf-16.mp4", _HLS.format("/etc/passwd").encode("utf-16")
    yield _file(wide[0], "playlists in disguise", wide[1], r"^not a video")
    yield Case("folder.mp4", "no file", _made(lambda path: path.mkdir(), refused(r"^a folder, not a video")))
    yield Case("pipe.mp4", "no file", _made(os.mkfifo, refused(r"^not a regular file")))
    missing = _made(lambda path: path.symlink_to("nowhere.mp4"), refused(r"^no such file"))
    yield Case("broken-link.mp4", "no file", missing)
    yield Case("link-to-itself.mp4", "no file",
               _made(lambda path: path.symlink_to(path.name), refused(r"^(cannot be read|no such file)")))  # fmt: skip
    yield Case("link.mp4", "no file", _linked)
    for name in (
        "new\nline.mp4",
        "-dash.mp4",
        'quo"te.mp4',
        "http:x.mp4",
        os.fsdecode(b"\xff\xfe.mp4"),
        "ж" * 120 + ".mp4",
    ):
        yield Case(name, "odd names", _good)


def forged() -> Iterator[Case]:
    """Headers that claim more than is accepted."""
    huge, too_large = (
        r"^over limit: pictures of 10000x10000, at most 67108864 pixels .*--max-pixels",
        r"^(over limit: |not a video that can be read)",
    )
    for side, cause in ((10_000, huge), (30_000, too_large)):
        yield _forged(f"avi-{side}.avi", cause, "avi-rawvideo", b"strf", 12, 2 * side.to_bytes(4, "little"))
        if side == 10_000:  # FFmpeg strikes out the larger one, and then the pictures say their size themselves
            yield _forged("ivf-10000.ivf", cause, "ivf-vp8", b"VP80", 4, 2 * side.to_bytes(2, "little"))
        yield _forged(
            f"y4m-{side}.y4m", too_large, "y4m-wrapped_avframe", b"W64 H48", 0, f"W{side} H{side}".encode(), 7
        )
    yield _forged("gif-65535.gif", too_large, "gif-gif", b"GIF89a", 6, b"\xff\xff\xff\xff")
    fps = r"^over limit: \d+ frames per second, at most 240 accepted\. Raise it with --max-fps"
    yield _forged("fps.avi", fps, "avi-mpeg4", b"vids", 20, struct.pack("<II", 1, 1_000_000))
    yield _forged("fps.y4m", fps, "y4m-wrapped_avframe", b"F25:1", 0, b"F1000000:1", 5)
    yield _forged("fps.mp4", fps, "faststart-h264", b"stts", 16, struct.pack(">I", 1))
    hours = r"^over limit: [\d.e+]+ hours, at most 24 accepted\. Raise it with --max-hours"
    yield _forged("years.mkv", hours, "mkv-h264", b"\x44\x89\x88", 3, struct.pack(">d", 3.2e11))
    yield _forged("years.flv", hours, "flv-h264", b"\x08duration\0", 10, struct.pack(">d", 3.2e8))
    yield _forged("years.ivf", hours, "ivf-vp8", b"DKIF", 24, struct.pack("<I", 0x7FFFFFFF))
    reason = "the header says two seconds, and a frame of six hours, which counts for ten seconds at most"
    cause = r"^(over limit: |decoded 0|too short)"
    long = either(reason, "whole", "partial", "refused", cause=cause, duration_s=(0.0, 10.02), times_s=None)
    yield _forged("long-frames.mp4", long, "faststart-h264", b"stts", 16, struct.pack(">I", 0x0FFFFFFF))
    streams = r"^over limit: 70 streams, at most 64 accepted\. Raise it with --max-streams"
    for suffix in ("mkv", "mp4"):
        yield Case(f"streams.{suffix}", "forged headers", _made(_many_streams, refused(streams)))


def _contents() -> dict[str, bytes]:
    random = np.random.default_rng(1)
    picture = numbered(3)
    archive, array = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "text" * 500)
    np.save(array, np.zeros((40, 40)))
    return {
        "empty": b"",
        "one-byte": b"x",
        "zeros": bytes(5000),
        "random": random.bytes(50_000),
        "html": b"<!DOCTYPE html><html><head><title>404</title></head><body>not found</body></html>\n" * 30,
        "text": b"plain words\n" * 300,
        "text-in-utf-16": ("words\n" * 300).encode("utf-16"),
        "json": b'{"error": {"code": 403, "message": "quota"}}' * 20,
        "csv": b"video,label,start,end\na,b,1,2\n" * 50,
        "png": cv2.imencode(".png", picture)[1].tobytes(),
        "jpeg": cv2.imencode(".jpg", picture)[1].tobytes(),
        "pdf": b"%PDF-1.7\n" + random.bytes(3000) + b"%%EOF",
        "zip": archive.getvalue(),
        "gzip": gzip.compress(b"text" * 5000),
        "npy": array.getvalue(),
        "program": b"\x7fELF\x02\x01\x01" + random.bytes(4000),
    }


def _playlists() -> dict[str, bytes]:
    return {
        "hls": _HLS.format("http://127.0.0.1:9/x.ts").encode(),
        "hls-local": _HLS.format("/etc/passwd").encode(),
        "hls-bom": b"\xef\xbb\xbf" + _HLS.format("other.mp4").encode(),
        "hls-crlf": _HLS.format("other.mp4").replace("\n", "\r\n").encode(),
        "m3u-after-blanks": b"\n\n  " + _HLS.format("other.mp4").encode(),
        "ffconcat": b"ffconcat version 1.0\nfile other.mp4\n",
        "ffconcat-bom": b"\xef\xbb\xbfffconcat version 1.0\nfile other.mp4\n",
        "dash": b'<?xml version="1.0"?>\n' + _DASH.encode(),
        "dash-bare": _DASH.encode(),
        "sdp": _SDP.encode(),
        "pls": b"[playlist]\nFile1=other.mp4\nNumberOfEntries=1\n",
        "asx": b'<asx version="3.0"><entry><ref href="http://127.0.0.1:9/x.wmv"/></entry></asx>',
        "smil": b'<smil><body><video src="other.mp4"/></body></smil>',
        "reference": b"[Reference]\r\nRef1=http://127.0.0.1:9/x.asf\r\n",
    }


def _file(name: str, family: str, content: bytes, cause: str) -> Case:
    return Case(name, family, _made(lambda path: path.write_bytes(content), refused(cause)))


def _made(make: Callable[[Path], Any], expected: Expected) -> Callable[[Workshop, Path], Expected]:
    def build(workshop: Workshop, path: Path) -> Expected:
        make(path)
        return expected

    return build


def _good(workshop: Workshop, path: Path) -> Expected:
    path.write_bytes(workshop.good("mp4-h264").content)
    return whole()


def _linked(workshop: Workshop, path: Path) -> Expected:
    workshop.good("mp4-h264")
    path.symlink_to((workshop.folder / "mp4-h264.mp4").resolve())
    return whole()


def _forged(
    name: str, expected: str | Expected, source: str, mark: bytes, offset: int, new: bytes, instead_of: int = 0
) -> Case:
    def build(workshop: Workshop, path: Path) -> Expected:
        content = workshop.good(source).content
        at = content.index(mark) + offset
        path.write_bytes(content[:at] + new + content[at + (instead_of or len(new)) :])
        return refused(expected) if isinstance(expected, str) else expected

    return Case(f"forged-{name}", "forged headers", build)


def _many_streams(path: Path) -> None:
    with av.open(path, "w") as box:
        streams: list[Any] = [box.add_stream("mpeg4", rate=25) for _ in range(70)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(numbered(1), format="rgb24")
        frame.pts = 0
        for stream in streams:
            box.mux(stream.encode(frame))
            box.mux(stream.encode(None))
