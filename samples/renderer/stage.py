"""A scripted scene that can be drawn at any moment: actors with their beats, props with their histories, a camera."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from renderer import props
from renderer.actions import WALK, Performance, fidget
from renderer.body import Body, Vector, mirrored
from renderer.draw import Brush, Camera, Colour, Part, Place, View, draw_parts, figure
from renderer.scenes import CANVAS_W, Image, Scene

_FLIGHT_SPEED = 3.2  # body heights per second of a kicked or thrown ball
_GRAVITY = 2.4


@dataclass(frozen=True)
class Beat:
    """What one actor does from ``start`` to ``end`` seconds: an action, a walk, or fidgeting in a rest pose."""

    start: float
    end: float
    x: tuple[float, float]
    yaw: tuple[float, float]
    rest: Vector
    performance: Performance | None = None
    fidget: str = "idle"

    def pose(self, t: float, left_handed: bool) -> Vector:
        phase = min(max((t - self.start) / (self.end - self.start), 0.0), 1.0)
        since, left = t - self.start, self.end - t
        if self.performance is not None:
            return self.performance.pose(phase, since)
        rest = mirrored(self.rest) if left_handed else self.rest
        if self.x[0] != self.x[1]:
            weight = min(1.0, since / 0.3, left / 0.3)
            return rest + max(weight, 0.0) * (WALK(1.1 * since) - rest) * _free(rest)
        weight = min(1.0, max(left, 0.0) / 0.4, 0.2 + since / 0.4)
        return rest + weight * (fidget(self.fidget, since, rest) - rest)

    def place(self, t: float) -> tuple[float, float]:
        """Canvas x and yaw; a walker faces where it goes and turns at both ends."""
        phase = min(max((t - self.start) / (self.end - self.start), 0.0), 1.0)
        smooth = phase * phase * (3 - 2 * phase)
        if self.x[0] == self.x[1]:
            return self.x[0], self.yaw[0] + (self.yaw[1] - self.yaw[0]) * smooth
        heading = 80.0 if self.x[1] > self.x[0] else -80.0
        begin, finish = min(1.0, phase / 0.18), min(1.0, (1 - phase) / 0.18)
        yaw = self.yaw[0] * (1 - begin) + heading * min(begin, finish) + self.yaw[1] * (1 - finish)
        return self.x[0] + (self.x[1] - self.x[0]) * smooth, yaw


def _free(rest: Vector) -> Vector:
    """Which parameters a walk may move: arms that hold something keep holding it."""
    mask = np.ones(len(rest))
    if abs(rest[9]) > 20 or abs(rest[12]) > 20:
        mask[9:15] = 0.0
    return mask


@dataclass
class Actor:
    """A figure, where it stands, what it does when, and which sign it holds (if any)."""

    body: Body
    ground: float
    beats: list[Beat]
    left_handed: bool = False
    sign: str | None = None
    items: list[Item] = field(default_factory=list)

    def beat(self, t: float) -> Beat:
        for beat in self.beats:
            if t < beat.end:
                return beat
        return self.beats[-1]

    def place(self, t: float) -> tuple[Place, float]:
        x, yaw = self.beat(t).place(t)
        return Place(x, self.ground, self.body.height_px), yaw

    def draw(self, view: View, t: float) -> list[Part]:
        place, yaw = self.place(t)
        brush = Brush(view, place)
        joints = figure(brush, self.body, self.beat(t).pose(t, self.left_handed), yaw)
        hand = "l" if self.left_handed else "r"
        if self.sign is not None:
            props.sign(brush, joints[f"{hand}_elbow"], joints[f"{hand}_hand"], props.SIGNS[self.sign])
        for item in self.items:
            item.draw(brush, joints, hand, yaw, t)
        return brush.parts


class Item:
    """Something an actor handles; drawn with the actor's brush (its coordinates move with the actor)."""

    def draw(self, brush: Brush, joints: dict[str, Vector], hand: str, yaw: float, t: float) -> None:
        raise NotImplementedError


@dataclass
class Chair(Item):
    """Behind its actor, at canvas ``x``."""

    x: float
    yaw: float
    colour: Colour

    def draw(self, brush: Brush, joints: dict[str, Vector], hand: str, yaw: float, t: float) -> None:
        ahead = props.frame(self.yaw)[0]
        seat = -0.27 * ahead + np.array([(self.x - brush.place.x) / brush.place.size, 0.0, 0.0])
        props.chair(brush, seat, self.yaw, self.colour)


