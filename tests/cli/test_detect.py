from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toys
from wtalkit.cli import main


def answer(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    captured = capsys.readouterr()
    return json.loads(captured.out), captured.err


def test_the_answer_is_one_json_document(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos/a.mp4", "--json"]) == 0
    document, stderr = answer(capsys)
    assert set(document) == {"version", "results", "external_data"}
    external = document["external_data"]
    assert set(external) >= {"model", "spec", "videos", "failures"}
    assert external["model"]["name"] == "samples"
    assert external["model"]["chosen_by"] == "bundled; wtalkit.toml"
    assert external["spec"]["backbone"] == "i3d-mini"
    facts = external["videos"]["a"]
    assert facts["path"] == "videos/a.mp4"
    assert facts["duration"] == pytest.approx(toys.SECONDS, abs=0.04)
    assert (facts["status"], facts["warnings"], external["failures"]) == ("ok", [], [])
    found = document["results"]["a"]
    assert found == sorted(found, key=lambda each: each["segment"][0])
    assert found
    for each in found:
        assert set(each) == {"label", "score", "segment"}
        assert each["label"] in toys.CLASSES
        assert 0 <= each["segment"][0] < each["segment"][1] <= facts["duration"]
    lines = stderr.splitlines()
    assert lines[0].startswith("model samples (bundled; wtalkit.toml) · features i3d-mini + dis · cpu")
    assert "Next: " in lines[-1]
    assert "warning" not in stderr


def test_the_table(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "feats/a.npy"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["start", "end", "action", "score"]
    assert out[1].split()[2] in toys.CLASSES
    assert out[-1].startswith(f"{len(out) - 3} segments in 1 video. Next: wtalkit ")


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("videos/c.mp4", "report videos/c.mp4 -o c.html"),
        ("videos/c.mp4 --out found.json", "report found.json -o found.html"),
        ("videos/c.mp4 --out found.csv", "report videos/c.mp4 -o c.html"),
        ("videos/c.mp4 --report c.html", "extract videos/ --out feats/"),
    ],
)
def test_the_next_step_is_to_look_and_leads_there(
    project: Path, capsys: pytest.CaptureFixture[str], line: str, step: str
) -> None:
    assert main(["detect", *line.split()]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"Next: wtalkit {step}")
    if "report" in step:
        assert main(step.split()) == 0


def test_all_gives_every_candidate_and_a_threshold_fewer(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = []
    for extra in (["--all"], ["--all", "--threshold", "0.1"], [], ["--threshold", "0.1"]):
        assert main(["detect", "feats/a.npy", "--json", *extra]) == 0
        found = answer(capsys)[0]["results"]["a"]
        numbers.append(len(found))
        if "--threshold" in extra:
            assert all(each["score"] >= 0.1 for each in found)
    assert numbers[0] > numbers[1] >= numbers[3] > 0
    assert numbers[0] > numbers[2] >= numbers[3]


def test_nothing_found_is_an_answer(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "feats/a.npy", "--threshold", "99"]) == 0
    assert "nothing found: the best candidate scores" in capsys.readouterr().out
    assert main(["detect", "feats/a.npy", "--threshold", "99", "--json"]) == 0
    document, stderr = answer(capsys)
    assert document["results"] == {"a": []}
    assert "the threshold is 99.00" in stderr


def test_only_the_classes_asked_for(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "feats/a.npy", "--json", "--all", "--classes", "wave, bow"]) == 0
    assert {each["label"] for each in answer(capsys)[0]["results"]["a"]} == {"wave", "bow"}


def test_several_inputs_of_both_kinds(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos", "feats/b.npy", "--json"]) == 0
    assert set(answer(capsys)[0]["results"]) == {"a", "b.mp4", "b.npy", "c"}


def test_out_is_a_file_or_a_folder(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "feats", "--out", "found.json"]) == 0
    assert set(json.loads(Path("found.json").read_text())["results"]) == {"a", "b", "c"}
    assert main(["detect", "feats", "--out", "found"]) == 0
    assert sorted(path.name for path in Path("found").iterdir()) == ["a.json", "b.json", "c.json", "status.jsonl"]
    assert main(["detect", "feats/a.npy", "--out", "one", "--quiet"]) == 0
    assert set(json.loads(Path("one").read_text())["results"]) == {"a"}
    capsys.readouterr()
    assert main(["evaluate", "--predictions", "found.json", "--json"]) == 0
    assert answer(capsys)[0]["videos"] == 1


def broken_inputs(folder: Path, models: Path) -> dict[str, str]:
    """Files that must fail, and what must be said of each."""
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    toys.write_video(folder / "sound.mp4", audio_only=True)
    toys.write_video(folder / "short.mp4", frames=10)
    np.save(folder / "bare.npy", np.zeros((4, 512), np.float32))
    np.save(folder / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    toys.write_random_features(folder, "other", models, stride=8)
    return {
        "gone.mp4": "no such file",
        "empty.mp4": "empty",
        "text.mp4": "not a video",
        "sound.mp4": "no video stream",
        "short.mp4": "too short (5 < 16 frames)",
        "bare.npy": "has no record beside it",
        "objects.npy": "Python objects",
        "other.npy": "stride 4 and 8",
    }


def test_bad_inputs_fail_with_a_sentence_and_the_others_are_done(
    features: Path, bundled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = broken_inputs(Path(), bundled)
    assert main(["detect", *expected, "feats/a.npy", "--json"]) == 1
    document, stderr = answer(capsys)
    assert set(document["results"]) == {"a"}
    causes = {each["path"]: each["cause"] for each in document["external_data"]["failures"]}
    assert set(causes) == set(expected)
    for path, said in expected.items():
        assert said in causes[path]
        assert [line for line in stderr.splitlines() if line.startswith(f"{path}: ") and said in line]
    assert "Traceback" not in stderr


def test_a_bad_input_alone_is_a_failed_input_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "gone.mp4"]) == 1
    captured = capsys.readouterr()
    assert "gone.mp4: no such file" in captured.err
    assert "0 segments in 0 videos, 1 input failed" in captured.out


