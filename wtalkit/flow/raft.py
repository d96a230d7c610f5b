"""RAFT by torchvision: flow by a network, from RGB frames.

Paper: Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020. Its features are
computed at an eighth of the size and compared at four scales, so frames are padded to multiples of 8 and at least
128 px with their own borders; the field is cut back to the frame, in pixels of the frame.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wtalkit.download import announce
from wtalkit.flow.algorithms import RAFT, FlowAlgorithm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

UPDATES = 12
"""torchvision's own number of refinements."""
_SMALLEST, _STEP = 128, 8
_PAIRS_AT_ONCE = 8
_BUILDERS = {"raft": "raft_large", "raft-small": "raft_small"}


class Raft:
    """A network with its weights on one device.

    Args:
        network: torchvision's.
        device: where to compute.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.device = device
        self._network = network.eval().requires_grad_(False).to(device)

    def fields(self, frames: Tensor) -> Tensor:
        """Flow from each frame to the next.

        Args:
            frames: RGB uint8 ``[n, H, W, 3]``.

        Returns:
            float32 ``[n - 1, 2, H, W]`` in pixels, channel 0 to the right and 1 down, on the device.
        """
        count, height, width = len(frames) - 1, *frames.shape[1:3]
        images, (left, _, top, _) = padded(frames.to(self.device))
        fields = torch.empty(count, 2, height, width, device=self.device)
        with torch.inference_mode():
            for first in range(0, count, _PAIRS_AT_ONCE):
                some = images[first : first + _PAIRS_AT_ONCE + 1]
                found = self._network(some[:-1], some[1:], num_flow_updates=UPDATES)[-1]
                fields[first : first + len(found)] = found[..., top : top + height, left : left + width]
        return fields


def padded(frames: Tensor) -> tuple[Tensor, tuple[int, int, int, int]]:
    """Frames uint8 ``[n, H, W, 3]`` as RAFT takes them, float32 ``[n, 3, H', W']`` in -1 to 1, and the pixels added.

    Those are left, right, top and bottom, as even as they can be.
    """
    height, width = frames.shape[1:3]
    more_x, more_y = (max(_SMALLEST, -(-size // _STEP) * _STEP) - size for size in (width, height))
    pads = (more_x // 2, more_x - more_x // 2, more_y // 2, more_y - more_y // 2)
    # As torchvision's OpticalFlow transform: to 0..1, then mean 0.5 and deviation 0.5.
    images = frames.permute(0, 3, 1, 2).float().div_(255).sub_(0.5).div_(0.5)
    return F.pad(images, pads, mode="replicate"), pads


def load_raft(name: str, *, offline: bool = False) -> FlowAlgorithm:
    """RAFT with its published weights from the cache, fetched on first use.

    Raises:
        MachineError: the weights are not to be had, or do not fit.
    """
    from torchvision import models

    from wtalkit.backbones.weights import combined_hash, load_state, read_state
    from wtalkit.zoo import not_there, pull_weights, weights_folder

    file = RAFT[name]
    path = weights_folder(name) / file.name
    if not path.is_file():
        if offline:
            raise not_there(name, "", path)
        pull_weights(name, progress=announce(log.warning))
    state = read_state(path)
    builder = getattr(models.optical_flow, _BUILDERS[name])

    def on(device: torch.device) -> Raft:
        network: nn.Module = builder(weights=None)
        load_state(network, state, path)
        return Raft(network, device)

    if not file.is_whole(path):
        log.warning("%s: is not the published file of %s", path, name)
    of_thread = threading.local()  # torchvision's network keeps what it compares in itself

    def pair(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not hasattr(of_thread, "raft"):
            of_thread.raft = on(torch.device("cpu"))
        frames = torch.stack([torch.from_numpy(first), torch.from_numpy(second)])
        field: NDArray[np.float32] = of_thread.raft.fields(frames)[0].numpy()
        return field

    version = f"torchvision-{_BUILDERS[name]}-{combined_hash([path])}-{UPDATES}"
    return FlowAlgorithm(name, version, pair, in_colour=True, on=lambda device: on(device).fields)
