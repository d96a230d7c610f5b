from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtalkit.atomic import Busy, is_claimed
from wtalkit.errors import ConfigError, FeaturesError, InputError
from wtalkit.features import (
    FeatureFolder,
    FeatureRecord,
    FeatureSpec,
    feature_paths,
    preset,
    read_features,
    write_features,
)
from wtalkit.features.store import FeatureWriter, array_digest

SPEC = FeatureSpec(
    fps=25, window=16, stride=16, streams=("rgb", "flow"), dim=8, backbone="i3d", weights_hash="ab", flow="tvl1",
    flow_version="1", resize=256, crop=224,
)  # fmt: skip


def record(snippets: int = 3, **changes: Any) -> FeatureRecord:
    values = {"spec": SPEC, "video": "a.mp4", "duration_s": 0.64 * snippets, "frames": 16 * snippets, **changes}
    return FeatureRecord(**values)


def array(snippets: int = 3, dim: int = 8) -> np.ndarray:
    return np.arange(snippets * dim, dtype=np.float32).reshape(snippets, dim)


def raw_npy(path: Path, header: str, payload: bytes = b"\0" * 64) -> Path:
    text = header.encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + payload)
    return path


def noted(of: FeatureRecord) -> FeatureRecord:
    """With the digest that writing adds."""
    return of.model_copy(update={"array_sha256": array_digest(array())})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = record(complete=False, gaps=((0.5, 1.0),), warnings=("a remark",), source_bytes=7, wtalkit="0.1.0")
    path = write_features(tmp_path, "a/b c", array(), written)
    assert path == tmp_path / "a" / "b c.npy"
    found = read_features(path)
    np.testing.assert_array_equal(found.array, array())
    assert found.record == noted(written)
    # Any tool of the field can read it.
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), array())


def test_arrays_are_stored_as_float32_in_c_order(tmp_path: Path) -> None:
    path = write_features(tmp_path, "a", np.asfortranarray(array().astype(np.float64)), record())  # type: ignore[arg-type]
    loaded = np.load(path)
    assert (loaded.dtype, loaded.flags.c_contiguous) == (np.float32, True)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floats_are_converted(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "a.npy", array().astype(dtype))
    found = read_features(tmp_path / "a.npy").array
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array())


