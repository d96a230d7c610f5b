from __future__ import annotations

import copy
import errno
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import wtalkit
from wtalkit.atomic import TEMPORARY_SUFFIX
from wtalkit.backbones import Backbone
from wtalkit.errors import ConfigError, FeaturesError, MachineError
from wtalkit.extraction import ExtractionResult, Progress, VideoFeaturizer
from wtalkit.features import FeatureFolder, read_features
from wtalkit.features.store import FeatureWriter
from wtalkit.inputs import Input
from wtalkit.status import STATUS_FILE, read_status

MakeVideo = Callable[..., Path]


@pytest.fixture
def extract(mini_rgb: Backbone, tmp_path: Path) -> Callable[..., ExtractionResult]:
    """``wtalkit.extract`` of ``tmp_path/videos`` into ``tmp_path/feats``, RGB only."""

    def run(inputs: Any = None, **options: Any) -> ExtractionResult:
        given = tmp_path / "videos" if inputs is None else inputs
        return wtalkit.extract(given, tmp_path / "feats", **{"backbone": mini_rgb, "flow": "none", **options})

    return run


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The features in a folder; its status is another matter."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != STATUS_FILE]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_folder_of_videos_becomes_a_folder_of_features(make_video: MakeVideo, extract: Any) -> None:
    make_video("videos/a/x.mp4", frames=20)
    make_video("videos/b/x.mp4", frames=30)
    result = extract()
    assert result.done == ("a/x", "b/x")
    assert (result.skipped, result.partial, result.failed) == ((), (), ())
    folder = FeatureFolder(result.out)
    assert folder.keys == ("a/x", "b/x")
    assert folder.spec == result.spec
    assert folder.read("b/x").array.shape == (4, 256)
    written = json.loads((result.out / "a" / "x.json").read_text())
    named = (
        "schema video duration_s frames fps window stride streams dim backbone weights_hash flow flow_version resize"
    )
    assert set(f"{named} crop complete gaps warnings wtalkit".split()) <= written.keys()
    assert written["streams"] == ["rgb"]
    assert written["crop"] is None