@dataclass
class Box(Item):
    """Held or on the floor; ``changes`` are (middle of the change, becomes held, canvas x, yaw then)."""

    colour: Colour
    held: bool
    x: float
    yaw: float
    changes: list[tuple[float, bool, float, float]] = field(default_factory=list)

    def draw(self, brush: Brush, joints: dict[str, Vector], hand: str, yaw: float, t: float) -> None:
        weight, x, box_yaw = float(self.held), self.x, self.yaw
        for middle, becomes, at_x, at_yaw in self.changes:
            if t >= middle - 0.18:
                x, box_yaw = at_x, at_yaw
                share = min(max((t - middle + 0.18) / 0.36, 0.0), 1.0)
                weight = share if becomes else 1 - share
        ahead = props.frame(yaw)[0]
        in_hands = (joints["l_hand"] + joints["r_hand"]) / 2 + 0.03 * ahead - np.array([0.0, 0.03, 0.0])
        floor = 0.27 * props.frame(box_yaw)[0] + np.array(
            [(x - brush.place.x) / brush.place.size, props.BOX_SIZE * 0.75, 0]
        )
        props.box(brush, weight * in_hands + (1 - weight) * floor, yaw if weight > 0.5 else box_yaw, self.colour)


@dataclass
class Ball(Item):
    """On the floor or in the hand; leaves at each of ``away`` and is back at each of ``back`` (seconds)."""

    kind: str
    x: float
    yaw: float
    away: list[float]
    back: list[float]
    colour: Colour = props.BALL

    def draw(self, brush: Brush, joints: dict[str, Vector], hand: str, yaw: float, t: float) -> None:
        if self.kind == "ball_bounce":
            props.ball(brush, _bounce(joints[f"{hand}_hand"]), (216, 120, 48))
            return
        spot = self._spot(brush, joints, hand)
        ahead = props.frame(self.yaw)[0]
        left = max((a for a in self.away if a <= t), default=None)
        arrive = min((b for b in self.back if left is None or b > left), default=None)
        if left is None and self.kind == "ball_catch":
            left = -9.0
        if left is None or (arrive is not None and t >= arrive):
            props.ball(brush, spot, self.colour)
            return
        out, home = t - left, (arrive - t) if arrive is not None else 99.0
        if home < 1.2:
            props.ball(brush, self._flight(spot, ahead, home), self.colour)
        elif out < 1.2:
            props.ball(brush, self._flight(spot, ahead, out), self.colour)

    def _spot(self, brush: Brush, joints: dict[str, Vector], hand: str) -> Vector:
        if self.kind == "ball_floor":
            ahead, left, _ = props.frame(self.yaw)
            side = (0.06 if hand == "l" else -0.06) * left
            return 0.3 * ahead + side + np.array([(self.x - brush.place.x) / brush.place.size, 0.05, 0.0])
        if self.kind == "ball_catch":
            return (joints["l_hand"] + joints["r_hand"]) / 2
        out = joints[f"{hand}_hand"] - joints[f"{hand}_elbow"]
        return joints[f"{hand}_hand"] + 0.3 * out

    def _flight(self, spot: Vector, ahead: Vector, seconds: float) -> Vector:
        rise = 1.1 * seconds - 0.5 * _GRAVITY * seconds * seconds
        height = max(0.05, spot[1] + (0.9 * rise if self.kind != "ball_floor" else 0.6 * rise))
        flown: Vector = spot + _FLIGHT_SPEED * seconds * ahead
        return np.array([flown[0], height, flown[2]])


def _bounce(hand: Vector) -> Vector:
    """A dribbled ball: low when the hand is high."""
    return np.array([hand[0], max(0.05, 2.1 * hand[1] - 0.72), hand[2] + 0.02])


@dataclass
class Held(Item):
    """A barbell, bat or cup, in hand throughout."""

    kind: str

    def draw(self, brush: Brush, joints: dict[str, Vector], hand: str, yaw: float, t: float) -> None:
        if self.kind == "barbell":
            props.barbell(brush, joints["l_hand"], joints["r_hand"])
        elif self.kind == "bat":
            props.bat(brush, joints["l_hand"], joints["r_hand"], joints["l_elbow"])
        else:
            props.cup(brush, joints[f"{hand}_hand"])


@dataclass(frozen=True)
class Annotation:
    """Ground truth of one instance."""

    start: float
    end: float
    label: str


@dataclass
class Stage:
    """A whole video, ready to be drawn at any time."""

    duration: float
    scene: Scene
    camera: Camera
    actors: list[Actor]
    annotations: list[Annotation]
    light: float = 1.0

    def picture(self, t: float) -> Image:
        """The frame at ``t`` seconds, RGB uint8 [240, 320, 3]."""
        view = self.camera.view(t)
        image = view.background(self.scene.canvas(t))
        for actor in sorted(self.actors, key=lambda a: a.ground):
            place, _ = actor.place(t)
            if -80 < place.x < CANVAS_W + 80:
                draw_parts(image, actor.draw(view, t))
        if self.light != 1.0:
            image = np.clip(image.astype(np.float32) * self.light, 0, 255).astype(np.uint8)
        return image
