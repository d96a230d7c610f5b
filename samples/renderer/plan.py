"""Writes the scripts: who does what when, in a video of the sample project or in a trimmed clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from renderer.actions import ACTIONS, FIDGETS, IDLE, SEEN, TARGETS, Action, Performance, perform
from renderer.body import CARRY, GRIP_SIGN, SIT, STAND, Vector, random_body
from renderer.draw import Colour, random_camera
from renderer.scenes import CANVAS_W, FLOOR, SCENES, random_scene
from renderer.stage import Actor, Annotation, Ball, Beat, Box, Chair, Held, Item, Stage

# What ties up an actor's hands or place; two of different groups need two actors.
GROUPS = {
    "sit down": "chair", "stand up": "chair", "pick up box": "box", "put down box": "box", "throw": "ball_hand",
    "show red sign": "sign_red", "show green sign": "sign_green",
}  # fmt: skip
PAIRS = (("sit down", "stand up"), ("pick up box", "put down box"), ("show red sign", "show green sign"))
USUAL_SCENES = {
    "sit down": ("room",), "stand up": ("room",), "pick up box": ("room", "street"), "put down box": ("room", "street"),
    "kick": ("park", "beach", "gym"), "throw": ("park", "beach"), "jumping jack": ("gym", "park"),
    "wave": ("street", "beach"),
    "show red sign": ("street", "gym"), "show green sign": ("street", "gym"),
}  # fmt: skip
WOODS: tuple[Colour, ...] = ((168, 116, 66), (120, 80, 48), (196, 160, 110), (90, 96, 110), (170, 60, 50))


def class_sets(rng: np.random.Generator, videos: int) -> list[tuple[str, ...]]:
    """Which actions each video shows: balanced over the classes, partners of a pair also apart, at most two actors."""
    uses = dict.fromkeys(TARGETS, 0)
    chosen: list[tuple[str, ...]] = []
    for _ in range(videos):
        size = int(rng.choice([1, 2, 3], p=[0.14, 0.46, 0.4]))
        together = rng.random() < 0.22
        picked: list[str] = []
        wanted = sorted(TARGETS, key=lambda n: uses[n] + rng.random() * 0.9)
        if GROUPS.get(wanted[0]) in ("chair", "box"):
            size = max(size, 2)  # these happen once without their partner: alone they would leave a video almost empty
        partner = next((b if a == wanted[0] else a for a, b in PAIRS if wanted[0] in (a, b)), None)
        if together and size > 1 and partner is not None:
            picked = [wanted[0], partner]
        for name in wanted:
            trial = [*picked, name]
            if name in picked:
                continue
            if len(picked) < size and actors_needed(trial) <= 2 and (together or not _has_pair(trial)):
                picked = trial
        for name in picked:
            uses[name] += 1
        chosen.append(tuple(sorted(picked)))
    order = rng.permutation(len(chosen))
    return [chosen[i] for i in order]


def _has_pair(names: Sequence[str]) -> bool:
    return any(a in names and b in names for a, b in PAIRS)


def actors_needed(names: Sequence[str]) -> int:
    groups = {GROUPS[n] for n in names if n in GROUPS}
    hands_only_signs = groups and all(g.startswith("sign") for g in groups)
    free = any(n not in GROUPS for n in names)
    return max(1, len(groups) + int(bool(hands_only_signs) and free))


@dataclass
class Role:
    """One actor's part before times are known: its events in order, its props."""

    group: str | None
    events: list[str]
    start_rest: Vector


def _roles(rng: np.random.Generator, names: Sequence[str], repeats: int) -> list[Role]:
    """Split the classes among actors and order each one's events so that its rest poses fit together."""
    groups = sorted({GROUPS[n] for n in names if n in GROUPS})
    free = [n for n in names if n not in GROUPS]
    roles = []
    for group in groups:
        own = [n for n in names if GROUPS.get(n) == group]
        roles.append(_bound_role(rng, group, own, repeats))
    hosts = [r for r in roles if r.group is None or not r.group.startswith("sign")]
    if free and not hosts:
        hosts = [Role(None, [], STAND)]
        roles.append(hosts[0])
    for name in free:
        role = hosts[int(rng.integers(len(hosts)))]
        for _ in range(int(rng.integers(1, repeats + 1))):
            places = _standing_places(role)
            role.events.insert(int(rng.choice(places)), name)
    return roles


