"""Acceptance cases of damaged videos and of a decoder that breaks: 4 to 8."""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.faults.conftest import WhenUnderWay
from tests.faults.runs import Cli, Run, children
from tests.faults.videos import cut, read_number, spoil, write_numbered
from wtalkit.features import read_features
from wtalkit.status import VideoStatus
from wtalkit.video import VideoReader

FPS, FRAMES = 25, 100
FASTSTART = {"movflags": "faststart"}


@pytest.fixture
def cut_mp4(workplace: Path) -> Path:
    """``videos/cut.mp4``: four seconds with the index in front, of which half the bytes are there."""
    path = write_numbered(Path("videos/cut.mp4"), range(FRAMES), noise=True, container_options=FASTSTART)
    return cut(path, 0.5)


def test_case_04_cut_mp4_fails_by_default(extract: Cli, cut_mp4: Path) -> None:
    """A faststart mp4 cut at 50 % fails with the seconds decoded of those stated, and how to keep them."""
    run = extract()
    status = run.failed("videos/cut.mp4", " of 4.00 s (")
    decoded_s = checked_cut(status)
    assert f"videos/cut.mp4: decoded {decoded_s:.2f} of 4.00 s (" in run.err
    assert "the file ends early). Use --on-partial keep to work with what is there" in run.err


def test_case_04_cut_mp4_kept(extract: Cli, cut_mp4: Path) -> None:
    """`--on-partial keep` gives features of what is there, marked as incomplete, with the range that is missing."""
    run = extract("--on-partial", "keep")
    assert run.code == 0
    run.others_done()
    status = run.status["cut"]
    assert status.state == "partial"
    decoded_s = checked_cut(status)
    found = read_features("feats/cut.npy")
    assert found.record is not None and not found.record.complete
    assert found.record.duration_s == pytest.approx(decoded_s)
    assert found.record.gaps == status.gaps
    assert len(found.array) == found.record.spec.timeline.snippet_count(round(decoded_s * 12.5))
    assert json.loads(Path("feats/cut.json").read_text())["complete"] is False
    assert ["cut", "partial"] in [line.split()[:2] for line in run.out.splitlines()]
    again = extract()  # who wants whole ones is not served with what was kept
    assert (again.code, again.status["cut"].state) == (1, "failed")


def test_case_04_cut_mp4_left_out(extract: Cli, cut_mp4: Path) -> None:
    """`--on-partial skip` leaves it out, with the reason in the status file; exit code 0."""
    run = extract("--on-partial", "skip")
    assert run.code == 0
    run.others_done()
    assert run.status["cut"].state == "skipped"
    checked_cut(run.status["cut"])
    assert not Path("feats/cut.npy").exists()
    assert run.out.splitlines()[-1].startswith("2 videos extracted to feats, 1 damaged and left out.")


def test_case_04_cut_mp4_in_detect(detect: Cli, cut_mp4: Path) -> None:
    """`detect` fails on it too, and kept says in the answer what it lacks; exit code 1 and 0."""
    checked_cut(detect().failed("videos/cut.mp4", " of 4.00 s (", out="answers"))
    run = detect("--on-partial", "keep")
    assert run.code == 0
    assert run.status["cut"].state == "partial"
    decoded_s = checked_cut(run.status["cut"])
    facts = json.loads(Path("answers/cut.json").read_text())["external_data"]["videos"]["cut"]
    assert (facts["status"], facts["expected_duration"]) == ("partial", pytest.approx(4.0))
    assert facts["duration"] == pytest.approx(decoded_s)
    assert facts["warnings"][0].startswith(f"decoded {decoded_s:.2f} of 4.00 s (")
    assert f"videos/cut.mp4: decoded {decoded_s:.2f} of 4.00 s (" in run.err


class FrameThreads(VideoReader):
    """A reader with the very threads that swallow errors."""

    def _open_decoder(self) -> None:
        context = self._stream.codec_context
        context.thread_type, context.thread_count = "AUTO", 4
        context.open(strict=False)


@pytest.mark.parametrize("reader", [VideoReader, FrameThreads])
def test_case_04_never_a_part_labelled_as_whole(reader: type[VideoReader], cut_mp4: Path) -> None:
    """With AUTO threads the plain library gives half the frames without an error; here they never pass for a whole."""
    with av.open(cut_mp4) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        plain = sum(1 for _ in container.decode(stream))  # no error, although the header says 100
        assert stream.frames == FRAMES
    assert 20 < plain < 80
    with reader(cut_mp4) as opened:
        frames = sum(1 for _ in opened.timed_frames())
    assert frames >= plain
    assert not opened.report.complete
    assert opened.report.expected_duration_s == pytest.approx(4.0)
    assert opened.report.duration_s == pytest.approx(frames / FPS)


def checked_cut(status: VideoStatus) -> float:
    """The seconds decoded, once it is sure that the status says all that is known of the cut."""
    decoded_s = status.decoded_s
    assert decoded_s is not None and 1.5 < decoded_s < 2.5
    assert status.expected_s == pytest.approx(4.0)
    assert status.gaps[-1] == (pytest.approx(decoded_s), pytest.approx(4.0))
    assert str(status.cause).startswith(f"decoded {decoded_s:.2f} of 4.00 s (")
    return decoded_s


