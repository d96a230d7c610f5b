from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wtalkit.bench.extraction import Setting, detect_row, measure_setting
from wtalkit.bench.stages import Case

CASE = Case(torch.device("cpu"), repeats=1, limits={}, threads=2)


def test_both_ways_give_the_same_rows(tmp_path: Path) -> None:
    setting = Setting("i3d-mini", 64, 48, frames=60, videos=3, repeats=1, their_videos=2)
    whole, *alone = measure_setting(setting, tmp_path, CASE)
    assert whole.unit == "frames"
    assert whole.ratio is not None and whole.ratio > 0
    assert whole.share is not None and whole.share > 0
    assert float(whole.agreement.split()[3]) < 1e-4
    assert [row.ours for row in alone] == ["decoding", "flow", "network"]
    # Each stage alone is faster than all of them together.
    assert all(row.ours_per_s > 0.5 * whole.ours_per_s for row in alone)


@pytest.mark.slow
def test_detect_keeps_up_with_the_video() -> None:
    assert detect_row(CASE).ours_per_s > 1
