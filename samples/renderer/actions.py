"""What figures do: every action as a motion of the pose over its phase 0..1.

An action starts in one rest pose and ends in one (sit down: standing to sitting). Amplitude, rhythm, handedness and
duration vary by performance; ``TARGETS`` are the sample project's classes, ``SEEN`` those of them that the backbone's
pre-training may see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from renderer.body import (
    BAR_HIGH,
    BAR_LOW,
    BAT_READY,
    CARRY,
    GRIP_SIGN,
    KNEEL,
    LIE,
    PLANK,
    SIT,
    STAND,
    Vector,
    mirrored,
    pose,
)

Motion = Callable[[float, float, float], Vector]  # (phase, seconds since the start, rhythm in Hz) -> pose


@dataclass(frozen=True)
class Action:
    """One class of movement.

    Attributes:
        name: the label.
        seconds: shortest and longest duration.
        motion: the pose at a phase.
        before, after: rest poses it starts from and ends in.
        hz: range of the rhythm of repeated parts.
        prop: what the figure handles (see ``props.py``), or None.
        view: range of |yaw| in degrees from which it is seen.
    """

    name: str
    seconds: tuple[float, float]
    motion: Motion
    before: Vector
    after: Vector
    hz: tuple[float, float] = (1.0, 1.0)
    prop: str | None = None
    view: tuple[float, float] = (0.0, 70.0)


@dataclass(frozen=True)
class Performance:
    """One figure's way to perform an action once."""

    action: Action
    amplitude: float
    hz: float
    left_handed: bool

    def pose(self, phase: float, seconds: float) -> Vector:
        vector = self.action.motion(phase, seconds, self.hz)
        rest = self.action.before + (self.action.after - self.action.before) * _ease(phase)
        vector = rest + self.amplitude * (vector - rest)
        return mirrored(vector) if self.left_handed else vector


def perform(action: Action, rng: np.random.Generator, left_handed: bool) -> Performance:
    """A performance with its own amplitude and rhythm."""
    return Performance(action, float(rng.uniform(0.85, 1.12)), float(rng.uniform(*action.hz)), left_handed)


