"""What a method's code says of itself: parameters, parts, options. Building it needs torch, so the answers for the
bundled methods are kept in ``models/methods.json`` (written by ``models/describe.py``)."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

from wtalkit.methods import METHODS, create
from wtalkit.methods.interface import Part
from wtalkit.methods.options import Options

CLASSES = 20
"""Action classes the parameters are counted for (THUMOS14)."""
WIDTH = 2048
"""Feature width they are counted for (I3D)."""


def describe(name: str) -> dict[str, Any]:
    """Parameters (of a plug-in: those it adds), parts for ``--without``, and options with defaults and meaning.

    Raises:
        ModelError: no such method, or not in this version.
    """
    import torch

    with torch.device("meta"):  # nothing is computed
        model = create(name, num_classes=CLASSES, feature_dim=WIDTH)
    part: Part = model.parts[name]
    return {
        "parameters": sum(parameter.numel() for parameter in part.parameters()),
        "components": list(part.components),
        "options": _options(part.options_type),
    }


def describe_all() -> dict[str, Any]:
    """The document of ``models/methods.json``."""
    ready = {name: describe(name) for name, entry in METHODS.items() if entry.available}
    return {"format": 1, "classes": CLASSES, "feature_dim": WIDTH, "methods": ready}


def _options(kind: type[Options], prefix: str = "") -> list[dict[str, Any]]:
    """Every option; those of a group as ``group.name``."""
    defaults, meaning = kind(), _docstrings(kind)
    plain = defaults.model_dump(mode="json")
    found: list[dict[str, Any]] = []
    for name, value in plain.items():
        group = getattr(defaults, name)
        if isinstance(group, Options):
            found += _options(type(group), f"{prefix}{name}.")
        else:
            found.append({"name": prefix + name, "default": value, "meaning": meaning.get(name, "")})
    return found


def _docstrings(kind: type[Options]) -> dict[str, str]:
    """The text under each field, inherited ones included."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if not issubclass(owner, Options):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[ast.unparse(field.target)] = _plain(str(text.value.value))
    return found


def _plain(docstring: str) -> str:
    """One line without markup."""
    return re.sub(r":\w+:`~?([^`]+)`|`+([^`]+)`+", r"\1\2", " ".join(docstring.split()))
