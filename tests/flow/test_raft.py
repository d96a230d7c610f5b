"""RAFT with random weights: theirs are not to be had here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import toys
from wtalkit import zoo
from wtalkit.backbones import load_backbone
from wtalkit.errors import MachineError
from wtalkit.extraction import VideoFeaturizer, extract
from wtalkit.flow import FlowAlgorithm, get_flow
from wtalkit.flow.algorithms import RAFT
from wtalkit.flow.raft import UPDATES, Raft, padded

CPU = torch.device("cpu")


def network(name: str = "raft-small") -> torch.nn.Module:
    from torchvision.models import optical_flow

    torch.manual_seed(0)
    build = optical_flow.raft_small if name == "raft-small" else optical_flow.raft_large
    return build(weights=None).eval()  # type: ignore[no-any-return]


def frames(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture
def raft(bundled: Path) -> FlowAlgorithm:
    """The small one, with random weights where the published ones are looked for."""
    path = zoo.weights_folder("raft-small") / RAFT["raft-small"].name
    path.parent.mkdir(parents=True)
    torch.save(network().state_dict(), path)
    return get_flow("raft-small", offline=True)


@pytest.mark.parametrize(("name", "enum"), [("raft", "Raft_Large_Weights"), ("raft-small", "Raft_Small_Weights")])
def test_the_weights_are_torchvisions_own(name: str, enum: str) -> None:
    from torchvision.models import optical_flow

    default = getattr(optical_flow, enum).DEFAULT
    assert RAFT[name].url == default.url
    assert RAFT[name].sha256 == default.url[-12:-4]


@pytest.mark.parametrize("name", sorted(RAFT))
def test_fields_are_torchvisions_last_in_pixels(name: str) -> None:
    from torchvision.models.optical_flow import Raft_Small_Weights

    given, made = frames(2, 100, 140), network(name)
    around = np.pad(given, ((0, 0), (14, 14), (2, 2), (0, 0)), mode="edge")  # 128x144
    images = torch.from_numpy(around).permute(0, 3, 1, 2)
    first, second = Raft_Small_Weights.DEFAULT.transforms()(images[:1], images[1:])  # the same for both networks
    with torch.inference_mode():
        expected = made(first, second, num_flow_updates=UPDATES)[-1][..., 14:114, 2:142]
    found = Raft(made, CPU).fields(torch.from_numpy(given))
    assert (found.shape, found.dtype) == ((1, 2, 100, 140), torch.float32)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(96, 128), (130, 171), (1, 1), (256, 455)])
def test_frames_are_padded_with_their_own_borders(height: int, width: int) -> None:
    given = torch.from_numpy(frames(1, height, width))
    images, (left, right, top, bottom) = padded(given)
    assert images.shape[2] % 8 == images.shape[3] % 8 == 0
    assert min(images.shape[2:]) >= 128
    assert (height + top + bottom, width + left + right) == images.shape[2:]
    assert abs(left - right) <= 1 and abs(top - bottom) <= 1
    around = np.pad(given[0].numpy(), ((top, bottom), (left, right), (0, 0)), mode="edge")
    np.testing.assert_allclose(images[0].permute(1, 2, 0), around / 127.5 - 1, atol=1e-6)


def test_pairs_do_not_depend_on_their_batch() -> None:
    given, ours = torch.from_numpy(frames(10, 40, 56)), Raft(network(), CPU)  # nine pairs: a batch of eight and one
    together = ours.fields(given)
    assert together.shape == (9, 2, 40, 56)
    for index in (0, 7, 8):
        torch.testing.assert_close(together[index], ours.fields(given[index : index + 2])[0], rtol=1e-3, atol=1e-4)
    assert ours.fields(given[:1]).shape == (0, 2, 40, 56)


def test_threads_do_not_get_into_each_others_way(raft: FlowAlgorithm) -> None:
    given = frames(5, 32, 40)
    alone = [raft.pair(given[index], given[index + 1]) for index in range(4)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several of them in each of four would mostly wait for a core
    try:
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda index: raft.pair(given[index], given[index + 1]), range(4)))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert raft.in_colour
    assert raft.pair(given[0], given[1]).shape == (2, 32, 40)


def test_a_video_to_features(raft: FlowAlgorithm, bundled: Path, tmp_path: Path) -> None:
    video = toys.write_video(tmp_path / "v.mp4", frames=36)
    result = extract(video, tmp_path / "feats", backbone="i3d-mini", flow="raft-small", offline=True, device="cpu")
    assert (result.spec.flow, result.spec.flow_version) == ("raft-small", raft.version)
    assert (tmp_path / "feats" / "v.npy").is_file()
    images: list[np.ndarray] = []

    def looked_at(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        images.extend([first, second])
        return np.zeros((2, *first.shape[:2]), np.float32)

    spy = FlowAlgorithm("raft-small", "spy", looked_at, in_colour=True)
    VideoFeaturizer(load_backbone("i3d-mini"), spy).features(video)
    assert {image.shape for image in images} == {(96, 128, 3)}


def test_the_version_follows_the_weights(raft: FlowAlgorithm) -> None:
    path = zoo.weights_folder("raft-small") / RAFT["raft-small"].name
    state = network().state_dict()
    torch.save({name: value + 1 for name, value in state.items()}, path)
    assert get_flow("raft-small").version != raft.version
    assert raft.version.startswith("torchvision-raft_small-")


def test_weights_that_are_not_to_be_had(bundled: Path) -> None:
    with pytest.raises(MachineError, match=r"raft_large_C_T_SKHT_V2-ff5fadd5.pth: the weights of raft are not there"):
        get_flow("raft", offline=True)
    with pytest.raises(MachineError, match="could not be fetched"):
        get_flow("raft")


def test_a_backbone_without_flow_needs_no_weights(bundled: Path, tmp_path: Path) -> None:
    featurizer = VideoFeaturizer(load_backbone("i3d-mini", flow="none"), "raft")
    assert featurizer.flow.name == "none"