def _bound_role(rng: np.random.Generator, group: str, own: list[str], repeats: int) -> Role:
    down, up = {"chair": ("sit down", "stand up"), "box": ("put down box", "pick up box")}.get(group, ("", ""))
    if not down:
        rest = GRIP_SIGN if group.startswith("sign") else STAND
        return Role(group, own * int(rng.integers(1, repeats + 1)), rest)
    if len(own) == 1:
        bound = {"sit down": STAND, "stand up": SIT, "pick up box": STAND, "put down box": CARRY}[own[0]]
        return Role(group, list(own), bound)
    first = down if rng.random() < 0.5 else up
    count = int(rng.integers(2, 2 * repeats))
    order = [first, up if first == down else down]
    start = {"sit down": STAND, "stand up": SIT, "pick up box": STAND, "put down box": CARRY}[first]
    return Role(group, [order[i % 2] for i in range(count)], start)


def _standing_places(role: Role) -> list[int]:
    """Positions in a role's events at which it stands with free hands."""
    rest, places = role.start_rest, []
    for i in range(len(role.events) + 1):
        if rest is STAND:
            places.append(i)
        if i < len(role.events):
            rest = ACTIONS[role.events[i]].after
    return places


def video(rng: np.random.Generator, names: Sequence[str], duration: float | None = None, repeats: int = 3) -> Stage:
    """A video that shows the classes ``names`` 32 to 46 % of its time; 10 to 30 s long unless ``duration`` is given."""
    for _ in range(20):
        roles = _roles(rng, names, repeats)
        queue = _merge(rng, [list(role.events) for role in roles])
        lengths = [float(rng.uniform(*ACTIONS[name].seconds)) for _, name in queue]
        if sum(lengths) >= 0.32 * (duration or 10.0):
            break
    longest = 0.46 * (duration or 30.0)
    if sum(lengths) > longest:  # too much for the time: everyone is a little brisker, the longest most
        shortest = [ACTIONS[name].seconds[0] for _, name in queue]
        share = max(0.0, (longest - sum(shortest)) / (sum(lengths) - sum(shortest)))
        lengths = [low + share * (long - low) for low, long in zip(shortest, lengths, strict=True)]
    total = duration or float(np.clip(sum(lengths) / rng.uniform(0.32, 0.46), 10, 30))
    starts = _spread(rng, lengths, total)
    scene = _scene_for(rng, names)
    size = float(rng.uniform(112, 142))
    spots = _spots(rng, len(roles))
    actors, annotations = [], []
    for index, role in enumerate(roles):
        mine = [(s, s + d, n) for (who, n), s, d in zip(queue, starts, lengths, strict=True) if who == index]
        reach = {1: 70.0, 2: 30.0}.get(len(roles), 10.0)
        actors.append(_direct(rng, role, mine, total, spots[index], size * float(rng.uniform(0.92, 1.06)), reach))
        annotations += [Annotation(s, e, n) for s, e, n in mine]
    actors += _bystanders(rng, total, size)
    actors += _furniture(rng, {r.group for r in roles}, spots, size)
    spread = max(spots) - min(spots) if len(spots) > 2 else 0.0
    camera = random_camera(rng, size, float(np.mean(spots)), spread)
    return Stage(
        total, scene, camera, actors, sorted(annotations, key=lambda a: a.start), float(rng.uniform(0.86, 1.08))
    )


def _merge(rng: np.random.Generator, queues: list[list[str]]) -> list[tuple[int, str]]:
    """Shuffle the actors' events into one order, keeping each actor's own."""
    merged = []
    while any(queues):
        weights = np.array([len(q) for q in queues], float)
        who = int(rng.choice(len(queues), p=weights / weights.sum()))
        merged.append((who, queues[who].pop(0)))
    return merged


