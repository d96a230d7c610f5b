"""Where a slot keeps what: the pyramid's sizes, the planes, and the state that the kernels and the host agree on.

A *slot* is the memory in which one pair of frames is solved, float32, all slots one after the other:

* 16 *planes* of the finest scale's size, which the coarser scales use too, row after row of ``2 * PAIRS`` floats:
  u1 u2, twice; p11 p12 p21 p22 times theta, twice; rho, gx, gy, -1 / (gx^2 + gy^2). Of what is there twice, one is read
  and the other written. The column that rounds an odd width up to pairs is 0 in all of them.
* for each scale the first frame, rows like the planes', and the second frame with its gradient as three images
  ``[H + 8, W + 8]`` with 4 pixels of zeros around, in which no look-up needs a border case.
"""

from __future__ import annotations

from dataclasses import dataclass

import triton.language as tl  # type: ignore[import-untyped]

from wtalkit.flow.parameters import TvL1Parameters

# Columns of the table of scales, int32 [scales, SCALE_FIELDS].
HEIGHT = tl.constexpr(0)
WIDTH = tl.constexpr(1)
PAIRS = tl.constexpr(2)  # of columns: half the pitch, so that the compiler knows the pitch to be even
FIRST = tl.constexpr(3)  # where the first frame starts, in 16 floats from the start of the slot
SECOND = tl.constexpr(4)  # the same for the second frame and its gradient
SECOND_PITCH = tl.constexpr(5)
SECOND_SIZE = tl.constexpr(6)  # floats of one of the three images
STRIPS = tl.constexpr(7)  # of the iteration
SEGMENTS = tl.constexpr(8)
ROWS = tl.constexpr(9)  # of a segment
SCALE_FIELDS = tl.constexpr(16)

# What the state of a slot says, int32 [slots, STATE_FIELDS].
PHASE = tl.constexpr(0)
PAIR = tl.constexpr(1)  # where the queue has it
SCALE = tl.constexpr(2)  # 0 is the finest
WARP = tl.constexpr(3)
OUTER = tl.constexpr(4)  # outer rounds done in this warp
INNER = tl.constexpr(5)  # inner iterations done in this outer round
U = tl.constexpr(6)  # which of the two flows is the newest
P = tl.constexpr(7)  # which of the two dual fields is the newest
NEW = tl.constexpr(8)  # flags of what comes next: read the frames,
ENLARGE = tl.constexpr(9)  # bring the flow to this scale,
LINEARISE = tl.constexpr(10)  # warp the second frame,
MEDIAN = tl.constexpr(11)  # filter the flow;
FRESH = tl.constexpr(12)  # the dual variables are still zeros, whatever the memory holds
STEPS = tl.constexpr(13)  # iterations of the next chunk
ENDING = tl.constexpr(14)  # the chunk is the last of its warp: it is done again up to where the warp ends
STATE_FIELDS = tl.constexpr(16)

IDLE = tl.constexpr(0)
RUNNING = tl.constexpr(1)
DONE = tl.constexpr(2)

# The queue of pairs, int64 [2], and what it says of a pair, int64 [RING, RECORD_FIELDS].
NEXT = tl.constexpr(0)  # pairs taken by slots so far
COUNT = tl.constexpr(1)  # pairs put in so far; number n lies at n % RING
RING = tl.constexpr(8192)
FIRST_FRAME = tl.constexpr(0)  # addresses: uint8 [H, W],
SECOND_FRAME = tl.constexpr(1)  # the same,
FIELD = tl.constexpr(2)  # float32 [2, H, W],
ITERATIONS = tl.constexpr(3)  # int32 [scales, warps]
RECORD_FIELDS = tl.constexpr(4)

