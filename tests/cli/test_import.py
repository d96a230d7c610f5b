from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.importing import packs
from wtalkit.cli import main
from wtalkit.importing import LAYOUTS

FIRST = packs.THUMOS[0]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project beside a pack; it is the current folder."""
    known = packs.truth()
    packs.write_wtalc(tmp_path / "pack", known, packs.features(known))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def test_a_pack_becomes_features_and_annotations(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "../pack"]) == 0
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[0] == "layout wtalc · features thumos14-wtalc-25fps-s16 · ground truth built-in thumos14"
    assert lines[1].startswith("extracted_fps.npy says 10; ")
    assert "warning: no features: video_validation_0000051: is in validation in the ground truth, and has" in lines[2]
    assert lines[-1] == "warning: no features: and 387 more, all in feats/import.json"
    assert captured.out.splitlines()[-1] == (
        "6 videos imported to feats, 407 disagreements, annotations are in annotations.json. "
        "Next: wtalkit train --method clasnet"
    )
    assert sorted(path.stem for path in Path("feats").glob("*.npy")) == sorted(packs.THUMOS)
    assert main(["import", "../pack", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_one_json_document_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "../pack", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(Path("feats/import.json").read_text())
    assert document["videos"] == {"linked": 0, "symlinked": 0, "copied": 6, "there": 0, "failed": 0}
    assert len(document["disagreements"]) == document["counts"]["no features"] == 407


def test_a_dry_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "../pack", "--dry-run"]) == 0
    assert "6 videos would be imported to feats" in capsys.readouterr().out
    assert not list(here.iterdir())


def test_one_bad_video_is_exit_code_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = packs.truth()
    arrays = packs.features(known)
    packs.write_wtalc(here / "bad", known, {**arrays, FIRST: arrays[FIRST][:, :7]})
    assert main(["import", "bad", "--out", "elsewhere"]) == 1
    captured = capsys.readouterr()
    assert (
        f"bad/Thumos14reduced-I3D-JOINTFeatures.npy: '{FIRST}': has shape (13, 7), features of this pack"
        in captured.err
    )
    assert f"{FIRST}    failed    '{FIRST}': has shape (13, 7)" in captured.out
    assert "1 failed" in captured.out
    assert captured.out.splitlines()[-1].endswith("Next: wtalkit train --method clasnet --features elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "gone: there is no such pack."),
        (["../pack", "--layout", "hdf5"], "../pack: is no pack of the layout hdf5"),
        (["../pack", "--preset", "thumos14-wtalc"], "Did you mean thumos14-wtalc-25fps-s16?"),
        (["../pack", "--dataset", "thumos"], "there is no data set 'thumos'. Did you mean thumos14?"),
        (["../pack", "--dataset", "activitynet1.2"], "activitynet1.2: knows none of the pack's 6 videos"),
        (["../pack", "--dataset", "thumos14", "--annotations", "a.json"], "exclude each other"),
        (["../pack", "--preset", "i3d-25fps-s16-rgb"], "holds arrays (T, 2048), and i3d-25fps-s16-rgb is of (T, 1024)"),
        (["../pack/Thumos14reduced-Annotations"], "is a pack of no layout that wtalkit knows"),
    ],
)
def test_what_cannot_be_imported_is_exit_code_2(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["import", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(here.iterdir())


def test_every_layout_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(layout in text for layout in ("auto", *LAYOUTS))


@pytest.mark.slow
def test_import_train_detect_and_evaluate_need_no_further_flag(
    here: Path, bundled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = packs.own()
    videos = {key: replace(video, labels=known.classes) for key, video in known.videos.items()}
    packs.write_wtalc(here.parent / "own", replace(known, videos=videos), packs.features(known), name="Mine")
    assert main(["import", "../own"]) == 0
    assert main(["train", "--method", "co2net", "--set", "steps=1", "--set", "batch_size=2"]) == 0
    assert main(["detect", "feats", "--all", "--out", "found.json", "--quiet"]) == 0
    found = json.loads(Path("found.json").read_text())
    assert set(found["results"]) == set(videos)
    capsys.readouterr()
    assert main(["evaluate", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["videos"], result["excluded"]["missing_features"]) == (3, 0)


def test_the_project_is_the_one_whose_folder_is_taken(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wtalkit.toml").write_text('features = "data/feats"\nannotations = "truth.json"\n')
    Path("truth.json").write_text("{}")
    assert main(["import", "../pack"]) == 0
    assert Path("truth.json").read_text() == "{}"
    assert not Path("data/annotations.json").exists()
    assert "truth.json was there and is left as it is" in capsys.readouterr().err


def test_names_of_arrays_fit_the_packs_own_annotations(here: Path) -> None:
    known = packs.own()
    pack = packs.write_flat(here / "flat", known, packs.features(known))
    for array in (pack / "i3d_features").iterdir():
        array.rename(array.with_name(f"v_{array.name}"))
    assert main(["import", "flat", "--preset", "i3d-25fps-s16"]) == 0
    assert sorted(path.stem for path in Path("feats").glob("*.npy")) == sorted(known.videos)
