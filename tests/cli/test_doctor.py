"""What the doctor sees, and that it sees what is broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from wtalkit import zoo
from wtalkit.cli import main
from wtalkit.diagnosis import machine, self_test
from wtalkit.diagnosis.packages import look_at_packages, requirements, satisfies
from wtalkit.modelfile import load_model

REPOSITORY = Path(__file__).resolve().parents[2]


def pretend(folder: Path, name: str, version: str, *needs: str) -> None:
    """Install a package that consists of its description alone."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needs)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that come before the real ones."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("18.1.0", ">=18.1,<19", True),
        ("19.0", ">=18.1,<19", False),
        ("18.0.5", "<19,>=18.1", False),
        ("2.10.0+cu128", ">=2.10", True),
        ("2.9.1", "==2.9.1", True),
        ("2.9.1", "==2.9.*", True),
        ("2.10.0", "==2.9.*", False),
        ("2.10.0", "!=2.10", False),
        ("8.3.1", "!=8.3.*", False),
        ("1.4.5", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False),
        ("5.0.0.93", ">=4.14", True),
        ("1.0", "", True),
    ],
)
def test_versions(version: str, wanted: str, fits: bool) -> None:
    assert satisfies(version, wanted) is fits


def test_all_is_well_here(bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--no-test"]) == 0
    out = capsys.readouterr().out
    for name in ("wtalkit", "python", "torch", "av", "opencv-contrib-python-headless", "FFmpeg in av", "cpu", "cache"):
        assert f"\n{name} " in out
    assert out.splitlines()[-1] == "All well. Next: wtalkit demo"


def test_as_json(bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--no-test", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["well"], found["problems"], found["test"]) == (True, [], [])
    abouts = {each["about"] for each in found["findings"]}
    assert {"packages", "builds", "devices", "storage", "terminal"} <= abouts
    assert (
        next(each for each in found["findings"] if each["what"] == "torch")["found"] == torch.__version__.split("+")[0]
    )


def test_two_opencvs_at_once(site: Path, bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(site, "opencv-python", "4.12.0.88")
    assert main(["doctor", "--no-test"]) == 3
    captured = capsys.readouterr()
    assert "two OpenCV packages are installed at once" in captured.err
    assert "pip uninstall opencv-python opencv-contrib-python-headless, then pip install" in captured.err
    assert captured.out.endswith("1 thing wrong, see above.\n")


@pytest.mark.parametrize(
    ("torch_version", "vision", "said"),
    [
        ("2.10.0", ("0.25.0", "torch==2.10.0"), None),
        ("2.10.0", ("0.24.1", "torch (==2.9.1)"), "this torchvision needs torch ==2.9.1"),
        ("2.10.0+cpu", ("0.25.0+cu128", "torch==2.10.0"), "they are built for different devices"),
        ("2.10.0+cpu", ("0.25.0+cpu", "torch==2.10.0"), None),
    ],
)
def test_pairs_that_do_not_fit(site: Path, torch_version: str, vision: tuple[str, str], said: str | None) -> None:
    pretend(site, "torch", torch_version)
    pretend(site, "torchvision", *vision)
    (pair,) = (each for each in look_at_packages() if each.what == "torch pair")
    assert pair.problem == said


def test_what_is_too_old_too_new_or_missing(site: Path) -> None:
    needs = ("av<19,>=18.1", "no-such-package>=1", 'ray>=2.60; extra == "ray"', 'h5py>=99; extra == "hdf5"')
    pretend(site, "wtalkit", "9", *needs, 'pytest>=8; extra == "test"', 'tomli; python_version < "3.11"')
    pretend(site, "av", "19.0.0")
    assert [each.name for each in requirements("wtalkit")] == ["av", "no-such-package", "ray", "h5py", "pytest"]
    found = {each.what: each for each in look_at_packages()}
    assert found["av"].problem == "wtalkit needs <19,>=18.1"
    assert found["no-such-package"].problem == "is not installed"
    assert found["no-such-package"].remedy == "Install it with: pip install 'no-such-package>=1'"
    assert found["ray"].found.endswith("(--engine ray)")
    assert (found["ray"].problem, "pytest" in found) == (None, False)


def test_optional_packages_that_are_missing_are_no_problem(site: Path) -> None:
    pretend(site, "wtalkit", "9", 'no-such-package>=1; extra == "plots"')
    (plots,) = (each for each in look_at_packages() if each.about == "extras")
    assert plots.found == "not installed: pip install 'wtalkit[plots]' (evaluate --plots)"
    assert plots.problem is None


def test_little_space_is_worth_a_warning(
    bundled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "_LITTLE_SPACE", 1 << 60)
    assert main(["doctor", "--no-test"]) == 0
    assert "warning: disk: there is little space left. Free some." in capsys.readouterr().err


def test_the_cache_is_listed(bundled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "weights" / "i3d"
    folder.mkdir(parents=True)
    (folder / "rgb_imagenet.pt").write_bytes(b"x" * 3_000_000)
    (cache, *_) = machine.look_at_storage()
    assert cache.found == f"{tmp_path / 'cache'}: weights of i3d, 3 MB"
    assert cache.problem is None


def test_an_odd_locale(bundled: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    script = (
        "from wtalkit.diagnosis.machine import look_at_terminal\nfor each in look_at_terminal(): print(ascii(each))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "names beyond ASCII are shown escaped" in done.stdout
    assert "breaks=False" in done.stdout


@pytest.mark.slow
def test_the_chain_gives_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WTALKIT_MODELS", raising=False)
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path))
    assert main(["doctor", "--json", "--device", "cpu"]) == 0
    stages = json.loads(capsys.readouterr().out)["test"]
    assert [each["name"] for each in stages] == ["decode", "flow", "backbone", "model"]
    assert all(each["compared"] and each["per_s"] > 0 for each in stages)


@pytest.mark.slow
def test_a_backbone_that_computes_something_else_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of other weights, in files that are as well-formed as before."""
    models = tmp_path / "models"
    shutil.copytree(zoo.PACKAGE.parent / "models", models)
    path = models / "i3d-mini" / "rgb.safetensors"
    state = load_file(path)
    state["Mixed_5c.b0.conv3d.weight"] *= 1.3
    save_file(state, path)
    monkeypatch.setenv("WTALKIT_MODELS", str(models))
    problems = [each.problem for each in self_test("cpu")]
    assert problems[:2] == [None, None]
    assert "what it computes on this machine is wrong" in (problems[2] or "")


def test_a_chain_of_other_models_is_not_compared(bundled: Path) -> None:
    stages = list(self_test("cpu"))
    assert [each.problem for each in stages] == [None] * 4
    assert [each.compared for each in stages] == [True, True, False, False]


def test_a_stage_that_fails_ends_the_test(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wtalkit.diagnosis.selftest.demo_video", lambda: tmp_path / "match.mp4")
    (tmp_path / "match.mp4").write_bytes(b"no video")
    assert main(["doctor", "--device", "cpu"]) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith("test: decode: ")
    assert "match.mp4" in captured.err
    assert "\nflow " not in captured.out


def test_the_known_numbers_are_of_the_bundled_model() -> None:
    from wtalkit.diagnosis.selftest import KNOWN_OF

    model = zoo.PACKAGE.parent / "models" / zoo.DEMO_MODEL / zoo.MODEL_FILE
    assert load_model(model).sha256.startswith(KNOWN_OF)
