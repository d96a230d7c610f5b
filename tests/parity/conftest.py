"""The fixtures of numbers that the official codes gave, and how a test module gets them.

The folder is ``WTALKIT_PARITY``, else ``tests/data/parity``. A test module states in a literal which stems it covers
and takes the argument ``reference``; each of its tests then runs once per stem that the folder holds:

    STEMS = ("acrnet", "acrnet_anet")

    def test_outputs(reference):
        reference.stem, reference.meta["seed"], reference.arrays["out_act_score"]

A stem that the folder does not hold is left out, not skipped; ``test_coverage.py`` fails on a missing or empty folder
and on a stem that no module covers.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(os.environ.get("WTALKIT_PARITY") or Path(__file__).parent.parent / "data" / "parity")


@dataclass(frozen=True)
class Reference:
    """One fixture: ``meta`` is its JSON (empty if it has none), ``arrays`` its npz."""

    stem: str
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]


def stems_in(folder: Path) -> list[str]:
    """Names of the fixtures in ``folder``; none if it does not exist."""
    return sorted(path.stem for path in folder.glob("*.npz"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "reference" in metafunc.fixturenames:
        present = set(stems_in(FOLDER))
        stems = [stem for stem in metafunc.module.STEMS if stem in present]
        metafunc.parametrize("reference", stems or [None], ids=str, indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    absent = [item for item in items if _stem_is_absent(item)]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


def _stem_is_absent(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "reference" in callspec.params and callspec.params["reference"] is None


@pytest.fixture(scope="module")
def reference(request: pytest.FixtureRequest) -> Reference:
    """The fixture a test is run for."""
    stem: str = request.param
    described = FOLDER / f"{stem}.json"
    meta = json.loads(described.read_text(encoding="utf-8")) if described.exists() else {}
    with np.load(FOLDER / f"{stem}.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return Reference(stem, meta, arrays)


@pytest.fixture(scope="session")
def parity_folder() -> Path:
    """The folder of fixtures, which may be missing."""
    return FOLDER