@pytest.mark.parametrize(("choice", "code", "state"), [("error", 1, "failed"), ("keep", 0, "partial")])
def test_case_05_cut_mkv_without_duration(choice: str, code: int, state: str, extract: Cli) -> None:
    """An mkv cut at 50 % that states no duration is `partial, duration unknown`: exit code 1 unless kept."""
    path = write_numbered(Path("videos/cut.mkv"), range(FRAMES), noise=True, container_options={"live": "1"})
    cut(path, 0.5)
    run = extract("--on-partial", choice)
    assert run.code == code
    run.others_done()
    status = run.status["cut"]
    assert (status.state, status.expected_s) == (state, None)
    assert str(status.cause).startswith("partial, duration unknown: decoded ")
    assert status.decoded_s is not None and 1.5 < status.decoded_s < 2.5
    assert Path("feats/cut.npy").exists() == (choice == "keep")
    if choice == "error":
        assert "videos/cut.mkv: partial, duration unknown: decoded " in run.err


def test_case_05_cut_mkv_with_duration(extract: Cli) -> None:
    """A finished mkv states its duration, which a cut does not change."""
    cut(write_numbered(Path("videos/cut.mkv"), range(FRAMES), noise=True), 0.5)
    checked_cut(extract().failed("videos/cut.mkv", " of 4.00 s ("))


def test_case_06_damage_in_the_middle(extract: Cli) -> None:
    """Bytes damaged mid-file: gaps with times, later segments at their true times; fails by default, `keep` goes on."""
    frames = 200
    whole = write_numbered(Path("videos/whole.mp4"), range(frames), noise=True, container_options=FASTSTART)
    damaged = Path("videos/damaged.mp4")
    damaged.write_bytes(whole.read_bytes())
    spoil(damaged, 0.4, 0.45)
    status = extract().failed("videos/damaged.mp4", "no picture at 3.")
    assert status.gaps and all(2.8 < start < end < 4.4 for start, end in status.gaps)
    lost_s = sum(end - start for start, end in status.gaps)
    assert status.decoded_s == pytest.approx(8.0 - lost_s)
    assert status.expected_s == pytest.approx(8.0)

    run = extract("--on-partial", "keep")
    assert (run.code, run.status["damaged"].state) == (0, "partial")
    assert run.status["damaged"].gaps == status.gaps
    features, reference = (read_features(f"feats/{name}.npy").array for name in ("damaged", "whole"))
    timeline = read_features("feats/whole.npy").record.spec.timeline  # type: ignore[union-attr]
    behind = [index for index in range(len(reference)) if timeline.window_s(index)[0] > 4.8]
    assert len(behind) > 5
    np.testing.assert_array_equal(features[behind], reference[behind])
    assert not any(np.array_equal(reference[a], reference[b]) for a, b in pairwise(behind))  # nor is that by chance
    with VideoReader(damaged) as reader:
        later = [(frame.pts_s, read_number(frame.image)) for frame in reader.frames() if frame.pts_s > 4.8]
    assert len(later) > 70
    assert all(abs(time_s - number / FPS) < 1 / FPS for time_s, number in later)


@pytest.fixture
def long_video(workplace: Path) -> Path:
    """``videos/bad.mp4``: more frames than the decoder can be ahead of what is computed."""
    return write_numbered(Path("videos/bad.mp4"), range(240))


@pytest.mark.parametrize("command", ["extract", "detect"])
def test_case_07_decoder_crashes(
    command: str, extract: Cli, detect: Cli, long_video: Path, when_under_way: WhenUnderWay
) -> None:
    """A decoder that dies of SIGSEGV in mid-video costs that video: `the decoder crashed (signal 11, SIGSEGV)`."""
    when_under_way(long_video, lambda decoder: os.kill(decoder, signal.SIGSEGV))
    run, out = (extract(), "feats") if command == "extract" else (detect(), "answers")
    run.failed("videos/bad.mp4", "the decoder crashed (signal 11, SIGSEGV)", out=out)
    checked_gone(run)


def test_case_08_decoder_hangs(extract: Cli, long_video: Path, when_under_way: WhenUnderWay) -> None:
    """A decoder without a sign of life for --timeout seconds is killed: `timeout: ...`, and the flag to raise it."""
    stopped = 0.0

    def stop(decoder: int) -> None:
        nonlocal stopped
        stopped = time.monotonic()
        os.kill(decoder, signal.SIGSTOP)

    when_under_way(long_video, stop)
    run = extract("--timeout", "1")
    assert stopped and time.monotonic() - stopped < 10, run.err
    run.failed("videos/bad.mp4", "timeout: the decoder gave no sign of life for 1 s. Raise it with --timeout")
    checked_gone(run)
    again = extract()
    assert (again.code, again.status["bad"].state) == (0, "done")


def checked_gone(run: Run) -> None:
    """No process of the command is left."""
    assert children() == [], run.err
