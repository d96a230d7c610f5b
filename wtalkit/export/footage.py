"""What a timeline needs to know of a video's file, read from its header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wtalkit.errors import InputError
from wtalkit.inputs import Input
from wtalkit.video.info import Limits

STANDARD_RATES = tuple(
    Fraction(*each)
    for each in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1))
)
"""Frames per second that time code is defined for."""
_SAME = 4e-4
"""24 and 23.976 differ by 1e-3; containers round the latter by less than half of that."""


@dataclass(frozen=True)
class Footage:
    """A video's file.

    Attributes:
        path: where it lies.
        fps: frames per second; the average where the rate varies.
        duration_s: seconds, as the container states; None where it does not.
        timecode: of the first frame, as the camera wrote it; None where it did not.
        has_sound: whether there is a sound track.
    """

    path: Path
    fps: Fraction
    duration_s: float | None = None
    timecode: str | None = None
    has_sound: bool = False

    @property
    def timecode_fps(self) -> Fraction:
        """The nearest rate that time code is defined for."""
        return min(STANDARD_RATES, key=lambda rate: abs(rate - self.fps))

    def first_and_last_frame(self, start_s: float, end_s: float) -> tuple[int, int]:
        """Numbers of the frames that are shown within ``[start_s, end_s)``, the video's first being 1."""
        # A hair's breadth: 0.28 s times 25 fps is a little more than 7.
        first = int(start_s * self.fps + 1e-6) + 1
        last = -int(-(end_s * self.fps - 1e-6) // 1)
        return first, max(first, last)


def look_at(path: Path, limits: Limits | None = None) -> Footage:
    """Read the header of a video.

    Args:
        path: the file.
        limits: what it may claim.

    Raises:
        InputError: it is none that can be read.
    """
    from wtalkit.video.container import nominal_rate, open_video

    container, stream = open_video(path, limits or Limits())
    with container:
        rate = nominal_rate(container, stream)
        if not rate:
            raise InputError("does not say how many frames a second has", file=path)
        duration_s = container.duration / 1e6 if container.duration else None
        timecode = stream.metadata.get("timecode") or container.metadata.get("timecode")
        return Footage(path, standard(Fraction(rate)), duration_s, timecode, bool(container.streams.audio))


def standard(rate: Fraction) -> Fraction:
    """The standard rate that a container means, where it is nearly one: 30000/1001 for 2997/100."""
    nearest = min(STANDARD_RATES, key=lambda each: abs(each - rate))
    return nearest if abs(rate / nearest - 1) < _SAME else rate


class FootageFolder:
    """Finds the file of each video.

    Args:
        given: the videos named by the user, as :func:`wtalkit.inputs.gather` lists them.
        alone: the answer is about one video, which is then that of the one file given, whatever its name.
        limits: what a video may claim.
    """

    def __init__(self, given: Iterable[Input] = (), *, alone: bool = False, limits: Limits | None = None) -> None:
        inputs = list(given)
        self._limits = limits
        self._given = {each.path.resolve(): each.path for each in inputs}
        self._by_key = {each.key: each.path for each in inputs}
        names = Counter(each.path.name for each in inputs)
        self._by_name = {each.path.name: each.path for each in inputs if names[each.path.name] == 1}
        self._seen: dict[Path, Footage] = {}
        self._only = inputs[0].path if alone and len(inputs) == 1 else None

    def path(self, key: str, stated: str | None) -> Path | None:
        """The file of a video: one that was named, else the one that its answer states if that is there."""
        if self._only is not None:
            return self._only
        if (named := self._by_key.get(key) or self._by_name.get(key)) is not None:
            return named
        if stated is None:
            return None
        path = Path(stated)
        if (same := self._given.get(path.resolve())) is not None:
            return same
        if (named := self._by_name.get(path.name)) is not None:
            return named
        return path if path.is_file() else None

    def look(self, key: str, stated: str | None) -> Footage | None:
        """What the file of a video says; None where it is not at hand.

        Raises:
            InputError: it is, and cannot be read.
        """
        path = self.path(key, stated)
        if path is None:
            return None
        if path not in self._seen:
            self._seen[path] = look_at(path, self._limits)
        return self._seen[path]
