"""Wrong usage: one sentence on stderr, the nearest valid name, exit code 2, nothing on stdout, nothing started."""

from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.cli import main


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("detct x.mp4", "wtalkit: no such command 'detct'. Did you mean 'detect'"),
        ("detect x.mp4 --treshold 1", "wtalkit detect: no such option: --treshold. Did you mean --threshold? See"),
        ("detect", "wtalkit detect: missing argument 'INPUT'. See wtalkit detect --help."),
        ("detect x.mp4 --device gpu", "'gpu' is not one of 'auto', 'cpu', 'cuda'."),
        ("detect x.mp4 --threshold high", "invalid value for '--threshold'"),
        ("detect x.mp4 --format srtt", "there is no format 'srtt'. Did you mean srt? Valid: activitynet"),
        ("detect x.mp4 --model sampels", "no model, run or file is named 'sampels'. Did you mean samples?"),
        ("detect x.mp4 --classes bow,sqat", "knows no class 'sqat'. Did you mean squat? Valid: bow, squat, wave."),
        ("detect x.npy --assume-spec i3d-25fps", "unknown spec preset 'i3d-25fps'. Did you mean i3d-25fps-s16"),
        ("extract videos", "wtalkit extract: missing option '--out'"),
        ("extract videos --out feats --backbone i3d-mni", "unknown backbone 'i3d-mni'. Did you mean i3d-mini?"),
        ("extract videos --out feats --flow tlv1", "'tlv1'"),
        ("train --method clasnett", "'clasnett'"),
        ("train --method lac", "wtalkit annotations points"),
        ("train --method acrnet --seeds 1,x", "--seeds '1,x' is not a list of numbers. Write it as 0,1,2."),
        ("train --method acrnet --seed 1 --seeds 1,2", "--seed and --seeds exclude each other."),
        ("train --method acrnet --set stepz=3", "stepz"),
        ("evaluate --tiou 0.7:0.1", "is not a threshold"),
        ("evaluate --predictions nope.json", "nope.json: no such file"),
        ("evaluate --features nope", "nope: there is no such features folder"),
        ("evaluate --subset tset", "has no subset 'tset'"),
        ("evaluate --ground-truth nope.json", "nope.json: no such file"),
        ("models lst", "no such command 'lst'. Did you mean 'list'?"),
        ("models info nope", "no model, run or file is named 'nope'."),
    ],
)
def test_wrong_usage(features: Path, capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err
    assert not Path("runs").exists()


def test_a_wrong_key_in_wtalkit_toml(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wtalkit.toml").write_text('modle = "samples"')
    assert main(["detect", "videos/a.mp4"]) == 2
    assert capsys.readouterr().err.startswith("wtalkit.toml: unknown key 'modle'. Did you mean model?")


def test_debug_shows_where(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos/a.mp4", "--model", "nope", "--debug"]) == 2
    captured = capsys.readouterr()
    assert "Traceback" in captured.err
    assert "no model, run or file is named 'nope'." in captured.err.splitlines()[-1]


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: wtalkit [OPTIONS] COMMAND")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from wtalkit import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"wtalkit {__version__}\n"


def test_verbose_shows_what_the_library_decides(features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "videos/a.mp4", "--json", "--verbose"]) == 0
    assert "computing on cpu" in capsys.readouterr().err
    assert main(["detect", "videos/a.mp4", "--json"]) == 0
    assert "computing on" not in capsys.readouterr().err
