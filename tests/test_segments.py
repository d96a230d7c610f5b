"""What ``detect`` answers with, in Python and in a notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas
import pytest

from wtalkit import Detections, Segment
from wtalkit.errors import MachineError
from wtalkit.evaluation.predictions import load_predictions
from wtalkit.notebook import to_html

SEGMENTS = (Segment(1.0, 3.0, "bow", 0.9), Segment(2.0, 2.001, "wave", -0.2), Segment(5.0, 60.0, "bow", 0.3))
FOUND = Detections("a/b", "videos/a/b.mp4", SEGMENTS, 60.0, threshold=-0.5, best_score=0.9, model={"name": "toy"})


def parsed(html: str) -> ElementTree.Element:
    """The HTML, which is XML, too."""
    return ElementTree.fromstring(html.replace("<br>", "<br/>"))


def test_it_is_a_sequence_whose_slices_are_detections() -> None:
    assert len(FOUND) == 3
    assert FOUND[0] == SEGMENTS[0]
    assert list(reversed(FOUND)) == list(reversed(SEGMENTS))
    assert SEGMENTS[1] in FOUND
    part = FOUND[1:]
    assert isinstance(part, Detections)
    assert (part.segments, part.duration_s, part.key) == (SEGMENTS[1:], 60.0, "a/b")
    assert repr(FOUND) == "Detections(key='a/b', segments=3, duration_s=60)"


def test_filter() -> None:
    assert FOUND.filter("bow").segments == (SEGMENTS[0], SEGMENTS[2])
    assert FOUND.filter(["wave", "fly"]).segments == (SEGMENTS[1],)
    assert FOUND.filter(min_score=0.3).segments == (SEGMENTS[0], SEGMENTS[2])
    assert FOUND.filter("bow", min_score=0.31).segments == (SEGMENTS[0],)
    assert FOUND.filter(min_score=0.3).threshold == 0.3
    assert FOUND.filter(min_score=-1.0).threshold == -0.5
    assert replace(FOUND, threshold=None).filter("bow").threshold is None
    assert FOUND.filter() == FOUND
    assert FOUND.filter(min_score=2.0).best_score == 0.9
    assert FOUND.filter("wave").best_score == -0.2
    assert FOUND.filter("fly").best_score is None


def test_its_document_is_a_predictions_file(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(FOUND.to_json(), "utf-8")
    assert load_predictions(path) == json.loads(path.read_text("utf-8")) == FOUND.to_dict()
    document = FOUND.to_dict()
    assert document["results"]["a/b"][0] == {"label": "bow", "score": 0.9, "segment": [1.0, 3.0]}
    assert document["external_data"]["model"] == {"name": "toy"}
    assert document["external_data"]["videos"]["a/b"]["duration"] == 60.0
    assert document["external_data"]["videos"]["a/b"]["bytes"] is None


def test_as_a_data_frame() -> None:
    frame = FOUND.to_pandas()
    assert list(frame.columns) == ["video", "start_s", "end_s", "label", "score"]
    assert frame.iloc[0].tolist() == ["a/b", 1.0, 3.0, "bow", 0.9]
    assert (len(frame), frame["score"].dtype) == (3, "float64")
    empty = replace(FOUND, segments=()).to_pandas()
    assert (len(empty), empty["start_s"].dtype) == (0, "float64")
    assert isinstance(empty, pandas.DataFrame)


def test_without_pandas_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['pandas'] = None\n"
        "from wtalkit import Detections\nfrom wtalkit.errors import MachineError\n"
        "try: Detections('a', 'a.mp4', (), 1.0).to_pandas()\n"
        "except MachineError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "pandas is not installed. Install it with pip install 'wtalkit[notebook]'.\n"
    assert MachineError.exit_code == 3


def test_the_drawing_is_in_scale() -> None:
    html = parsed(FOUND._repr_html_())
    svg = next(element for element in html.iter() if element.tag.endswith("svg"))
    bars = [rect for rect in svg.iter() if rect.tag.endswith("rect") and rect.find("{*}title") is not None]
    track = next(rect for rect in svg.iter() if rect.tag.endswith("rect"))
    left, width = float(track.attrib["x"]), float(track.attrib["width"])
    placed = {bar.find("{*}title").text: bar.attrib for bar in bars}  # type: ignore[union-attr]
    assert len(placed) == 3
    long = placed["bow 0:05.0 to 1:00.0, score 0.30"]
    assert float(long["x"]) == pytest.approx(left + width * 5 / 60, abs=0.1)
    assert float(long["x"]) + float(long["width"]) == pytest.approx(left + width, abs=0.2)
    assert float(placed["wave 0:02.0 to 0:02.0, score -0.20"]["width"]) == 2.0  # a sliver can be seen, too
    ticks = [text.text for text in svg.iter() if text.tag.endswith("text")]
    assert [each for each in ticks if each and ":" in each] == [f"0:{s:02d}.0" for s in range(0, 60, 10)] + ["1:00.0"]


def test_nothing_in_it_is_markup() -> None:
    evil = '<img src=x onerror="alert(1)">&\u202e\x00\udcff\''
    found = Detections(
        evil, "x.mp4", (Segment(0.0, 1.0, evil, 1.0),), 10.0, warnings=(evil,), threshold=0.0, best_score=1.0
    )
    html = found._repr_html_()
    assert "<img" not in html
    assert not re.search("[\u202e\x00\udcff]", html)
    assert {element.tag.rpartition("}")[2] for element in parsed(html).iter()} <= {
        *("div", "b", "svg", "rect", "title", "text", "table", "tr", "th", "td"),
    }


@pytest.mark.parametrize("word", ["می\u200cرود", "歩く\u3000人", "10\u00a0m", "👩\u200d🚀"])
def test_words_of_every_language_stay_whole(word: str) -> None:
    assert f">{word}<" in to_html(Detections(word, "x.mp4", (Segment(0.0, 1.0, word, 1.0),), 10.0))


def test_nothing_found_says_why() -> None:
    html = to_html(replace(FOUND, segments=(), threshold=0.95, best_score=0.9))
    assert "nothing found: the best candidate scores 0.90, the threshold is 0.95" in html
    assert "nothing found" in to_html(replace(FOUND, segments=(), best_score=None))


def test_many_segments_stay_a_page() -> None:
    segments = tuple(Segment(second, second + 0.5, f"action {second % 100}", 0.5) for second in range(2000))
    found = Detections("long", "long.mp4", segments, 2000.0)
    html = to_html(found)
    assert "and 60 more actions" in html
    assert "and 1950 more" in html
    assert len(html) < 500_000
    parsed(html)
