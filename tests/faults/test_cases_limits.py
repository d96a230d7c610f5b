"""Acceptance case 12: headers that promise too much are refused before memory is taken, and flags raise the limits."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests.faults.runs import Cli, children, peak_bytes
from tests.faults.videos import numbered, rewrite, write_numbered
from wtalkit.cli.progress import VideoProgress

MB = 2**20
DECODER_MB = 160
"""Of a decoder process with all it imports, which is 75 MB; one picture of 10000x10000 would be 150 MB more."""
TEN_YEARS_MS = 10 * 365 * 86_400_000
FPS = Fraction(25, 2)


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Most bytes that any decoder process had taken, looked at whenever a video failed."""
    if not Path("/proc/self/status").exists():
        pytest.skip("this system has no /proc, which tells a process's peak memory")
    found: list[int] = []
    whole = VideoProgress.failed

    def failed(self: VideoProgress, *rest: Any) -> None:
        found.append(max(peak_bytes(child) for child in children()))
        whole(self, *rest)

    monkeypatch.setattr(VideoProgress, "failed", failed)
    return found


def write_streams(path: Path) -> Path:
    """A video with 500 streams of sound beside it."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sounds = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(500)]
        for sound in sounds:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 80), np.int16), format="s16", layout="mono")
            silence.sample_rate, silence.pts = 8000, 0
            container.mux(sound.encode(silence))
        for index in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_pictures(path: Path, side: int, frames: int = 16) -> Path:
    """One JPEG picture of ``side`` x ``side`` again and again."""
    written, jpeg = cv2.imencode(".jpg", np.full((side, side, 3), 90, np.uint8))
    assert written
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = side, side, "yuvj420p"
        for index in range(frames):
            packet = av.Packet(jpeg.tobytes())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, index, index, 1 / FPS
            packet.is_keyframe = True
            container.mux(packet)
    return path


def forged_size(side: int) -> Callable[[Path], Path]:
    """An AVI whose header claims pictures of ``side`` x ``side``."""

    def write(path: Path) -> Path:
        write_numbered(path, range(20), codec="rawvideo")
        return rewrite(path, b"strf", 12, 2 * side.to_bytes(4, "little"))

    return write


def forged_pictures(path: Path) -> Path:
    """A motion JPEG whose container is honest, while every picture claims to be 30000x30000."""
    write_numbered(path, range(20), codec="mjpeg", pix_fmt="yuvj420p", fps=FPS)
    start, size = b"\xff\xc0\x00\x11\x08", (30000).to_bytes(2, "big")
    content = path.read_bytes()
    forged = b"".join(
        [piece if index == 0 else start + 2 * size + piece[4:] for index, piece in enumerate(content.split(start))]
    )
    assert len(forged) == len(content) and forged != content
    path.write_bytes(forged)
    return path


def forged_length(path: Path) -> Path:
    """A Matroska file that claims to last ten years."""
    write_numbered(path, range(40))
    return rewrite(path, b"\x44\x89", 3, struct.pack(">d", TEN_YEARS_MS))


def ten_years(path: Path) -> Path:
    """Two frames ten years apart, in a file that states no duration."""
    return write_numbered(path, range(21), times_ms=[*range(0, 800, 40), TEN_YEARS_MS], container_options={"live": "1"})


def test_case_12_forged_headers(extract: Cli, peaks: list[int]) -> None:
    """Sizes, rates, lengths and streams beyond the limits: `over limit`, the flag to raise it, and no memory taken."""
    videos = Path("videos")
    forged = {
        "size.avi": (forged_size(30_000), "over limit: the picture size is missing or larger than FFmpeg accepts"),
        "large.avi": (forged_size(10_000), raised("pictures of 10000x10000", "67108864 pixels", "--max-pixels")),
        "pictures.avi": (forged_pictures, "no frame could be decoded (20 bad packets)"),
        "rate.mp4": (
            lambda path: write_numbered(path, range(40), fps=1_000_000),
            raised("1000000 frames per second", "240", "--max-fps"),
        ),
        "length.mkv": (forged_length, " hours, at most 24 accepted. Raise it with --max-hours"),
        "years.mkv": (ten_years, raised("more than 24 hours", "24", "--max-hours")),
        "streams.mov": (write_streams, raised("501 streams", "64", "--max-streams")),
    }
    for name, (write, _) in forged.items():
        write(videos / name)
    run = extract()
    for name, (_, cause) in forged.items():
        run.failed(f"videos/{name}", cause)
    assert len(peaks) == len(forged)
    assert max(peaks) < DECODER_MB * MB


def raised(claimed: str, allowed: str, flag: str) -> str:
    return f"over limit: {claimed}, at most {allowed} accepted. Raise it with {flag}"


def test_case_12_more_memory_than_allowed(extract: Cli, peaks: list[int]) -> None:
    """A decoder that needs more than --max-memory fails with that flag, and takes no more; raised, the video passes."""
    write_pictures(Path("videos/large.avi"), 3000)
    run = extract("--max-memory", "0.25")
    run.failed(
        "videos/large.avi", "over limit: decoding it takes more than 0.25 GiB of memory. Raise it with --max-memory"
    )
    assert max(peaks) < (256 + DECODER_MB) * MB
    run = extract("--max-memory", "1")
    assert (run.code, run.status["large"].state) == (0, "done")


def test_case_12_raised_limits(extract: Cli) -> None:
    """What is beyond a limit passes once its flag is raised, and what is within it fails once that is lowered."""
    write_numbered(Path("videos/fast.mp4"), [index % 250 for index in range(450)], fps=300)
    write_streams(Path("videos/streams.mov"))
    forged_length(Path("videos/length.mkv"))
    run = extract("--max-fps", "300", "--max-streams", "501", "--max-hours", "90000", "--timeout", "60")
    assert (run.code, {each.state for each in run.status.values()}) == (0, {"done"})
    run = extract("--max-pixels", "3000", "--overwrite")
    assert run.code == 1
    for name in ("good-1", "good-2"):
        assert f"videos/{name}.mp4: {raised('pictures of 64x48', '3000 pixels', '--max-pixels')}" in run.err
