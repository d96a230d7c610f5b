"""What editors and ELAN hold against a file, beyond that it can be read."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.export.awkward import answer, segment
from wtalkit.export import FORMATS
from wtalkit.export.footage import Footage

PAL = Fraction(25)
NTSC = Fraction(30000, 1001)
FOUND = [segment("run", 0, 1.52), segment("jump", 1, 2), segment("run", 3600, 3601)]


def written(name: str, **given: Any) -> str:
    return FORMATS[name].write(answer(**given)).text


def test_an_edl_puts_the_segments_one_after_the_other() -> None:
    text = written("edl", found=FOUND, fps=PAL)
    assert re.findall(r"^(\d{3})  a        V     C        (\S+) (\S+) (\S+) (\S+)$", text, re.MULTILINE) == [
        ("001", "00:00:00:00", "00:00:01:13", "00:00:00:00", "00:00:01:13"),
        ("002", "00:00:01:00", "00:00:02:00", "00:00:01:13", "00:00:02:13"),
        ("003", "01:00:00:00", "01:00:01:00", "00:00:02:13", "00:00:03:13"),
    ]
    assert "* LOC: 00:00:01:00 RED     jump\n* COMMENT: score 0.500\n" in text


def test_an_hour_of_ntsc_is_an_hour_in_drop_frames() -> None:
    assert " 01:00:00;00 01:00:01;00 " in written("edl", found=FOUND, fps=NTSC)


def test_a_time_code_that_is_none_is_left_alone() -> None:
    made = answer(found=FOUND[:1]).with_footage(lambda _: Footage(Path("/v/a.mp4"), PAL, timecode="ten o'clock"))
    assert " 00:00:00:00 00:00:01:13 " in FORMATS["edl"].write(made).text


def stated(name: str, fps: Fraction, timecode: str, found: list[Any] | None = None) -> str:
    """Written of a video whose camera wrote a time code."""
    made = answer(found=FOUND if found is None else found)
    return FORMATS[name].write(made.with_footage(lambda _: Footage(Path("/v/a.mp4"), fps, timecode=timecode))).text


@pytest.mark.parametrize(
    ("fps", "timecode", "head", "times"),
    [
        (NTSC, "01:00:00:00", "NON-DROP FRAME", "01:00:01:00 01:00:02:00 00:00:01:16 00:00:02:16"),
        (NTSC, "01:00:00;00", "DROP FRAME", "01:00:01;00 01:00:02;00 00:00:01;16 00:00:02;16"),
        (NTSC, "nine", "DROP FRAME", "00:00:01;00 00:00:02;00 00:00:01;16 00:00:02;16"),
        (2 * NTSC, "01:00:00:00", "NON-DROP FRAME", "01:00:01:00 01:00:02:00 00:00:01:31 00:00:02:31"),
        (2 * NTSC, "01:00:00;00", "DROP FRAME", "01:00:01;00 01:00:02;00 00:00:01;31 00:00:02;31"),
        (PAL, "10:00:00:00", "NON-DROP FRAME", "10:00:01:00 10:00:02:00 00:00:01:13 00:00:02:13"),
        (NTSC, "23:59:00:00", "NON-DROP FRAME", "23:59:01:00 23:59:02:00 00:00:01:16 00:00:02:16"),
    ],
)
def test_an_edl_counts_as_the_camera_did(fps: Fraction, timecode: str, head: str, times: str) -> None:
    text = stated("edl", fps, timecode, FOUND[:2])
    assert f"\nFCM: {head}\n" in text
    assert f"002  a        V     C        {times}\n" in text


@pytest.mark.parametrize("timecode", ["23:59:58:00", "23:59:58;00"])
def test_an_edl_ends_with_the_day(timecode: str) -> None:
    found = [segment("in", 0, 1), segment("out", 1, 2.1)]
    text = stated("edl", NTSC, timecode, found)
    assert ("     in\n" in text, "     out\n" in text) == (True, False)


@pytest.mark.parametrize(
    ("fps", "timecode", "format_"),
    [(NTSC, "01:00:00:00", "NDF"), (NTSC, "01:00:00;00", "DF"), (PAL, "10:00:00:00", "NDF")],
)
def test_final_cut_counts_as_the_camera_did_and_marks_within_the_clip(
    fps: Fraction, timecode: str, format_: str
) -> None:
    root = ET.fromstring(stated("fcpxml", fps, timecode, FOUND[:2]))
    file = root.find(".//clipitem/file/timecode")
    assert file is not None
    assert (file.findtext("string"), file.findtext("displayformat")) == (timecode, format_)
    assert root.findtext(".//sequence/timecode/displayformat") == format_
    (clip,) = root.findall(".//media/video/track/clipitem")
    begins, ends = int(clip.findtext("in", "")), int(clip.findtext("out", ""))
    marks = [(int(each.findtext("in", "")), int(each.findtext("out", ""))) for each in clip.findall("marker")]
    assert marks == [(round(each["segment"][0] * fps), round(each["segment"][1] * fps)) for each in FOUND[:2]]
    assert all(begins <= first < last <= ends for first, last in marks)


def test_no_label_breaks_a_line_of_an_edl() -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", written("edl", fps=PAL))
    assert all(re.match(r"TITLE|FCM|\d{3}  |\* |$", line) for line in written("edl", fps=PAL).split("\n"))


@pytest.mark.parametrize(("fps", "timebase", "ntsc"), [(PAL, "25", "FALSE"), (NTSC, "30", "TRUE")])
def test_final_cut_counts_at_one_rate_and_hears_the_sound(fps: Fraction, timebase: str, ntsc: str) -> None:
    root = ET.fromstring(written("fcpxml", found=FOUND, fps=fps))
    assert root.tag == "xmeml"
    assert {(each.findtext("timebase"), each.findtext("ntsc")) for each in root.iter("rate")} == {(timebase, ntsc)}
    assert [each.text for each in root.iter("pathurl")] == ["file:///v/a.mp4"]
    assert len(root.findall(".//media/audio/track/clipitem")) == 1
    assert root.findtext(".//clipitem/marker/comment") == "score 0.500"


@pytest.mark.parametrize("found", [None, [], [segment(f"x{n % 3}", n / 7, n / 7 + 0.3) for n in range(50)]])
def test_elan_files_keep_the_rules_of_the_schema(found: list[Any] | None) -> None:
    root = ET.fromstring(written("eaf", found=found))
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE"]
    assert [child.tag for child in root] == sorted((child.tag for child in root), key=order.index)
    slots = {each.attrib["TIME_SLOT_ID"]: int(each.attrib["TIME_VALUE"]) for each in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    annotations = list(root.iter("ALIGNABLE_ANNOTATION"))
    assert len({each.attrib["ANNOTATION_ID"] for each in annotations} | set(slots)) == 3 * len(annotations)
    tiers = list(root.iter("TIER"))
    assert len({each.attrib["TIER_ID"] for each in tiers}) == len(tiers)
    for tier in tiers:
        spans = [
            (slots[each.attrib["TIME_SLOT_REF1"]], slots[each.attrib["TIME_SLOT_REF2"]])
            for each in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(start < end for start, end in spans)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("name", ["eaf", "fcpxml"])
def test_what_xml_cannot_hold_is_left_out(name: str) -> None:
    root = ET.fromstring(written(name, found=[segment("be\x00ll\x07\uffff", 0, 1)], fps=PAL))
    assert "bell" in [each.text for each in root.iter()]


@pytest.mark.parametrize("fps", [Fraction(24), PAL, NTSC, Fraction(60)])
def test_frames_are_those_shown_within_the_segment(fps: Fraction) -> None:
    for start, end in ((0, 1), (0.28, 1.28), (3600.04, 3601.0), (1.0, 1.001), (1.16, 2.0), (5.005, 6.006)):
        shown = [
            n + 1
            for n in range(int(start * fps) - 2, int(end * fps) + 2)
            if n >= 0 and (n + 1) / fps > start + 1e-6 and n / fps < end - 1e-6
        ]
        assert Footage(Path("x"), fps).first_and_last_frame(start, end) == (shown[0], shown[-1])


@pytest.mark.parametrize("name", ["otio", "edl", "fcpxml"])
def test_a_thousand_segments_take_no_time(name: str) -> None:
    found = [segment(f"class {number % 20}", number / 3, number / 3 + 5) for number in range(1000)]
    written(name, found=FOUND, fps=PAL)  # imports
    before = time.process_time()  # not of the clock on the wall, which other processes share
    written(name, found=found, fps=PAL)
    assert time.process_time() - before < 2