def _ease(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def _keys(*points: tuple[float, Vector]) -> Motion:
    """A motion through key poses, eased between them."""

    def motion(phase: float, seconds: float, hz: float) -> Vector:
        for (t0, a), (t1, b) in pairwise(points):
            if phase <= t1:
                return a + (b - a) * _ease((phase - t0) / (t1 - t0))
        return points[-1][1]

    return motion


def _rhythm(rest: Vector, swing: Callable[[float], Vector], fade: float = 0.35) -> Motion:
    """A motion repeated at the performance's rhythm, faded in and out over ``fade`` seconds.

    ``swing`` maps turns (1 = one period) to a pose.
    """

    def motion(phase: float, seconds: float, hz: float) -> Vector:
        left = seconds / max(phase, 1e-6) - seconds if phase > 0 else 9.0
        weight = min(_ease(seconds / fade), _ease(left / fade))
        return rest + weight * (swing(seconds * hz) - rest)

    return motion


def _wave01(turns: float) -> float:
    return float(0.5 - 0.5 * np.cos(2 * np.pi * turns))


def _sine(turns: float) -> float:
    return float(np.sin(2 * np.pi * turns))


def _jumping_jack(turns: float) -> Vector:
    open_ = _wave01(turns)
    return pose(
        arms_abd=8 + 152 * open_,
        arms_flex=6,
        elbows=10,
        legs_abd=4 + 24 * open_,
        jump=0.05 * abs(_sine(turns)),
        knees=8,
    )


def _wave(turns: float) -> Vector:
    return pose(r_arm_abd=72 + 10 * _sine(turns), r_arm_flex=95, r_elbow=82 + 38 * _sine(turns), head=-4)


def _stride_cycle(lift: float, knee: float, bounce: float) -> Callable[[float], Vector]:
    def swing(turns: float) -> Vector:
        s = _sine(turns)
        return pose(
            l_leg_flex=lift * s if s > 0 else 0.4 * lift * s, l_knee=8 + knee * max(s, 0.15 * -s),
            r_leg_flex=-lift * s if s < 0 else -0.4 * lift * s, r_knee=8 + knee * max(-s, 0.15 * s),
            l_arm_flex=-0.7 * lift * s, r_arm_flex=0.7 * lift * s, elbows=40 + bounce * 600,
            jump=bounce * abs(s), pitch=4,
        )  # fmt: skip

    return swing


WALK = _stride_cycle(30, 32, 0.01)


def _punch(turns: float) -> Vector:
    right, left = _wave01(turns) ** 2, _wave01(turns + 0.5) ** 2
    return pose(
        r_arm_flex=60 + 30 * right, r_elbow=115 * (1 - right) + 4,
        l_arm_flex=60 + 30 * left, l_elbow=115 * (1 - left) + 4,
        twist=24 * (right - left), knees=18, legs_flex=10, pitch=6,
    )  # fmt: skip


def _push_up(turns: float) -> Vector:
    down = _wave01(turns)
    return pose(PLANK, tumble=78 + 8 * down, elbows=4 + 80 * down, arms_flex=78 + 12 * down, arms_abd=12 + 40 * down)


def _squat(turns: float) -> Vector:
    down = _wave01(turns)
    return pose(
        legs_flex=105 * down, knees=118 * down, pitch=28 * down, arms_flex=85 * down, elbows=10, forward=-0.12 * down
    )


def _jump(turns: float) -> Vector:
    phase = turns % 1.0
    crouch = max(0.0, np.sin(np.pi * phase / 0.45)) if phase < 0.45 else 0.0
    flight = max(0.0, np.sin(np.pi * (phase - 0.4) / 0.5)) if 0.4 < phase < 0.9 else 0.0
    return pose(
        legs_flex=55 * crouch,
        knees=75 * crouch,
        pitch=22 * crouch,
        arms_flex=-35 * crouch + 130 * flight,
        jump=0.24 * flight,
    )


def _hop(turns: float) -> Vector:
    up = abs(_sine(turns / 2))
    return pose(r_leg_flex=48, r_knee=95, jump=0.11 * up, l_knee=20 * (1 - up), l_leg_flex=10 * (1 - up), arms_abd=38)


def _lunge(turns: float) -> Vector:
    s = _sine(turns / 2)
    return pose(
        l_leg_abd=6 + 34 * abs(s), r_leg_abd=6 + 34 * abs(s), l_knee=50 * max(s, 0), l_leg_flex=30 * max(s, 0),
        r_knee=50 * max(-s, 0), r_leg_flex=30 * max(-s, 0), side=0.13 * s, arms_flex=60 * abs(s), elbows=100,
    )  # fmt: skip


def _raise_sign() -> Motion:
    up = pose(GRIP_SIGN, r_arm_flex=163, r_arm_abd=16, r_elbow=8)
    shaken = pose(up, r_arm_abd=22)
    return _keys((0, GRIP_SIGN), (0.28, up), (0.5, shaken), (0.72, up), (1, GRIP_SIGN))


BEND = pose(pitch=58, legs_flex=78, knees=82, arms_flex=62, arms_abd=2, elbows=12, forward=-0.1, head=-15)
SIT_LEAN = pose(SIT, pitch=38, legs_flex=84, arms_flex=40)
_CROUCH = pose(pitch=42, legs_flex=58, knees=66, forward=-0.14, arms_flex=40)
_SWING_ARMS = dict(arms_flex=70, arms_abd=-6, elbows=14)

TARGETS = (
    "sit down", "stand up", "pick up box", "put down box", "wave",
    "jumping jack", "kick", "throw", "show red sign", "show green sign",
)  # fmt: skip
SEEN = ("sit down", "pick up box", "wave", "kick", "show red sign")

_ALL = (
    Action(
        "sit down",
        (1.2, 2.4),
        _keys((0, STAND), (0.5, _CROUCH), (0.85, SIT), (1, SIT)),
        STAND,
        SIT,
        prop="chair",
        view=(20, 85),
    ),
    Action(
        "stand up",
        (1.2, 2.4),
        _keys((0, SIT), (0.3, SIT_LEAN), (0.6, _CROUCH), (1, STAND)),
        SIT,
        STAND,
        prop="chair",
        view=(20, 85),
    ),
    Action(
        "pick up box",
        (1.5, 2.8),
        _keys((0, STAND), (0.45, BEND), (0.55, BEND), (1, CARRY)),
        STAND,
        CARRY,
        prop="box",
        view=(15, 85),
    ),
    Action(
        "put down box",
        (1.5, 2.8),
        _keys((0, CARRY), (0.45, BEND), (0.55, BEND), (1, STAND)),
        CARRY,
        STAND,
        prop="box",
        view=(15, 85),
    ),
    Action("wave", (1.6, 5.0), _rhythm(STAND, _wave, 0.5), STAND, STAND, (1.4, 2.4), view=(0, 40)),
    Action("jumping jack", (2.5, 8.0), _rhythm(STAND, _jumping_jack), STAND, STAND, (0.8, 1.3), view=(0, 35)),
    Action(
        "kick",
        (1.0, 1.7),
        _keys(
            (0, STAND),
            (0.38, pose(r_leg_flex=-38, r_knee=75, pitch=8, l_arm_flex=45, r_arm_flex=-35)),
            (0.58, pose(r_leg_flex=88, r_knee=6, pitch=-14, l_arm_flex=-30, r_arm_flex=40)),
            (1, STAND),
        ),
        STAND,
        STAND,
        prop="ball_floor",
        view=(35, 90),
    ),
    Action(
        "throw",
        (1.1, 1.9),
        _keys(
            (0, STAND),
            (0.42, pose(r_arm_abd=80, r_arm_flex=100, r_elbow=108, twist=-38, pitch=-10, l_arm_flex=55)),
            (0.6, pose(r_arm_abd=30, r_arm_flex=95, r_elbow=8, twist=32, pitch=20, l_leg_flex=22)),
            (1, STAND),
        ),
        STAND,
        STAND,
        prop="ball_hand",
        view=(25, 90),
    ),
    Action("show red sign", (1.6, 4.0), _raise_sign(), GRIP_SIGN, GRIP_SIGN, prop="sign_red", view=(0, 45)),
    Action("show green sign", (1.6, 4.0), _raise_sign(), GRIP_SIGN, GRIP_SIGN, prop="sign_green", view=(0, 45)),
    # from here on: classes of the backbone's pre-training only
    Action("show blue sign", (1.6, 4.0), _raise_sign(), GRIP_SIGN, GRIP_SIGN, prop="sign_blue", view=(0, 45)),
    Action("show yellow sign", (1.6, 4.0), _raise_sign(), GRIP_SIGN, GRIP_SIGN, prop="sign_yellow", view=(0, 45)),
    Action("squat", (1.6, 4.0), _rhythm(STAND, _squat, 0.2), STAND, STAND, (0.4, 0.8), view=(0, 85)),
    Action(
        "bow",
        (1.6, 3.0),
        _keys((0, STAND), (0.4, pose(pitch=72, head=20)), (0.6, pose(pitch=72, head=20)), (1, STAND)),
        STAND,
        STAND,
        view=(0, 85),
    ),
    Action(
        "clap",
        (1.5, 4.0),
        _rhythm(STAND, lambda t: pose(arms_flex=72, arms_abd=-4 + 30 * _wave01(t), elbows=38)),
        STAND,
        STAND,
        (1.6, 2.6),
        view=(0, 60),
    ),
    Action("jump", (1.2, 3.0), _rhythm(STAND, _jump, 0.1), STAND, STAND, (0.7, 1.0), view=(0, 85)),
    Action("jog", (2.0, 5.0), _rhythm(STAND, _stride_cycle(42, 80, 0.05)), STAND, STAND, (1.3, 1.9), view=(0, 85)),
    Action("march", (2.0, 5.0), _rhythm(STAND, _stride_cycle(80, 85, 0.0)), STAND, STAND, (0.6, 1.0), view=(0, 85)),
    Action("punch", (1.5, 4.0), _rhythm(STAND, _punch), STAND, STAND, (0.9, 1.5), view=(0, 85)),
    Action(
        "swing bat",
        (0.9, 1.6),
        _keys(
            (0, BAT_READY),
            (0.35, pose(BAT_READY, twist=-55, arms_flex=70)),
            (0.6, pose(twist=58, knees=14, legs_flex=8, **_SWING_ARMS)),
            (1, BAT_READY),
        ),
        BAT_READY,
        BAT_READY,
        prop="bat",
        view=(0, 80),
    ),
    Action(
        "circle arms",
        (2.0, 5.0),
        _rhythm(STAND, lambda t: pose(arms_flex=360 * (t % 1.0), arms_abd=16, elbows=6), 0.05),
        STAND,
        STAND,
        (0.6, 1.1),
        view=(0, 85),
    ),
    Action("side lunge", (2.0, 5.0), _rhythm(STAND, _lunge), STAND, STAND, (0.7, 1.2), view=(0, 30)),
    Action("push up", (1.6, 5.0), _rhythm(PLANK, _push_up), PLANK, PLANK, (0.5, 0.9), view=(40, 90)),
    Action(
        "kneel down",
        (1.1, 2.2),
        _keys((0, STAND), (0.5, pose(_CROUCH, r_leg_flex=10)), (1, KNEEL)),
        STAND,
        KNEEL,
        view=(15, 85),
    ),
    Action(
        "rise from kneeling",
        (1.1, 2.2),
        _keys((0, KNEEL), (0.4, pose(_CROUCH, r_leg_flex=10)), (1, STAND)),
        KNEEL,
        STAND,
        view=(15, 85),
    ),
    Action(
        "raise barbell",
        (1.1, 2.2),
        _keys((0, BAR_LOW), (0.45, pose(arms_flex=60, arms_abd=16, elbows=118)), (1, BAR_HIGH)),
        BAR_LOW,
        BAR_HIGH,
        prop="barbell",
        view=(0, 50),
    ),
    Action(
        "lower barbell",
        (1.1, 2.2),
        _keys((0, BAR_HIGH), (0.55, pose(arms_flex=60, arms_abd=16, elbows=118)), (1, BAR_LOW)),
        BAR_HIGH,
        BAR_LOW,
        prop="barbell",
        view=(0, 50),
    ),
    Action(
        "spin", (1.1, 2.4), _keys((0, STAND), (1, pose(spin=360, arms_abd=30))), STAND, pose(spin=360), view=(0, 80)
    ),
    Action(
        "drink",
        (1.6, 3.4),
        _keys(
            (0, STAND),
            (0.3, pose(r_arm_flex=52, r_elbow=128, head=-18)),
            (0.7, pose(r_arm_flex=62, r_elbow=132, head=-28)),
            (1, STAND),
        ),
        STAND,
        STAND,
        prop="cup",
        view=(0, 85),
    ),
    Action(
        "dribble",
        (1.6, 4.5),
        _rhythm(
            STAND,
            lambda t: pose(r_arm_flex=48 + 8 * _sine(t), r_elbow=30 - 22 * _sine(t), pitch=14, knees=20, legs_flex=14),
        ),
        STAND,
        STAND,
        (1.3, 2.0),
        prop="ball_bounce",
        view=(0, 85),
    ),
    Action(
        "bend sideways",
        (2.0, 4.5),
        _rhythm(STAND, lambda t: pose(roll=34 * _sine(t), l_arm_abd=90 - 70 * _sine(t), r_arm_abd=90 + 70 * _sine(t))),
        STAND,
        STAND,
        (0.35, 0.7),
        view=(0, 30),
    ),
    Action(
        "lie down",
        (1.6, 2.8),
        _keys((0, STAND), (0.45, pose(_CROUCH, legs_flex=100, knees=110)), (1, LIE)),
        STAND,
        LIE,
        view=(40, 90),
    ),
    Action(
        "get up",
        (1.6, 2.8),
        _keys((0, LIE), (0.55, pose(_CROUCH, legs_flex=100, knees=110)), (1, STAND)),
        LIE,
        STAND,
        view=(40, 90),
    ),
    Action(
        "point",
        (1.4, 3.0),
        _keys(
            (0, STAND),
            (0.3, pose(r_arm_flex=88, r_arm_abd=6, r_elbow=2)),
            (0.75, pose(r_arm_flex=90, r_arm_abd=8, r_elbow=2)),
            (1, STAND),
        ),
        STAND,
        STAND,
        view=(0, 85),
    ),
    Action(
        "cheer",
        (1.5, 4.0),
        _rhythm(
            STAND, lambda t: pose(arms_flex=164 + 14 * _sine(t), arms_abd=26, elbows=16, jump=0.04 * abs(_sine(t)))
        ),
        STAND,
        STAND,
        (1.2, 2.0),
        view=(0, 70),
    ),
    Action(
        "catch",
        (1.0, 1.8),
        _keys(
            (0, STAND),
            (0.45, pose(arms_flex=86, elbows=18)),
            (0.65, pose(arms_flex=48, elbows=82, pitch=8)),
            (1, STAND),
        ),
        STAND,
        STAND,
        prop="ball_catch",
        view=(20, 85),
    ),
    Action("hop", (1.5, 3.5), _rhythm(STAND, _hop), STAND, STAND, (1.4, 2.2), view=(0, 85)),
    Action(
        "push",
        (1.0, 2.0),
        _keys(
            (0, STAND),
            (0.35, pose(arms_flex=40, elbows=112, pitch=-6)),
            (0.6, pose(arms_flex=86, elbows=6, pitch=22, r_leg_flex=-20)),
            (1, STAND),
        ),
        STAND,
        STAND,
        view=(20, 90),
    ),
    Action(
        "salute",
        (1.4, 2.6),
        _keys(
            (0, STAND),
            (0.3, pose(r_arm_abd=68, r_arm_flex=60, r_elbow=132)),
            (0.75, pose(r_arm_abd=68, r_arm_flex=60, r_elbow=132)),
            (1, STAND),
        ),
        STAND,
        STAND,
        view=(0, 60),
    ),
)

ACTIONS = {action.name: action for action in _ALL}
IDLE = "idle"


def fidget(kind: str, t: float, rest: Vector) -> Vector:
    """What figures do between actions: small movements that carry no label. ``t`` in seconds."""
    sway = np.array(rest)
    sway += pose(np.zeros_like(rest), roll=1.6 * _sine(t * 0.31), head=3 * _sine(t * 0.23), twist=4 * _sine(t * 0.17))
    if kind == "look":
        sway += pose(np.zeros_like(rest), twist=26 * _sine(t * 0.45), head=6)
    elif kind == "scratch":
        sway += pose(np.zeros_like(rest), l_elbow=105 + 6 * _sine(t * 3), l_arm_flex=48, l_arm_abd=18) * _ease(t / 0.5)
    elif kind == "phone":
        sway += pose(np.zeros_like(rest), l_elbow=96, l_arm_flex=24, head=22) * _ease(t / 0.6)
    elif kind == "shift":
        sway += pose(
            np.zeros_like(rest),
            side=0.03 * _sine(t * 0.5),
            l_knee=9 + 9 * _sine(t * 0.5),
            r_knee=9 - 9 * _sine(t * 0.5),
        )
    elif kind == "ready":
        sway += pose(np.zeros_like(rest), knees=8 + 8 * _sine(t * 1.3), legs_flex=4 + 4 * _sine(t * 1.3), elbows=30)
    return sway


FIDGETS = ("idle", "idle", "look", "scratch", "phone", "shift", "ready")
