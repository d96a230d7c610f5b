"""The inner loops of TV-L1 on the CPU, compiled by numba.

Method: Zach, Pock, Bischof, "A duality based approach for realtime TV-L1 optical flow" (2007), in the form of Sanchez,
Meinhardt-Llopis, Facciolo (IPOL 2013, algorithm 1) with the median filter and the stopping rule that OpenCV added.

How it is made fast: a *plane* is a float32 image with one row of room above and below, 8 columns to the left and at
least 8 to the right, rows of whole vectors; so every loop along a row runs without a border case and becomes vector
instructions. An iteration is one pass: the dual variables of a row are updated as soon as the row below it has its new
flow. The second frame and its gradient lie side by side, so that one bicubic look-up gives all three.

All kernels are in this one file, because numba sees by the age of the file whether what it has cached is stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

LEFT = 8  # columns left of a plane's first pixel
MARGIN = 4  # zeros around the warped image: a 4x4 look-up that misses the image reads nothing else
VECTOR = 8

# No "nnan" and "ninf": should numbers ever overflow, the clamps that keep look-ups in bounds must hold.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "arcp", "nsz", "afn"},
}

F = np.float32
_cgutils: Any = cgutils  # has no types


def _kernel(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(**_OPTIONS)(function))


def _loop(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(**{**_OPTIONS, "fastmath": True})(function))


def _entry(signature: str) -> Callable[[Kernel], Kernel]:
    """Compile for one signature, or take it from numba's cache if there is a folder to keep one in."""

    def decorate(function: Kernel) -> Kernel:
        try:
            return cast(Kernel, numba.njit(signature, cache=True, **_OPTIONS)(function))
        except (RuntimeError, OSError):  # neither the package's folder nor the user's cache can be written to
            return cast(Kernel, numba.njit(signature, **_OPTIONS)(function))

    return decorate


