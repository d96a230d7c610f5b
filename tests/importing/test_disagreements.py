"""What does not fit together is listed, and what is damaged is refused in a sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.importing import packs
from tests.security.pickles import HOSTILE, hostile, in_array
from wtalkit.annotations import Annotations, Instance, VideoAnnotation
from wtalkit.errors import AnnotationsError, ConfigError, FeaturesError, UsageError
from wtalkit.features import FeatureFolder
from wtalkit.importing import ImportResult, import_pack
from wtalkit.importing.agreement import coverage_disagreements, list_disagreements
from wtalkit.importing.pack import Pack
from wtalkit.status import read_status

FIRST, SECOND, THIRD = packs.THUMOS[:3]


def imported(pack: Path, tmp_path: Path, **options: Any) -> ImportResult:
    return import_pack(pack, tmp_path / "project" / "feats", **options)


def said(result: ImportResult, kind: str) -> list[str]:
    return [str(each) for each in result.disagreements if each.kind == kind]


def changed(known: Annotations, key: str, **changes: Any) -> Annotations:
    return replace(known, videos={**known.videos, key: replace(known.videos[key], **changes)})


class TestLengths:
    def test_one_array_of_another_length(self, tmp_path: Path) -> None:
        known = packs.truth()
        arrays = packs.features(known)
        arrays[SECOND] = arrays[SECOND][:20]
        result = imported(packs.write_wtalc(tmp_path / "pack", known, arrays), tmp_path)
        assert said(result, "length") == [f"{SECOND}: has 20 rows, its duration calls for 26"]
        record = FeatureFolder(result.out).read(SECOND).record
        assert record is not None
        assert record.warnings == ("has 20 rows, its duration calls for 26",)
        assert (record.duration_s, record.frames) == (16.925, 20 * 16 + 15)
        stored = json.loads((result.out / "import.json").read_text())
        assert {"kind": "length", "text": "has 20 rows, its duration calls for 26", "video": SECOND} in stored[
            "disagreements"
        ]
        assert read_status(result.out)[SECOND].warnings == record.warnings

    def test_the_tail_may_be_treated_otherwise(self, tmp_path: Path) -> None:
        known = packs.truth()
        arrays = {key: array[:-2] for key, array in packs.features(known).items()}
        assert said(imported(packs.write_wtalc(tmp_path / "pack", known, arrays), tmp_path), "length") == []

    def test_all_of_another_rate(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known, fps=30))
        (pace,) = said(imported(pack, tmp_path), "pace")
        assert pace.startswith("the lengths speak of 30")
        assert pace.endswith("the preset says 25 fps and 16")


class TestAnnotations:
    def test_each_difference_from_the_ground_truth(self, tmp_path: Path) -> None:
        known = packs.truth()
        given = known.videos[THIRD].segments
        odd = changed(known, FIRST, subset="test", labels=("Billiards",))
        odd = changed(odd, SECOND, duration_s=18.0)
        odd = changed(odd, THIRD, segments=(*given[1:], Instance(1.0, 2.0, given[0].label)))
        odd = replace(odd, classes=(*odd.classes, "Billiards"))
        result = imported(packs.write_wtalc(tmp_path / "pack", odd, packs.features(known)), tmp_path)
        assert f"{FIRST}: is in test, in the ground truth in validation" in said(result, "subset")
        assert said(result, "labels") == [
            f"{FIRST}: labels: Billiards in the pack alone; CricketBowling, CricketShot in the ground truth alone"
        ]
        assert said(result, "duration") == [f"{SECOND}: lasts 18 s, in the ground truth 16.925 s"]
        (text,) = said(result, "instances")
        first = given[0]
        assert text == (
            f"{THIRD}: instances: 1 in the pack alone ({first.label} 1-2 s); "
            f"1 in the ground truth alone ({first.label} {first.start_s:g}-{first.end_s:g} s)"
        )
        # The pack's own are compared, not taken.
        written = json.loads((tmp_path / "project" / "annotations.json").read_text())
        assert written["database"][FIRST]["video_labels"] == ["CricketBowling", "CricketShot"]

    def test_rates_of_actionformer(self, tmp_path: Path) -> None:
        known = changed(packs.truth(), FIRST, fps=25.0)
        pack = packs.write_flat(tmp_path / "pack", known, packs.features(packs.truth(), fps=30, stride=4, less=1))
        assert said(imported(pack, tmp_path), "rate") == [f"{FIRST}: the pack says 25 fps, the ground truth 30"]

    def test_lists_and_features(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_split(tmp_path / "pack", known, packs.features(known))
        (pack / "split_train.txt").write_bytes(
            b"\xef\xbb\xbf" + f"{FIRST}\r\nvideo_test_0000698\r\nvideo_validation_0000986\r\n".encode()
        )
        result = imported(pack, tmp_path)
        assert set(said(result, "not in its list")) == {
            f"{key}: has features, and no list of the pack names it" for key in (SECOND, THIRD)
        }
        assert "video_validation_0000986: is listed to train with, and has no features in the pack" in said(
            result, "no features"
        )
        assert "video_test_0000698: is listed to train with, in the ground truth it is in test" in said(
            result, "subset"
        )

    def test_a_video_that_the_ground_truth_does_not_know(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_split(tmp_path / "pack", known, packs.features(known))
        for stream in ("rgb", "flow"):
            folder = pack / "features" / "test" / stream
            np.save(folder / "stranger.npy", np.ones((3, 1024), np.float32))
        result = imported(pack, tmp_path)
        assert said(result, "unknown video") == ["stranger: has features, and the ground truth does not know it"]
        assert "stranger" in FeatureFolder(result.out)
        record = FeatureFolder(result.out).read("stranger").record
        assert record is not None
        assert record.warnings == ("its duration is not known, and is taken to be that of its rows",)

    def test_a_named_file_takes_the_place_of_all_others(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
        table = tmp_path / "labels.csv"
        table.write_text("video,label\n" + "".join(f"{key},x\n" for key in packs.THUMOS))
        result = imported(pack, tmp_path, annotations=table, preset="thumos14-wtalc-25fps-s16")
        assert (result.truth, result.dataset) == (str(table), None)
        assert len(said(result, "labels")) == 6
        with pytest.raises(ConfigError, match="exclude each other"):
            imported(pack, tmp_path, annotations=table, dataset="thumos14")


class TestBadVideos:
    """One does not stop the others."""

    @pytest.mark.parametrize(
        ("make", "cause"),
        [
            (lambda: np.zeros((5, 2048), np.int64), "holds int64 numbers"),
            (lambda: np.full((5, 2048), np.nan, np.float32), "NaN or infinite numbers (first in snippet 0)"),
            (lambda: np.full((5, 2048), 1e300), "NaN or infinite"),
            (lambda: np.zeros((5, 1024), np.float32), "has shape (5, 1024)"),
            (lambda: np.zeros((0, 2048), np.float32), "no snippet"),
            (lambda: np.zeros(2048, np.float32), "has shape (2048,)"),
            (lambda: "nothing", "holds a str in place of an array"),
        ],
    )
    def test_an_array_that_is_none(self, tmp_path: Path, make: Callable[[], Any], cause: str) -> None:
        known = packs.truth()
        arrays: dict[str, Any] = {**packs.features(known), SECOND: make()}
        result = imported(packs.write_wtalc(tmp_path / "pack", known, arrays), tmp_path)
        (failure,) = result.failed
        assert failure.path.endswith("Thumos14reduced-I3D-JOINTFeatures.npy")
        assert failure.cause.startswith(f"{SECOND!r}: ")
        assert cause in failure.cause
        assert set(FeatureFolder(result.out).keys) == set(packs.THUMOS) - {SECOND}
        assert read_status(result.out)[SECOND].state == "failed"

    def test_other_floats_are_converted(self, tmp_path: Path) -> None:
        known = packs.truth()
        arrays = packs.features(known, dtype="float16")
        result = imported(packs.write_split(tmp_path / "pack", known, arrays, joined=True), tmp_path)
        assert set(result.done.values()) == {"copied"}
        np.testing.assert_array_equal(FeatureFolder(result.out).read(FIRST).array, arrays[FIRST].astype(np.float32))
        assert np.load(result.out / f"{FIRST}.npy").dtype == np.float32

    def test_names_never_become_paths_out_of_the_folder(self, tmp_path: Path) -> None:
        known = packs.truth()
        arrays = packs.features(known)
        evil = {FIRST: "../../evil", SECOND: "/tmp/evil", THIRD: "import"}
        renamed = {evil.get(key, key): array for key, array in arrays.items()}
        pack = packs.write_wtalc(tmp_path / "pack", known, renamed)
        result = imported(pack, tmp_path)
        causes = " ".join(failure.cause for failure in result.failed)
        assert "'../../evil' leaves its folder" in causes
        assert "'/tmp/evil' is an absolute path" in causes
        assert "'import' is that of the import's report" in causes
        assert len(result.failed) == 3
        assert [path.name for path in tmp_path.iterdir()] == [
            path.name for path in tmp_path.iterdir() if "evil" not in path.name
        ]
        assert sorted(path.stem for path in result.out.glob("*.npy")) == sorted(packs.THUMOS[3:])

    def test_a_name_that_stands_twice(self, tmp_path: Path) -> None:
        known = packs.truth()
        arrays = packs.features(known)
        pack = packs.write_wtalc(tmp_path / "pack", known, arrays)
        names = [FIRST, FIRST, *packs.THUMOS[2:]]
        np.save(pack / "Thumos14reduced-Annotations" / "videoname.npy", np.array(names, dtype="S"))
        result = imported(pack, tmp_path)
        assert [failure.cause for failure in result.failed] == [f"holds {FIRST!r} a second time, the first counts"]
        np.testing.assert_array_equal(FeatureFolder(result.out).read(FIRST).array, arrays[FIRST])

    def test_a_stream_that_is_missing_or_of_another_length(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_split(tmp_path / "pack", known, packs.features(known))
        (pack / "features" / "train" / "flow" / f"{FIRST}.npy").unlink()
        flow = pack / "features" / "train" / "flow" / f"{SECOND}.npy"
        np.save(flow, np.load(flow)[:-3])
        causes = {Path(failure.path).stem: failure.cause for failure in imported(pack, tmp_path).failed}
        assert causes[FIRST] == f"flow/{FIRST}.npy does not exist"
        assert causes[SECOND].startswith("has streams of different lengths")
        assert set(causes) == {FIRST, SECOND}

    def test_features_that_are_all_zero_are_told(self, tmp_path: Path) -> None:
        known = packs.truth()
        arrays = packs.features(known)
        arrays[FIRST] = np.zeros_like(arrays[FIRST])
        pack = packs.write_wtalc(tmp_path / "pack", known, arrays)
        for _ in range(2):  # also where it was imported before
            assert said(imported(pack, tmp_path), "features") == [f"{FIRST}: all its numbers are zero"]


class TestBadPacks:
    def damaged(self, tmp_path: Path, file: str, content: bytes | None) -> Path:
        known = packs.truth()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
        if content is None:
            (pack / file).unlink()
        else:
            (pack / file).write_bytes(content)
        return pack

    NOTES = "Thumos14reduced-Annotations"

    @pytest.mark.parametrize("name", ["videoname", "labels", "labels_all", "segments", "subset"])
    def test_an_array_of_the_annotations_is_missing(self, tmp_path: Path, name: str) -> None:
        pack = self.damaged(tmp_path, f"{self.NOTES}/{name}.npy", None)
        with pytest.raises(AnnotationsError, match=rf"{name}\.npy: no such file"):
            imported(pack, tmp_path)
        assert not (tmp_path / "project").exists()

    @pytest.mark.parametrize("name", ["duration", "classlist", "extracted_fps"])
    def test_others_may_be_missing(self, tmp_path: Path, name: str) -> None:
        assert len(imported(self.damaged(tmp_path, f"{self.NOTES}/{name}.npy", None), tmp_path).done) == 6

    def test_another_number_of_videos(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
        np.save(pack / self.NOTES / "subset.npy", np.array(["test"] * 5, dtype="S"))
        with pytest.raises(AnnotationsError, match=r"subset.npy: is of 5 videos, videoname.npy names 6"):
            imported(pack, tmp_path)
        np.save(pack / self.NOTES / "videoname.npy", np.array(packs.THUMOS[:5], dtype="S"))
        with pytest.raises(FeaturesError, match=r"JOINTFeatures.npy: holds 6 videos, .* names 5"):
            imported(pack, tmp_path)

    def test_labels_that_are_no_class_and_times_without_a_name_are_listed_together(self, tmp_path: Path) -> None:
        known = packs.own()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
        np.save(pack / self.NOTES / "classlist.npy", np.array([c for c in known.classes if c != "LongJump"], dtype="S"))
        packs.save(pack / self.NOTES / "segments.npy", [[] for _ in known.videos], python2=False)
        with pytest.raises(AnnotationsError) as caught:
            imported(pack, tmp_path)
        assert "'d' has the label 'LongJump', which classlist.npy does not hold" in str(caught.value)
        assert "'b' has 1 names in labels.npy and 0 times in segments.npy" in str(caught.value)

    @pytest.mark.parametrize("kind", HOSTILE)
    def test_no_pickle_is_run(self, tmp_path: Path, kind: str) -> None:
        canary = tmp_path / "canary"
        stream, name = hostile(canary)[kind]
        pack = self.damaged(tmp_path, "Thumos14reduced-I3D-JOINTFeatures.npy", in_array(stream))
        with pytest.raises(FeaturesError, match=name.replace(".", r"\.")):
            imported(pack, tmp_path)
        pack = self.damaged(tmp_path / "again", f"{self.NOTES}/labels.npy", in_array(stream))
        with pytest.raises(AnnotationsError, match=name.replace(".", r"\.")):
            imported(pack, tmp_path)
        assert not canary.exists()

    def test_arrays_of_no_known_kind_need_a_preset(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_flat(tmp_path / "pack", known, packs.features(known, width=1024))
        with pytest.raises(ConfigError, match=r"holds arrays \(T, 1024\) of thumos14, and how such actionformer packs"):
            imported(pack, tmp_path)
        assert imported(pack, tmp_path, preset="i3d-25fps-s16-rgb").preset == "i3d-25fps-s16-rgb"
        with pytest.raises(ConfigError, match=r"i3d-25fps-s16 is of \(T, 2048\)"):
            imported(pack, tmp_path, preset="i3d-25fps-s16")

    def test_a_data_set_that_knows_none_of_the_videos(self, tmp_path: Path) -> None:
        known = packs.own()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
        with pytest.raises(AnnotationsError, match=r"thumos14: knows none of the pack's 6 videos, the first .* 'a'"):
            imported(pack, tmp_path, dataset="thumos14")

    @pytest.mark.parametrize(
        "text", ["", "[]", '{"database": {"a": {"annotations": [{"segment": ["x", 1], "label": "y"}]}}}']
    )
    def test_damaged_ground_truth(self, tmp_path: Path, text: str) -> None:
        known = packs.truth()
        pack = packs.write_split(tmp_path / "pack", known, packs.features(known))
        (pack / "gt.json").write_text(text)
        with pytest.raises(AnnotationsError, match=r"gt\.json"):
            imported(pack, tmp_path)

    def test_damaged_points(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_split(tmp_path / "pack", known, packs.features(known))
        packs.write_lac(pack, known, [("x", "stranger", 3), ("x", FIRST, -3)])
        with pytest.raises(AnnotationsError, match=r"line 2: names the video 'stranger'") as caught:
            imported(pack, tmp_path)
        assert "line 3: the point '-3' is no number of a frame" in str(caught.value)
        (pack / "point_gaussian" / "point_labels.csv").write_text("a,b\n")
        with pytest.raises(AnnotationsError, match="has no column 'class'"):
            imported(pack, tmp_path)

    def test_damaged_hdf5(self, tmp_path: Path) -> None:
        pack = packs.write_hdf5(tmp_path / "a.h5", packs.features(packs.truth()))
        content = pack.read_bytes()
        pack.write_bytes(content[: len(content) // 2])
        with pytest.raises(FeaturesError, match=r"a.h5: is no HDF5 file, or a damaged one"):
            imported(pack, tmp_path)

    def test_packs_of_different_layouts(self, tmp_path: Path) -> None:
        known = packs.truth()
        one = packs.write_split(tmp_path / "one", known, packs.features(known))
        two = packs.write_wtalc(tmp_path / "two", known, packs.features(known))
        with pytest.raises(UsageError, match="different layouts"):
            import_pack([one, two], tmp_path / "feats")


def test_every_error_names_a_file(tmp_path: Path) -> None:
    with pytest.raises(FeaturesError) as caught:
        import_pack(tmp_path / "gone")
    assert str(caught.value).startswith(os.fspath(tmp_path / "gone"))


def test_a_subset_in_several_spellings_is_one() -> None:
    videos = {
        key: VideoAnnotation(subset) for key, subset in zip("abcd", ("Test", "test", "TEST", "train"), strict=True)
    }
    truth = Annotations(videos, ())
    told = list(coverage_disagreements({"d"}, truth, {"Test", "train"}))
    assert [each.video for each in told] == ["a", "b", "c"]
    pack = Pack(Path("pack"), "wtalc", (), lists={"test": ("a", "b", "c")})
    keys = {key: key for key in "abcd"}
    told = list(list_disagreements(pack, keys, truth, {"train": "train", "test": "Test"}))
    assert {each.kind for each in told} == {"no features"}
