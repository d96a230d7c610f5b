"""Authors' checkpoints become models; what is wrong with one is said in a sentence."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.parity.conftest import FOLDER
from tests.parity.rules import official_weights
from wtalkit.cli import main
from wtalkit.errors import ConfigError, ModelError, UsageError
from wtalkit.methods import create, load_official
from wtalkit.modelfile import load_model, read_header
from wtalkit.official import import_model, read_checkpoint, read_classes

State = dict[str, torch.Tensor]


def small_state(classes: int = 20, dim: int = 2048) -> State:
    """ACRNet under its authors' names, hidden layers as narrow as they get."""
    torch.manual_seed(0)
    return dict(create("acrnet", num_classes=classes, feature_dim=dim, hidden=2).base.state_dict())


@pytest.fixture(scope="module")
def acrnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "acrnet.pth"
    torch.save(small_state(), path)
    return path


@pytest.mark.parametrize("method", ["acrnet", "delu"])
def test_a_checkpoint_detects_and_is_scored(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights of the authors' sizes and names, what their forward pass never uses included."""
    monkeypatch.chdir(tmp_path)
    state = official_weights(json.loads((FOLDER / f"{method}.json").read_text()))
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, "best.pkl")
    assert main(["models", "import", "best.pkl", "--method", method, "--dataset", "thumos14"]) == 0
    made = f"{method}-thumos14.safetensors"
    assert f"model in {made}: {method}, 20 actions" in capsys.readouterr().out
    loaded = load_model(made)
    kept = loaded.model.base.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in kept.items())
    assert (kept.keys() == state.keys()) == (method == "acrnet")  # the others' feat_encoder is never used
    assert loaded.header.classes[0] == "BaseballPitch"
    assert loaded.header.provenance["imported_from"] == "best.pkl"
    assert loaded.header.decoder["lose_lone_first"] == (method == "delu")

    generator = np.random.default_rng(zlib.crc32(method.encode()))
    Path("feats").mkdir()
    np.save("feats/v.npy", np.maximum(0, generator.standard_normal((40, 2048))).astype(np.float32))
    instances = [{"label": label, "segment": [2.0, 5.0]} for label in loaded.header.classes]
    truth = {"subset": "test", "duration": 25.6, "annotations": instances}
    Path("annotations.json").write_text(json.dumps({"version": "x", "database": {"v": truth}}))
    options = ["--model", made, "--assume-spec", "i3d-25fps-s16", "--json"]
    assert main(["evaluate", *options]) == 0
    assert json.loads(capsys.readouterr().out)["videos"] == 1
    assert main(["detect", "feats/v.npy", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["external_data"]["model"]["method"] == method
    assert found["results"]["v"]


def test_the_decoder_repeats_the_authors(acrnet: Path, tmp_path: Path) -> None:
    header = read_header(import_model(acrnet, "acrnet", dataset="thumos14", out=tmp_path / "m.safetensors"))
    assert header.decoder["interpolation"] == "left"
    assert header.decoder["whole_margins"] is True
    assert header.decoder["time_shift"] == [0.04, 0.04]
    assert header.decoder["sigma"] == 0.5
    assert header.max_length == 750
    assert header.display_threshold is None
    assert header.feature_spec is not None
    assert header.feature_spec["backbone"] == "i3d"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"optimizer": {"lr": 1.0}, "model": {f"module.{name}": value for name, value in state.items()}},
        lambda state: {name: value.half() for name, value in state.items()},
        lambda state: {"best_map": torch.tensor(0.4), "state_dict": state},
    ],
    ids=["plain", "state_dict", "nested", "module", "half", "beside a tensor"],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_ways_to_keep_weights(wrap: Callable[[State], object], legacy: bool, tmp_path: Path) -> None:
    torch.save(wrap(small_state(3, 8)), tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)
    found = load_official("acrnet", read_checkpoint(tmp_path / "x.pth"))
    assert found.spec.num_classes == 3
    assert all(value.dtype == torch.float32 for value in found.state_dict().values())


def test_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file(small_state(3, 8), tmp_path / "x.safetensors")
    assert load_official("acrnet", read_checkpoint(tmp_path / "x.safetensors")).spec.feature_dim == 8


class Sly:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harm",)


