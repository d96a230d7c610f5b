"""Compiles TV-L1's GPU kernels for a given GPU, which need not be there, and asks what they take of it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from wtalkit.flow.cuda import control, images, iteration, median
from wtalkit.flow.cuda.slots import COMPILED

_POINTERS = {
    "memory": "*fp32",
    "states": "*i32",
    "scales": "*i32",
    "changes": "*fp32",
    "last_changes": "*fp32",
    "limits": "*fp64",
    "coarser": "*fp64",
    "queue": "*i64",
    "records": "*i64",
    "done_pairs": "*i8",
}
_FLOATS = {"limit", "tau", "step"}
_DIVISIBLE = {*_POINTERS, "slot_floats", "plane"}  # by 16, which a launch would find out by itself

KERNELS: dict[str, tuple[Any, int, dict[str, int]]] = {
    "write_fields": (images.write_fields, 4, {}),
    "take_turns": (control.take_turns, 1, {"BLOCK": 512}),
    "read_frames": (images.read_frames, 4, {}),
    "shrink": (images.shrink, 4, {}),
    "differentiate": (images.differentiate, 4, {}),
    "linearise": (images.linearise, 4, {}),
    "filter_flow": (median.filter_flow, 1, {}),
    "advance": (iteration.advance, 1, {}),
    "decide": (control.decide, 1, {"TILES": 16}),
}
"""Kernels by name, with their warps and constants as the solver launches them at 340x256."""


@dataclass(frozen=True)
class Need:
    """What a program takes."""

    registers: int
    """Of a thread."""
    shared_bytes: int
    spill_bytes: int
    """Of a thread."""
    code: str
    """Instructions, as cuobjdump writes them."""


def compile_kernel(name: str, capability: int) -> Need:
    """Compile one of ``KERNELS`` for a compute capability such as 90."""
    kernel, warps, constants = KERNELS[name]
    names = kernel.arg_names
    kinds = {arg: _POINTERS.get(arg, "fp32" if arg in _FLOATS else "i32") for arg in names}
    if name == "take_turns":
        kinds["scales"] = "i32"  # a number there
    source = ASTSource(
        kernel,
        signature={arg: "constexpr" if arg in constants else kind for arg, kind in kinds.items()},
        constexprs=constants,
        attrs={(k,): [["tt.divisibility", 16]] for k, arg in enumerate(names) if arg in _DIVISIBLE and kinds[arg]},
    )
    options = {"num_warps": warps, **COMPILED}
    if name == "advance":
        options["maxnreg"] = iteration.REGISTERS
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(compiled.asm["cubin"])
        usage, code = _dump("-res-usage", file), _dump("-sass", file)
    found = re.search(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", usage)
    assert found, usage
    registers, stack, _, local = map(int, found.groups())
    return Need(registers, compiled.metadata.shared, stack + local, code)


def _dump(option: str, file: Path) -> str:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    return subprocess.run([tool, option, file], capture_output=True, text=True, check=True).stdout
