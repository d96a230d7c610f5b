"""The libraries' networks as backbones, with random weights: theirs are not to be had here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.backbones.networks import CPU, relative
from wtalkit import zoo
from wtalkit.backbones import BACKBONES, ClipBackbone, load_backbone
from wtalkit.backbones.clips import build, preprocessing
from wtalkit.errors import DeviceFull, MachineError, ModelError

LIBRARIES = [name for name, spec in BACKBONES.items() if spec.library != "wtalkit"]
TORCHVISION = [name for name in LIBRARIES if BACKBONES[name].library == "torchvision"]
PYTORCHVIDEO = [name for name in LIBRARIES if BACKBONES[name].library == "pytorchvideo"]

FEWER = {"swin3d_t": 8, "s3d": 16, "r2plus1d_18": 8}
"""Frames that are enough for these, so that it takes less time."""


def windows(name: str, count: int = 1, shape: float = 4 / 3) -> Tensor:
    spec = BACKBONES[name]
    size = (count, len(spec.picked), spec.resize, round(spec.resize * shape), 3)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, size, np.uint8))


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(BACKBONES[name]).eval()


def backbone(name: str, whole: nn.Module | None = None, **changes: object) -> ClipBackbone:
    made = network(name) if whole is None else whole
    return ClipBackbone(BACKBONES[name], made, weights_hash="0" * 16, device=CPU, **changes)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_features_are_what_goes_into_the_last_linear_layer(name: str) -> None:
    spec, whole, frames = BACKBONES[name], network(name), windows(name)[:, : FEWER.get(name)]
    seen: list[Tensor] = []
    hook = whole.get_submodule(spec.head).register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.inference_mode():
        logits = whole(preprocessing(spec)(frames))
    hook.remove()
    channels = -1 if isinstance(whole.get_submodule(spec.head), nn.Linear) else 1
    expected = seen[0].movedim(channels, -1).flatten(1, -2).mean(dim=1) if seen[0].ndim > 2 else seen[0]
    ours = backbone(name, whole)
    found = ours.features(frames)
    assert found.shape == (1, spec.stream_dim) == (1, ours.dim)
    assert relative(found, expected) < 1e-6
    weight, bias = ours.classifier()
    assert weight.shape == (400, spec.stream_dim)
    assert relative(found @ weight.T + bias, logits) < 1e-5


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_table_says_what_torchvision_says_of_its_weights(name: str) -> None:
    from torchvision.models import get_model_weights

    spec, published = BACKBONES[name], get_model_weights(name).DEFAULT
    assert published.name == "KINETICS400_V1"
    assert spec.weights is not None
    assert spec.weights.url == published.url
    assert spec.weights.sha256 == re.findall(r"-([0-9a-f]{8})\.pth", published.url)[0]
    transform = published.transforms()
    assert [spec.crop] * 2 == transform.crop_size
    assert spec.resize == transform.resize_size[0]
    rate = re.search(r"frame_rate=([\d.]+)", published.meta["_docs"])
    assert rate is not None
    assert spec.fps == float(rate[1])
    length = re.search(r"clip_len=(\d+)", published.meta["_docs"])
    assert length is not None
    assert spec.window == int(length[1]) or (name == "s3d" and spec.window >= published.meta["min_temporal_size"])


@pytest.mark.parametrize("name", ["r3d_18", "s3d", "mvit_v2_s"])
@pytest.mark.parametrize("shape", [4 / 3, 16 / 9, 9 / 16])
def test_pictures_go_through_torchvisions_own_transform(name: str, shape: float) -> None:
    from torchvision.models import get_model_weights

    spec = BACKBONES[name]
    frames = windows(name, 2, max(shape, 1))[:, :4]
    frames = frames if shape > 1 else frames.transpose(2, 3)
    found = preprocessing(spec)(frames)
    transform = get_model_weights(name).DEFAULT.transforms()
    expected = torch.stack([transform(window.contiguous().permute(0, 3, 1, 2)) for window in frames])
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found.shape == (2, 3, 4, spec.crop, spec.crop)


@pytest.mark.parametrize("name", PYTORCHVIDEO)
def test_pictures_for_pytorchvideo(name: str) -> None:
    frames = windows(name, 1, 1.5)
    found = preprocessing(BACKBONES[name])(frames)
    centre = frames.numpy()[0, :, :, 64:320].astype(np.float64)
    np.testing.assert_allclose(found[0], ((centre / 255 - 0.45) / 0.225).transpose(3, 0, 1, 2), atol=1e-6)


@pytest.mark.parametrize("name", PYTORCHVIDEO)
def test_the_table_says_what_pytorchvideo_says_of_its_weights(name: str) -> None:
    from importlib import import_module

    build(BACKBONES[name])  # which keeps the warnings of the import to itself
    hub = import_module(f"pytorchvideo.models.hub.{'x3d' if name == 'x3d_m' else 'resnet'}")
    weights = BACKBONES[name].weights
    assert weights is not None
    assert (weights.url, weights.sha256) == (hub.checkpoint_paths[name], None)


@pytest.mark.parametrize("name", LIBRARIES)
def test_frames_are_picked_evenly(name: str) -> None:
    spec = BACKBONES[name]
    count = spec.frames or spec.window
    evenly = torch.linspace(0, spec.window - 1, count, dtype=torch.float64).long()  # pytorchvideo's sampler
    assert spec.picked == tuple(evenly.tolist())
    assert 0.5 < spec.stride / spec.fps < 0.6


def small(ours: ClipBackbone) -> ClipBackbone:
    """The same on a corner of its pictures, which mc3_18 and r3d_18 take in any size."""
    whole = ours._prepare
    ours._prepare = lambda frames: whole(frames)[..., :40, :40]
    return ours


def test_a_row_depends_on_nothing_but_its_window() -> None:
    ours, frames = small(backbone("mc3_18")), windows("mc3_18", 3)
    together = ours.features(frames)
    assert ours.batch_windows == 2  # so that it took two batches
    torch.testing.assert_close(together, ours.features(frames), rtol=0, atol=0)
    assert relative(ours.features(frames[1:2]), together[1:2]) < 1e-5
    assert relative(together[:1], together[1:2]) > 1e-3
    assert ours.features(frames[:0]).shape == (0, 512)


def test_memory_that_runs_out_makes_batches_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, frames = small(backbone("mc3_18")), windows("mc3_18", 2)
    expected, inner = ours.features(frames), ours._network.forward

    def narrow(x: Tensor) -> Tensor:
        if len(x) > 1:
            raise torch.OutOfMemoryError("full")
        return inner(x)  # type: ignore[no-any-return]

    monkeypatch.setattr(ours._network, "forward", narrow)
    assert relative(ours.features(frames), expected) < 1e-5
    assert ours.batch_windows == 1
    monkeypatch.setattr(ours._network, "forward", lambda _: (_ for _ in ()).throw(torch.OutOfMemoryError("full")))
    with pytest.raises(DeviceFull):
        ours.features(frames)


def test_bfloat16_is_near() -> None:
    frames = windows("r3d_18")[:, :4]
    exact = small(backbone("r3d_18")).features(frames)
    rough = small(backbone("r3d_18", precision="bfloat16")).features(frames)
    assert rough.dtype == torch.float32
    assert 0 < relative(rough, exact) < 0.05


def published(name: str, folder: Path, **extra: object) -> Path:
    """Random weights as the library would publish them."""
    spec = BACKBONES[name]
    assert spec.weights is not None
    folder.mkdir(parents=True, exist_ok=True)
    state = network(name).state_dict()
    torch.save({"model_state": state, **extra} if spec.library == "pytorchvideo" else state, folder / spec.weights.name)
    return folder / spec.weights.name


@pytest.mark.parametrize("name", ["mc3_18", "x3d_m"])
def test_weights_come_from_a_file(name: str, tmp_path: Path) -> None:
    path = published(name, tmp_path)
    loaded, frames = load_backbone(name, weights=tmp_path, flow="tvl1"), windows(name)
    assert isinstance(loaded, ClipBackbone)
    assert (loaded.streams, loaded.dim) == (("rgb",), BACKBONES[name].stream_dim)
    if name == "mc3_18":
        torch.testing.assert_close(
            small(loaded).features(frames), small(backbone(name)).features(frames), rtol=0, atol=0
        )
    assert len(loaded.weights_hash) == 16
    assert loaded.weights_hash in loaded.weights_note
    known = loaded.warnings == (f"unrecognised weights (hash {loaded.weights_hash})",)
    assert known == (name == "mc3_18"), "torchvision's name promises a hash that random weights do not have"
    torch.save({"fc.weight": torch.zeros(1)}, path)
    with pytest.raises(MachineError, match="does not fit the network"):
        load_backbone(name, weights=tmp_path)


def test_missing_weights_say_how_to_get_them(bundled: Path) -> None:
    with pytest.raises(MachineError) as caught:
        load_backbone("r3d_18", offline=True)
    wanted = zoo.cache_dir() / "weights" / "r3d_18" / "r3d_18-b3b3357e.pth"
    assert str(wanted) in str(caught.value)
    assert "wtalkit models pull r3d_18" in str(caught.value)
    with pytest.raises(MachineError, match="could not be fetched"):
        load_backbone("r3d_18")
    assert not wanted.exists()


def test_another_file_under_the_name_is_not_replaced_unasked(bundled: Path) -> None:
    path = zoo.weights_folder("r3d_18") / "r3d_18-b3b3357e.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own")
    with pytest.raises(ModelError, match="--force"):
        zoo.pull_weights("r3d_18", offline=True)
    assert path.read_bytes() == b"my own"