def test_a_cut_video_fails_unless_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = toys.write_video(Path("whole.mp4"), frames=200)
    subprocess.run([sys.executable, "-c", FASTSTART, str(whole), "cut.mp4"], check=True)
    Path("cut.mp4").write_bytes(Path("cut.mp4").read_bytes()[: Path("cut.mp4").stat().st_size * 3 // 4])
    assert main(["detect", "cut.mp4"]) == 1
    assert "--on-partial keep" in capsys.readouterr().err
    assert main(["detect", "cut.mp4", "--on-partial", "keep", "--json"]) == 0
    facts = answer(capsys)[0]["external_data"]["videos"]["cut"]
    assert facts["status"] == "partial"
    assert facts["warnings"]


FASTSTART = """
import av, sys
with av.open(sys.argv[1]) as source, av.open(sys.argv[2], "w", options={"movflags": "faststart"}) as target:
    stream = target.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(source.streams.video[0]):
        if packet.dts is not None:
            packet.stream = stream
            target.mux(packet)
"""


def test_without_a_project_the_demo_model_warns(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert main(["detect", str(features / "a.npy"), "--json", "--offline", "--quiet"]) == 0
    document, stderr = answer(capsys)
    assert "warning: demo model: knows 3 rendered actions" in stderr
    assert "demo model" in document["external_data"]["videos"]["a"]["warnings"][0]
    assert document["external_data"]["model"]["demo"] is True


def test_a_backbone_of_other_weights_is_refused(
    project: Path, bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    swapped = tmp_path / "swapped"
    shutil.copytree(bundled, swapped)
    from safetensors.torch import load_file, save_file

    weights = swapped / "i3d-mini" / "rgb.safetensors"
    save_file({name: value + 1 for name, value in load_file(weights).items()}, weights)
    monkeypatch.setenv("WTALKIT_MODELS", str(swapped))
    assert main(["detect", "videos/a.mp4"]) == 2
    assert "weights_hash" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_finished(
    features: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wtalkit.detector import Detector

    whole = Detector.detect

    def stopped(self: Detector, each: Any, show: Any) -> Any:
        if each.key == "b":
            raise KeyboardInterrupt
        return whole(self, each, show)

    monkeypatch.setattr(Detector, "detect", stopped)
    assert main(["detect", "feats", "--json"]) == 130
    document, stderr = answer(capsys)
    assert set(document["results"]) == {"a"}
    assert "stopped: 1 video done, 2 left" in stderr


def test_what_the_machine_lacks_costs_no_finished_answer(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wtalkit.detector import Detector
    from wtalkit.errors import MachineError

    whole = Detector.judge
    judged: list[str] = []

    def lacking(self: Detector, features: object, each: object, show: object) -> object:
        if judged:
            raise MachineError("the GPU is gone")
        judged.append(each.key)  # type: ignore[attr-defined]
        return whole(self, features, each, show)  # type: ignore[arg-type]

    monkeypatch.setattr(Detector, "judge", lacking)
    assert main(["detect", "videos", "--json", "--out", "found.json"]) == 3
    document, stderr = answer(capsys)
    assert list(document["results"]) == judged == list(json.loads(Path("found.json").read_text())["results"])
    assert "the GPU is gone" in stderr


def test_answers_are_listed_in_the_order_of_the_inputs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos/c.mp4", "videos/a.mp4", "videos/b.mp4", "--json"]) == 0
    assert list(answer(capsys)[0]["results"]) == ["c", "a", "b"]


def test_a_defect_in_one_video_does_not_stop_the_others(
    features: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wtalkit.detector import Detector

    whole = Detector.candidates

    def broken(self: Detector, features: Any, key: str) -> Any:
        if features.path.stem == "b":
            raise IndexError("off by one")
        return whole(self, features, key)

    monkeypatch.setattr(Detector, "candidates", broken)
    assert main(["detect", "feats", "--json"]) == 1
    document, stderr = answer(capsys)
    assert set(document["results"]) == {"a", "c"}
    assert "feats/b.npy: a defect of wtalkit: IndexError: off by one" in stderr


def test_as_a_process(features: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wtalkit", "detect", "feats/a.npy", "gone.npy", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert set(json.loads(done.stdout)["results"]) == {"a"}
    assert "gone.npy: no such file" in done.stderr


def test_the_next_step_fits_what_is_there(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def step(*options: str) -> str:
        assert main(["detect", "feats/a.npy", *options]) == 0
        return capsys.readouterr().out.splitlines()[-1].partition("Next: ")[2]

    assert step() == "wtalkit evaluate"
    with Path("wtalkit.toml").open("a") as settings:
        settings.write('features = "features"\n')
    assert step() == "wtalkit report feats/a.npy -o a.html"
    assert step("--report", "a.html") == "wtalkit extract videos/ --out features/"
    Path("annotations.json").unlink()
    assert step("--report", "a.html") == "wtalkit detect feats/a.npy --json"
