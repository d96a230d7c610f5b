"""Clips hold the pictures and the sound of their segments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from tests.export.cutting import (
    COLOURS,
    FPS,
    HEARD_S,
    STILL_S,
    colours,
    heard,
    length_s,
    pictures,
    write_colours,
    write_heard,
    write_still,
)
from tests.faults.videos import write_numbered
from wtalkit.errors import InputError, MachineError
from wtalkit.export import clips
from wtalkit.export.clips import Clip, Mode, clip_name, cut_clips
from wtalkit.segments import Segment
from wtalkit.video.info import Limits


def cut(video: Path, folder: Path, *times: tuple[float, float], mode: Mode = "copy", key: str = "v") -> list[Clip]:
    segments = [Segment(start, end, "high jump", 0.5) for start, end in times]
    return list(cut_clips(video, key, segments, folder, mode=mode))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_heard(tmp_path_factory.mktemp("video") / "v.mp4")


def test_an_exact_clip_has_the_pictures_of_its_segment(video: Path, tmp_path: Path) -> None:
    for clip in cut(video, tmp_path, (0, 1), (1.6, 2.4), (1.61, 3.0), (2.28, 3.32), (3.5, 4.0), mode="exact"):
        shown = pictures(clip.path)
        wanted = [n for n in range(100) if clip.segment.start_s <= n / FPS < clip.segment.end_s]
        assert clip.segment.start_s != 1.6 or wanted[0] == 40
        assert [number for _, number in shown] == wanted
        assert [time for time, _ in shown] == pytest.approx([index / FPS for index in range(len(wanted))], abs=1e-3)
        assert clip.early_s == 0


def test_a_copied_clip_begins_at_the_key_picture_before(video: Path, tmp_path: Path) -> None:
    for clip in cut(video, tmp_path, (0, 1), (1.6, 2.4), (1.61, 3.0), (2.0, 2.5), (3.5, 4.0)):
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
@pytest.mark.parametrize(("start_s", "first"), [(1.6, 40), (1.61, 41)])
def test_sound_stays_with_its_pictures(start_s: float, first: int, mode: Mode, video: Path, tmp_path: Path) -> None:
    (clip,) = cut(video, tmp_path, (start_s, 3.0), mode=mode)
    begins_s = clip.segment.start_s - clip.early_s if mode == "copy" else first / FPS
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


@pytest.mark.parametrize("mode", ["copy", "exact"])
@pytest.mark.parametrize("start", [0, 25, 40, 47, 48, 49])
def test_avi_is_cut_by_the_order_of_its_pictures(mode: Mode, start: int, tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.avi", range(100), codec="mpeg4", bf="2", g="12", qscale="2")
    (clip,) = cut(video, tmp_path, (start / FPS, start / FPS + 1), mode=mode)
    shown = pictures(clip.path)
    assert [number for _, number in shown] == list(range(start, start + 25))
    assert [time for time, _ in shown] == pytest.approx([index / FPS for index in range(25)], abs=1e-3)
    assert clip.early_s == 0


@pytest.mark.parametrize(("mode", "start", "first"), [("copy", 1.0, 25), ("copy", 1.6, 25), ("exact", 1.6, 40)])
def test_a_transport_stream_is_cut_at_the_right_picture(mode: Mode, start: float, first: int, tmp_path: Path) -> None:
    video = write_heard(tmp_path / "v.ts")
    (clip,) = cut(video, tmp_path, (start, 3.0), mode=mode)
    assert [number for _, number in pictures(clip.path)][:10] == list(range(first, first + 10))
    assert heard(clip.path)[0] + first / FPS == pytest.approx(HEARD_S[0], abs=0.03)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(("start", "end"), [(3.0, 4.0), (0.5, 4.0), (0.5, 1.0), (3.0, 6.5), (0.96, 6.0)])
def test_a_still_is_shown_as_long_as_its_segment(start: float, end: float, suffix: str, tmp_path: Path) -> None:
    video = write_still(tmp_path / f"still{suffix}")
    (exact,) = cut(video, tmp_path / "exact", (start, end), mode="exact")
    shown = pictures(exact.path)
    begins_s = start if start > STILL_S[0] else -(-start * FPS // 1) / FPS
    assert shown[0] == (0, 24 if start >= STILL_S[0] else 13)
    assert length_s(exact.path) == pytest.approx(end - begins_s, abs=0.01)
    for number, time_s in ((24, STILL_S[0]), (25, STILL_S[1])):
        if begins_s <= time_s < end:
            assert min(time for time, each in shown if each == number) == pytest.approx(time_s - begins_s, abs=2e-3)
    if end <= STILL_S[1]:
        assert shown[-1][1] == 24
        assert shown[-1][0] > end - begins_s - 0.15
    (copied,) = cut(video, tmp_path / "copy", (start, end))
    shown = pictures(copied.path)
    assert copied.early_s >= max(0, start - STILL_S[0])
    assert shown[-1][1] == (24 if end <= STILL_S[1] else 37)
    assert length_s(copied.path) == pytest.approx(end - start + copied.early_s, abs=0.041)


@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_a_still_is_seen_where_there_is_sound_beside_it(mode: Mode, tmp_path: Path) -> None:
    video = write_heard(tmp_path / "v.mkv", seconds=1, sound_seconds=12, last_picture_s=11)
    (clip,) = cut(video, tmp_path, (1.8, 9.0), mode=mode)
    assert {number for _, number in pictures(clip.path)} <= set(range(25))
    assert pictures(clip.path)[-1][1] == 24
    assert length_s(clip.path) == pytest.approx(9.0 - 1.8 + clip.early_s, abs=0.1)
    assert heard(clip.path)[0] - clip.early_s == pytest.approx(HEARD_S[0] - 1.8, abs=0.03)


@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_pictures_may_be_seconds_apart(mode: Mode, tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "slow.mp4", range(20), times_ms=[3000 * n for n in range(20)], g="1")
    inside, last = cut(video, tmp_path, (7.5, 9.5), (57.5, 58.5), mode=mode)
    assert pictures(inside.path)[0] == (0, 2)
    assert next(time for time, number in pictures(inside.path) if number == 3) == pytest.approx(1.5 + inside.early_s)
    assert (inside.early_s, last.early_s) == ((0, 0) if mode == "exact" else (1.5, 0.5))
    assert {number for _, number in pictures(last.path)} == {19}


@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_a_segment_that_fails_does_not_stop_the_later_ones(mode: Mode, video: Path, tmp_path: Path) -> None:
    made: list[float] = []
    times = ((0.2, 0.8), (9, 10), (11, 12), (2, 3))
    with pytest.raises(InputError, match=r"no picture at 9\.00 s"):
        for clip in cut_clips(video, "v", [Segment(*each, "a", 0.5) for each in times], tmp_path, mode=mode):
            made.append(clip.segment.start_s)
    assert made == [0.2, 2]
    assert sorted(path.name[:3] for path in (tmp_path / "v").iterdir()) == ["001", "004"]


@pytest.mark.parametrize(("codec", "pix_fmt", "name"), [("gif", "rgb8", "v.gif"), ("wmv2", "yuv420p", "v.avi")])
def test_what_no_container_holds_is_not_copied(codec: str, pix_fmt: str, name: str, tmp_path: Path) -> None:
    video = write_numbered(tmp_path / name, range(30), codec=codec, pix_fmt=pix_fmt)
    with pytest.raises(InputError, match="no container holds it as it is") as told:
        cut(video, tmp_path, (0.2, 0.8))
    assert (told.value.file, told.value.remedy) == (str(video), "Use --clip-mode exact")
    assert len(cut(video, tmp_path, (0.2, 0.8), mode="exact")) == 1


def test_old_codecs_that_matroska_holds_are_copied(tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.avi", range(50), codec="msmpeg4", g="10", qscale="2")
    (clip,) = cut(video, tmp_path, (0.8, 1.6))
    assert [number for _, number in pictures(clip.path)] == list(range(20, 40))


def test_a_file_in_the_place_of_a_folder_fails_its_video_only(video: Path, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"kept")
    for key in ("v", "v/deeper"):
        with pytest.raises(InputError, match="is in the way of its folder") as told:
            cut(video, tmp_path, (0, 1), key=key)
        assert str(tmp_path / "v") in told.value.cause
    assert len(cut(video, tmp_path, (0, 1), key="w")) == 1
    assert (tmp_path / "v").read_bytes() == b"kept"
    with pytest.raises(MachineError, match="is a file where a folder is needed"):  # which fails all of them
        cut(video, tmp_path / "v", (0, 1))


@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_limits_are_those_given(mode: Mode, video: Path, tmp_path: Path) -> None:
    segments = [Segment(0, 1, "a", 0.5)]
    with pytest.raises(InputError, match="over limit"):
        list(cut_clips(video, "v", segments, tmp_path, mode=mode, limits=Limits(fps=24)))
    fast = write_numbered(tmp_path / "fast.mp4", range(100), fps=500)
    with pytest.raises(InputError, match="over limit"):
        cut(fast, tmp_path, (0, 0.1), mode=mode)
    segments = [Segment(0, 0.1, "a", 0.5)]
    assert len(list(cut_clips(fast, "fast", segments, tmp_path, mode=mode, limits=Limits(fps=1000)))) == 1


@pytest.mark.parametrize("colorspace", [Colorspace.ITU709, Colorspace.ITU601])
@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
def test_colours_of_an_exact_clip_are_those_of_its_video(
    colorspace: Colorspace, color_range: ColorRange, tmp_path: Path
) -> None:
    video = write_colours(tmp_path / "v.mp4", colorspace, color_range)
    assert np.abs(colours(video).astype(int) - COLOURS).max() <= 4
    (clip,) = cut(video, tmp_path, (0.2, 0.8), mode="exact")
    assert np.abs(colours(clip.path).astype(int) - colours(video)).max() <= 4


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
