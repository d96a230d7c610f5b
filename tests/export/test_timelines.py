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
    before = time.perf_counter()
    written(name, found=found, fps=PAL)
    assert time.perf_counter() - before < 2
