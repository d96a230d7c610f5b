"""Files that are refused before anything is decoded, each with its sentence."""

from __future__ import annotations

import errno
import os
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import av
import cv2
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.stream import Disposition

from wtalkit.errors import InputError
from wtalkit.video import Limits, VideoReader, decode_check, probe
from wtalkit.video.container import _open
from wtalkit.video.packets import PacketDecoder

from .conftest import MakeVideo

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"


def refusal(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        probe(path, limits=limits)
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.exit_code == 1
    return caught.value.cause


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "empty file"),
        (np.random.default_rng(0).bytes(20_000), "not a video"),
        (b"<!DOCTYPE html><html><body>404 not found</body></html>\n" * 40, "not a video"),
        (b"plain words\n" * 100, "not a video"),
        (HLS.format(target="/etc/passwd").encode(), "playlist not accepted"),
        (b"\xef\xbb\xbf" + HLS.format(target="http://127.0.0.1/x.ts").encode(), "playlist not accepted"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "playlist not accepted"),
        (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "playlist not accepted"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomavc1\0\0\1\0mdat" + bytes(300), "index (moov) missing, download incomplete?"),
        (b"\0\0\0\x18ftypisom", "index (moov) missing, download incomplete?"),
    ],
)
def test_content(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    start = time.monotonic()
    assert refusal(path) == cause
    assert time.monotonic() - start < 1


def test_formats_that_are_no_video_files_are_not_opened(tmp_path: Path) -> None:
    """FFmpeg would read a picture as a video of one frame; what opens playlists is shut out by the same list."""
    path = tmp_path / "picture.mp4"
    written, png = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))
    assert written
    path.write_bytes(png.tobytes())
    assert refusal(path) == "not a video"


def test_moov_cut_off(make_video: MakeVideo) -> None:
    path = make_video()
    path.write_bytes(path.read_bytes()[:-1000])
    assert refusal(path) == "index (moov) missing, download incomplete?"


def test_damaged_index_is_not_called_missing(make_video: MakeVideo) -> None:
    path = make_video(container_options={"movflags": "faststart"})
    content = path.read_bytes()
    start = content.index(b"moov") + 4
    path.write_bytes(content[:start] + b"\xff" * 900 + content[start + 900 :])
    assert refusal(path) in (
        "no video stream",
        "not a video that can be read (Invalid data found when processing input)",
    )


def test_paths(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.mp4") == "no such file"
    assert refusal(tmp_path) == "a folder, not a video"
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refusal(tmp_path / "pipe.mp4") == "not a regular file"


@pytest.mark.parametrize(
    "name", ['a "b" c.mp4', "-x.mp4", "new\nline.mp4", "http:x.mp4", os.fsdecode(b"\xff\xfe.mp4"), "ж" * 120]
)
def test_odd_names_are_just_names(make_video: MakeVideo, tmp_path: Path, name: str) -> None:
    path = make_video(frames=3).rename(tmp_path / name)
    assert probe(path).width == 160


def _add_sound(container: av.container.OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=48000)
    stream.codec_context.layout = "mono"
    return stream


def _write_sound(container: av.container.OutputContainer, stream: AudioStream) -> None:
    for index in range(46):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, index * 1024, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@pytest.mark.parametrize("name", ["sound.mp4", "sound.mkv"])
def test_sound_only(tmp_path: Path, name: str) -> None:
    with av.open(tmp_path / name, "w") as container:
        _write_sound(container, _add_sound(container))
    assert refusal(tmp_path / name) == "no video stream"


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(path, "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        sound = _add_sound(container)
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        picture.pts, picture.time_base = 0, Fraction(1, 1)
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        _write_sound(container, sound)
    assert refusal(path) == "no video stream"


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        (Limits(pixels=100 * 100), "over limit: pictures of 160x96, at most 10000 pixels accepted"),
        (Limits(fps=20), "over limit: 25 frames per second, at most 20 accepted"),
        (Limits(hours=1 / 3600), "over limit: 0.000555556 hours, at most 0.000277778 accepted"),
        (Limits(streams=0), "over limit: 1 streams, at most 0 accepted"),
    ],
)
def test_limits(make_video: MakeVideo, limits: Limits, cause: str) -> None:
    path = make_video()
    assert refusal(path, limits) == cause
    name = next(
        name for name in ("pixels", "fps", "hours", "streams") if getattr(limits, name) != getattr(Limits(), name)
    )
    with pytest.raises(InputError, match=rf"accepted\. Raise it with --max-{name}\.$"):
        probe(path, limits=limits)


def test_an_endless_stream_is_given_up(make_video: MakeVideo) -> None:
    """Time that stands still, or nearly, does not get past the limits: so many frames are taken as they allow."""
    path = make_video("video.mkv", frames=60, times=range(60))
    limits = Limits(hours=1 / 3600, fps=40)
    with pytest.raises(InputError, match=r"over limit: more than 40 frames, at most 40 .* --max-hours"):
        decode_check(path, limits=limits)
    assert decode_check(path, limits=Limits(hours=3 / 3600, fps=40)).frames == 60


def test_exotic_codecs_are_not_opened(make_video: MakeVideo) -> None:
    path = make_video("video.avi", codec="magicyuv", pix_fmt="gbrp", frames=3)
    with pytest.raises(InputError, match=r"video codec magicyuv is not accepted\. Re-encode it, .*ffmpeg.* libx264"):
        probe(path)


def test_ffmpeg_knows_the_list_of_codecs(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only our own check stands before a decoder: FFmpeg refuses to open it, also while it looks at the streams."""
    path = make_video(frames=3)
    monkeypatch.setattr("wtalkit.video.container.CODECS", frozenset({"mpeg4"}))
    with _open(path) as container:
        assert container.streams.video[0].codec_context.pix_fmt is None  # known only to a decoder
    monkeypatch.undo()
    with _open(path) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_no_memory_is_no_damage(make_video: MakeVideo) -> None:
    """Where FFmpeg finds no memory the caller is told so, instead of a bad packet being counted."""
    with VideoReader(make_video(frames=30)) as reader:
        decoder = PacketDecoder(reader._container, Exhausted(reader._stream), reader._ledger)
        with pytest.raises(MemoryError):
            list(decoder)
        assert reader._ledger.bad_packets == 0


class Exhausted:
    """A stream whose decoder has no memory left."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.codec_context = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def decode(self, packet: Any) -> NoReturn:
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize(
    ("side", "cause"), [(10_000, "over limit: pictures of 10000x10000"), (30_000, "over limit: the picture size")]
)
def test_forged_size_is_refused_before_decoding(make_video: MakeVideo, side: int, cause: str) -> None:
    path = make_video("video.avi", frames=3, codec="rawvideo")
    content = path.read_bytes()
    start = content.index(b"strf") + 12  # BITMAPINFOHEADER: width, height
    path.write_bytes(content[:start] + 2 * side.to_bytes(4, "little") + content[start + 8 :])
    assert refusal(path).startswith(cause)
