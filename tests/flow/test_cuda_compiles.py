"""TV-L1's GPU kernels compile, without a GPU, for those that are common, and take no more of them than they may."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("triton", reason="the GPU kernels need Triton")

from tests.flow.compiled import KERNELS, compile_kernel
from wtalkit.flow.cuda.iteration import REGISTERS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", KERNELS)
def test_compiles(name: str, capability: int) -> None:
    need = compile_kernel(name, capability)
    assert need.shared_bytes <= 48 * 1024
    if name != "advance":
        assert need.spill_bytes == 0
        return
    # a few pointers are spilled on purpose, see REGISTERS; nothing goes through shared memory, rows come in pairs
    assert need.registers <= REGISTERS
    assert need.spill_bytes <= 128
    assert need.shared_bytes == 0
    assert len(re.findall(r"\bLDG\.E\.64\b", need.code)) >= 40
    # four for an iteration of a row (1 + 2 + 3 of them, 4 of each of two rows), five for each of ten sums
    assert len(re.findall(r"\bSHFL\b", need.code)) <= 4 * (1 + 2 + 3 + 2 * 4) + 5 * 10
