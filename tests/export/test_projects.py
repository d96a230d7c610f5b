"""Annotation projects and timelines, read back by the libraries of their tools, else held against their rules."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pympi
import pytest

from tests.export.awkward import LABELS, TIMES, answer, segment
from wtalkit.errors import InputError, MachineError
from wtalkit.export import FORMATS, checked_formats
from wtalkit.export.footage import Footage, standard

PAL = Fraction(25)
NTSC = Fraction(30000, 1001)


def written(name: str, *keys: str, **given: Any) -> str:
    return FORMATS[name].write(answer(*keys, **given)).text


def opened_eaf(tmp_path: Path, text: str) -> pympi.Elan.Eaf:
    path = tmp_path / "a.eaf"
    path.write_text(text, encoding="utf-8")
    return pympi.Elan.Eaf(str(path))


def test_elan(tmp_path: Path) -> None:
    eaf = opened_eaf(tmp_path, written("eaf"))
    found = {(start, end) for tier in eaf.get_tier_names() for start, end, *_ in eaf.get_annotation_data_for_tier(tier)}
    wanted = {(round(start * 1000), max(round(start * 1000) + 1, round(end * 1000))) for start, end in TIMES}
    assert found == wanted
    assert len(eaf.get_tier_names()) == len(LABELS)
    assert {"🤸 прыжок", "قفز عالي", "<b>bold</b> & {\\an8} so", "two lines and a blank", "-"} <= set(
        eaf.get_tier_names()
    )
    (media,) = eaf.get_linked_files()
    assert media["MEDIA_URL"].startswith("file:///")
    assert media["MEDIA_URL"].endswith("videos/a.mp4")
    assert media["MIME_TYPE"] == "video/mp4"


def test_no_two_on_an_elan_tier_overlap(tmp_path: Path) -> None:
    found = [segment("run", 0, 5), segment("run", 4, 8), segment("run", 5, 6), segment("run (2)", 0, 9)]
    eaf = opened_eaf(tmp_path, written("eaf", found=found))
    tiers = {name: sorted(each[:2] for each in eaf.get_annotation_data_for_tier(name)) for name in eaf.get_tier_names()}
    assert tiers == {"run": [(0, 5000), (5000, 6000)], "run (2)": [(4000, 8000)], "run (2)'": [(0, 9000)]}


def test_elan_of_nothing(tmp_path: Path) -> None:
    assert list(opened_eaf(tmp_path, written("eaf", found=[])).get_tier_names()) == []


def test_label_studio_counts_frames_from_1() -> None:
    found = [segment("run", 0, 0.04), segment("run", 0.28, 1.0), segment("run", 1.0, 1.0001)]
    (task,) = json.loads(written("labelstudio", found=found, fps=PAL))
    assert task["data"] == {"video": "file:///v/a.mp4", "key": "a", "fps": 25.0}
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "wtalkit predictions 1"
    ranges = [each["value"]["ranges"][0] for each in prediction["result"]]
    assert ranges == [{"start": 1, "end": 1}, {"start": 8, "end": 25}, {"start": 26, "end": 26}]
    for each in prediction["result"]:
        assert (each["type"], each["from_name"], each["to_name"]) == ("timelinelabels", "actions", "video")
        assert each["value"]["timelinelabels"] == ["run"]
    assert len({each["id"] for each in prediction["result"]}) == 3


def test_label_studio_holds_labels_as_they_are() -> None:
    tasks = json.loads(written("labelstudio", "a", "b/c", fps=NTSC))
    assert [task["data"]["key"] for task in tasks] == ["a", "b/c"]
    found = {each["value"]["timelinelabels"][0] for each in tasks[0]["predictions"][0]["result"]}
    assert found == set(LABELS)


def test_via() -> None:
    project = json.loads(written("via", "a", "b"))
    assert set(project) == {"project", "config", "attribute", "file", "view", "metadata"}
    assert project["project"]["vid_list"] == list(project["view"]) == ["1", "2"]
    assert [project["file"][each]["type"] for each in "12"] == [4, 4]
    assert len(project["metadata"]) == 2 * len(LABELS)
    options = project["attribute"]["1"]["options"]
    for each in project["metadata"].values():
        assert each["vid"] in project["view"]
        assert options[each["av"]["1"]] in LABELS
        assert each["z"][0] < each["z"][1]
        assert each["xy"] == []


def test_fiftyone_supports_are_frames_where_the_video_is_at_hand() -> None:
    found = [segment("run", 0, 1), segment("jump", 0.5, 2)]
    labels = json.loads(written("fiftyone", "a", "b/c", found=found, fps=PAL))
    assert labels["classes"] == ["jump", "run"]
    assert list(labels["labels"]) == ["a", "b/c"]
    assert labels["labels"]["a"] == [
        {"label": 1, "support": [1, 25], "confidence": 0.5},
        {"label": 0, "support": [13, 50], "confidence": 0.5},
    ]


def test_fiftyone_takes_seconds_otherwise() -> None:
    labels = json.loads(written("fiftyone"))
    assert sorted(tuple(each["timestamps"]) for each in labels["labels"]["a"]) == sorted(TIMES)


@pytest.mark.parametrize("fps", [PAL, NTSC, Fraction(24000, 1001), Fraction(37, 3)])
def test_opentimelineio(fps: Fraction) -> None:
    timeline = otio.adapters.read_from_string(written("otio", fps=fps), "otio_json")
    video, audio = timeline.tracks
    assert (video.kind, audio.kind) == ("Video", "Audio")
    (clip,) = video
    assert clip.media_reference.target_url == "file:///v/a.mp4"
    assert len(clip.markers) == len(LABELS)
    for marker in clip.markers:
        exact = marker.metadata["wtalkit"]
        shown = marker.marked_range
        assert shown.start_time.to_seconds() == pytest.approx(exact["start_s"], abs=0.51 / float(fps))
        end_s = shown.end_time_exclusive().to_seconds()
        assert end_s == pytest.approx(exact["end_s"], abs=1.51 / float(fps))
        assert shown.start_time.rate == pytest.approx(float(fps))


@pytest.mark.parametrize("fps", [PAL, NTSC, Fraction(60)])
def test_final_cut_xml(fps: Fraction) -> None:
    text = written("fcpxml", fps=fps)
    assert "<!DOCTYPE xmeml>" in text
    timeline = otio.adapters.read_from_string(text, "fcp_xml")
    (clip,) = timeline.video_tracks()[0]
    assert clip.media_reference.target_url.endswith("/v/a.mp4")
    assert len(clip.markers) == len(LABELS)
    starts = sorted(marker.marked_range.start_time.value for marker in clip.markers)
    assert starts == sorted(round(start * fps) for start, _ in TIMES)


def test_final_cut_xml_at_a_rate_without_time_code() -> None:
    result = FORMATS["fcpxml"].write(answer(fps=Fraction(12)))
    assert "12 frames a second" in result.remarks[0]
    assert otio.adapters.read_from_string(result.text, "fcp_xml")


@pytest.mark.parametrize("fps", [Fraction(24), PAL, NTSC, Fraction(30)])
def test_edl(fps: Fraction) -> None:
    found = [segment("a, b --> c\nd", 1, 2), segment("run", 1.5, 3), segment("🤸", 3600, 3610.5)]
    text = written("edl", found=found, fps=fps)
    lines = text.splitlines()
    assert lines[0] == "TITLE: a"
    assert lines[1] == ("FCM: DROP FRAME" if fps == NTSC else "FCM: NON-DROP FRAME")
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=float(fps))
    clips = [each for each in timeline.tracks[0] if isinstance(each, otio.schema.Clip)]
    assert len(clips) == 3
    for clip, each in zip(clips, found, strict=True):
        start_s, end_s = each["segment"]
        shown = clip.source_range
        assert shown.start_time.value == round(start_s * fps)
        assert shown.end_time_exclusive().value == round(end_s * fps)
    events = [line for line in lines if re.match(r"\d{3}  ", line)]
    assert len(events) == 3
    assert {line.split()[1] for line in events} == {"a"}


def test_edl_holds_999_events_and_one_day() -> None:
    found = [segment("a", number * 2, number * 2 + 1, number / 2000) for number in range(1500)]
    result = FORMATS["edl"].write(answer(found=found, fps=PAL))
    assert len(re.findall(r"^\d{3}  ", result.text, re.MULTILINE)) == 999
    assert "501 of 1500 segments left out" in result.remarks[0]
    awkward = FORMATS["edl"].write(answer(fps=PAL))
    assert f"1 of {len(LABELS)} segments left out" in awkward.remarks[0]


def test_edl_of_nothing() -> None:
    assert written("edl", found=[], fps=PAL) == "TITLE: a\nFCM: NON-DROP FRAME\n"


def test_a_camera_s_time_code_is_kept() -> None:
    made = answer(found=[segment("run", 1, 2)]).with_footage(
        lambda video: Footage(Path("/v/a.mp4"), PAL, timecode="10:00:00:00")
    )
    assert " 10:00:01:00 10:00:02:00 " in FORMATS["edl"].write(made).text


@pytest.mark.parametrize("name", ["otio", "edl", "fcpxml", "labelstudio"])
def test_without_the_video_frames_are_not_known(name: str) -> None:
    with pytest.raises(InputError, match="--video"):
        FORMATS[name].write(answer())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wtalkit.export.formats.find_spec", lambda name: None)
    assert checked_formats(["eaf"]) == (FORMATS["eaf"],)
    with pytest.raises(MachineError, match=r"wtalkit\[export\]"):
        checked_formats(["otio"])


def test_the_packages_named_are_those_there_are() -> None:
    assert len(checked_formats(FORMATS)) == len(FORMATS)


def test_containers_round_rates() -> None:
    assert standard(Fraction(2997, 100)) == NTSC
    assert standard(Fraction(23976, 1000)) == Fraction(24000, 1001)
    assert standard(Fraction(24)) == 24
    assert standard(Fraction(37, 3)) == Fraction(37, 3)