MARGIN = tl.constexpr(4)
STRIP = tl.constexpr(64)  # columns at work in a program, two a lane
CHUNK = tl.constexpr(4)  # iterations of one pass over the planes, and the halo that they need; even
PLANES = tl.constexpr(16)
MEDIAN_STEP = tl.constexpr(60)  # columns of a strip of the median filter but for 2 of halo on each side
MEDIAN_ROWS = tl.constexpr(64)
TILE_ROWS = tl.constexpr(4)  # of an image at work at once
TILE_COLUMNS = tl.constexpr(64)
BAND = tl.constexpr(16)  # rows of a program that walks along whole rows
WARP_ROWS = tl.constexpr(32)  # rows of a program that warps 64 columns

_SMALLEST = 16
_SEGMENT_ROWS = 144
_STEP: int = STRIP.value - 2 * CHUNK.value


@dataclass(frozen=True)
class Scale:
    """One scale of the pyramid; where things start counts in floats from the start of the slot."""

    height: int
    width: int
    first: int
    second: int

    @property
    def pairs(self) -> int:
        """Pairs of columns."""
        return (self.width + 1) // 2

    @property
    def second_size(self) -> int:
        """Floats of the second frame with its margins."""
        return (self.height + 2 * int(MARGIN.value)) * (self.width + 2 * int(MARGIN.value))

    @property
    def strips(self) -> int:
        """Programs of the iteration across; the first starts 2 columns left of the image, the last ends anywhere."""
        return max(0, -(-(self.width + 2 - int(STRIP.value)) // _STEP)) + 1

    @property
    def segments(self) -> int:
        """Programs of the iteration down: as few as may be, since each has a halo."""
        return -(-self.height // _SEGMENT_ROWS)

    @property
    def rows(self) -> int:
        """Rows of a segment, but for the last one."""
        return -(-self.height // self.segments)

    @property
    def bands(self) -> int:
        """Programs that walk along whole rows."""
        return _parts(self.height, BAND)

    @property
    def warp_tiles(self) -> int:
        """Programs of the warp."""
        return _parts(self.width, TILE_COLUMNS) * _parts(self.height, WARP_ROWS)

    @property
    def median_tiles(self) -> int:
        """Programs of the median filter, for one component of the flow."""
        return _parts(self.width, MEDIAN_STEP) * _parts(self.height, MEDIAN_ROWS)

    def to_row(self) -> list[int]:
        """This scale's row of the table."""
        row = [self.height, self.width, self.pairs, self.first // 16, self.second // 16]
        row += [self.width + 2 * MARGIN.value, self.second_size, self.strips, self.segments, self.rows]
        return row + [0] * (SCALE_FIELDS.value - len(row))


@dataclass(frozen=True)
class Layout:
    """Of a slot, for one size of frames."""

    scales: tuple[Scale, ...]
    plane: int
    """Floats of a plane."""
    slot_floats: int

    @property
    def tiles(self) -> int:
        """Most programs that iterate on one slot."""
        return max(scale.strips * scale.segments for scale in self.scales)

    def slot_bytes(self) -> int:
        """Memory of one slot: planes, images, sums of changes and state."""
        return 4 * (self.slot_floats + int(CHUNK.value) * self.tiles + int(STATE_FIELDS.value) + 1)


def plan(height: int, width: int, parameters: TvL1Parameters) -> Layout:
    """Sizes of the pyramid, as ``tvl1_kernels.solve`` has them, and where everything lies."""
    sizes = [(height, width)]
    for _ in range(1, parameters.nscales):
        height, width = round(height * parameters.scaleStep), round(width * parameters.scaleStep)
        if height < _SMALLEST or width < _SMALLEST:
            break
        sizes.append((height, width))
    plane = _whole(sizes[0][0] * 2 * ((sizes[0][1] + 1) // 2))
    at, scales = int(PLANES.value) * plane, []
    for rows, columns in sizes:
        second = at + _whole(rows * 2 * ((columns + 1) // 2))
        scales.append(Scale(rows, columns, at, second))
        at = second + _whole(3 * scales[-1].second_size)
    return Layout(tuple(scales), plane, at)


def _parts(length: int, part: tl.constexpr) -> int:
    return -(-length // int(part.value))


def _whole(floats: int) -> int:
    """Rounded up to 128 bytes."""
    return -(-floats // 32) * 32
