"""TV-L1's GPU kernels executed with numpy: a small stand-in for Triton, some thirty times as fast as its interpreter.

The kernels' own Python code runs, program after program, with ``tl`` replaced. Everything is an array: a scalar has one
element. So frames can be large enough for several strips, segments, scales and slots; that the real interpreter gives
the same is tested on tiny frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

from wtalkit.flow.cuda import control, images, iteration, median, slots


class Value(np.ndarray[Any, Any]):
    """An array with the conversions of a Triton tensor."""

    def to(self, kind: Any) -> Any:
        return _pointer(int(self[0])) if kind is Pointer else self.astype(kind)

    def __index__(self) -> int:
        return int(self[0])


class Pointer:
    """A place in a flat array, or many."""

    def __init__(self, array: NDArray[Any], at: Any = 0) -> None:
        self.array, self.at = array, at

    def __add__(self, offset: Any) -> Pointer:
        return Pointer(self.array, self.at + offset)


_memory: list[tuple[int, NDArray[Any]]] = []
_program: list[int] = [0, 0, 0]


def _pointer(address: int) -> Pointer:
    for start, array in _memory:
        if start <= address < start + array.nbytes:
            return Pointer(array, (address - start) // array.itemsize)
    raise AssertionError("an address that nothing has")


def _value(array: Any) -> Any:
    return np.atleast_1d(np.asarray(array)).view(Value)


def _load(pointer: Pointer, mask: Any = True, other: Any = 0) -> Any:
    at, mask = np.broadcast_arrays(pointer.at, mask)
    assert ((at >= 0) & (at < pointer.array.size))[mask].all(), "read outside"
    return _value(np.where(mask, pointer.array[np.where(mask, at, 0)], pointer.array.dtype.type(other)))


def _store(pointer: Pointer, value: Any, mask: Any = True) -> None:
    at, value, mask = np.broadcast_arrays(pointer.at, value, mask)
    assert ((at >= 0) & (at < pointer.array.size))[mask].all(), "write outside"
    pointer.array[at[mask]] = value[mask]


def _rsqrt(x: Any) -> Any:
    return np.float32(1) / np.sqrt(x)


_LANGUAGE = SimpleNamespace(
    program_id=lambda axis: _value(np.int32(_program[axis])),
    load=_load,
    store=_store,
    arange=lambda start, stop: _value(np.arange(start, stop, dtype=np.int32)),
    zeros=lambda shape, kind: _value(np.zeros(shape, kind)),
    zeros_like=np.zeros_like,
    static_range=range,
    constexpr=None,
    where=lambda condition, a, b: _value(np.where(condition, a, b)),
    minimum=lambda a, b: _value(np.minimum(a, b)),
    maximum=lambda a, b: _value(np.maximum(a, b)),
    floor=np.floor,
    ceil=np.ceil,
    log2=np.log2,
    math=SimpleNamespace(rsqrt=_rsqrt),
    sum=lambda x, axis=None: _value(np.sum(x, axis=axis)),
    min=lambda x, axis=None: _value(np.min(x, axis=axis)),
    cumsum=lambda x, axis: np.cumsum(x, axis),
    gather=lambda x, index, axis: x[index],
    reshape=lambda x, shape: x.reshape(shape),
    join=lambda a, b: np.stack([a, b], -1).view(Value),
    split=lambda x: (x[..., 0], x[..., 1]),
    int8=np.int8, int32=np.int32, int64=np.int64, uint8=np.uint8, uint32=np.uint32,
    float32=np.float32, float64=np.float64,
    pointer_type=lambda kind: Pointer,
)  # fmt: skip


class _Launcher:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def launch(*args: Any, **_: Any) -> None:
            arguments = [
                Pointer(arg.numpy().reshape(-1)) if isinstance(arg, Tensor) else _constant(arg) for arg in args
            ]
            with np.errstate(all="ignore"):
                for place in product(*(range(size) for size in grid)):
                    _program[:] = [*place, 0, 0][:3]
                    self.function(*arguments)

        return launch


def _constant(number: float) -> Any:
    return _value(np.float32(number)) if isinstance(number, float) else number


@contextmanager
def emulation() -> Iterator[None]:
    """Inside, ``TvL1Solver(..., device="cpu")`` works."""
    kept: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for module in (control, images, iteration, median):
        names = vars(module)
        kept.append((names, dict(names)))
        for name, value in list(names.items()):
            if isinstance(value, tl.constexpr):
                names[name] = value.value
            elif hasattr(value, "fn"):
                names[name] = value.fn
        names["tl"] = _LANGUAGE
    launched = {name: value for name, value in vars(slots).items() if hasattr(value, "fn")}
    vars(slots).update({name: _Launcher(value.fn) for name, value in launched.items()})
    put = slots.Slots.put

    def put_and_note(self: Any, at: int, order: Tensor, *others: Tensor) -> None:
        _memory.extend((tensor.data_ptr(), tensor.numpy().reshape(-1)) for tensor in others)
        put(self, at, order, *others)

    slots.Slots.put = put_and_note  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        slots.Slots.put = put  # type: ignore[method-assign]
        vars(slots).update(launched)
        for names, before in kept:
            names.update(before)
        _memory.clear()
