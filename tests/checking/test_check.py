"""A data set with one thing wrong at a time: each is found, named with its place, and graded as it should be."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.faults.videos import cut, write_numbered
from tests.toys import write_video
from wtalkit.checking import Finding, Report, check
from wtalkit.errors import ConfigError, UsageError
from wtalkit.features import FeatureRecord, FeatureSpec, write_features
from wtalkit.inputs import Input
from wtalkit.video.decoder import _Process

FRAMES = {"k1": 50, "k2": 60, "k3": 70, "w1": 54, "w2": 64, "w3": 74}
LABELS = {key: "kick" if key[0] == "k" else "wave" for key in FRAMES}
SUBSETS = {key: "testing" if key[1] == "3" else "training" for key in FRAMES}
SPEC = FeatureSpec(
    fps=25.0, window=16, stride=16, streams=("rgb", "flow"), dim=8, backbone="i3d", weights_hash="0" * 16, flow="dis"
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of two actions, no two alike."""
    folder = tmp_path_factory.mktemp("clips")
    for name, frames in FRAMES.items():
        write_video(folder / f"{name}.mp4", frames)
    return folder


@pytest.fixture
def videos(clips: Path, tmp_path: Path) -> Path:
    return shutil.copytree(clips, tmp_path / "videos")


def database(**changes: Any) -> dict[str, Any]:
    """Entries by key; a change of None takes one out."""
    made: dict[str, Any] = {
        key: {
            "subset": SUBSETS[key],
            "duration": FRAMES[key] / 25,
            "annotations": [{"label": label, "segment": [0.5, 1.5]}],
        }
        for key, label in LABELS.items()
    }
    made.update(changes)
    return {key: entry for key, entry in made.items() if entry is not None}


def write(path: Path, entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"version": "toy", "database": entries}, indent=1))
    return path


def put_features(folder: Path, key: str, *, seed: int | None = None, spec: FeatureSpec = SPEC, **record: Any) -> Path:
    """Three snippets of noise, of a seed by the key unless told otherwise."""
    generator = np.random.default_rng(list(key.encode()) if seed is None else seed)
    array = generator.random((3, spec.dim), np.float32)
    frames = 2 * spec.stride + spec.window
    made = FeatureRecord(spec=spec, video=f"{key}.mp4", duration_s=frames / spec.fps, frames=frames)
    return write_features(folder, key, array, made.model_copy(update=record))


def texts(findings: tuple[Finding, ...]) -> list[str]:
    """Without the folder, which is another one each time."""
    return [f"{finding.line}: {finding.text}" for finding in findings]


def states(report: Report) -> dict[str, str]:
    return {video.key: video.state for video in report.videos if video.state != "whole"}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write(tmp_path / "labels.json", database())


def test_all_is_well(videos: Path, labels: Path) -> None:
    report = check(videos=videos, annotations=labels)
    assert (report.exit_code, report.findings, report.duplicates, report.failed) == (0, (), (), ())
    assert report.classes == {label: {"training": 2, "testing": 1} for label in ("kick", "wave")}
    assert report.annotations == {
        "source": str(labels), "videos": 6, "classes": 2, "subsets": {"training": 4, "testing": 2}
    }  # fmt: skip
    for video in report.videos:
        assert (video.state, video.frames, video.width, video.height) == ("whole", FRAMES[video.key], 64, 48)
        assert video.fps == pytest.approx(25)
        assert video.duration_s == pytest.approx(FRAMES[video.key] / 25)
        assert (video.codec, video.gaps, video.cause) == ("h264", (), None)


def test_damaged_videos_are_failed_inputs_and_the_others_go_on(videos: Path, labels: Path) -> None:
    (videos / "k1.mp4").write_text("no video")
    (videos / "w1.mp4").unlink()
    cut(write_video(videos / "w1.mkv", 200), 0.6)
    write_video(videos / "w2.mp4", 10)
    report = check([videos, "nowhere.mp4"], annotations=labels)
    assert states(report) == {"k1": "failed", "w1": "partial", "w2": "failed"}
    causes = {video.key: video.cause or "" for video in report.videos}
    assert causes["k1"] == "not a video"
    assert causes["w1"].startswith("decoded ") and "ends early" in causes["w1"]
    assert causes["w2"] == "too short (10 < 16 frames)"
    assert next(video for video in report.videos if video.key == "w1").gaps
    assert [failure.path for failure in report.failures] == ["nowhere.mp4"]
    assert report.exit_code == 1
    assert report.problems == ()
    assert texts(report.warnings) == ["56: 'w2' lasts 0.40 s, not 2.56 s as is written", OUTSIDE.format(line=56, s=0.4)]