def _spread(rng: np.random.Generator, lengths: list[float], total: float) -> list[float]:
    """Start times with random pauses of at least 0.9 s (0.5 s at the ends)."""
    least = np.array([0.5, *[0.9] * (len(lengths) - 1), 0.5])
    spare = max(total - sum(lengths) - least.sum(), 0.0)
    pauses = least + spare * rng.dirichlet(np.full(len(least), 1.6))
    return [float(pauses[: i + 1].sum() + sum(lengths[:i])) for i in range(len(lengths))]


def _scene_for(rng: np.random.Generator, names: Sequence[str]):  # type: ignore[no-untyped-def]
    name = str(rng.choice(list(names)))
    usual = USUAL_SCENES.get(name)
    if usual and rng.random() < 0.55:
        return random_scene(rng, str(rng.choice(usual)))
    return random_scene(rng, str(rng.choice(list(SCENES))))


def _spots(rng: np.random.Generator, count: int) -> list[float]:
    gap = 104.0 if count < 3 else 86.0
    middle = CANVAS_W / 2 + rng.uniform(-40, 40)
    return [float(middle + gap * (i - (count - 1) / 2) + rng.uniform(-8, 8)) for i in range(count)]


def _direct(
    rng: np.random.Generator,
    role: Role,
    events: list[tuple[float, float, str]],
    total: float,
    x: float,
    size: float,
    reach: float = 70.0,
) -> Actor:
    """Turn one role's timed events into beats and props; the actor stays within ``reach`` canvas pixels of ``x``."""
    left_handed = bool(rng.random() < 0.4)
    side = float(rng.choice([-1, 1]))
    bound_yaw = side * float(rng.uniform(22, 78))
    free = role.group in (None, "ball_hand") or str(role.group).startswith("sign")
    roam = (x - reach, x + reach) if free and "kick" not in role.events else None
    beats: list[Beat] = []
    t, rest, here = 0.0, role.start_rest, x
    yaw = bound_yaw if role.group in ("chair", "box") else float(rng.uniform(-50, 50))
    for start, end, name in [*events, (total, total + 1.0, "")]:
        action = ACTIONS.get(name)
        bound = action is not None and action.prop in ("chair", "box", "ball_floor")
        sign = side if bound else float(rng.choice([-1, 1]))
        goal = yaw if action is None else bound_yaw if bound else sign * float(rng.uniform(*action.view))
        beats += _pause(rng, t, start, rest, here, (yaw, goal), roam)
        here = beats[-1].x[1] if beats else here
        yaw = goal
        if action is not None:
            beats.append(Beat(start, end, (here, here), (goal, goal), rest, perform(action, rng, left_handed)))
            rest, t = action.after, end
    actor = Actor(random_body(rng, size), FLOOR + float(rng.uniform(-5, 5)), beats, left_handed)
    _equip(rng, actor, role, x, bound_yaw, total)
    return actor


def _pause(
    rng: np.random.Generator,
    start: float,
    end: float,
    rest: Vector,
    x: float,
    yaw: tuple[float, float],
    roam: tuple[float, float] | None,
) -> list[Beat]:
    """Fill the time between two actions: fidgeting, perhaps a walk, then turning to where the next action faces."""
    beats: list[Beat] = []
    here, t = x, start
    standing = rest is not SIT
    while end - t > 0.05:
        left = end - t
        if roam and standing and left > 2.6 and rng.random() < 0.4:
            target = float(np.clip(here + rng.choice([-1, 1]) * rng.uniform(30, 70), *roam))
            if abs(target - here) < 15:
                target = here + 30 if here < sum(roam) / 2 else here - 30
            stop = t + min(left - 0.7, abs(target - here) / rng.uniform(26, 42))
            beats.append(Beat(t, stop, (here, target), (yaw[0], yaw[0]), rest))
            here, t = target, stop
            continue
        stop = end if left < 3.2 else t + float(rng.uniform(1.4, 3.0))
        turn = (yaw[0], yaw[1]) if stop == end else (yaw[0], yaw[0])
        hands_free = rest is STAND
        kind = str(rng.choice(FIDGETS)) if hands_free else str(rng.choice(["idle", "look"]))
        if stop == end and left > 1.2 and hands_free:
            split = end - min(0.6, 0.5 * left)
            beats.append(Beat(t, split, (here, here), (yaw[0], yaw[0]), rest, fidget=kind))
            beats.append(Beat(split, end, (here, here), turn, rest, fidget="ready" if rng.random() < 0.5 else "idle"))
        else:
            beats.append(Beat(t, stop, (here, here), turn, rest, fidget=kind))
        t = stop
    return beats


