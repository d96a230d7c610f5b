from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.report.pages import DEMO, HOSTILE, data_of, demo, demo_report, many, segment
from wtalkit.errors import UsageError
from wtalkit.localizer import Curves
from wtalkit.report import Report, from_detections, render, write_report
from wtalkit.report import writing as module
from wtalkit.report.curves import CLASSES, POINTS, curves_data
from wtalkit.report.media import embedded, linked
from wtalkit.report.page import to_json
from wtalkit.report.thumbnails import take_thumbnails
from wtalkit.segments import Detections


class Elements(HTMLParser):
    """Every element with its attributes, and the text of style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style") and data.strip():
            self.texts.append(data)


def test_the_same_report_gives_the_same_text_and_holds_what_it_was_given() -> None:
    page = render(demo_report())
    assert page == render(demo_report())
    shown = data_of(page)
    video = shown["videos"][0]
    assert shown["labels"] == ["jump", "stand up", "throw"]
    assert video["candidates"]["start"] == [4.7, 11.4, 14.3, 30.0, 40.0]
    assert video["candidates"]["label"] == [2, 1, 0, 2, 0]
    assert video["threshold"] == 0.5
    assert video["truth"] == [[2, 4.5, 6.0], [0, 50.0, 52.0]]
    assert video["curves"]["classes"] == [0, 1, 2]
    assert shown["features"] == "i3d-mini + dis"


def test_nothing_runs_but_what_the_policy_names_and_nothing_is_fetched() -> None:
    page = render(demo_report())
    elements = Elements(page)
    policy = next(
        attributes["content"] for tag, attributes in elements.found if "Content-Security-Policy" in attributes.values()
    )
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    style, _, script = elements.texts
    for name, text in (("style", style), ("script", script)):
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    for tag, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert "src" not in attributes
        assert "href" not in attributes
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


@pytest.mark.parametrize("place", ["label", "key", "title", "warning", "model", "failure path"])
def test_no_text_becomes_markup(place: str) -> None:
    from wtalkit.inputs import Failure

    video = demo(
        HOSTILE if place == "key" else "a",
        candidates=(segment(0, 1, HOSTILE if place == "label" else "a", 1.0),),
        warnings=(HOSTILE,) if place == "warning" else (),
        path=None,
    )
    report = demo_report(video, failures=(Failure(HOSTILE if place == "failure path" else "p", "cause"),))
    changed = {"title": {"title": HOSTILE}, "model": {"model": {"name": HOSTILE}}}.get(place, {})
    page = render(type(report)(**{**vars(report), **changed}))
    plain = Elements(render(demo_report()))
    assert [tag for tag, _ in Elements(page).found] == [tag for tag, _ in plain.found]
    assert HOSTILE not in page
    if place == "label":
        assert HOSTILE in data_of(page)["labels"]


def test_json_in_a_script_element() -> None:
    assert to_json("<!--\u2028&\udc80") == '"\\u003c!--\\u2028\\u0026\\udc80"'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


def test_a_link_is_relative_and_cannot_look_like_anything_else(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "report.html"
    assert linked(tmp_path / "videos" / "a b#1?.mp4", page).link == "./../videos/a%20b%231%3F.mp4"
    assert linked(tmp_path / "pages" / "javascript:alert(1).webm", page).link == "./javascript%3Aalert%281%29.webm"
    assert linked(tmp_path / "pages" / "x.webm", page).type == "video/webm"
    assert linked(tmp_path / "pages" / "\udcff.mp4", page).link == "./%FF.mp4"


def test_an_embedded_video_is_the_file(tmp_path: Path) -> None:
    media = embedded(DEMO, tmp_path / "report.html")
    assert b64decode(media.embedded or "") == DEMO.read_bytes()
    page = render(demo_report(), {"match": media})
    assert data_of(page)["videos"][0]["media"] == "media-0"
    assert data_of(page)["videos"][0]["link"] is None
    assert '<script type="text/plain" id="media-0">AAAA' in page


def test_curves_keep_peaks_and_come_back_within_a_step() -> None:
    times_s = (np.arange(3 * POINTS) + 0.5) * 0.64
    activations = np.zeros((len(times_s), 2), np.float32)
    activations[7001] = (2.0, -1.0)
    made = curves_data(Curves(times_s, ("a", "b"), activations), ["b", "a", "c"])
    assert made["n"] == POINTS
    assert made["classes"] == [0, 1]
    assert made["attention"] is None
    a = np.frombuffer(b64decode(made["data"][1]), np.uint8)
    values = made["lo"] + a / 255 * (made["hi"] - made["lo"])
    assert np.argmax(a) == 7001 // 3
    assert values.max() == pytest.approx(2.0)
    assert values.min() == pytest.approx(0.0, abs=2.0 / 255)
    at = made["t0"] + made["dt"] * np.argmax(a)
    assert at == pytest.approx(times_s[7000])  # the middle of its bin


def test_of_too_many_classes_those_that_rise_highest_have_curves() -> None:
    labels = tuple(f"{number:03}" for number in range(CLASSES + 10))
    activations = np.arange(len(labels), dtype=np.float32)[None].repeat(4, axis=0)
    made = curves_data(Curves(np.arange(4.0), labels, activations), labels)
    assert made["classes"] == list(range(10, CLASSES + 10))


def test_the_classes_that_the_timeline_shows_have_curves_first() -> None:
    labels = tuple(f"{number:03}" for number in range(CLASSES + 10))
    activations = np.arange(len(labels), dtype=np.float32)[None].repeat(4, axis=0)
    flat = Curves(np.arange(4.0), labels, activations)
    video = demo(candidates=(segment(0, 1, "003", 0.2), segment(1, 2, "005", -0.5)), truth=None, curves=flat)
    everywhere = demo("b", candidates=tuple(segment(0, 1, label, 0.1) for label in labels), curves=None)
    made = data_of(render(demo_report(video, everywhere)))["videos"][0]["curves"]
    assert made["classes"] == [3, 5, *range(12, CLASSES + 10)]


def test_curves_of_nothing_and_of_odd_numbers() -> None:
    odd = np.array([[np.nan], [np.inf], [-1.0]], np.float32)
    made = curves_data(Curves(np.arange(3.0), ("a",), odd), ["a"])
    assert made["n"] == 3
    assert curves_data(Curves(np.arange(1.0), ("a",), odd[:1]), [])["data"] == []
    nothing = Curves(np.zeros(0), ("a",), np.zeros((0, 1), np.float32), np.zeros(0, np.float32))
    assert curves_data(nothing, ["a"])["n"] == 0


def test_thumbnails_are_the_pictures_of_the_best(toy_videos: Path) -> None:
    found = [segment(0.0, 1.0, "a", 0.1), segment(1.0, 2.0, "a", 0.9), segment(1.02, 2.0, "b", 0.8)]
    taken = take_thumbnails(toy_videos / "a.mp4", found, 1)
    assert taken.of_segment == (-1, 0, 0)  # those that start together share it
    assert taken.codec == "h264"
    assert taken.why_not is None
    (picture,) = taken.pictures
    assert picture[:4] == b"RIFF"
    assert picture[8:12] == b"WEBP"
    assert len(picture) < 6000


def test_what_is_no_video_has_no_pictures_and_is_not_carried_off(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_text("not a video at all " * 20)
    written = write_report(tmp_path / "r.html", demo_report(demo(path=secret)), embed=True)
    page = (tmp_path / "r.html").read_text()
    assert "the page has no pictures of it" in written.warnings[0]
    assert "linked, not embedded" in written.warnings[1]
    assert data_of(page)["videos"][0]["media"] is None
    assert b64encode(secret.read_bytes()).decode()[:40] not in page


def test_videos_are_embedded_as_far_as_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EMBED_LIMIT_BYTES", DEMO.stat().st_size + 10)
    written = write_report(tmp_path / "r.html", demo_report(demo("a"), demo("b")), embed=True, thumbnails=0)
    first, second = data_of((tmp_path / "r.html").read_text())["videos"]
    assert (first["media"], second["media"]) == ("media-0", None)
    assert second["link"].endswith("samples/match.mp4")
    assert len(written.warnings) == 1
    assert written.bytes == (tmp_path / "r.html").stat().st_size


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    write_report(page, Report("\udcff", (demo("\udcff"),)), thumbnails=0)
    text = page.read_text("utf-8")
    assert "<title>\N{REPLACEMENT CHARACTER} · wtalkit</title>" in text
    assert data_of(text)["videos"][0]["key"] == "\udcff"


def test_scores_reach_the_threshold_that_was_taken_from_them() -> None:
    found = (segment(0, 1, "a", -0.123456),)
    detections = Detections("k", "k.npy", found, 5.0, threshold=-0.123456, best_score=-0.123456)
    (video,) = data_of(render(from_detections([detections], candidates={"k": found})))["videos"]
    assert video["candidates"]["score"] == [-0.123456] == [video["threshold"]]


def test_what_is_told_of_a_model_is_text() -> None:
    odd = Report("odd", (demo(),), {"name": float("nan"), "method": ["x"], "supervision": 1, "plugins": 5})
    nothing = {"name": None, "method": None, "supervision": None, "plugins": []}
    assert data_of(render(odd))["model"] == nothing
    some = Report("some", (demo(),), {"name": "a", "plugins": ["b", 5, None]})
    assert data_of(render(some))["model"] == {**nothing, "name": "a", "plugins": ["b"]}


def test_a_report_of_no_video_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"r\.html: there is no video to show"):
        write_report(tmp_path / "r.html", from_detections([]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("most", [0, 1, 2, 5, 7])
def test_pictures_are_counted_over_all_videos(tmp_path: Path, toy_videos: Path, most: int) -> None:
    toy = toy_videos / "a.mp4"
    one = (segment(0, 1, "a", 0.5),)
    three = tuple(segment(at, 3, "a", 0.5) for at in (0, 1, 2))
    keys = {"a": one, "gone": three, "b": three, "c": three}
    report = demo_report(*(demo(k, candidates=c, path=None if k == "gone" else toy) for k, c in keys.items()))
    write_report(tmp_path / "r.html", report, thumbnails=most)
    taken = [len(each["pictures"]) for each in data_of((tmp_path / "r.html").read_text())["videos"]]
    assert sum(taken) == most
    assert taken[1] == 0


def test_a_thousand_segments_make_a_small_page() -> None:
    assert len(render(demo_report(many(1000)))) < 500_000
