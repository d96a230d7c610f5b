"""The wheel, in an environment that has never seen the repository, used from an empty folder."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PERFECT = """
import json
from wtalkit.datasets import load_dataset
truth = load_dataset("thumos14")
results = {
    key: [{"label": s.label, "score": 1.0, "segment": [s.start_s, s.end_s]} for s in video.segments]
    for key, video in truth.videos.items() if video.subset == "test"
}
json.dump({"results": results}, open("perfect.json", "w"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", str(REPOSITORY), "--no-deps", *offline, "--wheel-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the fresh environment, which borrows this one's packages but not its wtalkit."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # Folders named in a .pth file come last, and the .pth files within them, the repository's own, are not read.
    (own / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return python


@pytest.fixture
def run(python: Path, tmp_path: Path) -> Callable[..., str]:
    """The output of a command of the fresh environment, run in an empty folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WTALKIT_", "PYTHON"))}
    environment = {**kept, "HOME": str(tmp_path), "WTALKIT_CACHE": str(tmp_path / "cache")}
    environment["WTALKIT_MIRROR"] = "http://127.0.0.1:9"  # nothing listens there
    folder = tmp_path / "empty"
    folder.mkdir()

    def call(*words: str) -> str:
        command = [str(python.parent / words[0]), *words[1:]]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_nothing_is_missing_and_nothing_too_much(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    for folder, within in (("wtalkit", "wtalkit"), ("models", "wtalkit/_bundled/models")):
        here = [path for path in (REPOSITORY / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        wanted = {
            f"{within}/{path.relative_to(REPOSITORY / folder).as_posix()}"
            for path in here
            if folder == "wtalkit" or path.suffix != ".py"
        }
        assert wanted <= names, sorted(wanted - names)
        names -= wanted
    names.discard("wtalkit/_bundled/match.mp4")
    assert all(".dist-info/" in name for name in names), sorted(names)
    assert wheel.stat().st_size < 25_000_000


@pytest.mark.slow
def test_it_works_without_the_repository(run: Callable[..., str], python: Path) -> None:
    where = run("python", "-c", "import wtalkit; print(wtalkit.__file__)").strip()
    assert Path(where).is_relative_to(python.parent.parent)
    found = json.loads(run("wtalkit", "demo", "--json", "--quiet"))
    assert len(found["results"]["match"]) > 3
    assert Path(found["external_data"]["model"]["path"]).is_relative_to(python.parent.parent)
    doctor = json.loads(run("wtalkit", "doctor", "--json", "--no-test"))  # the demo has just run the same chain
    assert doctor["well"], doctor["problems"]
    assert "co2net" in run("wtalkit", "methods")
    assert "1 model verified" in run("wtalkit", "models", "verify", "samples")
    run("python", "-c", PERFECT)
    scored = json.loads(run("wtalkit", "evaluate", "--dataset", "thumos14", "--predictions", "perfect.json", "--json"))
    assert scored["map"]["0.50"] > 0.99
