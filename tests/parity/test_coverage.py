"""No fixture goes untested: each stem of the folder has a test module, or waits in ``pending.txt``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PENDING = HERE / "pending.txt"


def covered_stems() -> dict[str, str]:
    """Stem -> the test module that states it in ``STEMS`` (read, not imported: nothing runs twice)."""
    covered: dict[str, str] = {}
    for module in sorted(HERE.glob("test_*.py")):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "STEMS" for name in node.targets):
                covered.update(dict.fromkeys(ast.literal_eval(node.value), module.name))
    return covered


def test_the_folder_holds_fixtures(parity_folder: Path) -> None:
    assert parity_folder.is_dir(), f"WTALKIT_PARITY: no folder {parity_folder}"
    assert any(parity_folder.glob("*.npz")), f"WTALKIT_PARITY: {parity_folder} holds no fixture (*.npz)"


def test_every_fixture_has_a_test(parity_folder: Path) -> None:
    known = covered_stems().keys() | set(PENDING.read_text().split())
    unknown = sorted({path.stem for path in parity_folder.glob("*.npz")} - known)
    assert not unknown, f"no test states these stems in STEMS: {', '.join(unknown)}"


@pytest.mark.parametrize("stem", PENDING.read_text().split())
def test_pending(stem: str) -> None:
    module = covered_stems().get(stem)
    assert module is None, f"{stem} is tested by {module}: take it out of {PENDING.name}"
    pytest.xfail(f"{stem}: its method is not in this version")
