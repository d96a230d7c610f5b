"""Tables, results, subtitles and chapters, read back by parsers that are not ours."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import timedelta
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import srt
import webvtt

from tests.export.awkward import LABELS, TIMES, answer, entries, segment
from wtalkit.export import FORMATS
from wtalkit.export.answer import answer_of


def written(name: str, *keys: str, **given: Any) -> str:
    return FORMATS[name].write(answer(*keys, **given)).text


def _ms(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


@pytest.mark.parametrize(("name", "separator"), [("csv", ","), ("tsv", "\t")])
def test_tables_hold_everything(name: str, separator: str) -> None:
    rows = list(csv.DictReader(io.StringIO(written(name, "a", "b/c"), newline=""), delimiter=separator))
    assert {row["video"] for row in rows} == {"a", "b/c"}
    found = {(row["label"], float(row["start"]), float(row["end"]), float(row["score"])) for row in rows}
    assert found == {
        (each["label"], *(round(number, 6) for number in (*each["segment"], each["score"]))) for each in entries()
    }
    assert len(rows) == 2 * len(LABELS)


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_a_table_of_nothing_has_a_head(name: str) -> None:
    assert written(name, found=[]).split() == ["video,label,start,end,score"] or "\t" in written(name, found=[])


def test_json_is_of_the_schema_and_the_whole_document() -> None:
    schema = json.loads(files("wtalkit.export").joinpath("predictions.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    found = json.loads(written("json", "a", "b"))
    validator.validate(found)
    assert set(found["external_data"]["videos"]) == {"a", "b"}
    assert sorted(map(str, found["results"]["a"])) == sorted(map(str, entries()))
    found["results"]["a"][0]["segment"].pop()
    assert not validator.is_valid(found)


def test_activitynet_is_a_submission() -> None:
    found = json.loads(written("activitynet", "v_0123456789a", "b"))
    assert set(found) == {"version", "results", "external_data"}
    assert found["version"] == "VERSION 1.3"
    assert set(found["results"]) == {"0123456789a", "b"}
    assert found["external_data"] == {"used": True, "details": "features of i3d"}
    for each in found["results"]["b"]:
        assert set(each) == {"label", "score", "segment"}


def test_activitynet_keeps_names_that_would_clash() -> None:
    assert set(json.loads(written("activitynet", "v_0123456789a", "0123456789a"))["results"]) == {
        "v_0123456789a",
        "0123456789a",
    }


def test_subrip() -> None:
    text = written("srt")
    cues = list(srt.parse(text))
    assert [cue.index for cue in cues] == list(range(1, len(LABELS) + 1))
    starts = sorted(round(start * 1000) for start, _ in TIMES)
    assert [cue.start // timedelta(milliseconds=1) for cue in cues] == starts
    assert all(cue.start < cue.end for cue in cues)
    contents = {cue.content for cue in cues}
    assert contents >= {'a, "quoted" b', "two lines and a blank", "🤸 прыжок", "قفز عالي", "-"}
    assert not any(set(content) & set("<>{}\n") for content in contents)
    assert text.count("-->") == len(LABELS)
    assert "25:00:00,125 --> 25:00:10,500" in text


def test_webvtt() -> None:
    text = written("vtt")
    cues = webvtt.from_string(text).captions
    assert len(cues) == len(LABELS)
    assert [_ms(cue.start) for cue in cues] == sorted(round(start * 1000) for start, _ in TIMES)
    assert all(_ms(cue.start) < _ms(cue.end) for cue in cues)
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; {\\an8} so" in text
    assert text.count("-->") == len(LABELS)
    assert text.startswith("WEBVTT\n\n")
    assert "01:00:00.000 --> 01:01:01.250" in text  # rounded up over the hour


def test_subtitles_of_nothing() -> None:
    assert written("srt", found=[]) == ""
    assert webvtt.from_string(written("vtt", found=[])).captions == []


def test_chapters() -> None:
    found = [
        segment("run", 20, 30),
        segment("jump <high>", 25, 28),
        segment("run", 27, 29),
        segment("throw", 45.9, 50),
        segment("throw", 4000, 4100),
        segment("late", 99_995, 99_999),
    ]
    result = FORMATS["chapters"].write(answer(found=found))
    lines = result.text.splitlines()
    assert lines == ["0:00 Start", "0:20 run, jump ‹high›", "0:45 throw", "1:06:40 throw, late"]
    assert result.remarks == ("a: 3 of 6 segments share a chapter with others",)


def test_too_few_chapters_are_said() -> None:
    result = FORMATS["chapters"].write(answer(found=[]))
    assert result.text == "0:00 Start\n"
    assert "no fewer than 3" in result.remarks[0]


def test_the_last_chapter_is_long_enough() -> None:
    found = [segment("a", 0, 5), segment("b", 12, 14), segment("c", 25, 29)]
    assert FORMATS["chapters"].write(answer(found=found, duration=34.0)).text == "0:00 a\n0:12 b, c\n"


def test_odd_predictions_are_counted_and_left_out() -> None:
    found = [segment("a", 2, 1), segment("b", float("nan"), 1), segment("c", 0, 1, float("inf")), segment("d", 0, 1)]
    made, odd = answer_of({"results": {"a": found}})
    assert odd == 3
    assert [each.label for each in made.videos[0].segments] == ["d"]


def test_threshold_and_classes() -> None:
    found = {"a": [segment("run", 0, 1, 0.5), segment("run", 1, 2, 0.4), segment("jump", 1, 2, 0.9)]}
    made, _ = answer_of({"results": found}, threshold=0.5, classes={"run"})
    assert [(each.label, each.score) for each in made.videos[0].segments] == [("run", 0.5)]
    assert made.document["results"]["a"] == found["a"][:1]


def test_a_feature_file_is_no_video() -> None:
    made = answer(path="feats/a.npy")
    assert made.videos[0].path is None
    assert made.videos[0].uri == "a"


def test_halves_of_characters_can_be_written() -> None:
    for name in ("json", "csv", "tsv", "srt", "vtt", "activitynet", "eaf", "via", "fiftyone", "chapters"):
        written(name, "a\udc80", found=[segment("b\udc80", 0, 1)]).encode("utf-8")


def test_a_thousand_segments_take_no_time() -> None:
    found = [segment(f"class {number % 20}", number / 3, number / 3 + 5) for number in range(1000)]
    made = answer(found=found)
    for form in FORMATS.values():
        if form.sees:
            continue
        before = time.process_time()  # not of the clock on the wall, which other processes share
        form.write(made)
        assert time.process_time() - before < 2, form.name