def _equip(rng: np.random.Generator, actor: Actor, role: Role, x: float, yaw: float, total: float) -> None:
    """Give an actor the props of its role, with their histories."""
    acts = [b for b in actor.beats if b.performance is not None]
    named = [(b, b.performance.action.name) for b in acts if b.performance is not None]
    group = role.group or ""
    if group == "chair":
        actor.items.append(Chair(x, yaw, WOODS[int(rng.integers(len(WOODS)))]))
    if group == "box":
        changes = [((b.start + b.end) / 2, n == "pick up box", b.x[0], b.yaw[0]) for b, n in named if n.endswith("box")]
        actor.items.append(Box(_box_colour(rng), role.start_rest is CARRY, x, yaw, changes))
    if group.startswith("sign"):
        actor.sign = group
    for name, kind, moment in (("kick", "ball_floor", 0.5), ("throw", "ball_hand", 0.58)):
        beats = [b for b, n in named if n == name]
        if beats:
            away = [b.start + moment * (b.end - b.start) for b in beats]
            back = [b.start - float(rng.uniform(0.3, 0.8)) for b in beats[1:]]
            if rng.random() < 0.5 and away[-1] + 3.5 < total:
                back.append(away[-1] + float(rng.uniform(2.5, 3.5)))
            actor.items.append(Ball(kind, x, beats[0].yaw[0], away, back))


def _box_colour(rng: np.random.Generator) -> Colour:
    return tuple(int(c * rng.uniform(0.8, 1.1)) for c in WOODS[int(rng.integers(len(WOODS)))])


def _bystanders(rng: np.random.Generator, total: float, size: float) -> list[Actor]:
    """Smaller figures at the back who idle or walk through and never act."""
    actors = []
    for _ in range(int(rng.choice([0, 1, 2], p=[0.45, 0.4, 0.15]))):
        small = size * float(rng.uniform(0.5, 0.66))
        ground = FLOOR - float(rng.uniform(44, 62))
        if rng.random() < 0.5:
            a, b = (60.0, CANVAS_W - 60.0) if rng.random() < 0.5 else (CANVAS_W - 60.0, 60.0)
            begin = float(rng.uniform(0, total * 0.5))
            stop = min(begin + float(rng.uniform(12, 18)), total + 30)
            beats = [
                Beat(0, max(begin, 0.01), (a, a), (0, 0), STAND),
                Beat(max(begin, 0.01), stop, (a, b), (0, 0), STAND),
            ]
        else:
            x = float(rng.uniform(150, CANVAS_W - 150))
            yaw = float(rng.uniform(-70, 70))
            roam = (x - 60, x + 60) if rng.random() < 0.5 else None
            beats = _pause(rng, 0.0, total, STAND, x, (yaw, yaw), roam)
        actors.append(Actor(random_body(rng, small), ground, beats, bool(rng.random() < 0.5)))
    return actors


class _Prop(Actor):
    """Furniture: an actor without a figure."""

    def draw(self, view, t):  # type: ignore[no-untyped-def]
        from renderer.draw import Brush

        place, yaw = self.place(t)
        brush = Brush(view, place)
        for item in self.items:
            item.draw(brush, {"l_hand": np.zeros(3), "r_hand": np.zeros(3)}, "r", yaw, t)
        return brush.parts


