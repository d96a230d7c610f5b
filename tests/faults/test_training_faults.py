"""Faults that ``wtalkit train`` meets: labels, features, settings, devices; stopped anywhere and gone on with.

What needs processes of its own (killed, two at once, a full disk) is in ``tests/training/test_killed.py``.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from tests.training.conftest import CLASSES, Project, write_project
from wtalkit.cli import main
from wtalkit.features import FeatureFile, FeatureFolder
from wtalkit.runs import Run, all_runs
from wtalkit.status import read_status
from wtalkit.training.checkpoint import load_checkpoint
from wtalkit.training.loop import Loop

QUICK = (
    *("--device", "cpu", "--set", "steps=6", "--set", "batch_size=3", "--set", "length=30"),
    *("--set", "log_every=1", "--set", "checkpoint_every=2"),
)
CO2NET = ("train", "--method", "co2net", *QUICK)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The current folder: nine training and six test videos."""
    found = write_project(tmp_path / "project")
    monkeypatch.chdir(found.folder)
    return found


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def refused(capsys: pytest.CaptureFixture[str], words: Sequence[str], code: int = 2) -> list[str]:
    """The lines of the one message of a command that starts nothing."""
    before = {path for path in Path().rglob("*")}
    assert main(list(words)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err and "defect" not in captured.err
    assert {path for path in Path().rglob("*")} == before, "nothing was started"
    lines = captured.err.splitlines()
    message = next((at for at, line in enumerate(lines) if line.endswith("problems:")), len(lines) - 1)
    return lines[message:]


def table(*rows: str, leave: str = "") -> list[str]:
    """Labels of the fifteen videos, without ``leave`` and those that ``rows``, which stand at the end, begin with."""
    named = {leave, *(row.split(",")[0] for row in rows)}
    good = [
        f"video {index:02},{CLASSES[index % 3]},{'training' if index < 9 else 'testing'}"
        for index in range(15)
        if f"video {index:02}" not in named
    ]
    return ["video,label,subset", *good, *rows]


def write_table(*rows: str, leave: str = "") -> tuple[str, ...]:
    Path("labels.csv").write_text("\n".join(table(*rows, leave=leave)) + "\n")
    return (*CO2NET, "--annotations", "labels.csv")


def test_case_26_rows_that_are_wrong_in_themselves(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    words = write_table(
        "video 00,jump,training",  # line 16
        ",jump,training",
        "video 01,,training",
        "video 00,jump,training",
        "video 02,jump|,training",
        "../video 03,jump,training",
        "video 00,sit,testing",
    )
    at = len(table("video 00,", "video 01,", "video 02,")) - 2
    assert refused(capsys, words) == [
        "labels.csv: 6 problems:",
        f"  line {at + 1}: the video has no name",
        f"  line {at + 2}: 'video 01': a label is empty",
        f"  line {at + 3}: 'video 00': repeats line {at} ('jump')",
        f"  line {at + 4}: 'video 02': a label is empty",
        f"  line {at + 5}: the video's name '../video 03' leaves its folder",
        f"  line {at + 6}: 'video 00': is in subset 'testing' here and in 'training' above.",
    ]


def test_case_26_rows_that_do_not_fit_the_videos(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    words = write_table("vidoe 06,jump,training", "video 14,kick,testing", "video 99,wave,training", leave="video 06")
    assert refused(capsys, words) == [
        "labels.csv: 3 problems:",
        "  line 15: 'vidoe 06' has labels, but there is no such video",
        "  line 16: 'video 14': no training video has the class 'kick'",
        "  line 17: 'video 99' has labels, but there is no such video. No row names video 06, of which there are "
        "features.",
    ]


def test_case_26_everything_in_one_go(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    words = write_table(
        "vidoe 06,jump,training", "video 01,,training", "video 00,jump,training", "video 00,jump,training",
        "video 14,kick,testing", leave="video 06",
    )  # fmt: skip
    assert refused(capsys, words) == [
        "labels.csv: 4 problems:",
        "  line 13: 'vidoe 06' has labels, but there is no such video",
        "  line 14: 'video 01': a label is empty",
        "  line 16: 'video 00': repeats line 15 ('jump')",
        "  line 17: 'video 14': no training video has the class 'kick'.",
    ]


def test_case_26_json_with_wrong_entries(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(project.annotations.read_text())
    database = document["database"]
    database["video 00"]["annotations"] = [{"label": ""}]
    database["video 01"]["annotations"] = "jump"
    database["../video 02"] = database.pop("video 02")
    project.annotations.write_text(json.dumps(document, indent=1))
    text = project.annotations.read_text()

    def line(key: str) -> int:
        return text[: text.index(f'"{key}"')].count("\n") + 1

    assert refused(capsys, CO2NET) == [
        "annotations.json: 3 problems:",
        f"  line {line('video 00')}: 'video 00': annotation 1 has no label",
        f"  line {line('video 01')}: 'video 01': its annotations are not a list",
        f"  line {line('../video 02')}: the video's name '../video 02' leaves its folder.",
    ]


def test_case_26_training_videos_without_labels_and_classes_of_the_test(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(project.annotations.read_text())
    document["database"]["video 00"]["annotations"] = []
    document["database"]["video 12"]["annotations"].append({"label": "kick"})
    project.annotations.write_text(json.dumps(document))
    assert refused(capsys, CO2NET) == [
        "annotations.json: 2 problems:",
        "  'video 00' has no label",
        "  'video 12': no training video has the class 'kick'.",
    ]


@pytest.mark.parametrize(
    ("delimiter", "end", "encoding"), [(";", "\r\n", "utf-8-sig"), ("\t", "\n", "utf-16"), (",", "\r", "utf-8")]
)
def test_case_26_tables_of_spreadsheets_are_fine(project: Project, delimiter: str, end: str, encoding: str) -> None:
    rows = [row.replace(",", delimiter) for row in table()]
    Path("labels.csv").write_bytes((end.join(rows) + end).encode(encoding))
    assert main([*CO2NET, "--annotations", "labels.csv", "--quiet"]) == 0
    (run,) = all_runs("runs")
    assert [*read_status(run.folder)] == [f"video {index:02}" for index in range(9)]


def test_case_22_damaged_features_are_all_named(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    cut, other, unread = (project.features / f"video {index:02}.npy" for index in (1, 4, 14))
    cut.write_bytes(cut.read_bytes()[:-500])
    content = bytearray(other.read_bytes())
    content[-3] ^= 0x40
    other.write_bytes(content)
    unread.write_bytes(b"")  # of a test video
    assert refused(capsys, CO2NET) == [
        "feats: 2 problems:",
        "  feats/video 01.npy: is not a readable array of numbers (its header promises more than the file holds)",
        "  feats/video 04.npy: does not hold the numbers that its record was written for. "
        "Run wtalkit extract again on these videos.",
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_case_16_no_gpu_is_said_with_the_build(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    assert refused(capsys, [*CO2NET, "--device", "cuda"], 3) == [
        f"device 'cuda' is not to be had (torch {torch.__version__}, built for {built}; 0 CUDA devices found). "
        "Use --device cpu, or install a torch build that fits the driver."
    ]


@pytest.mark.parametrize("step", range(1, 7))
def test_case_31_stopped_at_any_step_and_resumed(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    assert main([*CO2NET, "--out", "whole", "--seed", "3", "--quiet"]) == 0
    (whole,) = all_runs("whole")
    advance = Loop._advance

    def pressed(self: Loop) -> object:
        if self.step == step - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return advance(self)

    monkeypatch.setattr(Loop, "_advance", pressed)
    assert main([*CO2NET, "--seed", "3"]) == 130
    assert "stopped. wtalkit train --method co2net --resume goes on where it was." in capsys.readouterr().err
    monkeypatch.setattr(Loop, "_advance", advance)
    (run,) = all_runs("runs")
    assert not run.finished
    assert load_checkpoint(run.checkpoint).step == step
    assert main(["train", "--method", "co2net", "--device", "cpu", "--resume"]) == 0
    assert f"{step} of 6 steps were done" in capsys.readouterr().err
    assert_equal(run, whole)


def assert_equal(run: Run, whole: Run) -> None:
    from safetensors.torch import load_file

    mine, theirs = load_file(run.model), load_file(whole.model)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    assert run.metrics.read_bytes() == whole.metrics.read_bytes()
    assert run.status.read_bytes() == whole.status.read_bytes()


def test_case_31_a_loss_that_is_no_number_stops(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CO2NET, "--set", "lr=1e30", "--set", "checkpoint_every=1"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (run,) = all_runs("runs")
    state = load_checkpoint(run.checkpoint)
    assert state.step >= 1
    message = captured.err.splitlines()[-1]
    assert message.startswith(f"{run.folder}: step {state.step + 1}: ")
    assert " is nan" in message or " is inf" in message
    assert "The last good state is in resume.safetensors. Train anew with a lower rate (--set lr=1e+29)" in message
    assert all(value.isfinite().all() for value in state.tensors.values() if value.is_floating_point())
    assert not run.finished and not Path("runs/latest").exists()
    assert len(run.metrics.read_text().splitlines()) == state.step


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "clasnett"], "'clasnett'. Did you mean clasnet?"),
        (["--method", "clasnet", "--base", "acrnett"], "Did you mean acrnet?"),
        (["--method", "acrnet", "--plugin", "fennet"], "Did you mean fenet?"),
        (["--method", "clasnet", "--without", "brn"], "brm"),
        (["--method", "acrnet", "--set", "stepz=3"], "unknown key 'stepz', did you mean 'steps'"),
        (["--method", "acrnet", "--set", "acrnet.head=3"], "acrnet has no option 'head'. Did you mean heads?"),
        (["--method", "acrnet", "--set", "decoder.gama=3"], "gamma"),
        (["--method", "acrnet", "--set", "calibration.tolerence=0.1"], "tolerance"),
        (["--method", "acrnet", "--set", "steps=many"], "steps"),
        (["--method", "acrnet", "--set", "steps=2.5"], "steps"),
        (["--method", "acrnet", "--set", "steps"], "KEY=VALUE"),
        (["--method", "acrnet", "--set", "lr=-1"], "lr"),
        (["--method", "acrnet", "--set", "lr=nan"], "lr"),
        (["--method", "acrnet", "--recipe", "sampels"], "samples"),
        (["--method", "acrnet", "--seed", "one"], "'--seed'"),
        (["--method", "acrnet", "--sed", "1"], "Did you mean --seed?"),
        (["--method", "acrnet", "--subset", "trainig"], "training"),
        (["--method", "acrnet", "--assume-spec", "i3d-25fps"], "Did you mean i3d-25fps-s16"),
        (["--method", "acrnet", "--features", "feets"], "feets: there is no such features folder"),
        (["--method", "acrnet", "--annotations", "lables.csv"], "lables.csv: no such file"),
    ],
)
def test_case_32_the_nearest_valid_name_is_suggested(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (line,) = refused(capsys, ["train", *words])
    assert said in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('anotations = "labels.csv"', "unknown key 'anotations'. Did you mean annotations?"),
        ("runs = 3", "runs"),
        ("runs = [", "wtalkit.toml: "),
    ],
)
def test_case_32_wtalkit_toml(project: Project, capsys: pytest.CaptureFixture[str], content: str, said: str) -> None:
    Path("wtalkit.toml").write_text(content)
    (line,) = refused(capsys, CO2NET)
    assert line.startswith("wtalkit.toml: ")
    assert said in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('steps = "3"\nbatch_size = 2\nlr = 0.1\nlength = 9\nsampling = "full"', "steps"),
        ('steps = 3\nbatch_size = 2\nlr = 0.1\nlength = 9\nsampling = "ful"', "'full'"),
        ('step = 3\nbatch_size = 2\nlr = 0.1\nlength = 9\nsampling = "full"', "did you mean 'steps'"),
        ("steps = 3", "batch_size"),
        ("steps = ", "own.toml"),
    ],
)
def test_case_32_a_recipe_of_ones_own(
    project: Project, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    Path("own.toml").write_text(content)
    (line,) = refused(capsys, ["train", "--method", "acrnet", "--recipe", "own.toml"])
    assert "own.toml" in line
    assert said in line


def test_case_20_a_run_keeps_its_settings(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: Loop) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_advance", stop)
        assert main([*CO2NET]) == 130
    (run,) = all_runs("runs")
    (line,) = refused(capsys, [*CO2NET, "--resume", "--set", "lr=0.5"])
    assert line == (
        f"{run.folder}: was started with other values of lr. "
        "A run keeps its settings; start a new one without --resume."
    )


def test_case_18_ctrl_c_before_anything_was_begun(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An older run that can be resumed is another matter."""
    read = FeatureFolder.read

    def pressed(self: FeatureFolder, key: str) -> FeatureFile:
        os.kill(os.getpid(), signal.SIGINT)
        return read(self, key)

    older = Run(project.folder / "runs" / "20250101T000000Z-co2net")
    older.folder.mkdir(parents=True)
    older.config.write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(FeatureFolder, "read", pressed)
        assert refused(capsys, CO2NET, 130) == ["stopped before anything was begun."]


def test_what_was_left_out_is_said_at_the_end(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    for file in project.features.glob("video 00.*"):
        file.unlink()
    assert main([*CO2NET, "--seeds", "0,1", "--quiet"]) == 0
    captured = capsys.readouterr()
    first, second = all_runs("runs")
    assert captured.err.splitlines() == [
        f"warning: of 9 training videos, 1 left out (without features); see {first.folder}/status.jsonl"
    ]
    assert first.status.read_bytes() == second.status.read_bytes()
    states = {key: status.state for key, status in read_status(first.folder).items()}
    assert states == {"video 00": "skipped"} | {f"video {index:02}": "done" for index in range(1, 9)}


def test_two_stages_say_so_of_each(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """LAC needs points, the method on its proposals does not."""
    document = json.loads(project.annotations.read_text())
    for key, video in document["database"].items():
        for entry in video["annotations"] if key != "video 03" else ():
            entry["point"] = sum(entry["segment"]) / 2
    project.annotations.write_text(json.dumps(document))
    words = ["train", "--method", "pmil", "--base", "lac", *QUICK, "--set", "proposer.steps=3"]
    assert main([*words, "--set", "proposer.batch_size=3"]) == 0
    (run,) = all_runs("runs")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    inner = run.folder / "proposer"
    assert said[-1] == f"warning: of 9 training videos, 1 left out (without a point); see {inner}/status.jsonl"
    assert read_status(inner)["video 03"].cause == "without a point"
    assert read_status(run.folder)["video 03"].cause in (None, "without a proposal")
    assert len(read_status(run.folder)) == len(read_status(inner)) == 9


def test_two_stages_start_nothing_if_the_first_cannot(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = refused(capsys, ["train", "--method", "pmil", "--base", "lac", *QUICK])
    assert "the method learns from points" in line