def wrong_files(folder: Path, acrnet: Path) -> dict[str, Path]:
    contents = {"text": b"not a checkpoint\n", "empty": b"", "cut": acrnet.read_bytes()[:-5000]}
    with (folder / "code").open("wb") as opened:
        pickle.dump({"state_dict": Sly()}, opened, protocol=2)
    torch.save({"state_dict": Sly()}, folder / "zipped code")
    torch.save({"epoch": 3}, folder / "no weights")
    around: dict[str, object] = {}
    around["model"] = around
    torch.save(around, folder / "circle")
    torch.save(torch.ones(3), folder / "tensor")
    torch.save({name: value * float("nan") for name, value in small_state().items()}, folder / "nan")
    torch.save(create("acrnet", num_classes=3, feature_dim=8).base.mca.state_dict(), folder / "part")
    torch.save(small_state(3), folder / "three")
    torch.save(small_state(20, 8), folder / "narrow")
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    names = ["code", "zipped code", "no weights", "circle", "tensor", "nan", "part", "three", "narrow", "gone"]
    return {name: folder / name for name in [*contents, *names]}


def test_wrong_files_are_a_sentence_each(
    acrnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {
        "text": "is not a readable checkpoint of torch.save, or cut off. Get it from its publisher again.",
        "empty": "is not a readable checkpoint",
        "cut": "is not a readable checkpoint",
        "code": "holds more than weights (posix.mkdir) and was refused, as reading it would run code",
        "zipped code": "holds more than weights (posix.mkdir) and was refused",
        "no weights": "holds no weights by name",
        "circle": "holds no weights by name",
        "tensor": "holds no weights by name",
        "nan": "holds weights that are not numbers",
        "part": "these are not acrnet's weights",
        "three": "knows 3 actions, but 20 class names were given",
        "narrow": "takes features 8 wide, those of the spec have 2048",
        "gone": "no such file",
    }
    paths = wrong_files(tmp_path, acrnet)
    assert paths.keys() == said.keys()
    for name, path in paths.items():
        assert main(["models", "import", str(path), "--method", "acrnet", "--dataset", "thumos14"]) == 2, name
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert line.startswith(f"{path}: {said[name]}"), line
    assert not Path("harm").exists()
    assert not Path("acrnet-thumos14.safetensors").exists()


@pytest.mark.parametrize("method", ["acrnet", "co2net", "delu"])
def test_misshapen_weights_are_a_sentence(method: str) -> None:
    """Whichever entry it is, and whether sizes are read off it or not."""
    good = dict(create(method, num_classes=3, feature_dim=8).base.state_dict())
    assert load_official(method, good).spec.num_classes == 3
    for name in good:
        for bad in (torch.tensor(1.0), torch.zeros(0), torch.zeros(0, 0, 0), torch.zeros(1, 1, 1, 1, 1)):
            with pytest.raises(UsageError) as caught:
                load_official(method, {**good, name: bad})
            assert method in str(caught.value)
        with pytest.raises(ModelError, match=rf"not {method}'s weights: {name}"):
            load_official(method, {key: value for key, value in good.items() if key != name})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--method acrnet", "come from either --classes FILE or --dataset D"),
        ("--method acrnet --dataset thumos", "no class names of a data set 'thumos'. Did you mean thumos14?"),
        ("--method acrnet --classes nope.txt", "nope.txt: no such file"),
        ("--method acrnett --dataset thumos14", "no method 'acrnett'. Did you mean acrnet?"),
        ("--method clasnet --dataset thumos14", "clasnet is a plug-in, not a base"),
        ("--method acrnet --dataset thumos14 --spec i3d", "unknown spec preset 'i3d'"),
        ("--method co2net --dataset thumos14", "these are not co2net's weights"),
    ],
)
def test_wrong_options(acrnet: Path, capsys: pytest.CaptureFixture[str], options: str, said: str) -> None:
    assert main(["models", "import", str(acrnet), *options.split()]) == 2
    assert said in capsys.readouterr().err


def test_class_lists(tmp_path: Path) -> None:
    counts = {"thumos14": 20, "activitynet1.2": 100, "activitynet1.3": 200}
    for name, count in counts.items():
        names = read_classes(None, name)
        assert len(names) == count
        assert list(names) == sorted(names)
    own = tmp_path / "names.txt"
    own.write_text("wave\n\n  sit down\n")
    assert read_classes(own, None) == ("wave", "sit down")
    own.write_text("wave\nwave\n")
    with pytest.raises(ConfigError, match="names 'wave' twice"):
        read_classes(own, None)


def test_the_checkpoint_is_never_overwritten(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "acrnet.safetensors"
    save_file(small_state(), path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="would be overwritten"):
        import_model(path, "acrnet", dataset="thumos14", out=path)
    assert path.read_bytes() == before


def test_a_method_whose_authors_published_nothing() -> None:
    from wtalkit.methods import METHODS

    if METHODS["tssam"].available:
        with pytest.raises(ModelError, match="no weights by the authors of tssam"):
            load_official("tssam", {})
