"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests import toys

# How long an example takes says more about the machine than about the code.
settings.register_profile("wtalkit", deadline=None)
settings.load_profile("wtalkit")

# What a script starts in the background ignores Ctrl-C and hands that on, and many tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared material (real clips, papers) that is not part of the repository."""
    folder = Path(os.environ.get("WTALKIT_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the shared material is not at {folder} (set WTALKIT_SHARED)")
    return folder


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like ``models/``, with random weights."""
    return toys.write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def toy_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the videos a, b and c."""
    folder = tmp_path_factory.mktemp("videos")
    for name in "abc":
        toys.write_video(folder / f"{name}.mp4")
    return folder


@pytest.fixture
def bundled(toy_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the toy models in the place of the bundled ones, and the cache into an empty folder."""
    monkeypatch.setenv("WTALKIT_MODELS", str(toy_models))
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WTALKIT_MIRROR", "http://127.0.0.1:9")  # nothing listens there: no test fetches anything
    return toy_models


@pytest.fixture
def project(bundled: Path, toy_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh toy project with everything but features; it is the current folder."""
    folder = toys.write_project(tmp_path / "project", toy_videos)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def features(project: Path, bundled: Path) -> Path:
    """The project's features folder, filled with noise for a, b and c."""
    for seed, key in enumerate("abc"):
        toys.write_random_features(project / "feats", key, bundled, seed=seed)
    return project / "feats"
