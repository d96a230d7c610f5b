"""Model files: there and back, and everything that must be refused with a sentence naming the file."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from wtalkit.errors import ModelError
from wtalkit.methods import Batch, create
from wtalkit.methods.composition import Composition
from wtalkit.modelfile import METADATA_KEY, ModelHeader, load_model, read_header, save_model

CLASSES = ("run", "jump", "saut à la perche")


def model() -> Composition:
    torch.manual_seed(0)
    built = create("clasnet", num_classes=3, feature_dim=32, without=("brm",), feature_rms=1.0, acrnet={"hidden": 8})
    built.feature_scale.fill_(3.0)
    return built


def header(of: Composition) -> ModelHeader:
    return ModelHeader.of(of, CLASSES, decoder={"gamma": 0.2}, display_threshold=-0.5, feature_spec={"fps": 25.0})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    built = model()
    save_model(tmp_path / "m.safetensors", built, header(built))
    return tmp_path / "m.safetensors"


def rewritten(file: Path, **changes: Any) -> Path:
    """The same tensors under a changed header."""
    raw = {**read_header(file).model_dump(mode="json"), **changes}
    save_file(load_file(file), file, metadata={METADATA_KEY: json.dumps(raw)})
    return file


def test_there_and_back(saved: Path) -> None:
    loaded, original = load_model(saved), model().eval()
    assert loaded.header == header(original)
    assert loaded.model.spec == original.spec
    assert not loaded.model.training
    batch = Batch.from_features([torch.rand(12, 32)])
    assert torch.equal(loaded.model(batch)[0].act_scores, original(batch)[0].act_scores)
    assert all(p.requires_grad for p in loaded.model.parameters())
    assert len(loaded.sha256) == 64


def test_a_header_of_another_model_is_not_written(tmp_path: Path) -> None:
    built = model()
    other = ModelHeader(method="acrnet", classes=CLASSES, feature_dim=32)
    with pytest.raises(ValueError, match="the header describes"):
        save_model(tmp_path / "m.safetensors", built, other)
    assert not list(tmp_path.iterdir())


def refused(file: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(file)
    assert str(caught.value).startswith(str(file))


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "no such file")
    refused(tmp_path, "cannot be read")


@pytest.mark.parametrize("size", [0, 5, 300, -1])
def test_cut_files(saved: Path, size: int) -> None:
    saved.write_bytes(saved.read_bytes()[:size])
    refused(saved, "cut off|damaged")


def test_pickles_and_huge_headers_are_never_read(tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(pickle.dumps({"a": [1.0] * 1000}))
    refused(file, "not a model file")
    file.write_bytes((10**15).to_bytes(8, "little") + b"{}")
    refused(file, "not a model file")


def test_a_header_that_claims_a_giant_tensor(saved: Path) -> None:
    text = json.dumps({"x": {"dtype": "F32", "shape": [10**11, 8], "data_offsets": [0, 32 * 10**11]}}).encode()
    saved.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 64)
    refused(saved, "damaged")


def test_weights_of_another_program(saved: Path) -> None:
    save_file(load_file(saved), saved)
    refused(saved, "no description of a wtalkit model")


def test_headers_that_do_not_describe_the_tensors(saved: Path) -> None:
    refused(rewritten(saved, classes=["run", "jump"]), "its header needs")
    refused(rewritten(saved, plugins=[], without=[], options={"acrnet": {"hidden": 8}}), "do not fit its header")


def test_a_header_for_a_model_larger_than_any_memory(saved: Path) -> None:
    refused(rewritten(saved, feature_dim=65536, options={}), "its header needs")
    refused(rewritten(saved, options={"clasnet": {"bottleneck": 10**9}}), "impossible size")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema 2 is not known"),
        ({"schema_version": None}, "schema None"),
        ({"method": "acrnett"}, "no method 'acrnett'"),
        ({"options": {"acrnet": {"hiden": 8}}}, "no option 'hiden'"),
        ({"surprise": 1}, "surprise"),
        ({"classes": ["a", "a", "b"]}, "distinct"),
        ({"classes": []}, "classes"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_unusable_headers(saved: Path, changes: dict[str, Any], message: str) -> None:
    refused(rewritten(saved, **changes), message)


def test_weights_that_are_not_numbers(saved: Path) -> None:
    built = model()
    torch.nn.init.constant_(built.base.cas_rgb_encoder[2].bias, float("nan"))
    save_model(saved, built, header(built))
    refused(saved, "not numbers")