class Canary:
    """Would leave a file behind if it was unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def objects(path: Path) -> None:
    np.save(path, np.array([Canary(path.parent / "canary")], dtype=object), allow_pickle=True)


def bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Canary(path.parent / "canary")))


def with_one(value: float) -> np.ndarray:
    damaged = array()
    damaged[1, 2] = value
    return damaged


REFUSED: list[tuple[str, Any, str]] = [
    ("objects", objects, "Python objects"),
    ("pickle", bare_pickle, "not a .npy file"),
    ("empty", lambda path: path.write_bytes(b""), "is empty"),
    ("cut", lambda path: (np.save(path, array()), path.write_bytes(path.read_bytes()[:-4])), "promises more"),
    (
        "huge",
        lambda path: raw_npy(path, "{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000, 2048), }"),
        "promises more",
    ),
    (
        "beyond all sizes",
        lambda path: raw_npy(path, "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000000000, 2), }"),
        "not a readable array",
    ),
    (
        "negative",
        lambda path: raw_npy(path, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }"),
        "a.npy",
    ),
    ("code in the header", lambda path: raw_npy(path, "{'descr': __import__('os'), }"), "not a readable array"),
    ("integers", lambda path: np.save(path, np.zeros((3, 8), np.int64)), "int64"),
    ("one axis", lambda path: np.save(path, np.zeros(8, np.float32)), r"shape \(8,\)"),
    ("three axes", lambda path: np.save(path, np.zeros((2, 2, 2), np.float32)), r"shape \(2, 2, 2\)"),
    ("no row", lambda path: np.save(path, np.zeros((0, 8), np.float32)), "T = 0"),
    ("NaN", lambda path: np.save(path, with_one(np.nan)), "NaN or infinite.*snippet 1"),
    ("infinite", lambda path: np.save(path, with_one(np.inf)), "NaN or infinite.*snippet 1"),
    ("beyond float32", lambda path: np.save(path, np.full((3, 8), 1e300)), "NaN or infinite.*snippet 0"),
    ("nothing", lambda path: None, "does not exist"),
    ("a folder", lambda path: path.mkdir(), "is not a file"),
]


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_no_feature_array_is_refused_in_a_sentence(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "a.npy"
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        read_features(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "canary").exists()


def test_an_array_must_be_what_its_record_says(tmp_path: Path) -> None:
    path = write_features(tmp_path, "a", array(4), record(3))
    with pytest.raises(InputError, match=r"shape \(4, 8\), its record says \(3, 8\)"):
        read_features(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "newer wtalkit .*Update"),
        ({"schema": None}, "schema"),
        ({"fps": "fast"}, "spec.fps"),
        ({"duration_s": None}, "duration_s"),
    ],
)
def test_damaged_records_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_features(tmp_path, "a", array(), record())
    side = path.with_suffix(".json")
    side.write_text(json.dumps({**json.loads(side.read_text()), **change}))
    with pytest.raises(InputError, match=message) as caught:
        read_features(path)
    assert str(caught.value).startswith(str(side))


def test_keys_of_a_record_that_are_not_known_are_ignored(tmp_path: Path) -> None:
    path = write_features(tmp_path, "a", array(), record())
    side = path.with_suffix(".json")
    side.write_text(json.dumps({**json.loads(side.read_text()), "later": 1}))
    assert read_features(path).record == noted(record())


def test_a_record_is_not_taken_for_that_of_another_array(tmp_path: Path) -> None:
    """As a kill between the two leaves them, or two programs that write to one folder."""
    path = write_features(tmp_path, "a", array(), record())
    before = path.read_bytes()
    write_features(tmp_path, "a", array() + 1, record())
    path.write_bytes(before)
    with pytest.raises(InputError, match=r"a.npy: does not hold the numbers that its record was written for. Extract"):
        read_features(path)


def test_an_array_changed_in_one_number_is_noticed(tmp_path: Path) -> None:
    path = write_features(tmp_path, "a", array(), record())
    changed = np.load(path)
    changed[-1, -1] += 1e-6
    np.save(path, changed)
    with pytest.raises(InputError, match="does not hold the numbers"):
        read_features(path)
    np.save(path, changed.astype(np.float16))  # a pack made smaller by its owner
    assert read_features(path).array.shape == changed.shape


def test_one_process_at_a_time_writes_a_video(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path, "a") as first:
        with pytest.raises(Busy), FeatureWriter(tmp_path, "a"):
            pass
        with FeatureWriter(tmp_path, "b") as other:
            other.append(array())
            other.finish(record())
        assert is_claimed(first.path)
        first.append(array())
        first.finish(record())
    assert not is_claimed(first.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.npy", "b.json", "b.npy"]


def test_what_a_killed_process_left_is_no_claim(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path, "a") as writer:
        (leftover,) = tmp_path.iterdir()
        writer.append(array())
    leftover.write_bytes(b"half of another one" * 1000)
    path = write_features(tmp_path, "a", array(), record())
    np.testing.assert_array_equal(read_features(path).array, array())


def test_large_arrays_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_features(tmp_path, "a", array(), record())
    assert not isinstance(read_features(path).array, np.memmap)
    monkeypatch.setattr("wtalkit.features.store.MAPPED_BYTES", 0)
    found = read_features(path).array
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, array())
    found[0] = 7  # a private map: torch may take it as it is, and the file stays what it was
    np.testing.assert_array_equal(np.load(path), array())
    np.save(path, array().astype(np.float64))
    assert read_features(path).array.dtype == np.float32
    np.save(path, np.where(np.arange(8) == 3, np.nan, array()).astype(np.float32))
    with pytest.raises(InputError, match="first in snippet 0"):
        read_features(path)


@pytest.mark.parametrize("key", ["../a", "/a", "a/../../b", "", "a\0b"])
def test_keys_that_leave_the_folder_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError):
        feature_paths(tmp_path, key)


@pytest.mark.parametrize("key", ["with space", "quo'te\"s", "new\nline", "-x", "a.b", "\udcff", "ü/ß"])
def test_odd_keys_are_names_like_others(tmp_path: Path, key: str) -> None:
    path = write_features(tmp_path, key, array(), record(video=key))
    assert FeatureFolder(tmp_path).keys == (key,)
    assert read_features(path).record == noted(record(video=key))


def test_a_name_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        write_features(tmp_path, "x" * 252, array(), record())


class TestFolder:
    def test_one_spec_or_none(self, tmp_path: Path) -> None:
        write_features(tmp_path, "a", array(), record())
        write_features(tmp_path, "sub/b", array(2), record(2))
        folder = FeatureFolder(tmp_path)
        assert folder.keys == ("a", "sub/b")
        assert "sub/b" in folder
        assert folder.spec == SPEC
        assert folder.read("sub/b").array.shape == (2, 8)
        write_features(tmp_path, "c", array(), record(spec=SPEC.model_copy(update={"fps": 30.0})))
        with pytest.raises(FeaturesError, match=r"'a' against 'c': fps 25.0 and 30.0"):
            _ = FeatureFolder(tmp_path).spec

    def test_unfinished_arrays_are_left_out(self, tmp_path: Path) -> None:
        write_features(tmp_path, "a", array(), record())
        np.save(tmp_path / "b.npy", array())
        folder = FeatureFolder(tmp_path)
        assert (folder.keys, folder.unfinished) == (("a",), ("b",))

    def test_a_pack_without_records_needs_an_assumption(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros((5, 2048), np.float32))
        with pytest.raises(FeaturesError, match=r"--assume-spec PRESET.*wtalkit import"):
            FeatureFolder(tmp_path)
        folder = FeatureFolder(tmp_path, assume=preset("i3d-25fps-s16"))
        found = folder.read("a")
        assert found.record is not None
        assert (found.record.frames, found.record.duration_s) == (80, pytest.approx(3.2))
        assert "assumed" in found.record.warnings[0]
        assert folder.spec.dim == 2048

    def test_an_assumption_is_checked(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros((5, 1024), np.float32))
        folder = FeatureFolder(tmp_path, assume=preset("i3d-25fps-s16"))
        with pytest.raises(FeaturesError, match=r"expects \(T, 2048\) at 25 fps/16, got \(5, 1024\)"):
            folder.read("a")

    @pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
    def test_nothing_there(self, tmp_path: Path, make: Any) -> None:
        make(tmp_path / "feats")
        with pytest.raises(FeaturesError, match="Run wtalkit extract"):
            FeatureFolder(tmp_path / "feats")

    def test_damage_stops_a_command(self, tmp_path: Path) -> None:
        write_features(tmp_path, "a", array(), record())
        (tmp_path / "a.npy").write_bytes(b"")
        with pytest.raises(FeaturesError, match=r"a.npy"):
            FeatureFolder(tmp_path).read("a")
        (tmp_path / "a.json").write_text("{")
        with pytest.raises(FeaturesError, match=r"a.json"):
            _ = FeatureFolder(tmp_path).spec

    def test_unknown_key(self, tmp_path: Path) -> None:
        write_features(tmp_path, "a", array(), record())
        with pytest.raises(FeaturesError, match="'b'"):
            FeatureFolder(tmp_path).read("b")


class TestSpec:
    def test_differences_say_both(self) -> None:
        other = SPEC.model_copy(update={"fps": 12.5, "streams": ("rgb",), "crop": None})
        assert SPEC.differences(SPEC) == []
        assert SPEC.differences(other) == ["fps 25.0 and 12.5", "streams rgb+flow and rgb", "crop 224 and none"]

    def test_what_is_not_known_agrees(self) -> None:
        public = preset("i3d-25fps-s16")
        own = public.model_copy(update={"weights_hash": "cd", "flow_version": "2", "resize": 256})
        assert public.differences(own) == own.differences(public) == []

    def test_round_trip(self) -> None:
        assert FeatureSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC
        with pytest.raises(FeaturesError, match="later"):
            FeatureSpec.from_dict({**SPEC.to_dict(), "later": 1})

    def test_a_model_refuses_other_features(self, tmp_path: Path) -> None:
        path = write_features(tmp_path, "a", array(), record())
        wanted = SPEC.model_copy(update={"dim": 16, "stride": 8})
        with pytest.raises(
            InputError, match=r"expects \(T, 16\) at 25 fps/8, got \(T, 8\) at 25 fps/16: stride 8 and 16"
        ):
            read_features(path).require(wanted)
        with pytest.raises(FeaturesError, match="stride 8 and 16"):
            FeatureFolder(tmp_path).require(wanted)
        read_features(path).require(SPEC)
        FeatureFolder(tmp_path).require(SPEC)

    def test_an_unknown_preset_names_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match="Did you mean i3d-25fps-s16"):
            preset("i3d-25fps-16")