def test_fast_opens_and_does_not_decode(videos: Path, labels: Path) -> None:
    (videos / "k1.mp4").write_text("no video")
    report = check(videos=videos, annotations=labels, fast=True)
    assert report.exit_code == 1
    assert states(report) == {key: "failed" if key == "k1" else "opened" for key in FRAMES}
    assert {video.frames for video in report.videos} == {None}
    assert report.videos[1].duration_s == pytest.approx(2.4)


def test_labels_and_videos_must_match_in_both_directions(videos: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f"{key},{label},{SUBSETS[key]}" for key, label in LABELS.items()]
    rows[0] = "k 1,kick,training"
    rows[5] = "w 3,wave,testing"
    table.write_text("video,label,subset\n" + "\n".join([*rows, "../x,kick,training", "k2,,training"]))
    report = check(videos=videos, annotations=table)
    assert report.exit_code == 2
    assert texts(report.problems) == [
        "8: the video's name '../x' leaves its folder",
        "9: 'k2': a label is empty",
        "2: 'k 1' has labels, but there is no such video; did you mean 'k1'?",
    ]
    assert texts(report.warnings) == [
        "None: no file of 1 video: w 3",
        "None: no labels of 2 videos: k1, w3",
        "None: 1 class with a single training video: kick",
    ]
    assert {finding.file for finding in report.findings} == {str(table)}


def test_published_files_name_videos_that_nobody_has(videos: Path, tmp_path: Path) -> None:
    more = {f"gone{number}": {"subset": "training", "annotations": [{"label": "kick"}]} for number in range(7)}
    report = check(videos=videos, annotations=write(tmp_path / "labels.json", database(**more)))
    assert report.exit_code == 0
    assert texts(report.warnings) == ["None: no file of 7 videos: gone0, gone1, gone2, gone3, gone4 and 2 more"]
    elsewhere = write(tmp_path / "other.json", more)
    report = check(videos=videos, annotations=elsewhere)
    assert "None: none of its 7 videos is there: names must agree" in texts(report.problems)


def test_classes(videos: Path, tmp_path: Path) -> None:
    def entry(subset: str, *labels: str) -> dict[str, Any]:
        return {"subset": subset, "annotations": [{"label": label} for label in labels]}

    changed = database(
        k3=entry("testing", "kick", "jump"),
        w1=entry("training"),
        away=entry("training", "lost"),
        w2=entry("training", "wave"),
    )
    report = check(videos=videos, annotations=write(tmp_path / "labels.json", changed))
    assert report.exit_code == 2
    lines = (tmp_path / "labels.json").read_text().splitlines()
    at = {key: 1 + next(n for n, line in enumerate(lines) if f'"{key}"' in line) for key in ("k3", "w1")}
    assert texts(report.problems) == [
        f"{at['w1']}: 'w1' has no label",
        "None: no training video of the class 'lost' is there",
        f"{at['k3']}: 'k3': no training video has the class 'jump'",
    ]
    assert texts(report.warnings) == [
        "None: no file of 1 video: away",
        "None: 1 class with a single training video: wave",
    ]
    assert report.classes["jump"] == {"training": 0, "testing": 1}


OUTSIDE = "{line}: 'w2' has 1 segment outside of the video, which lasts {s:.2f} s"


def test_times(videos: Path, tmp_path: Path) -> None:
    w2 = {"subset": "training", "duration": 9.0, "annotations": [{"label": "wave", "segment": [0.5, 7.5]}]}
    k1 = {"subset": "training", "duration": 2.2, "annotations": [{"label": "kick", "segment": [0.5, 2.3]}]}  # 2.0 s
    path = write(tmp_path / "labels.json", database(w2=w2, k1=k1))
    line = 1 + next(n for n, text in enumerate(path.read_text().splitlines()) if '"w2"' in text)
    report = check(videos=videos, annotations=path)
    assert report.exit_code == 0
    assert texts(report.warnings) == [
        f"{line}: 'w2' lasts 2.56 s, not 9.00 s as is written",
        OUTSIDE.format(line=line, s=2.56),
    ]
    assert texts(check(annotations=path).warnings) == []  # nobody knows better


