"""Links and copies, what is there already, and the memory that it takes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.importing import packs
from wtalkit import atomic
from wtalkit.errors import ConfigError, FeaturesError, MachineError
from wtalkit.features import FeatureFolder, FeatureSpec, preset, read_features
from wtalkit.features.store import FeatureWriter
from wtalkit.importing import ImportResult, import_pack
from wtalkit.status import read_status

FIRST, SECOND = packs.THUMOS[:2]


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A pack whose arrays are what a features folder holds."""
    known = packs.truth()
    return packs.write_flat(tmp_path / "pack", known, packs.features(known, fps=30, stride=4, less=1))


def source(pack: Path, key: str) -> Path:
    return pack / "i3d_features" / f"{key}.npy"


def imported(pack: Path, tmp_path: Path, **options: Any) -> ImportResult:
    return import_pack(pack, tmp_path / "feats", **options)


class TestLinks:
    def test_a_hard_link_where_there_can_be_one(self, flat: Path, tmp_path: Path) -> None:
        mode = source(flat, FIRST).stat().st_mode
        result = imported(flat, tmp_path)
        assert set(result.done.values()) == {"linked"}
        for key in packs.THUMOS:
            assert source(flat, key).samefile(result.out / f"{key}.npy")
            assert source(flat, key).stat().st_nlink == 2
        assert source(flat, FIRST).stat().st_mode == mode
        assert not list(result.out.glob(f".*{atomic.TEMPORARY_SUFFIX}"))

    def test_writing_features_anew_leaves_the_pack_as_it_is(self, flat: Path, tmp_path: Path) -> None:
        before = source(flat, FIRST).read_bytes()
        result = imported(flat, tmp_path)
        record = FeatureFolder(result.out).read(FIRST).record
        assert record is not None
        with FeatureWriter(result.out, FIRST) as writer:
            writer.append(np.zeros((len(FeatureFolder(result.out).read(FIRST).array), 2048), np.float32))
            writer.finish(record)
        assert source(flat, FIRST).read_bytes() == before

    def test_else_a_symbolic_one(self, flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "link", refusing(errno.EXDEV))
        result = imported(flat, tmp_path)
        assert set(result.done.values()) == {"symlinked"}
        assert (result.out / f"{FIRST}.npy").readlink() == source(flat, FIRST).resolve()
        assert FeatureFolder(result.out).read(FIRST).array.shape[1] == 2048
        assert len(imported(flat, tmp_path).skipped) == 6

    def test_else_a_copy(self, flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
        monkeypatch.setattr(os, "symlink", refusing(errno.EPERM))
        assert len(imported(flat, tmp_path / "strict", mode="link").failed) == 6
        result = imported(flat, tmp_path)
        assert set(result.done.values()) == {"copied"}
        np.testing.assert_array_equal(np.load(result.out / f"{FIRST}.npy"), np.load(source(flat, FIRST)))
        assert not (result.out / f"{FIRST}.npy").is_symlink()

    def test_a_copy_where_one_is_asked_for(self, flat: Path, tmp_path: Path) -> None:
        result = imported(flat, tmp_path, mode="copy")
        assert set(result.done.values()) == {"copied"}
        assert not source(flat, FIRST).samefile(result.out / f"{FIRST}.npy")

    def test_what_cannot_be_linked_fails_where_only_links_are_allowed(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
        result = imported(pack, tmp_path, mode="link")
        assert len(result.failed) == 6
        assert "cannot be linked. Use --mode auto" in result.failed[0].cause

    def test_a_folder_that_is_not_ours_to_write(
        self, flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.mkdtemp", refusing(errno.EROFS))
        with pytest.raises(MachineError, match="cannot be written to"):
            imported(flat, tmp_path)

    def test_the_pack_s_own_folder_is_no_place_for_the_features(self, flat: Path) -> None:
        with pytest.raises(ConfigError, match="where the pack's own arrays lie"):
            import_pack(flat, flat / "i3d_features")

    @pytest.mark.parametrize("stream", ["rgb", "flow"])
    def test_nor_are_those_of_one_stream(self, tmp_path: Path, stream: str) -> None:
        known = packs.truth()
        pack = packs.write_split(tmp_path / "pack", known, packs.features(known))
        folder = next((pack / "features").glob(f"*/{stream}"))
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(ConfigError, match="where the pack's own arrays lie"):
            import_pack(pack, folder)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before


def refusing(number: int) -> Any:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


class TestAgain:
    def test_only_what_is_missing_is_imported(self, flat: Path, tmp_path: Path) -> None:
        result = imported(flat, tmp_path)
        before = {path.name: path.stat().st_mtime_ns for path in result.out.iterdir() if path.name != "import.json"}
        again = imported(flat, tmp_path)
        assert (dict(again.done), set(again.skipped)) == ({}, set(packs.THUMOS))
        assert again.disagreements == result.disagreements
        assert before == {p.name: p.stat().st_mtime_ns for p in result.out.iterdir() if p.name != "import.json"}
        (result.out / f"{FIRST}.npy").unlink()
        (result.out / f"{SECOND}.json").unlink()
        assert set(imported(flat, tmp_path).done) == {FIRST, SECOND}

    def test_what_was_replaced_or_damaged_is_imported_again(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_split(tmp_path / "pack", known, packs.features(known), joined=True)
        result = imported(pack, tmp_path, mode="copy")
        file = pack / "train" / f"{FIRST}.npy"
        np.save(file, np.load(file)[:-1])
        array = np.load(result.out / f"{SECOND}.npy")
        array[0, 0] += 1
        np.save(result.out / f"{SECOND}.npy", array)
        again = imported(pack, tmp_path, mode="copy")
        assert set(again.done) == {FIRST, SECOND}
        np.testing.assert_array_equal(read_features(result.out / f"{FIRST}.npy").array, np.load(file))

    def test_a_video_that_failed_is_tried_again(self, tmp_path: Path) -> None:
        known = packs.truth()
        arrays = packs.features(known)
        pack = packs.write_split(tmp_path / "pack", known, {**arrays, FIRST: arrays[FIRST] * np.nan}, joined=True)
        assert len(imported(pack, tmp_path).failed) == 1
        np.save(pack / "train" / f"{FIRST}.npy", arrays[FIRST])
        result = imported(pack, tmp_path)
        assert (set(result.done), len(result.skipped), result.failed) == ({FIRST}, 5, ())
        assert {status.state for status in read_status(result.out).values()} == {"done"}

    def test_overwrite_imports_all_of_it(self, flat: Path, tmp_path: Path) -> None:
        imported(flat, tmp_path)
        assert set(imported(flat, tmp_path, overwrite=True).done) == set(packs.THUMOS)

    def test_features_of_two_packs_are_never_mixed(self, flat: Path, tmp_path: Path) -> None:
        result = imported(flat, tmp_path)
        known = packs.truth()
        other = packs.write_split(tmp_path / "other", known, packs.features(known))
        with pytest.raises(FeaturesError, match=r"fps 25\.0 and 30\.0; stride 16 and 4; pack cola and actionformer"):
            imported(other, tmp_path)
        assert imported(other, tmp_path, overwrite=True).preset == "thumos14-cola-25fps-s16"
        assert FeatureFolder(result.out).spec == preset("thumos14-cola-25fps-s16")

    def test_a_dry_run_writes_nothing(self, flat: Path, tmp_path: Path) -> None:
        before = set(tmp_path.rglob("*"))
        result = imported(flat, tmp_path, dry_run=True)
        assert set(result.done) == set(packs.THUMOS)
        assert result.annotations_written
        assert set(tmp_path.rglob("*")) == before

    def test_leftovers_of_a_killed_run_are_swept(self, flat: Path, tmp_path: Path) -> None:
        (tmp_path / "feats").mkdir()
        leftover = tmp_path / "feats" / f".x{atomic.TEMPORARY_SUFFIX}"
        leftover.write_text("x")
        imported(flat, tmp_path)
        assert not leftover.exists()

    def test_another_process_at_the_same_video(self, tmp_path: Path) -> None:
        known = packs.truth()
        pack = packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
        with FeatureWriter(tmp_path / "feats", FIRST):
            result = imported(pack, tmp_path)
        assert [failure.cause for failure in result.failed] == [f"{FIRST!r}: another process is importing it"]
        assert len(result.done) == 5


class TestAnnotations:
    def test_those_that_are_there_are_left_and_named(self, flat: Path, tmp_path: Path) -> None:
        for name in ("annotations.json", "labels.csv"):
            project = tmp_path / name.replace(".", "-")
            project.mkdir()
            (project / name).write_text("mine")
            result = import_pack(flat, project / "feats")
            assert (result.annotations, result.annotations_written) == (project / name, False)
            assert (project / name).read_text() == "mine"
            assert result.notes[-1].startswith(f"{project / name} was there and is left as it is")
            assert {path.name for path in project.iterdir()} == {name, "feats"}

    def test_what_an_import_wrote_needs_no_remark(self, flat: Path, tmp_path: Path) -> None:
        assert imported(flat, tmp_path).annotations_written
        again = imported(flat, tmp_path)
        assert not again.annotations_written
        assert again.notes == ()


def test_a_model_of_one_family_of_packs_refuses_another(tmp_path: Path) -> None:
    wtalc, cola = preset("thumos14-wtalc-25fps-s16"), preset("thumos14-cola-25fps-s16")
    assert wtalc.differences(cola) == ["pack wtalc and cola"]
    # Features made here, and packs that nobody has named, agree with either.
    own = preset("i3d-25fps-s16").model_copy(update={"weights_hash": "ab", "resize": 256})
    assert wtalc.differences(own) == own.differences(cola) == []
    assert FeatureSpec.from_dict(wtalc.to_dict()) == wtalc
    assert "pack" not in own.to_dict()
    known = packs.truth()
    result = imported(packs.write_split(tmp_path / "pack", known, packs.features(known)), tmp_path)
    with pytest.raises(FeaturesError, match=r"expects features of .*, of wtalc packs, got .*: pack wtalc and cola"):
        FeatureFolder(result.out).require(wtalc)


MEASURE = """
import sys, threading, time
from pathlib import Path
from wtalkit.importing import import_pack
import wtalkit.importing.importer, numpy

def own_kib():
    return sum(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines()
               if line.startswith(("RssAnon", "RssShmem")))

before, most, done = own_kib(), [0], threading.Event()
def watch():
    while not done.is_set():
        most[0] = max(most[0], own_kib())
        time.sleep(0.001)
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
result = import_pack(sys.argv[1], sys.argv[2], preset="i3d-25fps-s16")
done.set()
watcher.join()
assert len(result.done) == 2, result
print(most[0] - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("python2", [False, True], ids=["python 3", "python 2"])
def test_a_pack_is_never_in_memory_whole(tmp_path: Path, python2: bool) -> None:
    known = packs.own()
    names = [f"video{number}" for number in range(2)]
    known = type(known)({name: known.videos["a"] for name in names}, known.classes)
    arrays = dict.fromkeys(names, np.ones((12000, 2048), np.float32))  # 98 MB each
    arrays = {name: array + number for number, (name, array) in enumerate(arrays.items())}
    pack = packs.write_wtalc(tmp_path / "pack", known, arrays, python2=python2)
    assert (pack / "Thumos14reduced-I3D-JOINTFeatures.npy").stat().st_size > 190e6
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(pack), str(tmp_path / "feats")],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50 * 1024, f"{int(done.stdout) / 1024:.0f} MiB"
    shutil.rmtree(tmp_path / "pack")
