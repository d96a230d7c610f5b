"""Backgrounds: six kinds of textured places on a canvas larger than the picture, some with moving parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
CANVAS_W, CANVAS_H = 560, 360
HORIZON = 205  # where the floor begins on the canvas
FLOOR = 292  # the acting figure's ground line on the canvas


@dataclass
class Mover:
    """A moving part of the background: drawn at ``x0 + speed * t``, wrapped around the canvas."""

    draw: Callable[[Image, float, float], None]  # (canvas, x, seconds)
    x0: float
    speed: float

    def paint(self, canvas: Image, t: float) -> None:
        span = CANVAS_W + 160
        self.draw(canvas, (self.x0 + self.speed * t) % span - 80, t)


@dataclass
class Scene:
    """A place: its still canvas, RGB uint8 [CANVAS_H, CANVAS_W, 3], and what moves on it."""

    kind: str
    still: Image
    movers: list[Mover] = field(default_factory=list)

    def canvas(self, t: float) -> Image:
        if not self.movers:
            return self.still
        image = self.still.copy()
        for mover in self.movers:
            mover.paint(image, t)
        return image


def _colour(
    rng: np.random.Generator, low: int, high: int, tint: tuple[float, float, float] = (1, 1, 1)
) -> tuple[int, ...]:
    base = rng.uniform(low, high) + rng.uniform(-18, 18, 3)
    return tuple(int(np.clip(c * k, 0, 255)) for c, k in zip(base, tint, strict=True))


def _blank(
    top: tuple[int, ...], bottom: tuple[int, ...], floor_far: tuple[int, ...], floor_near: tuple[int, ...]
) -> Image:
    image = np.zeros((CANVAS_H, CANVAS_W, 3), np.float32)
    wall = np.linspace(0, 1, HORIZON)[:, None, None]
    image[:HORIZON] = np.array(top) * (1 - wall) + np.array(bottom) * wall
    floor = np.linspace(0, 1, CANVAS_H - HORIZON)[:, None, None]
    image[HORIZON:] = np.array(floor_far) * (1 - floor) + np.array(floor_near) * floor
    return image.astype(np.uint8)


def _grain(image: Image, rng: np.random.Generator, strength: float) -> Image:
    """Fixed texture of two scales, so that flow has something to hold on to."""
    noise = np.zeros(image.shape[:2], np.float32)
    for cell, weight in ((3, 0.6), (11, 1.0)):
        shape = (image.shape[0] // cell + 2, image.shape[1] // cell + 2)
        coarse = rng.standard_normal(shape).astype(np.float32)
        noise += weight * cv2.resize(coarse, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(image + strength * noise[..., None], 0, 255).astype(np.uint8)


def _rect(image: Image, x: float, y: float, w: float, h: float, colour: tuple[int, ...], fill: bool = True) -> None:
    cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1 if fill else 2, cv2.LINE_AA)


def _tiles(image: Image, rng: np.random.Generator, colour: tuple[int, ...]) -> None:
    """Floor lines that meet at a vanishing point."""
    for x in range(-CANVAS_W, 2 * CANVAS_W, int(rng.integers(34, 64))):
        middle = CANVAS_W / 2 + (x - CANVAS_W / 2) * 0.45
        cv2.line(image, (int(middle), HORIZON), (x, CANVAS_H), colour, 1, cv2.LINE_AA)
    y, step = float(HORIZON), 8.0
    while y < CANVAS_H:
        cv2.line(image, (0, int(y)), (CANVAS_W, int(y)), colour, 1, cv2.LINE_AA)
        y, step = y + step, step * 1.35


def _room(rng: np.random.Generator) -> Scene:
    wall = _colour(rng, 130, 215)
    floor = _colour(rng, 90, 150, (1.1, 0.9, 0.7))
    image = _blank(wall, tuple(int(c * 0.9) for c in wall), tuple(int(c * 0.8) for c in floor), floor)
    stripe = tuple(int(c * 0.93) for c in wall)
    for x in range(0, CANVAS_W, int(rng.integers(18, 40))):
        cv2.line(image, (x, 0), (x, HORIZON), stripe, 3)
    _tiles(image, rng, tuple(int(c * 0.7) for c in floor))
    for _ in range(int(rng.integers(2, 5))):
        x, y, w, h = rng.uniform(0, CANVAS_W - 90), rng.uniform(20, 90), rng.uniform(36, 84), rng.uniform(34, 70)
        _rect(image, x, y, w, h, _colour(rng, 60, 230))
        _rect(image, x, y, w, h, (70, 50, 34), fill=False)
        cv2.circle(image, (int(x + w / 2), int(y + h / 2)), int(min(w, h) / 4), _colour(rng, 60, 230), -1, cv2.LINE_AA)
    x = rng.uniform(0, CANVAS_W - 140)
    _rect(image, x, HORIZON - 62, 100, 70, _colour(rng, 60, 120, (1.2, 0.9, 0.6)))
    for i in range(3):
        _rect(image, x + 5, HORIZON - 57 + 21 * i, 90, 16, _colour(rng, 90, 170, (1.2, 0.9, 0.6)))
    return Scene("room", image)


def _gym(rng: np.random.Generator) -> Scene:
    wall, floor = _colour(rng, 110, 190), _colour(rng, 150, 200, (1.1, 0.85, 0.55))
    image = _blank(wall, wall, tuple(int(c * 0.85) for c in floor), floor)
    for y in range(0, HORIZON, 24):
        offset = 22 * ((y // 24) % 2)
        for x in range(-offset, CANVAS_W, 44):
            _rect(image, x, y, 43, 23, tuple(int(c * rng.uniform(0.9, 1.0)) for c in wall))
    for x in range(30, CANVAS_W, 150):
        for y in range(40, HORIZON - 20, 14):
            cv2.line(image, (x, y), (x + 66, y), (140, 92, 48), 4, cv2.LINE_AA)
        for edge in (x, x + 66):
            cv2.line(image, (edge, 32), (edge, HORIZON - 8), (110, 70, 36), 5, cv2.LINE_AA)
    _tiles(image, rng, tuple(int(c * 0.88) for c in floor))
    line = _colour(rng, 60, 250)
    cv2.ellipse(image, (int(rng.uniform(120, 440)), 290), (150, 42), 0, 0, 360, line, 4, cv2.LINE_AA)
    cv2.line(image, (0, HORIZON + 26), (CANVAS_W, HORIZON + 26), line, 4, cv2.LINE_AA)
    return Scene("gym", image)


def _tree(image: Image, x: float, base: float, size: float, leaf: tuple[int, ...], seed: int) -> None:
    cv2.line(
        image, (int(x), int(base)), (int(x), int(base - size * 0.6)), (92, 64, 40), max(3, int(size / 9)), cv2.LINE_AA
    )
    rng = np.random.default_rng(seed)
    for _ in range(16):
        dx, dy = rng.normal(0, size * 0.22), rng.normal(0, size * 0.2)
        shade = rng.uniform(0.75, 1.15)
        colour = tuple(int(np.clip(c * shade, 0, 255)) for c in leaf)
        cv2.circle(
            image,
            (int(x + dx), int(base - size * 0.8 + dy)),
            int(size * rng.uniform(0.12, 0.24)),
            colour,
            -1,
            cv2.LINE_AA,
        )


def _cloud(rng: np.random.Generator, y: float) -> Callable[[Image, float, float], None]:
    puffs = [(rng.normal(0, 22), rng.normal(0, 5), rng.uniform(8, 18)) for _ in range(6)]

    def draw(image: Image, x: float, t: float) -> None:
        for dx, dy, radius in puffs:
            cv2.circle(
                image, (int((x + dx) * 16), int((y + dy) * 16)), int(radius * 16), (244, 246, 250), -1, cv2.LINE_AA, 4
            )

    return draw


def _sway_tree(rng: np.random.Generator, base: float) -> Callable[[Image, float, float], None]:
    leaf, seed, size = _colour(rng, 70, 120, (0.7, 1.3, 0.6)), int(rng.integers(1 << 30)), rng.uniform(70, 110)
    at, phase = rng.uniform(20, CANVAS_W - 20), rng.uniform(0, 6)

    def draw(image: Image, x: float, t: float) -> None:
        _tree(image, at + 3.0 * np.sin(1.4 * t + phase), base, size, leaf, seed)

    return draw


def _park(rng: np.random.Generator) -> Scene:
    grass = _colour(rng, 90, 140, (0.75, 1.2, 0.5))
    image = _blank((120, 170, 225), (200, 222, 240), tuple(int(c * 0.85) for c in grass), grass)
    hills = np.array(
        [
            [x, HORIZON - 22 - 14 * np.sin(x / rng.uniform(38, 80)) - 10 * np.sin(x / 23)]
            for x in range(0, CANVAS_W + 9, 8)
        ]
    )
    outline = np.vstack([hills, [[CANVAS_W, HORIZON], [0, HORIZON]]]).astype(np.int32)
    cv2.fillPoly(image, [outline], tuple(int(c * 0.7) for c in grass), cv2.LINE_AA)
    for _ in range(int(rng.integers(4, 8))):
        leaf = _colour(rng, 70, 120, (0.7, 1.3, 0.6))
        _tree(
            image,
            rng.uniform(0, CANVAS_W),
            HORIZON + rng.uniform(2, 14),
            rng.uniform(60, 120),
            leaf,
            int(rng.integers(1 << 30)),
        )
    for _ in range(420):
        x, y = rng.uniform(0, CANVAS_W), HORIZON + (CANVAS_H - HORIZON) * rng.random()
        shade = rng.uniform(0.7, 1.25)
        cv2.line(
            image,
            (int(x), int(y)),
            (int(x + rng.normal(0, 2)), int(y - 5)),
            tuple(int(min(255, c * shade)) for c in grass),
            1,
            cv2.LINE_AA,
        )
    movers = [Mover(_cloud(rng, rng.uniform(20, 90)), rng.uniform(0, CANVAS_W), rng.uniform(3, 12)) for _ in range(3)]
    movers += [Mover(_sway_tree(rng, HORIZON + 16), 0, 0) for _ in range(int(rng.integers(0, 3)))]
    return Scene("park", image, movers)


def _car(rng: np.random.Generator, base: float) -> Callable[[Image, float, float], None]:
    paint = _colour(rng, 60, 220, tuple(rng.uniform(0.4, 1.2, 3)))

    def draw(image: Image, x: float, t: float) -> None:
        p = lambda dx, dy: (int((x + dx) * 16), int((base + dy) * 16))  # noqa: E731
        body = np.array([p(0, 0), p(0, -16), p(18, -18), p(28, -32), p(62, -32), p(74, -18), p(92, -15), p(92, 0)])
        cv2.fillPoly(image, [body], paint, cv2.LINE_AA, 4)
        glass = np.array([p(24, -19), p(31, -29), p(59, -29), p(68, -19)])
        cv2.fillPoly(image, [glass], (60, 76, 92), cv2.LINE_AA, 4)
        for dx in (20, 72):
            cv2.circle(image, p(dx, 0), 9 * 16, (26, 26, 28), -1, cv2.LINE_AA, 4)

    return draw


def _street(rng: np.random.Generator) -> Scene:
    image = _blank((150, 180, 214), (206, 214, 222), (112, 112, 114), (146, 144, 140))
    x = -20.0
    while x < CANVAS_W:
        w, h = rng.uniform(60, 120), rng.uniform(90, 190)
        front = _colour(rng, 90, 190, tuple(rng.uniform(0.8, 1.15, 3)))
        _rect(image, x, HORIZON - h, w, h, front)
        glass = _colour(rng, 60, 120, (0.9, 1.0, 1.2))
        for wx in np.arange(x + 8, x + w - 12, 18):
            for wy in np.arange(HORIZON - h + 8, HORIZON - 20, 22):
                _rect(image, wx, wy, 9, 12, glass if rng.random() < 0.8 else (236, 214, 140))
        x += w
    _rect(image, 0, HORIZON, CANVAS_W, 34, (88, 88, 92))
    for dash in range(0, CANVAS_W, 46):
        _rect(image, dash, HORIZON + 17, 22, 2, (226, 226, 214))
    cv2.line(image, (0, HORIZON + 36), (CANVAS_W, HORIZON + 36), (184, 182, 176), 5)
    for slab in range(0, CANVAS_W, 40):
        cv2.line(
            image, (slab, HORIZON + 38), (slab + (slab - CANVAS_W // 2) // 2, CANVAS_H), (128, 126, 122), 1, cv2.LINE_AA
        )
    speeds = rng.choice([-1, 1], 2) * rng.uniform(18, 60, 2)
    movers = [
        Mover(_car(rng, HORIZON + 24), rng.uniform(0, CANVAS_W), speed) for speed in speeds[: int(rng.integers(0, 3))]
    ]
    return Scene("street", image, movers)


def _waves(rng: np.random.Generator) -> Callable[[Image, float, float], None]:
    phases = rng.uniform(0, 6, 7)

    def draw(image: Image, x: float, t: float) -> None:
        for i, phase in enumerate(phases):
            y = HORIZON - 44 + 7 * i + 2.5 * np.sin(0.9 * t + phase)
            xs = np.arange(0, CANVAS_W + 12, 12)
            line = np.stack([xs, y + 1.6 * np.sin(xs / 17 + 0.8 * t + phase)], axis=1)
            cv2.polylines(image, [(line * 16).astype(np.int32)], False, (176, 212, 228), 1, cv2.LINE_AA, 4)

    return draw


def _beach(rng: np.random.Generator) -> Scene:
    sand = _colour(rng, 180, 215, (1.08, 0.98, 0.74))
    image = _blank((96, 158, 226), (196, 224, 242), tuple(int(c * 0.9) for c in sand), sand)
    _rect(image, 0, HORIZON - 48, CANVAS_W, 52, (54, 128, 168))
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(20, CANVAS_W - 20), HORIZON + rng.uniform(4, 16)
        cv2.line(image, (int(x), int(y)), (int(x + 10), int(y - 84)), (240, 238, 230), 4, cv2.LINE_AA)
        cv2.ellipse(
            image,
            (int(x + 10), int(y - 78)),
            (42, 22),
            6,
            180,
            360,
            _colour(rng, 90, 220, tuple(rng.uniform(0.4, 1.2, 3))),
            -1,
            cv2.LINE_AA,
        )
    movers = [
        Mover(_waves(rng), 0, 0),
        Mover(_cloud(rng, rng.uniform(20, 80)), rng.uniform(0, CANVAS_W), rng.uniform(3, 10)),
    ]
    return Scene("beach", image, movers)


def _studio(rng: np.random.Generator) -> Scene:
    back = _colour(rng, 60, 200, tuple(rng.uniform(0.6, 1.15, 3)))
    image = _blank(
        tuple(int(c * 0.7) for c in back), back, tuple(int(c * 0.8) for c in back), tuple(int(c * 0.55) for c in back)
    )
    for x in range(0, CANVAS_W, int(rng.integers(26, 44))):
        shade = rng.uniform(0.8, 1.12)
        fold = np.array([[x, 0], [x + 16, 0], [x + 20, HORIZON], [x - 3, HORIZON]])
        cv2.fillPoly(image, [fold], tuple(int(np.clip(c * shade, 0, 255)) for c in back), cv2.LINE_AA)
    glow = np.zeros(image.shape[:2], np.float32)
    cv2.ellipse(glow, (int(rng.uniform(180, 380)), FLOOR), (190, 60), 0, 0, 360, 1.0, -1)
    glow = cv2.GaussianBlur(glow, (0, 0), 18)
    image = np.clip(image + 46 * glow[..., None], 0, 255).astype(np.uint8)
    _tiles(image, rng, tuple(int(c * 0.5) for c in back))
    return Scene("studio", image)


SCENES = {"room": _room, "gym": _gym, "park": _park, "street": _street, "beach": _beach, "studio": _studio}


def random_scene(rng: np.random.Generator, kind: str | None = None) -> Scene:
    """A place of ``kind`` (any if None) with its own colours, furniture and texture."""
    kind = kind or str(rng.choice(list(SCENES)))
    scene = SCENES[kind](rng)
    scene.still = _grain(scene.still, rng, rng.uniform(2.0, 5.0))
    return scene
