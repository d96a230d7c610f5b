"""Clips hold the pictures and the sound of their segments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from tests.export.cutting import FPS, HEARD_S, heard, pictures, write_heard
from tests.faults.videos import write_numbered
from wtalkit.errors import InputError
from wtalkit.export import clips
from wtalkit.export.clips import Clip, Mode, clip_name, cut_clips
from wtalkit.segments import Segment


def cut(video: Path, folder: Path, *times: tuple[float, float], mode: Mode = "copy", key: str = "v") -> list[Clip]:
    segments = [Segment(start, end, "high jump", 0.5) for start, end in times]
    return list(cut_clips(video, key, segments, folder, mode=mode))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_heard(tmp_path_factory.mktemp("video") / "v.mp4")


def test_an_exact_clip_has_the_pictures_of_its_segment(video: Path, tmp_path: Path) -> None:
    for clip in cut(video, tmp_path, (0, 1), (1.61, 3.0), (3.5, 4.0), mode="exact"):
        shown = pictures(clip.path)
        wanted = [n for n in range(100) if clip.segment.start_s <= n / FPS < clip.segment.end_s]
        assert [number for _, number in shown] == wanted
        assert [time for time, _ in shown] == pytest.approx([index / FPS for index in range(len(wanted))], abs=1e-3)
        assert clip.early_s == 0


def test_a_copied_clip_begins_at_the_key_picture_before(video: Path, tmp_path: Path) -> None:
    for clip in cut(video, tmp_path, (0, 1), (1.61, 3.0), (2.0, 2.5), (3.5, 4.0)):
        shown = pictures(clip.path)
        first = int(clip.segment.start_s) * FPS  # a key picture each second
        assert clip.early_s == pytest.approx(clip.segment.start_s - first / FPS)
        wanted = list(range(first, round(clip.segment.end_s * FPS)))
        assert [number for _, number in shown][: len(wanted)] == wanted
        assert len(shown) <= len(wanted) + 3  # what is shown later but needed to decode the last
        assert [time for time, _ in shown] == pytest.approx([index / FPS for index in range(len(shown))], abs=1e-3)


def test_a_copied_clip_has_all_it_takes_to_decode_its_pictures(video: Path, tmp_path: Path) -> None:
    with av.open(video) as source:
        known = [frame.to_ndarray() for frame in source.decode(video=0)]
    for end in range(30, 40):  # B-frames and what they refer to, whichever is last
        (clip,) = cut(video, tmp_path, (1.0, end / FPS))
        with av.open(clip.path) as made:
            shown = [frame.to_ndarray() for frame in made.decode(video=0)][: end - 25]
        assert len(shown) == end - 25
        assert all((ours == theirs).all() for ours, theirs in zip(shown, known[25:], strict=False))


@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_sound_stays_with_its_pictures(mode: Mode, video: Path, tmp_path: Path) -> None:
    (clip,) = cut(video, tmp_path, (1.61, 3.0), mode=mode)
    begins_s = clip.segment.start_s - clip.early_s if mode == "copy" else 41 / FPS
    begin, end = heard(clip.path)
    assert begin + begins_s == pytest.approx(HEARD_S[0], abs=0.03)
    assert end + begins_s == pytest.approx(HEARD_S[1], abs=0.03)
    (unheard,) = cut(video, tmp_path, (3.0, 3.8), mode=mode)
    with pytest.raises(ValueError, match="empty"):
        heard(unheard.path)


@pytest.mark.parametrize("mode", ["copy", "exact"])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_kept(mode: Mode, rotation: int, tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "turned.mp4", range(50), rotation=rotation)
    (clip,) = cut(video, tmp_path, (0.5, 1.5), mode=mode)
    with av.open(video) as source, av.open(clip.path) as made:
        assert next(made.decode(video=0)).rotation % 360 == next(source.decode(video=0)).rotation % 360 != 0


@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_times_count_from_the_first_picture_and_a_variable_rate_is_kept(mode: Mode, tmp_path: Path) -> None:
    times_ms = [5000 + 40 * n + (300 if n >= 30 else 0) + (n % 3) * 7 for n in range(60)]
    video = write_numbered(tmp_path / "late.mkv", range(60), times_ms=times_ms)
    (clip,) = cut(video, tmp_path, (1.0, 2.0), mode=mode)
    known = {number: (ms - 5000) / 1000 for number, ms in enumerate(times_ms)}
    shown = pictures(clip.path)
    begins_s = known[shown[0][1]]
    for time, number in shown:
        assert time == pytest.approx(known[number] - begins_s, abs=2e-3)
    wanted = {number for number, time in known.items() if 1.0 <= time < 2.0}
    assert wanted <= {number for _, number in shown}
    assert clip.early_s == pytest.approx(max(0, 1.0 - begins_s) if mode == "copy" else 0)


def test_what_mp4_cannot_hold_goes_into_matroska(tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.webm", range(50), codec="libvpx", pix_fmt="yuv420p", g="10")
    assert cut(video, tmp_path, (0.5, 1.5))[0].path.suffix == ".mkv"
    assert len(pictures(cut(video, tmp_path, (0.5, 1.5))[0].path)) >= 25
    assert cut(video, tmp_path, (0.5, 1.5), mode="exact")[0].path.suffix == ".mp4"


def test_avi_is_cut_by_the_order_of_its_pictures(tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.avi", range(100), codec="mpeg4", bf="2", g="12", qscale="2")
    (clip,) = cut(video, tmp_path, (2.0, 3.0), mode="exact")
    numbers = [number for _, number in pictures(clip.path)]
    assert numbers == list(range(numbers[0], numbers[0] + 25))
    assert abs(numbers[0] - 50) <= 1


def test_names_are_harmless(video: Path, tmp_path: Path) -> None:
    label = "../../etc/<b>\n\"sit'\u202e down?* 🤸"
    assert clip_name(3, Segment(12.34, 15.6, label, 0.5)) == "003_etc_b_sit_down_12.34-15.60"
    assert clip_name(1200, Segment(0, 1, "///", 0.5)) == "1200_action_0.00-1.00"
    assert len(clip_name(1, Segment(0, 1, "跳" * 300, 0.5)).encode()) < 120
    (clip,) = cut(video, tmp_path, (0, 1), key="sub/v")
    assert clip.path == tmp_path / "sub" / "v" / "001_high_jump_0.00-1.00.mp4"
    with pytest.raises(InputError, match="leaves its folder"):
        cut(video, tmp_path, (0, 1), key="../v")


def test_a_stop_leaves_nothing_half(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, begun = clips._mux, 0

    def stopped(packet: Any, out: Any, origin_s: Any, container: Any) -> None:
        if begun == 2:
            raise KeyboardInterrupt
        whole(packet, out, origin_s, container)

    def starting(number: int) -> None:
        nonlocal begun
        begun = number

    monkeypatch.setattr(clips, "_mux", stopped)
    segments = [Segment(0, 1, "a", 0.5), Segment(1, 2, "b", 0.5)]
    with pytest.raises(KeyboardInterrupt):
        list(cut_clips(video, "v", segments, tmp_path, starting=starting))
    assert [path.name for path in (tmp_path / "v").iterdir()] == ["001_a_0.00-1.00.mp4"]


@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_what_cannot_be_cut_is_a_sentence(mode: Mode, video: Path, tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_bytes(b"this is no video")
    with pytest.raises(InputError, match="not a video"):
        cut(tmp_path / "none.mp4", tmp_path, (0, 1), mode=mode)
    with pytest.raises(InputError, match=r"no picture at 9\.00 s"):
        cut(video, tmp_path, (9, 10), mode=mode)
    assert not list(tmp_path.rglob("*high_jump*"))
