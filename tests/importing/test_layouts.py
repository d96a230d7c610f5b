"""Each layout round-trips: the arrays are the pack's, the annotations the ground truth's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.importing import packs
from wtalkit.annotations import Point, load_annotations
from wtalkit.errors import FeaturesError, MachineError
from wtalkit.features import PRESETS, FeatureFolder, read_features
from wtalkit.importing import LAYOUTS, ImportResult, import_pack, presets
from wtalkit.status import read_status

Written = tuple[Path, dict[str, np.ndarray]]


def thumos(write: Callable[..., Path], folder: Path, **options: object) -> Written:
    known = packs.truth()
    arrays = packs.features(known)
    return write(folder, known, arrays, **options), arrays


def actionformer(folder: Path) -> Written:
    known = packs.truth()
    arrays = packs.features(known, fps=30, stride=4, less=1)  # its extractor leaves the last window out
    return packs.write_flat(folder, known, arrays), arrays


def activitynet(folder: Path) -> Written:
    known = packs.truth("activitynet1.2", packs.ACTIVITYNET)
    arrays = packs.features(known)
    renamed = {f"v_{key}": array for key, array in arrays.items()}
    return packs.write_wtalc(folder, known, renamed, name="ActivityNet1.2"), arrays


def activitynet_by_url(folder: Path) -> Written:
    known = packs.truth("activitynet1.2", packs.ACTIVITYNET)
    arrays = packs.features(known)
    renamed = {f"clip{number}": array for number, array in enumerate(arrays.values())}
    urls = {f"clip{number}": f"https://www.youtube.com/watch?v={key}" for number, key in enumerate(arrays)}
    return packs.write_wtalc(folder, known, renamed, name="ActivityNet1.2", urls=urls), arrays


def acmnet_activitynet(folder: Path) -> Written:
    known = packs.truth("activitynet1.3", ("Y8WY_c3onSY", "qMJi2nXWOkg"))
    arrays = packs.features(known)
    sides = {"training": "train", "validation": "test"}
    return packs.write_split(folder, known, arrays, joined=True, prefix="v_", sides=sides), arrays


def tsp(folder: Path) -> Written:
    known = packs.truth("activitynet1.3", ("Y8WY_c3onSY", "qMJi2nXWOkg"))
    arrays = packs.features(known, fps=15, width=512)
    return packs.write_flat(folder, known, arrays, prefix="v_", name="tsp_features"), arrays


def hdf5(folder: Path, inner: str | None = None) -> Written:
    arrays = packs.features(packs.truth("activitynet1.3", packs.ACTIVITYNET[:3]))
    return packs.write_hdf5(folder / "i3d.hdf5", arrays, inner=inner), arrays


def pmil(folder: Path) -> Written:
    _, arrays = thumos(packs.write_wtalc, folder / "data" / "Thumos14reduced")
    (folder / "proposals").mkdir()
    (folder / "proposals" / "detection_result_base_test.json").write_text("{}")
    return folder, arrays


CASES: dict[str, tuple[Callable[[Path], Written], str, str, str]] = {
    "wtalc": (lambda f: thumos(packs.write_wtalc, f), "wtalc", "thumos14-wtalc-25fps-s16", "thumos14"),
    "python 2": (lambda f: thumos(packs.write_wtalc, f, python2=True), "wtalc", "thumos14-wtalc-25fps-s16", "thumos14"),
    "pmil": (pmil, "pmil", "thumos14-wtalc-25fps-s16", "thumos14"),
    "activitynet": (activitynet, "wtalc", "activitynet1.2-wtalc-25fps-s16", "activitynet1.2"),
    "by url": (activitynet_by_url, "wtalc", "activitynet1.2-wtalc-25fps-s16", "activitynet1.2"),
    "cola": (lambda f: thumos(packs.write_split, f), "cola", "thumos14-cola-25fps-s16", "thumos14"),
    "acmnet": (
        lambda f: thumos(packs.write_split, f, joined=True), "acmnet", "thumos14-acmnet-25fps-s16", "thumos14",
    ),
    "acmnet 1.3": (acmnet_activitynet, "acmnet", "activitynet1.3-acmnet-25fps-s16", "activitynet1.3"),
    "actionformer": (actionformer, "actionformer", "thumos14-actionformer-30fps-s4", "thumos14"),
    "tsp": (tsp, "actionformer", "activitynet1.3-actionformer-tsp-15fps-s16", "activitynet1.3"),
    "hdf5": (hdf5, "hdf5", "i3d-25fps-s16", "activitynet1.3"),
    "hdf5 groups": (lambda f: hdf5(f, "i3d_features"), "hdf5", "i3d-25fps-s16", "activitynet1.3"),
}  # fmt: skip


def imported(pack: Path, tmp_path: Path, **options: object) -> ImportResult:
    return import_pack(pack, tmp_path / "project" / "feats", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES)
def test_what_is_imported_is_what_the_pack_holds(tmp_path: Path, case: str) -> None:
    write, layout, preset, dataset = CASES[case]
    pack, arrays = write(tmp_path / "pack")
    extra = {"dataset": dataset} if case.startswith("hdf5") else {}
    result = imported(pack, tmp_path, **extra)
    assert (result.layout, result.preset, result.dataset) == (layout, preset, dataset)
    assert not result.failed
    folder = FeatureFolder(result.out)
    assert set(folder.keys) == set(arrays) == set(result.done)
    truth = packs.whole(dataset)
    for key, array in arrays.items():
        found = folder.read(key)
        np.testing.assert_array_equal(found.array, array)
        assert found.record is not None
        assert found.record.spec == result.spec
        assert found.record.duration_s == truth.videos[key].duration_s
        assert found.record.warnings == ()
        assert found.record.array_sha256 is not None
    # What differs from the ground truth is that most of its videos are not in the pack.
    assert set(result.counts) <= {"no features"}
    assert load_annotations(result.out.parent / "annotations.json").videos == truth.videos
    assert {state.state for state in read_status(result.out).values()} == {"done"}
    assert json.loads((result.out / "import.json").read_text())["counts"] == result.counts


@pytest.mark.parametrize("write", [packs.write_wtalc, packs.write_split], ids=["wtalc", "cola"])
def test_of_a_data_set_of_ones_own_the_pack_s_annotations_are_taken(tmp_path: Path, write: Callable[..., Path]) -> None:
    known = packs.own()
    arrays = packs.features(known)
    result = imported(write(tmp_path / "pack", known, arrays), tmp_path)
    assert (result.dataset, result.preset) == (None, "i3d-25fps-s16")
    assert result.disagreements == ()
    found = load_annotations(result.out.parent / "annotations.json")
    assert {key: video.segments for key, video in found.videos.items()} == {
        key: video.segments for key, video in known.videos.items()
    }
    assert {key: (v.subset, v.labels) for key, v in found.videos.items()} == {
        key: (v.subset, v.labels if write is packs.write_wtalc else tuple(sorted({i.label for i in v.segments})))
        for key, v in known.videos.items()
    }


def test_the_layout_can_be_named_and_is_then_required(tmp_path: Path) -> None:
    pack, _ = thumos(packs.write_split, tmp_path / "pack")
    assert imported(pack, tmp_path, layout="cola", dry_run=True).layout == "cola"
    with pytest.raises(FeaturesError, match="is no pack of the layout hdf5: an HDF5 file"):
        imported(pack, tmp_path, layout="hdf5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeaturesError, match=r"empty: is a pack of no layout that wtalkit knows\. Known are wtalc:"):
        imported(tmp_path / "empty", tmp_path)
    with pytest.raises(FeaturesError, match="there is no such pack"):
        imported(tmp_path / "gone", tmp_path)


def test_a_repository_with_the_pack_in_it_will_do(tmp_path: Path) -> None:
    known = packs.truth()
    packs.write_split(tmp_path / "repo" / "dataset" / "THUMOS14", known, packs.features(known))
    assert imported(tmp_path / "repo", tmp_path, dry_run=True).preset == "thumos14-cola-25fps-s16"


def test_actionformers_videos_of_another_rate_are_placed_on_its_clock(tmp_path: Path) -> None:
    key = "video_validation_0000411"  # 24 fps, 810 s
    known = packs.truth(keys=(key, "video_test_0000062"))
    arrays = packs.features(known, fps=30, stride=4, less=1)
    rows = (int(810.029 * 24) - 16) // 4
    arrays[key] = np.repeat(np.arange(rows, dtype=np.float32)[:, None], 2048, axis=1)
    result = imported(packs.write_flat(tmp_path / "pack", known, arrays), tmp_path)
    found = read_features(result.out / f"{key}.npy")
    assert found.record is not None
    (warning,) = found.record.warnings
    assert warning == f"made at 24 fps: its {rows} rows are placed on a clock of 30 fps"
    assert result.done == {"video_test_0000062": "linked", key: "copied"}
    # Row j stands for the time (4 j + 8) / 30 s, when row (that * 24 - 8) / 4 was nearest.
    middles = (np.arange(len(found.array)) * 4 + 8) / 30
    wanted = np.clip(np.rint((middles * 24 - 8) / 4), 0, rows - 1)
    np.testing.assert_array_equal(found.array[:, 0], wanted)
    assert abs(len(found.array) - (810.029 * 30 - 16) / 4) < 3
    assert {(each.kind, each.video) for each in result.disagreements if each.video == key} == {("features", key)}


def test_labelled_frames_of_lac_come_with_the_ground_truth(tmp_path: Path) -> None:
    pack, _ = thumos(packs.write_split, tmp_path / "pack")
    video = "video_validation_0000854"
    packs.write_lac(pack, packs.truth(), [("SoccerPenalty", video, 150), ("GolfSwing", video, 160)])
    result = imported(pack, tmp_path)
    found = load_annotations(result.out.parent / "annotations.json").videos
    assert found[video].points == (Point(5.0, "SoccerPenalty"),)
    assert found[video].segments == packs.truth().videos[video].segments
    (odd,) = [each for each in result.disagreements if each.kind == "points"]
    assert str(odd) == f"{video}: has points of GolfSwing, which is not among its labels; they are left out"


def test_rgb_and_flow_in_two_hdf5_files_are_joined(tmp_path: Path) -> None:
    arrays = packs.features(packs.truth("activitynet1.3", packs.ACTIVITYNET[:2]))
    rgb = packs.write_hdf5(tmp_path / "rgb.h5", {key: array[:, :1024] for key, array in arrays.items()})
    flow = packs.write_hdf5(tmp_path / "flow.h5", {key: array[:-1, 1024:] for key, array in arrays.items()})
    result = import_pack([flow, rgb], tmp_path / "feats", dataset="activitynet1.3")
    for key, array in arrays.items():
        np.testing.assert_array_equal(read_features(result.out / f"{key}.npy").array, array[:-1])
    assert result.counts["features"] == 2  # a row of RGB was left out


def test_hdf5_never_follows_a_link_out_of_the_file(tmp_path: Path) -> None:
    import h5py

    arrays = packs.features(packs.truth("activitynet1.3", packs.ACTIVITYNET[:2]))
    packs.write_hdf5(tmp_path / "secret.h5", {"x": arrays["_MYAaRrTeMQ"]})
    pack = packs.write_hdf5(tmp_path / "a.h5", arrays)
    with h5py.File(pack, "a") as file:
        file["v_link"] = h5py.ExternalLink("secret.h5", "/v_x")
    assert set(import_pack(pack, tmp_path / "feats").done) == set(arrays)
    with h5py.File(pack, "a") as file:
        layout = h5py.VirtualLayout((5, 2048), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "v_x", (5, 2048))
        file.create_virtual_dataset("v_virtual", layout)
    with pytest.raises(FeaturesError, match="'v_virtual' in other files"):
        import_pack(pack, tmp_path / "feats")


@pytest.mark.parametrize("chunks", [None, (4, 2048)])
def test_what_was_never_written_to_hdf5_is_no_row_of_zeros(tmp_path: Path, chunks: tuple[int, int] | None) -> None:
    import h5py

    arrays = packs.features(packs.truth("activitynet1.3", packs.ACTIVITYNET[:2]))
    pack = packs.write_hdf5(tmp_path / "a.h5", arrays)
    with h5py.File(pack, "a") as file:
        file.create_dataset("v_never", (9, 2048), "f4", chunks=chunks)
        half = file.create_dataset("v_half", (9, 2048), "f4", chunks=(4, 2048))
        half[:4] = 1
        file.create_dataset("v_zero", data=np.zeros((9, 2048), "f4"), chunks=chunks)
    result = import_pack(pack, tmp_path / "feats")
    causes = {failure.cause for failure in result.failed}
    assert causes == {
        "'v_never': its numbers were never written", "'v_half': holds 1 of the 3 parts of its numbers",
    }  # fmt: skip
    assert {*arrays, "zero"} == {key.removeprefix("v_") for key in result.done}


def test_without_h5py_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack, _ = hdf5(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MachineError, match=r"need the package h5py. pip install 'wtalkit\[hdf5\]'"):
        import_pack(pack, tmp_path / "feats")


def test_every_preset_that_a_pack_may_land_in_exists() -> None:
    named = {name for names in presets._NAMED.values() for name in names} | set(presets._OTHERS.values())
    assert named <= set(PRESETS)
    assert set(PRESETS) - named == {"i3d-25fps-s16-rgb"}
    assert {layout for layout, _ in presets._NAMED} <= set(LAYOUTS)
