"""The network's forward pass as a training runs it: in full or half precision, compiled or not.

What comes out is float32 either way, so that softmax, logarithms, evidence and contrast of the losses, which run after
it, are computed in float32. The weights stay float32 and keep their names: a run's model and resume state are the same
files with any setting.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias, TypeVar

import torch
from torch import Tensor

from wtalkit.errors import MachineError
from wtalkit.methods.composition import Model
from wtalkit.methods.interface import Aux, Outputs, ProposalOutputs

Precision: TypeAlias = Literal["float32", "bf16"]
Forward: TypeAlias = Callable[[Any], tuple[Any, dict[str, Aux]]]
OutputsT = TypeVar("OutputsT", Outputs, ProposalOutputs)


def training_forward(model: Model, *, precision: Precision = "float32", compiled: bool = False) -> Forward:
    """A function that does what ``model(batch)`` does; ``model`` itself stays as it is.

    Args:
        model: on the device it is trained on.
        precision: ``bf16`` for autocast.
        compiled: run it through ``torch.compile``; the first call then takes a minute or more.

    Raises:
        MachineError: compiling needs a compiler that is not there.
    """
    device = next(model.parameters()).device.type
    if compiled:
        require_compiler(device)
    network: Forward = torch.compile(model, dynamic=False) if compiled else model

    def forward(batch: Any) -> tuple[Any, dict[str, Aux]]:
        if compiled:
            # Both change at each step, and what reads them would be compiled at each step. Networks read neither.
            batch = replace(batch, meta=(), pairs=())
        if precision == "float32":
            return network(batch)
        with torch.autocast(device, dtype=torch.bfloat16):
            out, auxes = network(batch)
        return in_float32(out), {name: _tensors_in_float32(aux) for name, aux in auxes.items()}

    return forward


def require_compiler(device: str) -> None:
    """Make sure that ``torch.compile`` can work for a device.

    Raises:
        MachineError: it cannot; the message says what is missing.
    """
    if device == "cuda" and find_spec("triton") is None:
        raise MachineError(
            "compile = true needs triton for CUDA, and it is not installed",
            remedy="Install it (it comes with torch for CUDA) or train with --set compile=false",
        )
    if find_compiler(device) is None:
        need = _NEEDS.get(device, _OTHERWISE)
        raise MachineError(
            f"compile = true needs a {need.language} compiler, and there is none by the names of "
            f"{', '.join((f'${need.variable}', *need.names))}",
            remedy=f"Install one (Debian: apt install {need.package}) or train with --set compile=false",
        )


def find_compiler(device: str) -> str | None:
    """The compiler that ``torch.compile`` would take for a device; the variable, where set, is all that counts."""
    need = _NEEDS.get(device, _OTHERWISE)
    given = os.environ.get(need.variable)
    names = need.names if given is None else need.read(given)
    return next(filter(None, map(shutil.which, names)), None)


@dataclass(frozen=True)
class _Need:
    """A compiler: what it compiles, what names it, and how the variable is read."""

    language: str
    variable: str
    names: tuple[str, ...]
    package: str
    read: Callable[[str], Sequence[str]]


# Triton builds its launcher in C (triton/runtime/build.py: _find_compiler) and makes the kernels itself; a network that
# is wholly on the GPU gives Inductor nothing to write in C++.
_NEEDS = {"cuda": _Need("C", "CC", ("gcc", "clang"), "gcc", lambda given: [given])}
# Inductor writes kernels for the CPU in C++ (torch/_inductor/config.py: cpp.cxx); the variable may hold arguments, too.
_OTHERWISE = _Need(
    "C++", "CXX", ("clang++" if sys.platform == "darwin" else "g++",), "g++", lambda given: shlex.split(given)[:1]
)


def in_float32(out: OutputsT) -> OutputsT:
    """Every floating-point tensor of ``out`` in float32."""
    changed: dict[str, Any] = {}
    for field in fields(out):
        value = getattr(out, field.name)
        if isinstance(value, Tensor):
            changed[field.name] = _in_float32(value)
        elif isinstance(value, dict):
            changed[field.name] = _tensors_in_float32(value)
    return replace(out, **changed)


def _tensors_in_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: _in_float32(value) for name, value in tensors.items()}


def _in_float32(x: Tensor) -> Tensor:
    return x.float() if x.is_floating_point() else x
