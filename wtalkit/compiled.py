"""Loops over numbers, compiled by numba: kernels, which Python calls, and the functions they are made of.

A module of kernels holds all that they call: numba sees by the age of a file whether what it has cached is stale, and
looks at no other file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def kernel(signature: str) -> Callable[[Function], Function]:
    """Compile for arguments of these types, or take it from numba's cache if there is a folder to keep one in."""

    def compiled(function: Function) -> Function:
        try:
            return cast(Function, numba.njit(signature, cache=True, **_OPTIONS)(function))
        except (RuntimeError, OSError):  # neither the package's folder nor the user's is writable
            return cast(Function, numba.njit(signature, **_OPTIONS)(function))

    return compiled


def part(function: Function) -> Function:
    """Part of the kernels that call it, compiled with them."""
    return cast(Function, numba.njit(**_OPTIONS)(function))
