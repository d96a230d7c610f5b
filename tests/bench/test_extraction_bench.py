from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from time import perf_counter

import pytest
import torch

from wtalkit.backbones import BACKBONES
from wtalkit.backbones.preprocess import to_gray
from wtalkit.bench.extraction import Setting, detect_row, measure_setting
from wtalkit.bench.stages import Case
from wtalkit.flow.opencv import dual_tvl1_pair
from wtalkit.flow.parameters import TvL1Parameters
from wtalkit.video import FrameStream
from wtalkit.zoo import demo_video

CASE = Case(torch.device("cpu"), repeats=1, limits={}, threads=2)


def test_both_ways_give_the_same_rows(tmp_path: Path) -> None:
    setting = Setting("i3d-mini", 64, 48, frames=60, videos=3, repeats=1, their_videos=2)
    whole, *alone = measure_setting(setting, tmp_path, CASE)
    assert whole.unit == "frames"
    assert whole.ratio is not None and whole.ratio > 0
    assert whole.share is not None and whole.share > 0
    assert float(whole.agreement.split()[3]) < 1e-4
    assert [row.ours for row in alone] == ["decoding", "flow", "network"]
    # Each stage alone is faster than all of them together; measured once, so only roughly.
    assert all(row.ours_per_s > 0.1 * whole.ours_per_s for row in alone)


@pytest.mark.slow
def test_detect_takes_less_time_than_opencv_takes_for_the_flow_alone() -> None:
    # Two ways on the same machine in the same minutes: seconds alone would measure who else works on it.
    row = detect_row(CASE)
    assert row.ours_per_s > _seconds_of_video_per_second_of_opencv()


def _seconds_of_video_per_second_of_opencv(pairs: int = 60) -> float:
    spec = BACKBONES["i3d-mini"]
    frames = FrameStream(demo_video(), spec.fps, short_side=spec.resize)
    grays = [to_gray(image) for image in islice(frames, pairs + 1)]
    began = perf_counter()
    for one, two in pairwise(grays):
        dual_tvl1_pair(one, two, TvL1Parameters())
    return pairs / float(spec.fps) / (perf_counter() - began)
