"""Which seconds of a video have data in the file but no picture: the bookkeeping of damage.

A variable frame rate leaves times out on purpose, so a long step between two frames is no damage by itself. It is when
a packet that lies inside the step was refused or lost by the decoder, or when the demuxer lost bytes there.
"""

from __future__ import annotations

import heapq
import math

Interval = tuple[float, float]

_LEFT_OUT_FRAMES = 1.9  # film telecined to 30 frames per second has steps of 1.5
_TWICE_FRAMES = 0.5
_PACKETS_IN_A_ROW = 3  # without a picture are too many for fields and hidden frames
_DAMAGE_REACH_S = 2.0  # how long after lost bytes a step in time is still put down to them


class GapLedger:
    """Compares the times of packets read with those of frames decoded. All times in seconds, of one clock.

    Holds only the packets the decoder still works on.

    Args:
        frame_s: nominal time between frames.
        constant_rate: the container cannot leave a frame out on purpose.
        all_pictures: every packet is to give a picture.
    """

    def __init__(self, frame_s: float, *, constant_rate: bool = False, all_pictures: bool = False) -> None:
        self.frame_s = frame_s
        self._constant_rate, self._all_pictures = constant_rate, all_pictures
        self.gaps: list[Interval] = []
        self.bad_packets = 0
        self.origin_s: float | None = None  # start of the first frame, or of the bad packets before it
        self.end_s = 0.0  # end of the last frame
        self._step_from_s = -math.inf  # time of the last frame
        self._pending: list[float] = []  # packets whose frame has not come yet
        self._damage: list[float] = []  # times at which bytes were lost before they became packets
        self._last_damage_s = -math.inf
        self._suspected: list[Interval] = []  # gaps that only the step in time speaks for

    def packet(self, time_s: float | None) -> None:
        """A packet was given to the decoder."""
        if time_s is not None:
            heapq.heappush(self._pending, time_s)

    def bad_packet(self) -> None:
        """The decoder refused a packet."""
        self.bad_packets += 1

    def damage(self, time_s: float | None) -> None:
        """The demuxer lost bytes around ``time_s``."""
        if time_s is not None:
            heapq.heappush(self._damage, time_s)

    def frame(self, time_s: float, duration_s: float) -> None:
        """A frame came out; frames are told in order of time."""
        lost = self._lost_before(time_s)
        damaged = self._damaged_until(time_s)
        if self.origin_s is None:
            lost = lost if self._counts else []
            self.origin_s = lost[0] if lost else time_s
            if lost:
                self.gaps.append((self.origin_s, time_s))
        else:
            self._judge_step(time_s, explained=damaged or self._are_many(lost))
        self._step_from_s = time_s
        self.end_s = max(self.end_s, time_s + duration_s)

    def _judge_step(self, time_s: float, *, explained: bool) -> None:
        frames = (time_s - self._step_from_s) / self.frame_s
        gap = (min(self.end_s, self._step_from_s + self.frame_s), time_s)
        if explained and frames > 1.5:
            self.gaps.append(gap)
        elif self._constant_rate and frames > _LEFT_OUT_FRAMES:
            self.gaps.append(gap)
            self._suspected.append(gap)
        elif frames < _TWICE_FRAMES and self._suspected:  # only a time stamp was late: no frame is missing
            self.gaps.remove(self._suspected.pop())

    def forget_packets(self) -> None:
        """Packets and frames no longer share a clock: the time stamps started anew."""
        self._pending.clear()

    def lost_at_end(self) -> Interval | None:
        """The time of packets after the last frame that gave no picture, if the decoder refused any."""
        lost = [time_s for time_s in self._lost_before(math.inf) if time_s >= self.end_s - self.frame_s / 2]
        return (self.end_s, lost[-1] + self.frame_s) if self._are_many(lost) else None

    @property
    def _counts(self) -> bool:
        """Whether each packet that gave no frame counts.

        Without any bad packet they are what a format holds besides pictures: VP8's hidden reference frames, second
        fields, packets an edit list drops.
        """
        return bool(self.bad_packets) or self._all_pictures

    def _are_many(self, lost: list[float]) -> bool:
        return len(lost) >= (1 if self._counts else _PACKETS_IN_A_ROW)

    def _lost_before(self, time_s: float) -> list[float]:
        """Take out the packets up to ``time_s``; those after the last frame and before it, which gave no frame."""
        lost = []
        while self._pending and self._pending[0] <= time_s:
            packet_s = heapq.heappop(self._pending)
            if packet_s < time_s and packet_s > self._step_from_s:
                lost.append(packet_s)
        return lost

    def _damaged_until(self, time_s: float) -> bool:
        while self._damage and self._damage[0] <= time_s:
            self._last_damage_s = heapq.heappop(self._damage)
        return self._last_damage_s >= self._step_from_s - _DAMAGE_REACH_S
