"""The feature packs of the field, made into what every other command reads: a features folder, and annotations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtalkit.importing.importer import import_pack
    from wtalkit.importing.pack import LAYOUTS, LayoutName, Mode
    from wtalkit.importing.report import IMPORT_FILE, Disagreement, ImportResult

__all__ = ["IMPORT_FILE", "LAYOUTS", "Disagreement", "ImportResult", "LayoutName", "Mode", "import_pack"]

_HOMES = {
    "import_pack": "importer",
    "LAYOUTS": "pack",
    "LayoutName": "pack",
    "Mode": "pack",
    "IMPORT_FILE": "report",
    "Disagreement": "report",
    "ImportResult": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