@_kernel
def _new_plane(height: int, width: int) -> Plane:
    return np.zeros((height + 2, LEFT + (width + VECTOR - 1) // VECTOR * VECTOR + VECTOR), np.float32)


# ---- images: resize, gradient, bicubic look-up


@_kernel
def _resize(source: Plane, out: Plane, step_y: float, step_x: float, gain: F) -> None:
    """Bilinear, pixel centres aligned, borders repeated, as ``cv2.resize``; ``step``: source pixels a pixel."""
    height, width = out.shape
    last_y, last_x = source.shape[0] - 1, source.shape[1] - 1
    for y in range(height):
        at_y = min(max((y + 0.5) * step_y - 0.5, 0.0), float(last_y))
        top = int(at_y)
        bottom, down = min(top + 1, last_y), F(at_y - top)
        for x in range(width):
            at_x = min(max((x + 0.5) * step_x - 0.5, 0.0), float(last_x))
            left = int(at_x)
            right, across = min(left + 1, last_x), F(at_x - left)
            above = source[top, left] + across * (source[top, right] - source[top, left])
            below = source[bottom, left] + across * (source[bottom, right] - source[bottom, left])
            out[y, x] = (above + down * (below - above)) * gain


@_kernel
def _with_gradient(image: Plane) -> Plane:
    """Image, its centred differences to the right and down, and 0: ``[H + 8, W + 8, 4]``, flat, zeros around."""
    height, width = image.shape
    stride = width + 2 * MARGIN
    out = np.zeros((height + 2 * MARGIN) * stride * 4, np.float32)
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            at = 4 * ((y + MARGIN) * stride + x + MARGIN)
            out[at] = image[y, x]
            out[at + 1] = F(0.5) * (image[y, right] - image[y, left])
            out[at + 2] = F(0.5) * (image[below, x] - image[above, x])
    return out


@_kernel
def _cubic(t: F) -> tuple[F, F, F, F]:
    """Weights of the pixels at -1, 0, 1, 2 for a place ``t`` in [0, 1) after 0: cubic convolution with a = -0.75."""
    a, r = F(-0.75), F(1) - t
    first = a * t * r * r
    second = ((a + F(2)) * t - (a + F(3))) * t * t + F(1)
    fourth = a * r * t * t
    return first, second, F(1) - first - second - fourth, fourth


@_kernel
def _places(u1: Plane, u2: Plane, y: int, width: int, height: int, corner: Any, wx: Plane, wy: Plane) -> None:
    """Where the flow of row ``y`` points: the first pixel of the look-up ``[W]``, its weights ``[4, W]``."""
    stride = np.int32(width + 2 * MARGIN)
    for x in range(width):
        px, py = F(x) + u1[y + 1, LEFT + x], F(y) + u2[y + 1, LEFT + x]
        # beyond these bounds all 16 pixels are zeros anyway; written so that NaN ends inside
        px = px if px > F(-3) else F(-3)
        py = py if py > F(-3) else F(-3)
        px = px if px < F(width + 1) else F(width + 1)
        py = py if py < F(height + 1) else F(height + 1)
        left, top = np.floor(px), np.floor(py)
        corner[x] = (np.int32(top) + np.int32(MARGIN - 1)) * stride + np.int32(left) + np.int32(MARGIN - 1)
        wx[0, x], wx[1, x], wx[2, x], wx[3, x] = _cubic(px - left)
        wy[0, x], wy[1, x], wy[2, x], wy[3, x] = _cubic(py - top)


def _emit_look_up(_: Any, image: Any, corner: Any, stride: Any, wx: Any, wy: Any, out: Any, x: Any) -> Any:
    """``out[x] = sum_jk wy[j] wx[k] image[corner + j stride + 4 k]``, four channels at a time.

    ``image`` and ``out`` are flat with 4 floats a pixel, ``wx`` and ``wy`` tuples of four weights. Written in LLVM's
    vectors since the compiler does not find them: 3 times the speed of the scalar loops.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        image, out = (_cgutils.create_struct_proxy(signature.args[k])(context, builder, args[k]).data for k in (0, 5))
        corner, stride, at = args[1], args[2], args[6]
        across, down = (_cgutils.unpack_tuple(builder, args[k], 4) for k in (3, 4))
        pixel = ir.VectorType(ir.FloatType(), 4)

        def spread(weight: Any) -> Any:
            blank = ir.Constant(pixel, ir.Undefined)
            first = builder.insert_element(blank, weight, ir.IntType(32)(0))
            return builder.shuffle_vector(first, blank, ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4))

        def place(data: Any, offset: Any) -> Any:
            return builder.bitcast(builder.gep(data, [offset]), pixel.as_pointer())

        total = ir.Constant(pixel, [0.0] * 4)
        down, rows = [spread(weight) for weight in down], [corner]
        for _ in range(3):
            rows.append(builder.add(rows[-1], stride))
        for k, weight in enumerate(across):
            column = ir.Constant(pixel, [0.0] * 4)
            for j, row in enumerate(rows):
                value = builder.load(place(image, builder.add(row, row.type(4 * k))), align=4)
                column = builder.fadd(column, builder.fmul(value, down[j], flags=("fast",)), flags=("fast",))
            total = builder.fadd(total, builder.fmul(column, spread(weight), flags=("fast",)), flags=("fast",))
        builder.store(total, place(out, at), align=4)
        return context.get_dummy_value()

    return numba.types.void(image, corner, stride, wx, wy, out, x), emit


_look_up: Any = intrinsic(_emit_look_up)


@_kernel
def _warp(frame: Plane, image: Plane, u1: Plane, u2: Plane, rho: Plane, gx: Plane, gy: Plane, inverse: Plane) -> None:
    """Linearise the data term around the flow ``u``: rho(u) = rho + gx u1 + gy u2, and 1 / (gx^2 + gy^2) or 0.

    ``frame`` is the first frame, ``image`` the second as of ``_with_gradient``.
    """
    height, width = frame.shape
    corner = np.empty(width, np.int32)
    wx, wy = np.empty((4, width), np.float32), np.empty((4, width), np.float32)
    warped = np.empty(4 * width, np.float32)
    stride = 4 * (width + 2 * MARGIN)
    for y in range(height):
        _places(u1, u2, y, width, height, corner, wx, wy)
        for x in range(width):
            across, down = (wx[0, x], wx[1, x], wx[2, x], wx[3, x]), (wy[0, x], wy[1, x], wy[2, x], wy[3, x])
            _look_up(image, 4 * np.int64(corner[x]), stride, across, down, warped, 4 * x)
        for x in range(width):
            to_right, downwards = warped[4 * x + 1], warped[4 * x + 2]
            square = to_right * to_right + downwards * downwards
            gx[y + 1, LEFT + x], gy[y + 1, LEFT + x] = to_right, downwards
            moved = to_right * u1[y + 1, LEFT + x] + downwards * u2[y + 1, LEFT + x]
            rho[y + 1, LEFT + x] = warped[4 * x] - moved - frame[y, x]
            inverse[y + 1, LEFT + x] = F(1) / square if square > F(1.1920929e-07) else F(0)


# ---- median filter


@_kernel
def _order(a: F, b: F) -> tuple[F, F]:
    return (a, b) if a < b else (b, a)


@_kernel
def _order5(a: F, b: F, c: F, d: F, e: F) -> tuple[F, F, F, F, F]:
    a, b = _order(a, b)
    d, e = _order(d, e)
    c, e = _order(c, e)
    c, d = _order(c, d)
    b, e = _order(b, e)
    a, d = _order(a, d)
    a, c = _order(a, c)
    b, d = _order(b, d)
    b, c = _order(b, c)
    return a, b, c, d, e


@_kernel
def _median5(u: Plane, out: Plane, column: Plane, height: int, width: int) -> None:
    """Median of 5x5, borders repeated. ``column`` is scratch, five rows of a plane.

    Columns are sorted once for the five medians they take part in, then the rows of sorted columns. What is below or
    above 13 others by that is out; ``_median13`` picks the middle of the rest. The compiler drops what is unused.
    """
    wide = (width + VECTOR - 1) // VECTOR * VECTOR
    c = column
    for y in range(1, height + 1):
        a, b, d, e = max(y - 2, 1), max(y - 1, 1), min(y + 1, height), min(y + 2, height)
        for x in range(LEFT, LEFT + wide):
            c[0, x], c[1, x], c[2, x], c[3, x], c[4, x] = _order5(u[a, x], u[b, x], u[y, x], u[d, x], u[e, x])
        for k in range(5):
            c[k, LEFT - 2] = c[k, LEFT - 1] = c[k, LEFT]
            c[k, LEFT + width] = c[k, LEFT + width + 1] = c[k, LEFT + width - 1]
        for x in range(LEFT, LEFT + wide):
            _, _, _, a3, a4 = _order5(c[0, x - 2], c[0, x - 1], c[0, x], c[0, x + 1], c[0, x + 2])
            _, _, b2, b3, b4 = _order5(c[1, x - 2], c[1, x - 1], c[1, x], c[1, x + 1], c[1, x + 2])
            _, c1, c2, c3, _ = _order5(c[2, x - 2], c[2, x - 1], c[2, x], c[2, x + 1], c[2, x + 2])
            d0, d1, d2, _, _ = _order5(c[3, x - 2], c[3, x - 1], c[3, x], c[3, x + 1], c[3, x + 2])
            e0, e1, _, _, _ = _order5(c[4, x - 2], c[4, x - 1], c[4, x], c[4, x + 1], c[4, x + 2])
            out[y, x] = _median13(a3, a4, b2, b3, b4, c1, c2, c3, d0, d1, d2, e0, e1)


@_kernel
def _median13(a3: F, a4: F, b2: F, b3: F, b4: F, c1: F, c2: F, c3: F, d0: F, d1: F, d2: F, e0: F, e1: F) -> F:
    """The middle one of a 5x5 table sorted along rows (a..e) and columns (0..4), from the 13 that it can be.

    The exchanges were found by taking away from a longer list whatever all 252 tables of zeros and ones can do without.
    """
    b2, d1 = _order(b2, d1)
    d1, a3 = _order(d1, a3)
    c1, a4 = _order(c1, a4)
    c2, d0 = _order(c2, d0)
    b4, b3 = _order(b4, b3)
    e0, c1 = _order(e0, c1)
    d0, b4 = _order(d0, b4)
    c3, d2 = _order(c3, d2)
    a3, e0 = _order(a3, e0)
    e1, c3 = _order(e1, c3)
    a4, c2 = _order(a4, c2)
    b3, e1 = _order(b3, e1)
    c1, a4 = _order(c1, a4)
    c2, d0 = _order(c2, d0)
    b4, b3 = _order(b4, b3)
    e0, c1 = _order(e0, c1)
    a4, c2 = _order(a4, c2)
    d0, b4 = _order(d0, b4)
    c2, d0 = _order(c2, d0)
    c1, a4 = _order(c1, a4)
    b4, b3 = _order(b4, b3)
    a4, c2 = _order(a4, c2)
    d0, b4 = _order(d0, b4)
    c2, d0 = _order(c2, d0)
    return c2


# ---- the iteration


@_loop
def _iterate(
    u1: Plane, u2: Plane, p11: Plane, p12: Plane, p21: Plane, p22: Plane,
    rho: Plane, gx: Plane, gy: Plane, inverse: Plane,
    inside: Plane, height: int, width: int, limit: F, theta: F, step: F,
) -> F:  # fmt: skip
    """One iteration: flow from thresholding and divergence, then the dual variables; the sum of squared changes of u.

    ``inside`` is 1 at the columns of the image, else 0; ``limit`` lambda * theta; ``step`` tau / theta.
    """
    wide = (width + VECTOR - 1) // VECTOR * VECTOR
    change = F(0)
    for y in range(1, height + 2):
        if y <= height:
            for x in range(LEFT, LEFT + wide):
                a, b = u1[y, x], u2[y, x]
                along = -(rho[y, x] + gx[y, x] * a + gy[y, x] * b) * inverse[y, x]  # the three cases of eq. 15
                along = min(max(along, -limit), limit)
                by_a = along * gx[y, x] + theta * (p11[y, x] - p11[y, x - 1] + p12[y, x] - p12[y - 1, x])
                by_b = along * gy[y, x] + theta * (p21[y, x] - p21[y, x - 1] + p22[y, x] - p22[y - 1, x])
                u1[y, x], u2[y, x] = a + by_a, b + by_b
                change += inside[x] * (by_a * by_a + by_b * by_b)
            u1[y, LEFT + width] = u1[y, LEFT + width - 1]  # no gradient across the right border
            u2[y, LEFT + width] = u2[y, LEFT + width - 1]
        else:
            for x in range(LEFT, LEFT + wide):
                u1[y, x], u2[y, x] = u1[y - 1, x], u2[y - 1, x]  # nor across the lower one
        if y > 1:  # the row above now has its new flow on all sides: on to its dual variables
            q = y - 1
            for x in range(LEFT, LEFT + wide):
                ax, ay = u1[q, x + 1] - u1[q, x], u1[y, x] - u1[q, x]
                bx, by = u2[q, x + 1] - u2[q, x], u2[y, x] - u2[q, x]
                shrink_a = F(1) / (F(1) + step * np.sqrt(ax * ax + ay * ay))
                shrink_b = F(1) / (F(1) + step * np.sqrt(bx * bx + by * by))
                p11[q, x] = (p11[q, x] + step * ax) * shrink_a
                p12[q, x] = (p12[q, x] + step * ay) * shrink_a
                p21[q, x] = (p21[q, x] + step * bx) * shrink_b
                p22[q, x] = (p22[q, x] + step * by) * shrink_b
    return change


# ---- one scale, all scales


@_kernel
def _refine(
    frame: Plane, second: Plane, start: Plane, tau: float, lambda_: float, theta: float,
    warps: int, epsilon: float, inner: int, outer: int, median: bool,
) -> Plane:  # fmt: skip
    """Refine the flow ``start`` ``[2, H, W]`` at one scale."""
    height, width = frame.shape
    image = _with_gradient(second)
    u1, u2, spare = _new_plane(height, width), _new_plane(height, width), _new_plane(height, width)
    p11, p12 = _new_plane(height, width), _new_plane(height, width)
    p21, p22 = _new_plane(height, width), _new_plane(height, width)
    rho, inverse = _new_plane(height, width), _new_plane(height, width)
    gx, gy = _new_plane(height, width), _new_plane(height, width)
    column = np.zeros((5, u1.shape[1]), np.float32)
    inside = np.zeros(u1.shape[1], np.float32)
    for x in range(width):
        inside[LEFT + x] = F(1)
    for y in range(height):
        for x in range(width):
            u1[y + 1, LEFT + x], u2[y + 1, LEFT + x] = start[0, y, x], start[1, y, x]
    enough = epsilon * epsilon * height * width
    for _ in range(warps):
        _warp(frame, image, u1, u2, rho, gx, gy, inverse)
        change, rounds = np.inf, 0
        while rounds < outer and change > enough:
            if median:
                _median5(u1, spare, column, height, width)
                u1, spare = spare, u1
                _median5(u2, spare, column, height, width)
                u2, spare = spare, u2
            steps = 0
            while steps < inner and change > enough:
                change = float(
                    _iterate(
                        u1, u2, p11, p12, p21, p22, rho, gx, gy, inverse,
                        inside, height, width, F(lambda_ * theta), F(theta), F(tau / theta),
                    )
                )  # fmt: skip
                steps += 1
            rounds += 1
    out = np.empty((2, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            out[0, y, x], out[1, y, x] = u1[y + 1, LEFT + x], u2[y + 1, LEFT + x]
    return out


@_kernel
def _as_float(gray: NDArray[np.uint8]) -> Plane:
    out = np.empty(gray.shape, np.float32)
    for y in range(gray.shape[0]):
        for x in range(gray.shape[1]):
            out[y, x] = gray[y, x]
    return out


@_entry(
    "float32[:,:,::1](uint8[:,::1], uint8[:,::1], float64, float64, float64, int64, int64, float64, int64, int64,"
    " float64, boolean)"
)
def solve(
    gray_a: NDArray[np.uint8], gray_b: NDArray[np.uint8], tau: float, lambda_: float, theta: float, nscales: int,
    warps: int, epsilon: float, inner: int, outer: int, scale_step: float, median: bool,
) -> Plane:  # fmt: skip
    """TV-L1 flow ``[2, H, W]`` of one pair, from the coarsest scale to the finest; releases the GIL."""
    firsts, seconds = [_as_float(gray_a)], [_as_float(gray_b)]
    coarser = 1.0 / scale_step
    for _ in range(1, nscales):
        height, width = firsts[-1].shape
        height, width = round(height * scale_step), round(width * scale_step)
        if height < 16 or width < 16:
            break
        first, second = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
        _resize(firsts[-1], first, coarser, coarser, F(1))
        _resize(seconds[-1], second, coarser, coarser, F(1))
        firsts.append(first)
        seconds.append(second)
    height, width = firsts[-1].shape
    flow = np.zeros((2, height, width), np.float32)
    for scale in range(len(firsts) - 1, -1, -1):
        height, width = firsts[scale].shape
        if scale < len(firsts) - 1:
            step_y, step_x = flow.shape[1] / height, flow.shape[2] / width
            finer = np.empty((2, height, width), np.float32)
            _resize(flow[0], finer[0], step_y, step_x, F(coarser))
            _resize(flow[1], finer[1], step_y, step_x, F(coarser))
            flow = finer
        flow = _refine(
            firsts[scale], seconds[scale], flow, tau, lambda_, theta, warps, epsilon, inner, outer, median
        )  # fmt: skip
    return flow