def test_unusable_labels_do_not_keep_the_videos_from_being_checked(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("{")
    (videos / "k1.mp4").write_text("no video")
    report = check(videos=videos, annotations=tmp_path / "labels.json")
    assert report.exit_code == 2
    assert (len(report.videos), states(report)) == (6, {"k1": "failed"})
    assert "is not JSON" in report.problems[0].text
    assert check(videos=videos, annotations=tmp_path / "none.csv").problems[0].text.startswith("no such file")


def test_subsets_that_cannot_be_trained_on(videos: Path, tmp_path: Path) -> None:
    odd = {key: {**entry, "subset": "rest"} for key, entry in database().items()}
    report = check(videos=videos, annotations=write(tmp_path / "labels.json", odd))
    assert "has no subset to train on" in report.problems[0].text
    assert check(videos=videos, annotations=tmp_path / "labels.json", train_subset="rest").exit_code == 0


def remux(source: Path, target: Path) -> None:
    """The same packets in another container."""
    with av.open(source) as there, av.open(target, "w") as here:
        stream = here.add_stream_from_template(there.streams.video[0])
        for packet in there.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                here.mux(packet)


@pytest.mark.parametrize("how", ["copy", "remux"])
def test_content_in_both_subsets(videos: Path, tmp_path: Path, how: str) -> None:
    suffix = {"copy": "mp4", "remux": "mkv"}[how]
    (shutil.copy if how == "copy" else remux)(videos / "w3.mp4", videos / f"again.{suffix}")
    entry = {"subset": "training", "annotations": [{"label": "wave"}]}
    report = check(videos=videos, annotations=write(tmp_path / "labels.json", database(again=entry)))
    assert report.exit_code == 2
    assert report.duplicates == (("again", "w3"),)
    what = {"copy": "the same file", "remux": "the same pictures"}[how]
    assert texts(report.problems) == [
        f"None: 'again', 'w3' are {what}, in training and in testing: what was trained on would be scored"
    ]


def test_content_twice_in_one_subset_is_odd(videos: Path, tmp_path: Path) -> None:
    shutil.copy(videos / "w1.mp4", videos / "again.mp4")
    entry = {"subset": "training", "annotations": [{"label": "kick"}]}
    report = check(videos=videos, annotations=write(tmp_path / "labels.json", database(again=entry)))
    assert report.exit_code == 0
    assert texts(report.warnings) == ["None: 'again', 'w1' are the same file, with different labels"]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize(
    ("times_ms", "varies"), [([40 * n for n in range(50)], False), ([n * n for n in range(50)], True)]
)
def test_variable_rate(tmp_path: Path, container: str, times_ms: list[int], varies: bool) -> None:
    write_numbered(tmp_path / f"a.{container}", range(50), times_ms=times_ms)
    (video,) = check([tmp_path / f"a.{container}"]).videos
    assert (video.frames, video.variable_rate) == (50, varies)


@pytest.mark.parametrize("rate", [30, Fraction(30000, 1001), Fraction(24000, 1001), 60])
def test_a_constant_rate_in_rounded_times(tmp_path: Path, rate: int | Fraction) -> None:
    """Matroska counts milliseconds."""
    write_numbered(tmp_path / "a.mkv", range(50), fps=rate)
    assert [video.variable_rate for video in check([tmp_path]).videos] == [False]


def test_equal_beginnings_are_not_equal_videos(videos: Path) -> None:
    """All of these show the same for as long as the shortest lasts."""
    assert check(videos=videos).duplicates == ()


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    for key in FRAMES:
        put_features(tmp_path / "feats", key)
    return tmp_path / "feats"


@pytest.mark.parametrize("fast", [False, True])
def test_sound_features(arrays: Path, labels: Path, fast: bool) -> None:
    report = check(
        features=arrays, annotations=write(labels, database(k1={**database()["k1"], "duration": 1.92})), fast=fast
    )
    times = [finding for finding in report.findings if finding.kind != "times"]
    assert (report.exit_code, times) == (0, [])
    assert {(each.snippets, each.dim, each.has_record) for each in report.features} == {(3, 8, True)}
    assert {each.state for each in report.features} == {"opened" if fast else "whole"}


def test_damaged_features(arrays: Path, labels: Path) -> None:
    array = np.load(arrays / "k1.npy")
    array[1, 2] = np.nan
    np.save(arrays / "k1.npy", array)
    np.save(arrays / "k2.npy", np.ones((3, 8), np.float32))
    (arrays / "k3.npy").write_bytes(b"PK")
    np.save(arrays / "w1.npy", np.ones((5, 8), np.float32))
    put_features(arrays, "w2", complete=False, warnings=("decoded 1 of 2 s",))
    report = check(features=arrays, annotations=labels)
    causes = {each.key: each.cause for each in report.features if each.state == "failed"}
    assert {key: (cause or "").split(".")[0] for key, cause in causes.items()} == {
        "k1": "holds NaN or infinite numbers (first in snippet 1)",
        "k2": "does not hold the numbers that its record was written for",
        "k3": "is not a readable array of numbers (it is not a ",
        "w1": "has shape (5, 8), its record says (3, 8)",
    }
    assert [each.cause for each in report.features if each.state == "partial"] == ["decoded 1 of 2 s"]
    assert report.exit_code == 1
    fast = check(features=arrays, annotations=labels, fast=True)
    assert {each.key for each in fast.failed} == {"k3", "w1"}


def test_features_of_two_kinds(arrays: Path, labels: Path) -> None:
    put_features(arrays, "w2", spec=SPEC.model_copy(update={"flow": "tvl1"}))
    report = check(features=arrays, annotations=labels)
    assert report.exit_code == 2
    (problem,) = report.problems
    assert problem.text == "'w2' is of another spec than most: flow dis and tvl1 (most first)"
    assert report.problems[0].file == str(arrays)


def test_features_without_records(arrays: Path, labels: Path) -> None:
    for key in FRAMES:
        if key != "k1":
            (arrays / f"{key}.json").unlink()
    some = check(features=arrays)
    assert (some.exit_code, texts(some.warnings)) == (
        0, ["None: 5 arrays without a record are passed over: k2, k3, w1, w2, w3"],
    )  # fmt: skip
    (arrays / "k1.json").unlink()
    report = check(features=arrays, annotations=labels)
    assert report.exit_code == 2
    assert "--assume-spec" in report.problems[0].text
    assert check(features=arrays, annotations=labels, assume=SPEC).exit_code == 0
    wrong = check(features=arrays, assume=SPEC.model_copy(update={"dim": 16}))
    assert len(wrong.failed) == 6


def test_labels_without_features(arrays: Path, labels: Path) -> None:
    for path in [*arrays.glob("k[12].*"), *arrays.glob("w3.*")]:
        path.unlink()
    report = check(features=arrays, annotations=labels)
    assert texts(report.problems) == ["None: no training video of the class 'kick' has features"]
    assert "None: no features of 3 videos: k1, k2, w3" in texts(report.warnings)


def test_equal_features(arrays: Path, labels: Path) -> None:
    for key in ("k1", "k3"):
        put_features(arrays, key, seed=1)
    for fast in (False, True):
        report = check(features=arrays, annotations=labels, fast=fast)
        assert texts(report.problems) == [
            "None: 'k1', 'k3' are the same features, in training and in testing: what was trained on would be scored"
        ]


def test_videos_held_against_their_features(videos: Path, arrays: Path) -> None:
    for path in arrays.glob("k1.*"):
        path.unlink()
    put_features(arrays, "old")
    put_features(arrays, "k2", source_bytes=17)
    put_features(arrays, "k3", source_bytes=(videos / "k3.mp4").stat().st_size)
    report = check(videos=videos, features=arrays)
    size = (videos / "k2.mp4").stat().st_size
    assert texts(report.warnings) == [
        "None: no features yet of 1 video: k1",
        "None: holds features of 1 video not there: old",
        f"None: 'k2' was made of a video of 17 bytes, and the one here has {size}; wtalkit extract makes it anew",
    ]


def test_what_is_told(videos: Path, arrays: Path) -> None:
    begun: list[Input] = []
    done: list[str] = []
    read: list[int] = []
    check(
        videos=videos, features=arrays, workers=1, started=begun.append,
        finished=lambda video, checked: done.append(f"{video.key} {checked.state}"), read=read.append,
    )  # fmt: skip
    assert [video.key for video in begun] == list(FRAMES)
    assert done == [f"{key} whole" for key in FRAMES]
    assert read == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("stopped", [True, False])
def test_no_decoder_is_left(videos: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool) -> None:
    processes: list[Any] = []
    begin = _Process.__init__

    def noted(self: Any) -> None:
        processes.append(self)
        begin(self)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_Process, "__init__", noted)
    with pytest.raises(KeyboardInterrupt) if stopped else nullcontext():
        check(videos=videos, finished=stop if stopped else None)
    assert processes
    assert [process for process in processes if process._child.poll() is None] == []


def test_the_document_is_plain_json(videos: Path, arrays: Path, labels: Path) -> None:
    report = check(videos=videos, features=arrays, annotations=labels)
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["exit_code"] == 0
    assert document["videos"].keys() == document["features"].keys() == FRAMES.keys()
    assert document["features"]["k1"]["spec"]["flow"] == "dis"
    assert document["classes"]["kick"] == {"training": 2, "testing": 1}


def test_a_built_in_data_set(tmp_path: Path) -> None:
    report = check(dataset="thumos14")
    assert report.annotations is not None
    assert report.annotations["subsets"] == {"validation": 200, "test": 213}
    assert len(report.classes) == 20
    assert report.exit_code == 0
    beyond = [finding.text for finding in report.warnings if "video_test_0000270" in finding.text]
    assert len(beyond) == 1 and "outside of the video" in beyond[0]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({}, UsageError, "nothing to check"),
        ({"annotations": "a.json", "dataset": "thumos14"}, ConfigError, "exclude each other"),
        ({"dataset": "thumos15"}, ConfigError, "thumos15"),
        ({"paths": ["x.mp4"], "workers": 0}, ConfigError, "workers is 0"),
    ],
)
def test_wrong_usage(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        check(**arguments)
