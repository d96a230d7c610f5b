"""Loading weights never runs what is in them: every ``torch.load`` says ``weights_only=True``, nothing unpickles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "wtalkit"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Of pickle, only the name of its error and the hooks of a restricted reader are of use here.
HARMLESS = {"UnpicklingError", "Unpickler"}


def unsafe_calls(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called.endswith(("torch.load", "torch.jit.load")) and options.get("weights_only") != "True":
            found.append(f"line {node.lineno}: {called} without weights_only=True")
        if options.get("allow_pickle", "False") != "False":
            found.append(f"line {node.lineno}: {called} with allow_pickle")
        if called.startswith("pickle.") and called.removeprefix("pickle.") not in HARMLESS:
            found.append(f"line {node.lineno}: {called}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in ("torch", "pickle"):
            names = {alias.name for alias in node.names}
            if (node.module == "torch" and "load" in names) or (node.module == "pickle" and names - HARMLESS):
                found.append(f"line {node.lineno}: from {node.module} import {', '.join(sorted(names))}")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_unpickles(module: Path) -> None:
    assert unsafe_calls(module.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "from torch import load",
        "import pickle\npickle.loads(b'')",
        "from pickle import load",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
    ],
)
def test_the_test_can_fail(source: str) -> None:
    assert unsafe_calls(source)
