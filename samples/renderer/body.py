"""The figure: a pose as a vector of joint angles, and where that puts its joints.

Lengths are in units of the figure's height. Axes: x to the right of the picture, y up, z towards the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

# Angles in degrees, lengths in body heights. "flex" lifts a limb to the front, "abd" to the side.
PARAMETERS = (
    "side", "forward", "jump", "tumble", "spin", "pitch", "roll", "twist", "head",
    "l_arm_flex", "l_arm_abd", "l_elbow", "r_arm_flex", "r_arm_abd", "r_elbow",
    "l_leg_flex", "l_leg_abd", "l_knee", "r_leg_flex", "r_leg_abd", "r_knee",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(PARAMETERS)}
_SWAP = [INDEX[{"l": "r", "r": "l"}[n[0]] + n[1:]] if n[:2] in ("l_", "r_") else i for i, n in enumerate(PARAMETERS)]
_SIGN = np.array([-1.0 if n in ("side", "spin", "roll", "twist") else 1.0 for n in PARAMETERS])


def pose(base: Vector | None = None, **angles: float) -> Vector:
    """``base`` (default: standing) with some parameters replaced.

    ``arms_x``, ``legs_x``, ``elbows`` and ``knees`` set both sides.
    """
    vector = np.array(STAND if base is None else base)
    for name, value in angles.items():
        if name in ("elbows", "knees"):
            names = [f"l_{name[:-1]}", f"r_{name[:-1]}"]
        elif name.startswith(("arms_", "legs_")):
            names = [f"{side}_{name[:3]}_{name[5:]}" for side in "lr"]
        else:
            names = [name]
        for each in names:
            vector[INDEX[each]] = value
    return vector


def mirrored(vector: Vector) -> Vector:
    """The same pose with left and right exchanged."""
    swapped: Vector = vector[_SWAP] * _SIGN
    return swapped


STAND = np.zeros(len(PARAMETERS))
for _name, _value in (("arm_abd", 9.0), ("elbow", 12.0), ("leg_abd", 4.0)):
    for _side in "lr":
        STAND[INDEX[f"{_side}_{_name}"]] = _value
SIT = pose(forward=-0.22, legs_flex=86, knees=86, pitch=4, arms_flex=28, elbows=48)
CARRY = pose(arms_flex=38, arms_abd=3, elbows=58, pitch=-5)
BAR_LOW = pose(arms_flex=12, arms_abd=16, elbows=6)
BAR_HIGH = pose(arms_flex=172, arms_abd=16, elbows=8)
KNEEL = pose(l_leg_flex=82, l_knee=84, r_leg_flex=2, r_knee=92, arms_flex=22, elbows=42)
PLANK = pose(tumble=78, arms_flex=78, arms_abd=12, elbows=4, head=-20)
LIE = pose(tumble=-86, arms_abd=20, elbows=10, forward=0.1)
GRIP_SIGN = pose(r_arm_abd=14, r_elbow=20)
BAT_READY = pose(arms_flex=55, arms_abd=-8, elbows=70, twist=-28, knees=18, legs_flex=12)


@dataclass(frozen=True)
class Body:
    """Proportions and clothes; colours are RGB."""

    height_px: float
    torso: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    shoulders: float
    hips: float
    head: float
    girth: float
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    shirt: tuple[int, int, int]
    trousers: tuple[int, int, int]
    shoes: tuple[int, int, int]
    long_sleeves: bool
    shorts: bool
    long_hair: bool
    stripe: tuple[int, int, int] | None


SKINS = ((247, 214, 186), (232, 184, 148), (198, 144, 104), (150, 100, 68), (104, 68, 46))
HAIRS = ((34, 26, 22), (78, 48, 28), (150, 104, 52), (206, 176, 106), (120, 116, 116))


def random_body(rng: np.random.Generator, height_px: float) -> Body:
    """A figure of varied build and clothes, ``height_px`` tall on the canvas."""

    def vary(mean: float, part: float = 0.06) -> float:
        return float(mean * (1 + part * rng.uniform(-1, 1)))

    def colour() -> tuple[int, int, int]:
        hue, saturation, value = rng.uniform(0, 6), rng.uniform(0.25, 0.9), rng.uniform(0.3, 0.95)
        ramp = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
        red, green, blue = (255 * value * (1 - saturation + saturation * ramp)).astype(int)
        return int(red), int(green), int(blue)

    dark = rng.uniform(0.15, 0.6)
    trousers = tuple(int(c * dark) + 18 for c in colour())
    return Body(
        height_px=height_px, torso=vary(0.29), upper_arm=vary(0.165), forearm=vary(0.16), thigh=vary(0.245),
        shin=vary(0.235), shoulders=vary(0.105, 0.12), hips=vary(0.062, 0.12), head=vary(0.072, 0.1),
        girth=float(rng.uniform(0.85, 1.3)), skin=SKINS[rng.integers(len(SKINS))], hair=HAIRS[rng.integers(len(HAIRS))],
        shirt=colour(), trousers=(trousers[0], trousers[1], trousers[2]), shoes=HAIRS[rng.integers(len(HAIRS))],
        long_sleeves=bool(rng.random() < 0.5), shorts=bool(rng.random() < 0.35), long_hair=bool(rng.random() < 0.4),
        stripe=colour() if rng.random() < 0.3 else None,
    )  # fmt: skip


def joints(body: Body, vector: Vector, yaw: float) -> dict[str, Vector]:
    """Forward kinematics: joint name -> (x, y, z) in body heights, ground at y = 0.

    ``yaw`` in degrees is where the figure faces: 0 to the camera, 90 to the right of the picture. The figure is
    lowered until its lowest joint touches the ground, then lifted by ``jump``: sitting, kneeling and lying need no
    rule of their own.
    """
    v = dict(zip(PARAMETERS, vector, strict=True))
    turn = np.radians(yaw + v["spin"])
    ahead = np.array([np.sin(turn), 0.0, np.cos(turn)])
    left = np.array([np.cos(turn), 0.0, -np.sin(turn)])  # the figure's left is the picture's right when it faces us
    tumble = np.radians(v["tumble"])
    up = np.cos(tumble) * np.array([0.0, 1.0, 0.0]) + np.sin(tumble) * ahead
    front = np.cos(tumble) * ahead - np.sin(tumble) * np.array([0.0, 1.0, 0.0])
    pitch, roll, twist = np.radians([v["pitch"], v["roll"], v["twist"]])
    spine = np.cos(pitch) * (np.cos(roll) * up + np.sin(roll) * left) + np.sin(pitch) * front
    chest = front - (front @ spine) * spine
    chest /= np.linalg.norm(chest) + 1e-9
    across = np.cross(spine, chest)
    chest, across = np.cos(twist) * chest - np.sin(twist) * across, np.cos(twist) * across + np.sin(twist) * chest

    pelvis = np.zeros(3)
    neck = pelvis + body.torso * spine
    nod = np.radians(v["head"])
    skull = np.cos(nod) * spine + np.sin(nod) * chest
    out = {"pelvis": pelvis, "neck": neck, "head": neck + (0.045 + body.head) * skull}
    out["face"] = out["head"] + body.head * 0.8 * (np.cos(nod) * chest - np.sin(nod) * spine)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        shoulder = neck - 0.03 * spine + sign * body.shoulders * across
        upper, bend = _limb(v[f"{side}_arm_flex"], v[f"{side}_arm_abd"], sign, spine, chest, across)
        elbow = np.radians(v[f"{side}_elbow"])
        out[f"{side}_shoulder"], out[f"{side}_elbow"] = shoulder, shoulder + body.upper_arm * upper
        lower = np.cos(elbow) * upper + np.sin(elbow) * bend
        out[f"{side}_hand"] = out[f"{side}_elbow"] + body.forearm * lower
        hip = pelvis + sign * body.hips * left
        upper, bend = _limb(v[f"{side}_leg_flex"], v[f"{side}_leg_abd"], sign, up, front, left)
        knee = np.radians(v[f"{side}_knee"])
        out[f"{side}_hip"], out[f"{side}_knee"] = hip, hip + body.thigh * upper
        lower = np.cos(knee) * upper - np.sin(knee) * bend
        ankle = out[f"{side}_knee"] + body.shin * lower
        toes = front - (front @ lower) * lower
        out[f"{side}_ankle"] = ankle
        out[f"{side}_toe"] = ankle + 0.075 * toes / (np.linalg.norm(toes) + 1e-9)
    lowest = min(point[1] for name, point in out.items() if name != "face")
    shift = v["forward"] * ahead + v["side"] * left + np.array([0.0, v["jump"] - lowest + 0.02, 0.0])
    return {name: point + shift for name, point in out.items()}


def _limb(flex: float, abd: float, sign: float, up: Vector, front: Vector, across: Vector) -> tuple[Vector, Vector]:
    """Direction of an upper limb, and the direction its next joint bends to (perpendicular to it)."""
    f, a = np.radians(flex), np.radians(abd)
    direction: Vector = np.cos(a) * (np.sin(f) * front - np.cos(f) * up) + sign * np.sin(a) * across
    bend: Vector = np.sin(f) * up + np.cos(f) * front
    return direction, bend
