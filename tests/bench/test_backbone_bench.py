"""The backbone's rows: what is counted, and that a small one comes out."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from wtalkit.backbones import BACKBONES
from wtalkit.backbones.i3d_inference import Form
from wtalkit.bench import backbone
from wtalkit.bench.roofline import MATRIX_FP32
from wtalkit.bench.stages import Case

SMALL = dataclasses.replace(BACKBONES["i3d-mini"], resize=32, width=0.0625, stream_dim=64)
CPU = torch.device("cpu")


def test_operations_are_those_of_the_convolutions() -> None:
    # The first alone: 64 channels of 8x112x112 places, each 3x7x7x7 multiply-adds.
    first = 2 * 64 * 8 * 112 * 112 * 3 * 343
    rgb, flow = (backbone.flops(channels, 1.0, (16, 224, 224)) for channels in (3, 2))
    assert rgb - flow == pytest.approx(first / 3)
    assert rgb == pytest.approx(55.8e9, rel=0.02)  # the authors': 108e9 multiply-adds for 64 frames
    assert backbone.flops(3, 1.0, (32, 224, 224)) == pytest.approx(2 * rgb)
    wide, narrow = (backbone.flops(3, width, (16, 64, 64)) for width in (1.0, 0.5))
    assert 2 < wide / narrow < 4  # the first convolution's input does not widen


@pytest.mark.parametrize("form", [None, Form(packed_stem=True, merged=True, graphs=False)])
def test_a_row(form: Form | None) -> None:
    case = Case(CPU, 1, {MATRIX_FP32: 1e11}, 1)
    setting = backbone.Setting("i3d-mini", "float32", 3, 2, form)
    row = backbone.measure_setting(setting, SMALL, case)
    assert (row.stage, row.unit, row.device) == ("backbone", "clips", "cpu")
    assert row.case == "i3d-mini 43x32, 16 frames, RGB and flow"
    assert (row.ours, row.limit) == ("float32, 3 at once", MATRIX_FP32)
    operations = sum(backbone.flops(channels, SMALL.width, (16, 32, 43)) for channels in (3, 2))
    assert row.share == pytest.approx(row.ours_per_s * operations / 1e11)
    assert float(row.agreement.split()[3]) < 1e-5
    assert backbone.measure_setting(setting, SMALL, Case(CPU, 1, {}, 1)).share is None


def test_every_setting_names_a_backbone() -> None:
    assert {setting.backbone for setting in (*backbone.CPU, *backbone.GPU)} == {
        name for name, spec in BACKBONES.items() if spec.library == "wtalkit"
    }
