"""The network's forward pass as a training runs it: in full or half precision, compiled or not.

What comes out is float32 either way, so that softmax, logarithms, evidence and contrast of the losses, which run after
it, are computed in float32. The weights stay float32 and keep their names: a run's model and resume state are the same
files with any setting.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from wtalkit.errors import MachineError
from wtalkit.methods.composition import Composition
from wtalkit.methods.interface import Aux, Batch, Outputs

Precision: TypeAlias = Literal["float32", "bf16"]
Forward: TypeAlias = Callable[[Batch], tuple[Outputs, dict[str, Aux]]]

_COMPILERS = ("c++", "g++", "clang++")


def training_forward(model: Composition, *, precision: Precision = "float32", compiled: bool = False) -> Forward:
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

    def forward(batch: Batch) -> tuple[Outputs, dict[str, Aux]]:
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
        raise MachineError("compile = true needs triton for CUDA, and it is not installed", remedy=_REMEDY)
    if not find_compiler():
        raise MachineError("compile = true needs a C++ compiler, and none is found", remedy=_REMEDY)


_REMEDY = "Install it (Debian: apt install g++; triton comes with torch for CUDA) or train with --set compile=false"


def find_compiler() -> str | None:
    """The C++ compiler that ``torch.compile`` would take: ``$CXX``, else one on the path."""
    return next(filter(None, map(shutil.which, filter(None, (os.environ.get("CXX"), *_COMPILERS)))), None)


def in_float32(out: Outputs) -> Outputs:
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