def test_what_is_there_is_skipped_and_only_the_rest_done(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_video(f"videos/{name}.mp4", frames=20)
    extract()
    unbroken = bytes_of(tmp_path / "feats")
    # As a kill between array and record of b, and before c, leaves it:
    (tmp_path / "feats" / "b.json").unlink()
    (tmp_path / "feats" / "c.json").unlink()
    (tmp_path / "feats" / "c.npy").unlink()
    leftover = tmp_path / "feats" / f".half{TEMPORARY_SUFFIX}"
    leftover.write_bytes(b"half")

    result = extract()
    assert (result.done, result.skipped) == (("b", "c"), ("a",))
    assert bytes_of(tmp_path / "feats") == unbroken


@pytest.mark.parametrize("damage", ["cut", "nan", "other shape"])
def test_damaged_features_are_made_again(damage: str, make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    array = tmp_path / "feats" / "a.npy"
    whole = array.read_bytes()
    if damage == "cut":
        array.write_bytes(whole[:-100])
    elif damage == "nan":
        np.save(array, np.full((2, 256), np.nan, np.float32))
    else:
        np.save(array, np.zeros((3, 256), np.float32))
    assert extract().done == ("a",)
    assert array.read_bytes() == whole


def test_another_video_under_the_same_name_is_noticed(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    make_video("videos/a.mp4", frames=32)
    assert extract().done == ("a",)
    assert len(read_features(tmp_path / "feats" / "a.npy").array) == 5


def test_another_spec_is_refused_before_work(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    before = bytes_of(tmp_path / "feats")
    make_video("videos/b.mp4", frames=20)
    with pytest.raises(
        FeaturesError, match=r"feats: holds features of .* every 4; asked for .* every 8: stride 8 and 4"
    ):
        extract(stride=8)
    assert bytes_of(tmp_path / "feats") == before
    assert extract(stride=8, overwrite=True).done == ("a", "b")
    assert FeatureFolder(tmp_path / "feats").spec.stride == 8


def test_one_bad_video_does_not_stop_the_others(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    (tmp_path / "videos" / "b.mp4").write_bytes(b"")
    make_video("videos/c.mp4", frames=5)
    make_video("videos/d.mp4", frames=20)
    result = extract([tmp_path / "videos", tmp_path / "missing.mp4"])
    assert result.done == ("a", "d")
    causes = {Path(failure.path).name: failure.cause for failure in result.failed}
    assert causes.keys() == {"b.mp4", "c.mp4", "missing.mp4"}
    assert causes["c.mp4"] == "too short (5 < 16 frames)"
    assert sorted(bytes_of(tmp_path / "feats")) == ["a.json", "a.npy", "d.json", "d.npy"]


def test_a_defect_fails_one_video_only(make_video: MakeVideo, extract: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_video("videos/a.mp4", frames=20)
    make_video("videos/b.mp4", frames=20)
    whole = VideoFeaturizer.pour

    def sometimes(self: VideoFeaturizer, video: Input, *rest: Any) -> Any:
        if video.key == "a":
            raise RuntimeError("broken")
        return whole(self, video, *rest)

    monkeypatch.setattr(VideoFeaturizer, "pour", sometimes)
    result = extract()
    assert result.done == ("b",)
    assert "RuntimeError: broken" in result.failed[0].cause


@pytest.mark.parametrize(("choice", "outcome"), [("error", "failed"), ("keep", "done"), ("skip", "partial")])
def test_damaged_videos(choice: str, outcome: str, make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    clip = make_video("videos/cut.mp4", frames=100)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    result = extract(on_partial=choice)
    assert {name: len(getattr(result, name)) for name in ("done", "partial", "failed")}[outcome] == 1
    assert (tmp_path / "feats" / "cut.npy").exists() == (choice == "keep")
    if choice == "keep":
        assert extract(on_partial="keep").skipped == ("cut",)
        assert len(extract(on_partial="error").failed) == 1  # kept features are no answer to who wants whole ones


def test_given_keys_are_kept(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    clip = make_video("clip.mp4", frames=20)
    assert extract([Input("some/key", clip)]).done == ("some/key",)
    assert (tmp_path / "feats" / "some" / "key.npy").exists()


def test_a_key_never_leaves_the_folder(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    clip = make_video("clip.mp4", frames=20)
    result = extract([Input("../outside", clip)])
    assert len(result.failed) == 1
    assert not (tmp_path / "outside.npy").exists()


def test_progress_and_outcomes_are_told(make_video: MakeVideo, extract: Any) -> None:
    make_video("videos/a.mp4", frames=20)
    make_video("videos/b.mp4", frames=5)
    steps: list[Progress] = []
    outcomes: dict[str, str] = {}
    extract(progress=steps.append, finished=lambda video, outcome: outcomes.update({video.key: outcome}))
    assert {step.key for step in steps if step.finished} == {"a"}
    assert outcomes == {"a": "done", "b": "too short (5 < 16 frames)"}


def test_a_full_disk_stops_with_earlier_outputs_intact(
    make_video: MakeVideo, extract: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    before = bytes_of(tmp_path / "feats")
    make_video("videos/b.mp4", frames=20)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wtalkit.atomic.os.fsync", full)
    with pytest.raises(MachineError, match="no space left"):
        extract()
    assert bytes_of(tmp_path / "feats") == before


def test_an_interruption_keeps_what_is_finished(
    make_video: MakeVideo, extract: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        make_video(f"videos/{name}.mp4", frames=40)
    through: list[str] = []
    whole = VideoFeaturizer.pour

    def last_waits(self: VideoFeaturizer, video: Input, *rest: Any) -> Any:
        while video.key == "d" and not through:
            time.sleep(0.01)
        return whole(self, video, *rest)

    def interrupt(step: Progress) -> None:
        if through and step.key == "d":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(VideoFeaturizer, "pour", last_waits)
        extract(progress=interrupt, finished=lambda video, _: through.append(video.key))
    there = sorted({name.split(".")[0] for name in bytes_of(tmp_path / "feats")})
    assert through and set(through) <= set(there)
    assert sorted(bytes_of(tmp_path / "feats")) == [f"{key}.{kind}" for key in there for kind in ("json", "npy")]
    assert extract().skipped == tuple(there)
    assert len(bytes_of(tmp_path / "feats")) == 8


def test_an_interruption_does_not_wait_for_what_is_queued(
    make_video: MakeVideo, extract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch may take seconds, and several are queued."""

    def slow(self: Backbone, rgb: torch.Tensor, _: object) -> torch.Tensor:
        time.sleep(2.5)
        return torch.zeros(len(rgb), 256)

    monkeypatch.setattr(Backbone, "features", slow)
    for name in "ab":
        make_video(f"videos/{name}.mp4", frames=400)
    stopped = 0.0

    def interrupt(step: Progress) -> None:
        nonlocal stopped
        if step.frames_done:
            stopped = time.monotonic()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(progress=interrupt, workers=2)
    assert time.monotonic() - stopped < 5


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_folder_is_needed(below: str, make_video: MakeVideo, mini_rgb: Backbone, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    (tmp_path / "feats").write_text("a file")
    with pytest.raises(FeaturesError, match="feats: is a file"):
        wtalkit.extract(tmp_path / "videos", tmp_path / "feats" / below, backbone=mini_rgb, flow="none")


def test_a_key_names_one_video(make_video: MakeVideo, extract: Any) -> None:
    clips = [make_video("a.mp4", frames=20), make_video("b.mp4", frames=20)]
    with pytest.raises(ConfigError, match="two videos have the key 'same'"):
        extract([Input("same", clip) for clip in clips])


def test_a_full_disk_leaves_the_features_that_were_there(
    make_video: MakeVideo, extract: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    before = bytes_of(tmp_path / "feats")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wtalkit.features.store.os.fsync", full)
    with pytest.raises(MachineError, match="no space left"):
        extract(overwrite=True)
    assert bytes_of(tmp_path / "feats") == before


def test_several_lanes_write_what_one_writes(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    for number in range(5):
        make_video(f"videos/{number}.mp4", frames=20 + 13 * number)
    begun: list[str] = []
    result = extract(started=lambda video: begun.append(video.key))
    assert result.done == tuple("01234")
    assert sorted(begun) == list(result.done)
    together = bytes_of(tmp_path / "feats")
    for number in range(5):
        shutil.rmtree(tmp_path / "feats")
        extract(tmp_path / "videos" / f"{number}.mp4")
        assert bytes_of(tmp_path / "feats") == {
            name: content for name, content in together.items() if name.startswith(f"{number}.")
        }


def test_replicas_share_the_work(
    make_video: MakeVideo, extract: Any, mini_rgb: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine with several GPUs: every one is fed, and the files are the same."""
    for number in range(4):
        make_video(f"videos/{number}.mp4", frames=40)
    extract()
    alone = bytes_of(tmp_path / "feats")
    shutil.rmtree(tmp_path / "feats")
    twins = [copy.copy(mini_rgb), copy.copy(mini_rgb)]
    calls: dict[int, int] = {}
    whole = Backbone.features

    def counted(self: Backbone, *windows: Any) -> Any:
        calls[id(self)] = calls.get(id(self), 0) + 1
        return whole(self, *windows)

    monkeypatch.setattr(Backbone, "features", counted)
    extract(backbone=twins[0], replicas=twins[1:])
    assert calls.keys() == {id(twin) for twin in twins}
    assert bytes_of(tmp_path / "feats") == alone


def test_another_run_in_the_same_folder_is_left_alone(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    with FeatureWriter(tmp_path / "feats", "other") as writer:
        extract(overwrite=True)
        writer.append(np.zeros((1, 256), np.float32))
        writer.finish(read_features(tmp_path / "feats" / "a.npy").record)
    assert np.load(tmp_path / "feats" / "other.npy").shape == (1, 256)


def test_what_another_run_leaves_when_it_is_killed_meanwhile_is_swept(
    make_video: MakeVideo, extract: Any, tmp_path: Path
) -> None:
    """A kill between a claim, which the next one takes over, and the record, whose temporary nobody else knows."""
    make_video("videos/a.mp4", frames=20)
    leftover = tmp_path / "feats" / f".half{TEMPORARY_SUFFIX}"

    def another_is_killed(_: Input) -> None:
        leftover.parent.mkdir(exist_ok=True)
        leftover.write_bytes(b"half")

    extract(started=another_is_killed)
    assert {path.name for path in leftover.parent.iterdir()} == {"a.npy", "a.json", STATUS_FILE}


def test_other_weights_are_another_spec(
    make_video: MakeVideo, extract: Any, mini_rgb: Backbone, tmp_path: Path
) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    record = json.loads((tmp_path / "feats" / "a.json").read_text())
    record["weights_hash"] = "0" * 16
    (tmp_path / "feats" / "a.json").write_text(json.dumps(record))
    with pytest.raises(FeaturesError, match="weights_hash"):
        extract()


def test_features_do_not_depend_on_the_path_taken(make_video: MakeVideo, extract: Any, mini_rgb: Backbone) -> None:
    clip = make_video("videos/a.mp4", frames=40)
    result = extract()
    alone = VideoFeaturizer(mini_rgb, "none").features(clip, "a")
    stored = read_features(result.out / "a.npy")
    np.testing.assert_array_equal(stored.array, alone.array)
    assert stored.record is not None
    assert stored.record.model_copy(update={"array_sha256": None}) == alone.record


def test_a_copy_of_the_folder_is_as_good(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    extract()
    shutil.move(tmp_path / "feats", tmp_path / "kept")
    shutil.copytree(tmp_path / "kept", tmp_path / "feats", copy_function=shutil.copyfile)
    assert extract().skipped == ("a",)


class TestStatus:
    def test_every_video_has_its_line(self, make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
        make_video("videos/good.mp4", frames=20)
        (tmp_path / "videos" / "empty.mp4").write_bytes(b"")
        cut = make_video("videos/cut.mp4", frames=100)
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        result = extract([tmp_path / "videos", tmp_path / "missing.mp4"])
        found = read_status(tmp_path / "feats")
        assert {key: (each.state, each.cause and each.cause.split(":")[0]) for key, each in found.items()} == {
            "good": ("done", None),
            "empty": ("failed", "empty file"),
            "cut": ("failed", found["cut"].cause),
            "missing": ("failed", "no such file"),
        }
        assert found["good"].decoded_s == found["good"].expected_s == pytest.approx(1.6)
        assert found["good"].spec == result.spec.to_dict()
        assert found["cut"].expected_s == pytest.approx(8.0)
        assert found["cut"].decoded_s is not None and 2 < found["cut"].decoded_s < 6
        assert found["cut"].gaps == ((pytest.approx(found["cut"].decoded_s), pytest.approx(8.0)),)
        assert str(found["cut"].cause).startswith(f"decoded {found['cut'].decoded_s:.2f} of 8.00 s")
        assert {each.video: each for each in result.statuses} == found

    @pytest.mark.parametrize(("choice", "state"), [("error", "failed"), ("keep", "partial"), ("skip", "skipped")])
    def test_of_a_damaged_video(
        self, choice: str, state: str, make_video: MakeVideo, extract: Any, tmp_path: Path
    ) -> None:
        cut = make_video("videos/cut.mp4", frames=100)
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        extract(on_partial=choice)
        (status,) = read_status(tmp_path / "feats").values()
        assert status.state == state
        assert str(status.cause).startswith("decoded ")
        assert status.gaps

    def test_an_interrupted_run_leaves_the_file_of_an_unbroken_one(
        self, make_video: MakeVideo, extract: Any, tmp_path: Path
    ) -> None:
        for name in "abc":
            make_video(f"videos/{name}.mp4", frames=20)
        (tmp_path / "videos" / "d.mp4").write_bytes(b"")
        extract()
        unbroken = (tmp_path / "feats" / STATUS_FILE).read_bytes()
        shutil.rmtree(tmp_path / "feats")
        extract(tmp_path / "videos" / "c.mp4")
        with (tmp_path / "feats" / STATUS_FILE).open("ab") as file:
            file.write(b'{"schema": 1, "video": "half')
        extract()
        assert (tmp_path / "feats" / STATUS_FILE).read_bytes() == unbroken
        extract()
        assert (tmp_path / "feats" / STATUS_FILE).read_bytes() == unbroken

    @pytest.mark.parametrize("choice", ["error", "keep", "skip"])
    def test_of_a_short_video(self, choice: str, make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
        make_video("videos/short.mp4", frames=10)
        assert len(extract(on_partial=choice).failed) == 1
        (status,) = read_status(tmp_path / "feats").values()
        assert (status.state, status.cause) == ("failed", "too short (10 < 16 frames)")
        assert (status.decoded_s, status.expected_s) == (pytest.approx(0.8), pytest.approx(0.8))

    def test_what_was_repaired_is_noted(self, make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
        make_video("videos/a.mp4", frames=20)
        extract()
        array = tmp_path / "feats" / "a.npy"
        array.write_bytes(array.read_bytes()[:-4] + np.float32(7).tobytes())
        assert extract().done == ("a",)
        (status,) = read_status(tmp_path / "feats").values()
        cause = "does not hold the numbers that its record was written for"
        assert status.warnings == (f"its features were damaged ({cause}) and are extracted again",)

    def test_lines_of_the_time_of_a_failure_give_way(self, make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
        bad = tmp_path / "videos" / "a.mp4"
        bad.parent.mkdir()
        bad.write_bytes(b"")
        extract()
        make_video("videos/a.mp4", frames=20)
        extract()
        assert [each.state for each in read_status(tmp_path / "feats").values()] == ["done"]


def test_a_video_another_process_is_at_is_waited_for(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    for name in "ab":
        make_video(f"videos/{name}.mp4", frames=20)
    extract()
    whole = read_features(tmp_path / "feats" / "a.npy")
    shutil.rmtree(tmp_path / "feats")
    outcomes: list[tuple[str, str]] = []
    with FeatureWriter(tmp_path / "feats", "a") as elsewhere:

        def told(video: Input, outcome: str) -> None:
            outcomes.append((video.key, outcome))
            if len(outcomes) == 2:  # b is through, a was found busy: now the other process finishes
                elsewhere.append(whole.array)
                elsewhere.finish(whole.record)

        result = extract(finished=told)
    assert (result.done, result.skipped) == (("b",), ("a",))
    assert sorted(outcomes[:2]) == [("a", "busy"), ("b", "done")]
    assert outcomes[2:] == [("a", "skipped")]


def test_a_video_another_process_gave_up_is_done_here(make_video: MakeVideo, extract: Any, tmp_path: Path) -> None:
    make_video("videos/a.mp4", frames=20)
    with FeatureWriter(tmp_path / "feats", "a") as elsewhere:
        result = extract(finished=lambda _, outcome: elsewhere.__exit__(OSError, OSError(), None))
    assert result.done == ("a",)
