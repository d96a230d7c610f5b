"""The labelled copy: what is drawn when, and that everything else stays."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from tests.export.cutting import COLOURS, HEARD_S, colours, heard, length_s, write_colours, write_heard, write_still
from tests.faults.videos import write_numbered
from wtalkit.errors import InputError
from wtalkit.export.drawing import Overlay
from wtalkit.export.overlay import overlay_suffix, write_overlay
from wtalkit.segments import Segment
from wtalkit.video.info import Limits

SEGMENTS = (Segment(1.0, 2.0, "bow", 0.5), Segment(1.5, 3.0, "跳远", 0.4))


def drawn(segments: tuple[Segment, ...], time_s: float, *, width: int = 320, height: int = 240) -> np.ndarray:
    image = np.full((height, width, 3), 100, np.uint8)
    Overlay(segments, 4.0, width, height).draw(image, time_s)
    return image


def test_labels_are_drawn_while_their_segments_last() -> None:
    top = slice(0, 120)
    assert (drawn(SEGMENTS, 0.5)[top] == 100).all()
    one, two, other = (drawn(SEGMENTS, time)[top] for time in (1.2, 1.7, 2.5))
    touched = [int((each != 100).any(axis=2).sum()) for each in (one, two, other)]
    assert touched[1] > touched[0] > 0
    assert touched[1] > touched[2] > 0
    assert (drawn(SEGMENTS, 3.0)[top] == 100).all()


def test_the_bar_shows_the_whole_video_and_where_it_is() -> None:
    row = drawn(SEGMENTS[:1], 3.0)[-5]
    coloured = np.flatnonzero((row == (86, 180, 233)).all(axis=1))
    assert (coloured.min(), coloured.max()) == (80, 159)
    light = np.flatnonzero((row > 240).all(axis=1))
    assert abs(light.mean() - 3.0 / 4.0 * 319) < 2


def test_time_fills_the_label() -> None:
    def filled(time_s: float) -> int:
        return int((drawn(SEGMENTS[:1], time_s)[:40] == (86, 180, 233)).all(axis=2).sum())

    assert filled(1.1) < filled(1.5) < filled(1.9)


@pytest.mark.parametrize("label", ["🤸", "", "\n\x07", "שלום", "a" * 500, "قفز عالي"])
def test_any_label_can_be_drawn(label: str) -> None:
    image = drawn((Segment(0, 1, label, 0.5),), 0.5)
    assert (image[:60] > 200).any()


def test_labels_are_readable_without_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    from wtalkit.export import drawing

    monkeypatch.delattr(drawing.cv2, "FontFace")
    assert drawing._readable("café <b>", 1) == "cafe <b>"
    assert drawing._readable("跳远", 2) == "action 2"
    assert (drawn(SEGMENTS, 1.7)[:60] > 200).any()


@pytest.mark.parametrize(("width", "height"), [(16, 16), (2, 200), (1000, 20)])
def test_small_pictures_are_no_trouble(width: int, height: int) -> None:
    many = tuple(Segment(0, 1, f"x{number}", 0.5) for number in range(40))
    drawn(many, 0.5, width=width, height=height)


def test_the_copy_has_all_pictures_and_the_sound(tmp_path: Path) -> None:
    video = write_heard(tmp_path / "v.mp4", seconds=3)
    told: list[float] = []
    write_overlay(video, SEGMENTS, 4.0, tmp_path / "made.mp4", progress=told.append)
    with av.open(video) as source, av.open(tmp_path / "made.mp4") as made:
        times = [[each.time for each in container.decode(video=0)] for container in (source, made)]
    assert times[1] == pytest.approx(times[0], abs=1e-3)
    assert heard(tmp_path / "made.mp4") == pytest.approx(HEARD_S, abs=0.03)
    assert told == pytest.approx(times[0], abs=1e-3)
    with av.open(video) as source, av.open(tmp_path / "made.mp4") as made:
        bytes_of = [[bytes(each) for each in container.demux(audio=0) if each.size] for container in (source, made)]
    assert bytes_of[0] == bytes_of[1]


def test_turned_videos_come_out_upright(tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.mp4", range(20), turned=1, rotation=-90)
    write_overlay(video, (), 0.8, tmp_path / "made.mp4")
    with av.open(tmp_path / "made.mp4") as made:
        frame = next(made.decode(video=0))
    assert (frame.width, frame.height, frame.rotation) == (64, 48, 0)


@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
def test_the_copy_keeps_the_colours_of_high_definition(color_range: ColorRange, tmp_path: Path) -> None:
    video = write_colours(tmp_path / "v.mp4", Colorspace.ITU709, color_range)
    write_overlay(video, (), 1.0, tmp_path / "made.mp4")
    with av.open(tmp_path / "made.mp4") as made:
        assert next(made.decode(video=0)).colorspace == Colorspace.ITU709
    assert np.abs(colours(video).astype(int) - COLOURS).max() <= 4
    assert np.abs(colours(tmp_path / "made.mp4").astype(int) - colours(video)).max() <= 4


def test_stills_are_as_long_in_the_copy(tmp_path: Path) -> None:
    video = write_still(tmp_path / "v.mkv")
    write_overlay(video, (), 7.0, tmp_path / "made.mp4")
    assert length_s(tmp_path / "made.mp4") == pytest.approx(7.0, abs=0.15)


def test_limits_are_those_given(tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.mp4", range(50), fps=500)
    with pytest.raises(InputError, match="over limit"):
        write_overlay(video, (), 0.1, tmp_path / "made.mp4")
    with pytest.raises(InputError, match="over limit"):
        overlay_suffix(video)
    assert overlay_suffix(video, limits=Limits(fps=1000)) == ".mp4"
    write_overlay(video, (), 0.1, tmp_path / "made.mp4", limits=Limits(fps=1000))
    assert (tmp_path / "made.mp4").exists()


def test_refusals(tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.mp4", range(20))
    with pytest.raises(InputError, match="is the video itself"):
        write_overlay(video, (), 0.8, video)
    with pytest.raises(InputError, match=r"is no \.mp4"):
        write_overlay(video, (), 0.8, tmp_path / "made.avi")
    (tmp_path / "none.mp4").write_bytes(b"this is no video")
    with pytest.raises(InputError, match="not a video"):
        write_overlay(tmp_path / "none.mp4", (), 0.8, tmp_path / "made.mp4")
    assert not (tmp_path / "made.mp4").exists()
    assert overlay_suffix(video) == ".mp4"


def test_a_stop_leaves_nothing_half(tmp_path: Path) -> None:
    video = write_numbered(tmp_path / "v.mp4", range(40))

    def stop(done_s: float) -> None:
        if done_s > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_overlay(video, SEGMENTS, 1.6, tmp_path / "made.mp4", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]
