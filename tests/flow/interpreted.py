"""Runs TV-L1's GPU kernels on the CPU, by Triton's interpreter; a script, since the interpreter is chosen on import.

    python -m tests.flow.interpreted CASES.npz ANSWERS.npz

Reads arrays ``NAME/first`` and ``NAME/second``, uint8 ``[N, H, W]``, and ``NAME/options``, JSON; writes ``NAME/fields``
and ``NAME/iterations``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np


def patch_once_a_launch(interpreter: Any) -> None:
    """Each call of a function inside a kernel patches triton.language anew, which is most of the time."""
    patched: set[int] = set()
    patch, launch = interpreter._patch_lang, interpreter.GridExecutor.__call__

    def patch_if_new(function: Any) -> Any:
        if id(function.__globals__) in patched:
            return None
        patched.add(id(function.__globals__))
        scope = patch(function)
        # Triton 3.6 has int() of an array of one element here, which NumPy 2.4 refuses
        interpreter.tl.tensor.__index__ = lambda tensor: int(tensor.handle.data.squeeze())
        return scope

    def launch_anew(self: Any, *args: Any, **kwargs: Any) -> Any:
        patched.clear()
        return launch(self, *args, **kwargs)

    interpreter._patch_lang, interpreter.GridExecutor.__call__ = patch_if_new, launch_anew


def main(source: str, target: str) -> None:
    """Solve every case of ``source``."""
    os.environ["TRITON_INTERPRET"] = "1"
    import torch
    from triton.runtime import interpreter

    from wtalkit.flow.cuda.solver import TvL1Solver
    from wtalkit.flow.parameters import TvL1Parameters

    torch.set_num_threads(1)
    if hasattr(interpreter, "_patch_lang") and hasattr(interpreter, "GridExecutor"):
        patch_once_a_launch(interpreter)
    cases, answers = np.load(source), {}
    for name in {key.split("/")[0] for key in cases.files}:
        first, second = (torch.from_numpy(cases[f"{name}/{which}"]) for which in ("first", "second"))
        options = json.loads(str(cases[f"{name}/options"]))
        slots = options.pop("slots", 2)
        height, width = first.shape[1:]
        solver = TvL1Solver(height, width, TvL1Parameters(**options), "cpu", slots=slots)
        ticket = solver.submit(first, second)
        answers[f"{name}/fields"] = ticket.result().numpy()
        answers[f"{name}/iterations"] = ticket.iterations.numpy()
    np.savez(target, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
