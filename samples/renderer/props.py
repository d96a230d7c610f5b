"""Things that figures handle or that stand about: chair, box, ball, signs, barbell, bat, cup."""

from __future__ import annotations

import numpy as np

from renderer.body import Vector
from renderer.draw import Brush, Colour

SIGNS: dict[str, Colour] = {
    "sign_red": (214, 34, 36), "sign_green": (32, 168, 66), "sign_blue": (36, 84, 206), "sign_yellow": (240, 204, 40),
}  # fmt: skip
BALL: Colour = (238, 226, 214)
BOX_SIZE = 0.13


def frame(yaw: float) -> tuple[Vector, Vector, Vector]:
    """The unit vectors ahead, left and up of something that faces ``yaw`` degrees."""
    turn = np.radians(yaw)
    return (
        np.array([np.sin(turn), 0.0, np.cos(turn)]),
        np.array([np.cos(turn), 0.0, -np.sin(turn)]),
        np.array([0.0, 1.0, 0.0]),
    )


def cuboid(brush: Brush, centre: Vector, half: tuple[float, float, float], yaw: float, colour: Colour) -> None:
    """A box: half sizes ahead, to the left and up. Only the faces that look to the camera are drawn."""
    ahead, left, up = frame(yaw)
    for axis, other, third, index in ((ahead, left, up, 0), (left, ahead, up, 1), (up, ahead, left, 2)):
        rest = [half[i] for i in range(3) if i != index]
        for sign in (-1, 1):
            normal = sign * axis
            if normal[2] + 0.35 * normal[1] <= 1e-6:
                continue
            middle = centre + half[index] * normal
            corners = [
                middle + a * rest[0] * other + b * rest[1] * third for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            shade = 1.0 if index == 2 else 0.86 if abs(normal[2]) > 0.6 else 0.72
            brush.face(corners, tuple(int(c * shade) for c in colour), lift=0.004)


def box(brush: Brush, centre: Vector, yaw: float, colour: Colour) -> None:
    cuboid(brush, centre, (BOX_SIZE * 0.8, BOX_SIZE, BOX_SIZE * 0.75), yaw, colour)


def chair(brush: Brush, at: Vector, yaw: float, colour: Colour) -> None:
    """A chair whose seat's centre is over ``at`` (on the ground)."""
    ahead, left, up = frame(yaw)
    dark = tuple(int(c * 0.6) for c in colour)
    for a in (-0.09, 0.09):
        for b in (-0.1, 0.1):
            foot = at + a * ahead + b * left
            brush.limb(foot, foot + 0.2 * up, 0.011, 0.011, dark, -0.02)
    cuboid(brush, at + 0.212 * up, (0.11, 0.12, 0.014), yaw, colour)
    cuboid(brush, at + 0.4 * up - 0.105 * ahead, (0.012, 0.115, 0.12), yaw, colour)
    for b in (-0.1, 0.1):
        post = at - 0.105 * ahead + b * left
        brush.limb(post + 0.2 * up, post + 0.32 * up, 0.011, 0.011, dark, -0.01)


def ball(brush: Brush, centre: Vector, colour: Colour = BALL) -> None:
    brush.disc(centre, 0.05, colour, lift=0.03)


def sign(brush: Brush, elbow: Vector, hand: Vector, colour: Colour) -> None:
    """A disc on a stick, held in line with the forearm."""
    along = (hand - elbow) / (np.linalg.norm(hand - elbow) + 1e-9)
    brush.limb(hand - 0.04 * along, hand + 0.12 * along, 0.01, 0.01, (150, 116, 78), 0.016)
    brush.disc(hand + 0.2 * along, 0.095, colour, rim=(250, 250, 250), lift=0.05)


def barbell(brush: Brush, left_hand: Vector, right_hand: Vector) -> None:
    across = (left_hand - right_hand) / (np.linalg.norm(left_hand - right_hand) + 1e-9)
    middle = (left_hand + right_hand) / 2
    brush.limb(middle - 0.36 * across, middle + 0.36 * across, 0.011, 0.011, (150, 152, 158), 0.02)
    for side in (-0.33, 0.33):
        brush.disc(middle + side * across, 0.075, (44, 46, 52), lift=0.025)


def bat(brush: Brush, left_hand: Vector, right_hand: Vector, left_elbow: Vector) -> None:
    grip = (left_hand + right_hand) / 2
    along = grip - left_elbow
    along = along / (np.linalg.norm(along) + 1e-9) + np.array([0.0, 0.9, 0.0])
    along /= np.linalg.norm(along)
    brush.limb(grip, grip + 0.36 * along, 0.012, 0.026, (186, 140, 88), 0.03)


def cup(brush: Brush, hand: Vector, colour: Colour = (236, 238, 244)) -> None:
    top = hand + np.array([0.0, 0.045, 0.0])
    brush.limb(hand - np.array([0.0, 0.01, 0.0]), top, 0.024, 0.028, colour, 0.03)