def _furniture(rng: np.random.Generator, used: set[str | None], spots: list[float], size: float) -> list[Actor]:
    """Chairs, boxes and balls that nobody touches, so that a thing in the picture proves nothing."""
    props: list[Actor] = []
    for kind, chance in (("chair", 0.3), ("box", 0.3), ("ball_floor", 0.25)):
        if kind in used or rng.random() > chance:
            continue
        x = float(rng.choice([min(spots) - rng.uniform(70, 110), max(spots) + rng.uniform(70, 110)]))
        yaw = float(rng.uniform(-75, 75))
        item: Item
        if kind == "chair":
            item = Chair(x, yaw, WOODS[int(rng.integers(len(WOODS)))])
        elif kind == "box":
            item = Box(_box_colour(rng), False, x, yaw)
        else:
            item = Ball(kind, x, yaw, [], [])
        still = Beat(0, 1, (x, x), (yaw, yaw), STAND)
        props.append(_Prop(random_body(rng, size), FLOOR - float(rng.uniform(6, 26)), [still], items=[item]))
    return props


def pretraining_classes() -> tuple[str, ...]:
    """The classes the backbone is pre-trained on: everything but the targets it must not see, and idling."""
    return (*[name for name in ACTIONS if name not in TARGETS or name in SEEN], IDLE)


def clip(rng: np.random.Generator, name: str, window_s: float) -> tuple[Stage, float]:
    """A trimmed clip of ``name``: the stage, and when the ``window_s`` seconds to keep begin.

    The window lies on the action, with its centre anywhere in the inner 70 %; the class "idle" is everything figures
    do between actions, with every prop and rest pose.
    """
    size = float(rng.uniform(112, 142))
    x = CANVAS_W / 2 + float(rng.uniform(-60, 60))
    if name == IDLE:
        return _idle_clip(rng, size, x, window_s), float(rng.uniform(0, 2.0))
    action = ACTIONS[name]
    length = float(rng.uniform(*action.seconds))
    start = 2.0
    group = {"chair": "chair", "box": "box"}.get(action.prop or "")
    if action.prop and action.prop.startswith("sign"):
        group = action.prop
    role = Role(group, [name], action.before)
    actor = _direct(rng, role, [(start, start + length, name)], start + length + 2.0, x, size)
    _extra_props(rng, actor, action, start, length)
    actors = [actor, *_bystanders(rng, 8.0, size), *_furniture(rng, {group}, [x], size)]
    stage = Stage(
        start + length + 2.0, random_scene(rng), random_camera(rng, size, x), actors, [], float(rng.uniform(0.86, 1.08))
    )
    inner = length if length < window_s else length - 0.3 * window_s
    centre = start + length / 2 + float(rng.uniform(-0.5, 0.5)) * max(0.7 * inner, 0.0)
    return stage, max(0.0, centre - window_s / 2)


def _extra_props(rng: np.random.Generator, actor: Actor, action: Action, start: float, length: float) -> None:
    if action.prop in ("barbell", "bat", "cup"):
        actor.items.append(Held(action.prop))
    elif action.prop in ("ball_bounce", "ball_catch"):
        beat = next(b for b in actor.beats if b.performance is not None)
        back = [start + 0.5 * length] if action.prop == "ball_catch" else []
        actor.items.append(Ball(action.prop, beat.x[0], beat.yaw[0], [], back))


def _idle_clip(rng: np.random.Generator, size: float, x: float, window_s: float) -> Stage:
    group = rng.choice(["", "chair", "box", "sign_red", "sign_green", "sign_blue", "ball_hand", "ball_floor"])
    rest = STAND
    if group == "chair" and rng.random() < 0.6:
        rest = SIT
    elif group == "box" and rng.random() < 0.6:
        rest = CARRY
    elif str(group).startswith("sign"):
        rest = GRIP_SIGN
    role = Role(str(group) or None, [], rest)
    actor = _direct(rng, role, [], window_s + 3.0, x, size)
    if group in ("ball_hand", "ball_floor"):
        actor.items.append(Ball(str(group), x, float(rng.uniform(-80, 80)), [], []))
    actors = [actor, *_bystanders(rng, 8.0, size), *_furniture(rng, {str(group)}, [x], size)]
    return Stage(
        window_s + 3.0, random_scene(rng), random_camera(rng, size, x), actors, [], float(rng.uniform(0.86, 1.08))
    )


def example(name: str, seed: int = 0) -> Performance:
    """One performance of an action, for tests and pictures."""
    return perform(ACTIONS[name], np.random.default_rng(seed), left_handed=False)
