"""Whatever stands in a file, only errors of wtalkit come out of its reader.

Here in a few seconds per reader; ``python -m tests.security.fuzz TARGET --seconds N`` goes on for longer.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tests.security import targets
from tests.security.mutations import near_bytes, near_json
from tests.security.targets import TARGETS

EXAMPLES = int(os.environ.get("WTALKIT_FUZZ_EXAMPLES", "60"))
SECONDS = 2
BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == 60,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
JSON_TARGETS = [name for name, target in TARGETS.items() if target.is_json]


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_valid(name: str, tmp_path: Path) -> None:
    sound = [targets.run(name, seed, tmp_path) is not None for seed in TARGETS[name].seeds]
    # A model and a resume state without tensors get past their headers, which is all that is fuzzed, and no further.
    assert all(sound) or name in ("model", "model-header", "resume")


@pytest.mark.parametrize("name", TARGETS)
@BOUNDED
@given(data=st.data())
def test_changed_bytes(name: str, tmp_path: Path, data: st.DataObject) -> None:
    targets.run(name, data.draw(near_bytes(TARGETS[name].seeds)), tmp_path)


@pytest.mark.parametrize("name", JSON_TARGETS)
@BOUNDED
@given(data=st.data())
def test_changed_values(name: str, tmp_path: Path, data: st.DataObject) -> None:
    targets.run(name, data.draw(near_json(TARGETS[name].seeds)), tmp_path)


@pytest.mark.parametrize("name", TARGETS)
@BOUNDED
@given(content=st.binary(max_size=64))
def test_any_bytes(name: str, tmp_path: Path, content: bytes) -> None:
    targets.run(name, content, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", TARGETS)
def test_guided_by_coverage(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed; it guides the fuzzing by coverage")
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.fuzz", name, "--seconds", str(SECONDS)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_a_finding_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: a reader with a defect is noticed."""

    def defective(content: bytes, folder: Path) -> object:
        return content[3]

    monkeypatch.setitem(TARGETS, "status", targets.Fuzzed(defective, (b"abcd",)))
    with pytest.raises(IndexError):
        targets.run("status", b"", tmp_path)
