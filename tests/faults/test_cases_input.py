"""Acceptance cases of what is no video, or too little of one: 1, 2, 3, 9 and 10."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests import toys
from tests.faults.runs import GOOD, Cli
from tests.faults.videos import cut, numbered, write_numbered
from wtalkit.cli.progress import VideoProgress
from wtalkit.features import read_features

HTML = "<!DOCTYPE html><html><head><title>404</title></head><body>not found</body></html>\n"


def test_case_01_zero_bytes(extract: Cli, detect: Cli) -> None:
    """A zero-byte file fails as `empty file` with exit code 1 and leaves no output; the others are done."""
    Path("videos/empty.mp4").touch()
    run = extract()
    status = run.failed("videos/empty.mp4", "empty file")
    assert (status.decoded_s, status.expected_s, status.gaps) == (None, None, ())
    assert run.out.splitlines()[-1].startswith("2 videos extracted to feats, 1 failed. Next: ")
    table = [line.split(maxsplit=2) for line in run.out.splitlines()[:3]]
    assert table[1:] == [["video", "state", "cause"], ["empty", "failed", "empty file"]]
    detect().failed("videos/empty.mp4", "empty file", out="answers")


def test_case_02_not_a_video(extract: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random bytes, a web page and a text named .mp4 fail as `not a video` in under a second each."""
    took: dict[str, float] = {}
    start, failed = VideoProgress.start, VideoProgress.failed

    def started(self: VideoProgress, video: Any) -> None:
        took[video.key] = time.monotonic()
        start(self, video)

    def over(self: VideoProgress, video: Any, text: str) -> None:
        took[video.key] = time.monotonic() - took[video.key]
        failed(self, video, text)

    monkeypatch.setattr(VideoProgress, "start", started)
    monkeypatch.setattr(VideoProgress, "failed", over)
    Path("videos/random.mp4").write_bytes(np.random.default_rng(0).bytes(200_000))
    Path("videos/page.mp4").write_text(HTML * 100)
    Path("videos/text.mp4").write_text("just words\n" * 100)
    run = extract()
    for name in ("random", "page", "text"):
        run.failed(f"videos/{name}.mp4", "not a video")
        assert took[name] < 1


def test_case_03_index_missing(extract: Cli) -> None:
    """An mp4 whose index (moov) was not downloaded, whole or in part, says so."""
    whole = write_numbered(Path("whole.mp4"), range(40)).read_bytes()
    Path("videos/gone.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    Path("videos/half.mp4").write_bytes(whole[:-400])
    run = extract()
    for name in ("gone", "half"):
        run.failed(f"videos/{name}.mp4", "index (moov) missing, download incomplete?")


def test_case_09_no_video_stream(extract: Cli) -> None:
    """A file of sound alone, or of sound and a cover picture, has no video stream; the cover is not taken for one."""
    toys.write_video(Path("videos/sound.mp4"), audio_only=True)
    song(Path("videos/song.mp4"))
    run = extract()
    for name in ("sound", "song"):
        run.failed(f"videos/{name}.mp4", "no video stream")


def test_case_09_a_cover_beside_a_video_is_ignored(extract: Cli) -> None:
    """A video with a cover picture gives the features of the video."""
    film = Path("videos/good-1.mp4")
    with av.open(film) as source, av.open("videos/covered.mp4", "w") as target:
        cover = target.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        stream = target.add_stream_from_template(source.streams.video[0])
        write_picture(target, cover)
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    run = extract()
    assert run.code == 0
    arrays = [np.load(f"feats/{name}.npy") for name in ("covered", "good-1")]
    np.testing.assert_array_equal(*arrays)


@pytest.mark.parametrize("command", ["extract", "detect"])
def test_case_10_too_short(command: str, extract: Cli, detect: Cli) -> None:
    """Fewer than 16 frames fail with their number after resampling, never as an empty array; 16 are enough."""
    counts = {"one": 1, "ten": 10, "fifteen": 15, "sixteen": 16}
    for name, frames in counts.items():
        write_numbered(Path(f"videos/{name}.mp4"), range(frames), fps=Fraction(25, 2))
    write_numbered(Path("videos/dense.mp4"), range(40), fps=50)  # 40 frames at 50 fps are 10 at 12.5
    run, out = (extract(), "feats") if command == "extract" else (detect(), "answers")
    for name, frames in {**counts, "dense": 10}.items():
        if name != "sixteen":
            run.failed(f"videos/{name}.mp4", f"too short ({frames} < 16 frames)", out=out)
    assert run.status["sixteen"].state == "done"
    assert sorted(run.status) == sorted([*counts, "dense", *GOOD])
    if command == "extract":
        assert len(read_features("feats/sixteen.npy").array) == 1


def test_case_10_too_short_only_after_a_cut(extract: Cli) -> None:
    """A cut that leaves less than a snippet is told as the cut, and kept it is too short."""
    cut(write_numbered(Path("videos/cut.mp4"), range(100), noise=True, container_options=FASTSTART), 0.2)
    status = extract().failed("videos/cut.mp4", " of 4.00 s")
    assert status.decoded_s is not None and 0 < status.decoded_s < 1.28
    extract("--on-partial", "keep").failed("videos/cut.mp4", "too short (")


FASTSTART = {"movflags": "faststart"}


def song(path: Path) -> None:
    """Sound with a cover picture, which MP4 stores as a video stream."""
    with av.open(path, "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        sound = container.add_stream("aac", rate=48000, layout="mono")
        write_picture(container, cover)
        for index in range(46):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, index * 1024, Fraction(1, 48000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def write_picture(container: Any, cover: Any) -> None:
    """The cover itself."""
    picture = av.VideoFrame.from_ndarray(numbered(5), format="rgb24")
    picture.pts, picture.time_base = 0, Fraction(1, 1)
    container.mux(cover.encode(picture))
    container.mux(cover.encode(None))
