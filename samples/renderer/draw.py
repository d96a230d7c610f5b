"""Draws figures and props through a camera, far parts first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from renderer.body import Body, Vector, joints
from renderer.scenes import CANVAS_H, CANVAS_W, FLOOR, Image

WIDTH, HEIGHT = 320, 240
_SHIFT = 4
_ONE = 1 << _SHIFT
Part = tuple[float, Callable[[Image], None]]  # depth (towards the camera), how to draw it
Colour = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Canvas pixels to picture pixels: scale about a centre on the canvas."""

    scale: float
    x: float
    y: float

    def apply(self, point: Vector) -> tuple[float, float]:
        return self.scale * (point[0] - self.x) + WIDTH / 2, self.scale * (point[1] - self.y) + HEIGHT / 2

    def background(self, canvas: Image) -> Image:
        matrix = np.array(
            [[self.scale, 0, WIDTH / 2 - self.scale * self.x], [0, self.scale, HEIGHT / 2 - self.scale * self.y]]
        )
        picture: Image = cv2.warpAffine(
            canvas, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )  # type: ignore[assignment]
        return picture


@dataclass(frozen=True)
class Camera:
    """Slow pan and zoom plus a hand's shake, all sums of sines so that any moment can be rendered alone."""

    scale: float
    x: float
    y: float
    pan_px: float
    pan_hz: float
    zoom: float
    zoom_hz: float
    shake_px: float
    phase: float

    def view(self, t: float) -> View:
        scale = self.scale * (1 + self.zoom * np.sin(2 * np.pi * self.zoom_hz * t + self.phase))
        x = self.x + self.pan_px * np.sin(2 * np.pi * self.pan_hz * t + 2 * self.phase)
        x += self.shake_px * (np.sin(9.1 * t + self.phase) + 0.6 * np.sin(15.7 * t + 3 * self.phase))
        y = self.y + self.shake_px * (np.sin(8.3 * t + 5 * self.phase) + 0.6 * np.sin(17.3 * t))
        half_w, half_h = WIDTH / 2 / scale, HEIGHT / 2 / scale
        return View(
            float(scale),
            float(np.clip(x, half_w, CANVAS_W - half_w)),
            float(np.clip(y, half_h, CANVAS_H - half_h)),
        )


def random_camera(rng: np.random.Generator, height_px: float, x: float, spread_px: float = 0.0) -> Camera:
    """A camera that keeps figures of ``height_px``, ``spread_px`` apart, and their raised hands in the picture."""
    kind = rng.choice(["still", "pan", "hand", "zoom"], p=[0.3, 0.3, 0.25, 0.15])
    largest = min(1.4, 0.97 * HEIGHT / (1.54 * height_px), WIDTH / (spread_px + 150))
    return Camera(
        scale=float(rng.uniform(max(0.86, 0.84 * largest), largest / (1.07 if kind == "zoom" else 1.0))),
        x=x + float(rng.uniform(-22, 22)), y=FLOOR - height_px * float(rng.uniform(0.63, 0.7)),
        pan_px=float(rng.uniform(14, 40)) if kind == "pan" else 0.0, pan_hz=float(rng.uniform(0.03, 0.09)),
        zoom=float(rng.uniform(0.04, 0.07)) if kind == "zoom" else 0.0, zoom_hz=float(rng.uniform(0.04, 0.1)),
        shake_px=float(rng.uniform(0.4, 1.1)) if kind == "hand" else 0.0, phase=float(rng.uniform(0, 6)),
    )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a figure or prop stands: canvas x, ground line y, pixels per body height."""

    x: float
    ground: float
    size: float

    def canvas(self, point: Vector) -> Vector:
        """Figure coordinates to canvas pixels; what is nearer to the camera stands a little lower."""
        return np.array([self.x + point[0] * self.size, self.ground - (point[1] - 0.1 * point[2]) * self.size])


class Brush:
    """Collects parts in figure coordinates at one place, seen through one view."""

    def __init__(self, view: View, place: Place) -> None:
        self.view, self.place = view, place
        self.parts: list[Part] = []
        self.unit = place.size * view.scale  # picture pixels per body height

    def at(self, point: Vector) -> tuple[float, float]:
        return self.view.apply(self.place.canvas(point))

    def _fixed(self, points: list[tuple[float, float]]) -> np.ndarray:
        return np.round(np.array(points) * _ONE).astype(np.int32)

    def limb(self, a: Vector, b: Vector, ra: float, rb: float, colour: Colour, lift: float = 0.0) -> None:
        """A tapered capsule from ``a`` to ``b`` with radii in body heights, outlined in a darker tone."""
        pa, pb = np.array(self.at(a)), np.array(self.at(b))
        axis = pb - pa
        normal = np.array([-axis[1], axis[0]]) / (np.hypot(*axis) + 1e-6)
        dark = tuple(int(c * 0.55) for c in colour)

        def draw(image: Image) -> None:
            for grow, tone in ((0.9, dark), (0.0, colour)):
                wa, wb = max(ra * self.unit + grow, 0.8), max(rb * self.unit + grow, 0.8)
                quad = [pa + normal * wa, pb + normal * wb, pb - normal * wb, pa - normal * wa]
                cv2.fillConvexPoly(image, self._fixed([tuple(p) for p in quad]), tone, cv2.LINE_AA, _SHIFT)
                for centre, radius in ((pa, wa), (pb, wb)):
                    cv2.circle(
                        image,
                        tuple(self._fixed([tuple(centre)])[0].tolist()),
                        int(radius * _ONE),
                        tone,
                        -1,
                        cv2.LINE_AA,
                        _SHIFT,
                    )

        self.parts.append(((a[2] + b[2]) / 2 + lift, draw))

    def disc(self, centre: Vector, radius: float, colour: Colour, rim: Colour | None = None, lift: float = 0.0) -> None:
        point = tuple(self._fixed([self.at(centre)])[0].tolist())
        rim = rim or tuple(int(c * 0.55) for c in colour)
        outer = max(radius * self.unit, 1.0)

        def draw(image: Image) -> None:
            cv2.circle(image, point, int((outer + 0.9) * _ONE), rim, -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(image, point, int(max(outer - 0.1 * outer, 0.8) * _ONE), colour, -1, cv2.LINE_AA, _SHIFT)

        self.parts.append((centre[2] + lift, draw))

    def dot(self, centre: Vector, radius: float, colour: Colour, lift: float) -> None:
        """A small disc without an outline."""
        point = tuple(self._fixed([self.at(centre)])[0].tolist())
        size = int(radius * self.unit * _ONE)
        self.parts.append(
            (centre[2] + lift, lambda image: cv2.circle(image, point, size, colour, -1, cv2.LINE_AA, _SHIFT))
        )

    def face(self, corners: list[Vector], colour: Colour, lift: float = 0.0) -> None:
        """A filled polygon with a dark edge."""
        points = self._fixed([self.at(c) for c in corners])
        dark = tuple(int(c * 0.55) for c in colour)

        def draw(image: Image) -> None:
            cv2.fillConvexPoly(image, points, colour, cv2.LINE_AA, _SHIFT)
            cv2.polylines(image, [points], True, dark, 1, cv2.LINE_AA, _SHIFT)

        self.parts.append((float(np.mean([c[2] for c in corners])) + lift, draw))


def draw_parts(image: Image, parts: list[Part]) -> None:
    """Draw far parts first."""
    for _, draw in sorted(parts, key=lambda part: part[0]):
        draw(image)


def figure(brush: Brush, body: Body, vector: Vector, yaw: float) -> dict[str, Vector]:
    """Add a figure's parts; return its joints for the props it holds."""
    j = joints(body, vector, yaw)
    g = body.girth
    shin = body.skin if body.shorts else body.trousers
    fore = body.shirt if body.long_sleeves else body.skin
    for side in "lr":
        brush.limb(j[f"{side}_hip"], j[f"{side}_knee"], 0.05 * g, 0.038 * g, body.trousers)
        brush.limb(j[f"{side}_knee"], j[f"{side}_ankle"], 0.036 * g, 0.025 * g, shin, -0.001)
        brush.limb(j[f"{side}_ankle"], j[f"{side}_toe"], 0.026, 0.02, body.shoes)
        brush.limb(j[f"{side}_shoulder"], j[f"{side}_elbow"], 0.036 * g, 0.03 * g, body.shirt, 0.01)
        brush.limb(j[f"{side}_elbow"], j[f"{side}_hand"], 0.027 * g, 0.02 * g, fore, 0.012)
        brush.disc(j[f"{side}_hand"], 0.026, body.skin, lift=0.014)
    _trunk(brush, body, j)
    _head(brush, body, j)
    return j


