"""Decoding in a child: the same frames, the same errors, and whatever happens to the child."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wtalkit.errors import InputError, MachineError
from wtalkit.video import Decoder, FrameStream, Limits, decode_check
from wtalkit.video.frame_memory import FrameMemory

MakeVideo = Callable[..., Path]


@pytest.fixture
def decoder() -> Decoder:
    return Decoder()


def child(decoder: Decoder) -> int:
    assert decoder._process is not None
    return decoder._process._child.pid


def open_handles() -> int:
    """0 where the system does not tell."""
    listing = Path("/proc/self/fd")
    return len(list(listing.iterdir())) if listing.exists() else 0


def frames_of(decoder: Decoder, path: Path) -> np.ndarray:
    with decoder.decode(path, 25) as decoding:
        return np.concatenate([chunk.images.copy() for chunk in decoding])


@pytest.mark.parametrize("chunk_frames", [1, 7, 100])
def test_frames_and_report_are_those_of_a_stream(make_video: MakeVideo, decoder: Decoder, chunk_frames: int) -> None:
    path = make_video(frames=33)
    with decoder.decode(path, 25, chunk_frames=chunk_frames, short_side=40) as decoding:
        sizes, images = [], []
        for chunk in decoding:
            sizes.append(len(chunk.images))
            images.append(chunk.images.copy())
            assert chunk.decode_s >= 0
    stream = FrameStream(path, 25, short_side=40)
    np.testing.assert_array_equal(np.concatenate(images), np.stack(list(stream)))
    assert max(sizes) == min(chunk_frames, 33)
    assert all(size == chunk_frames for size in sizes[:-1])
    assert (decoding.info, decoding.report, decoding.frame_count) == (stream.info, stream.report, stream.frame_count)


def test_one_child_serves_many_videos(make_video: MakeVideo, decoder: Decoder) -> None:
    small = frames_of(decoder, make_video("a.mp4", size=(64, 48), frames=20))
    first = child(decoder)
    large = frames_of(decoder, make_video("b.mp4", size=(320, 240), frames=20))
    again = frames_of(decoder, make_video("c.mp4", size=(64, 48), frames=20))
    assert child(decoder) == first
    assert (small.shape, large.shape) == ((20, 48, 64, 3), (20, 240, 320, 3))
    np.testing.assert_array_equal(small, again)


def test_errors_are_those_of_a_stream(tmp_path: Path, make_video: MakeVideo, decoder: Decoder) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for path in (text, tmp_path / "missing.mp4"):
        with pytest.raises(InputError) as ours:
            decoder.decode(path, 25)
        with pytest.raises(InputError) as plain:
            FrameStream(path, 25)
        assert str(ours.value) == str(plain.value)
    with pytest.raises(InputError, match="over limit"):
        decoder.decode(make_video(frames=5), 25, limits=Limits(pixels=100))
    assert len(frames_of(decoder, make_video(frames=5))) == 5


def test_damage_is_reported(make_video: MakeVideo, decoder: Decoder) -> None:
    path = make_video(frames=100, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with decoder.decode(path, 25) as decoding:
        for _ in decoding:
            pass
    assert decoding.report == decode_check(path)
    assert not decoding.report.complete


@pytest.mark.parametrize("moment", ["reading", "waiting"])
def test_a_crash_costs_one_video(make_video: MakeVideo, decoder: Decoder, moment: str) -> None:
    path = make_video(frames=400)
    with (
        pytest.raises(InputError, match=r"video.mp4: the decoder crashed \(signal 11, SIGSEGV\)"),
        decoder.decode(path, 25, chunk_frames=8) as decoding,
    ):
        for number, _ in enumerate(decoding):
            if number == (0 if moment == "reading" else 5):
                os.kill(child(decoder), signal.SIGSEGV)
    assert len(frames_of(decoder, path)) == 400


def test_a_hang_costs_one_video(make_video: MakeVideo, decoder: Decoder) -> None:
    path = make_video(frames=400)
    with (
        pytest.raises(InputError, match=r"timeout: the decoder gave no sign of life for 0.5 s. Raise it w"),
        decoder.decode(path, 25, chunk_frames=8, patience_s=0.5) as decoding,
    ):
        for _ in decoding:
            os.kill(child(decoder), signal.SIGSTOP)
    assert len(frames_of(decoder, path)) == 400


def test_a_video_given_up_costs_nothing(make_video: MakeVideo, decoder: Decoder) -> None:
    path = make_video(frames=200)
    with decoder.decode(path, 25) as decoding:
        next(iter(decoding))
    with pytest.raises(RuntimeError):
        _ = decoding.report
    assert len(frames_of(decoder, path)) == 200


def test_abort_from_another_thread(make_video: MakeVideo, decoder: Decoder) -> None:
    path = make_video(frames=50)
    with decoder.decode(path, 25, chunk_frames=8) as decoding:
        os.kill(child(decoder), signal.SIGSTOP)
        threading.Timer(0.2, decoder.abort).start()
        with pytest.raises(InputError, match="crashed"):
            for _ in decoding:
                pass


def test_a_child_that_died_idle_is_replaced(make_video: MakeVideo, decoder: Decoder) -> None:
    path = make_video(frames=20)
    frames_of(decoder, path)
    decoder.abort()
    time.sleep(0.2)
    assert len(frames_of(decoder, path)) == 20


def test_a_decoder_that_cannot_be_started_is_the_machines_fault(
    make_video: MakeVideo, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(frames=5)
    handles = open_handles()
    for executable, cause in (("/bin/false", "cannot be started"), ("/nowhere/python", "no process can be started")):
        monkeypatch.setattr("sys.executable", executable)
        with pytest.raises(MachineError, match=cause):
            decoder.decode(path, 25)
    monkeypatch.undo()
    assert open_handles() == handles
    assert len(frames_of(decoder, path)) == 5


def test_the_decoder_never_runs_far_ahead(make_video: MakeVideo, decoder: Decoder) -> None:
    """With all slots full it waits: its processor time stands still."""
    path = make_video(frames=600, size=(320, 240))
    with decoder.decode(path, 25, chunk_frames=4) as decoding:
        chunks = iter(decoding)
        next(chunks)
        spent = [_settled_ticks(child(decoder)) for _ in range(2)]
        assert spent[1] - spent[0] <= 3  # it wakes now and then; the frames that are left take thirty
        assert sum(len(chunk.images) for chunk in chunks) == 596


def test_the_child_goes_with_its_owner(make_video: MakeVideo) -> None:
    decoder = Decoder()
    with decoder.decode(make_video(frames=50), 25) as decoding:
        next(iter(decoding))
        pid = child(decoder)
        del decoding, decoder
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_lengths_without_decoding(tmp_path: Path, make_video: MakeVideo, decoder: Decoder) -> None:
    assert decoder.length_s(make_video(frames=50)) == pytest.approx(2.0, abs=0.1)
    assert decoder.length_s(tmp_path / "missing.mp4") is None
    decoder.close()
    assert decoder.length_s(make_video(frames=25)) == pytest.approx(1.0, abs=0.1)


def test_slots_stay_valid_when_memory_grows() -> None:
    memory = FrameMemory.create()
    first = memory.slot(0, 2, 3, 4)
    first[:] = 7
    memory.slot(2, 100, 100, 100)[:] = 1
    assert (first == 7).all()
    seen = FrameMemory(os.dup(memory.handle)).slot(0, 2, 3, 4)
    assert (seen == 7).all()
    memory.close()


def _settled_ticks(pid: int) -> int:
    """Processor time of a process, in ticks of 10 ms, once they stand still for a third of a second."""

    def spent() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = -1
    while (now := spent()) != before:
        before = now
        time.sleep(0.3)
    return now
