"""Moving scenes whose true motion is known: textures that can be evaluated at any place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Texture:
    """A sum of waves with periods of about 8 to 40 px, smooth enough to be sampled between pixels exactly."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        lengths, angles = random.uniform(8, 40, 24), random.uniform(0, np.pi, 24)
        self.kx = 2 * np.pi / lengths * np.cos(angles)
        self.ky = 2 * np.pi / lengths * np.sin(angles)
        self.phase = random.uniform(0, 2 * np.pi, 24)

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = np.cos(x[..., None] * self.kx + y[..., None] * self.ky + self.phase)
        return 128 + waves.sum(-1) * 14


def translated(
    height: int, width: int, motion: tuple[float, float], frames: int = 2, seed: int = 0
) -> NDArray[np.uint8]:
    """``[frames, H, W]``: a texture that moves by ``motion`` (right, down) px a frame."""
    texture, (y, x) = Texture(seed), np.mgrid[:height, :width].astype(float)
    images = [texture.at(x - k * motion[0], y - k * motion[1]) for k in range(frames)]
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def disc_over_background(height: int, width: int, frames: int, seed: int = 0) -> NDArray[np.uint8]:
    """``[frames, H, W]``: a textured disc crosses a textured background that drifts slowly."""
    front, back = Texture(seed), Texture(seed + 1)
    y, x = np.mgrid[:height, :width].astype(float)
    images = []
    for k in range(frames):
        inside = np.hypot(x - width * 0.4 - 2.3 * k, y - height * 0.5 + 1.2 * k) < height * 0.25
        moved = front.at(x - 2.3 * k, y + 1.2 * k)
        images.append(np.where(inside, moved, back.at(x + 0.4 * k, y)))
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)