def _trunk(brush: Brush, body: Body, j: dict[str, Vector]) -> None:
    g = body.girth
    depth = 0.062 * g
    waist = (j["l_hip"] + j["r_hip"]) / 2
    corners = [j["l_shoulder"], j["r_shoulder"], j["r_hip"], j["l_hip"]]
    brush.limb(j["neck"] * 0.94 + waist * 0.06, waist, depth, depth * 0.86, body.shirt)
    brush.face(corners, body.shirt, 0.002)
    if body.stripe is not None:
        a = [0.62 * j[f"{s}_shoulder"] + 0.38 * j[f"{s}_hip"] for s in "lr"]
        b = [0.42 * j[f"{s}_shoulder"] + 0.58 * j[f"{s}_hip"] for s in "lr"]
        brush.face([a[0], a[1], b[1], b[0]], body.stripe, 0.004)
    brush.limb(j["l_hip"], j["r_hip"], 0.052 * g, 0.052 * g, body.trousers, 0.001)
    brush.limb(j["neck"], j["neck"] + 0.3 * (j["head"] - j["neck"]), 0.026, 0.026, body.skin, 0.001)


def _head(brush: Brush, body: Body, j: dict[str, Vector]) -> None:
    look = j["face"] - j["head"]
    rise = (j["head"] - j["neck"]) / (np.linalg.norm(j["head"] - j["neck"]) + 1e-9)
    behind = j["head"] - 0.55 * look + 0.2 * body.head * rise
    away = look[2] < -0.02
    brush.disc(behind, body.head * 0.98, body.hair, lift=0.04 if away else 0.015)
    brush.disc(j["head"], body.head, body.skin, lift=0.02)
    if not away:
        brush.disc(j["head"] + 0.72 * body.head * rise - 0.3 * look, body.head * 0.6, body.hair, lift=0.022)
    if body.long_hair:
        brush.limb(j["head"] - 0.7 * look, j["neck"] - 0.5 * look, body.head * 0.7, body.head * 0.5, body.hair, -0.01)
    if look[2] > 0.005:
        side = np.cross(rise, look)
        side /= np.linalg.norm(side) + 1e-9
        for sign in (-1, 1):
            brush.dot(
                j["head"] + 0.8 * look + sign * 0.34 * body.head * side + 0.12 * body.head * rise,
                0.009,
                (40, 32, 32),
                0.03,
            )
        brush.dot(j["head"] + 0.85 * look - 0.42 * body.head * rise, 0.012, (150, 70, 64), 0.03)
