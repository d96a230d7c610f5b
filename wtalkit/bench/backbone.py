"""Windows through the backbone, both streams: as wtalkit runs it, against the plain network one clip at a time.

Weights are random (times do not depend on what they are) and clips are noise, already on the device.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from wtalkit.backbones import BACKBONES, Backbone, BackboneSpec, InceptionI3D, preprocess_flow, preprocess_rgb
from wtalkit.backbones.i3d import Unit3D
from wtalkit.backbones.i3d_inference import Form
from wtalkit.backbones.precision import settings_of
from wtalkit.backbones.specs import Stream
from wtalkit.bench.roofline import MATRIX_BF16, MATRIX_FP32
from wtalkit.bench.stages import Case, Row, paired

SEED = 0
CHANNELS: Mapping[Stream, int] = {"rgb": 3, "flow": 2}
_WIDTH_OVER_HEIGHT = 4 / 3


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        backbone: key of ``BACKBONES``.
        precision: as of ``load_backbone``.
        windows: of one run of ours; a run of theirs takes the first ``their_windows`` of them.
        their_windows: of one run of theirs.
        form: of the network; the one for the device by default.
    """

    backbone: str
    precision: str
    windows: int | None
    their_windows: int
    form: Form | None = None


CPU = (Setting("i3d-mini", "float32", 8, 8), Setting("i3d", "float32", 2, 1))
_GPU_FORMS = (
    None,
    Form(packed_stem=False, merged=True, graphs=True),
    Form(packed_stem=True, merged=False, graphs=True),
    Form(packed_stem=True, merged=True, graphs=False),
)
GPU = (
    *(Setting("i3d", "float16", None, 8, form) for form in _GPU_FORMS),
    *(Setting("i3d", precision, None, 8) for precision in ("bfloat16", "tf32", "float32")),
    Setting("i3d-mini", "float16", None, 8),
)


def measure(case: Case) -> Iterator[Row]:
    """Rows of the backbones; on a GPU also those of each form that was decided against."""
    for setting in GPU if case.device.type == "cuda" else CPU:
        # The forms that were decided against need no more than one pair.
        rare = case if setting.form is None else replace(case, repeats=1)
        yield measure_setting(setting, BACKBONES[setting.backbone], rare)
        gc.collect()
        if case.device.type == "cuda":
            torch.cuda.empty_cache()


def measure_setting(setting: Setting, spec: BackboneSpec, case: Case) -> Row:
    """One row: ``setting`` against the plain network in float32, one clip at a time."""
    torch.manual_seed(SEED)
    models = {name: random_network(channels, spec.width) for name, channels in CHANNELS.items()}
    ours = Backbone(
        spec, models, weights_hash="random", device=case.device, precision=setting.precision, form=setting.form
    )
    count = ours.batch_windows if setting.windows is None else setting.windows
    rgb, flow = random_windows(spec, count, case.device)
    plain = {name: model.to(case.device) for name, model in models.items()}

    def theirs() -> Tensor:
        with torch.inference_mode(), settings_of("float32", case.device):
            rows = [
                torch.cat(
                    [
                        plain["rgb"].extract_features(preprocess_rgb(rgb[at : at + 1], spec)).flatten(1),
                        plain["flow"].extract_features(preprocess_flow(flow[at : at + 1], spec)).flatten(1),
                    ],
                    dim=1,
                )
                for at in range(setting.their_windows)
            ]
        return torch.cat(rows)

    def mine() -> Tensor:
        return ours.features(rgb, flow)

    difference = largest_difference(mine()[: setting.their_windows], theirs())
    found = paired(mine, theirs, case, ours_count=count, theirs_count=setting.their_windows)
    # Both halves are as fast; TF32 has a rate of its own, which is not measured.
    limit = {"float32": MATRIX_FP32, "tf32": ""}.get(ours.precision, MATRIX_BF16)
    operations = found.ours_per_s * sum(flops(channels, spec.width, clip_size(spec)) for channels in CHANNELS.values())
    _, height, width = clip_size(spec)
    return Row(
        stage="backbone",
        case=f"{spec.name} {width}x{height}, {spec.window} frames, RGB and flow",
        unit="clips",
        ours=describe(ours, setting.form or Form.best(case.device), count),
        theirs="the plain network, float32, clip by clip",
        ours_per_s=found.ours_per_s,
        theirs_per_s=found.theirs_per_s,
        ratio=found.ratio,
        limit=limit if limit in case.limits else "",
        share=operations / case.limits[limit] if limit in case.limits else None,
        agreement=f"features differ by {difference:.1e} at most",
        device=torch.cuda.get_device_name(case.device) if case.device.type == "cuda" else "cpu",
    )


def flops(channels: int, width: float, clip: tuple[int, int, int]) -> float:
    """Operations of the plain network's convolutions for one clip of frames, height and width; 2 a multiply-add."""
    total = 0.0

    def count(module: nn.Module, _args: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, Unit3D)
        total += 2.0 * output.numel() * math.prod(module.conv3d.weight.shape[1:])

    with torch.device("meta"):
        model = InceptionI3D(channels, 1, width=width).eval()
        for module in model.modules():
            if isinstance(module, Unit3D):
                module.register_forward_hook(count)
        with torch.inference_mode():
            model.extract_features(torch.empty(1, channels, *clip))
    return total


def picture(spec: BackboneSpec) -> tuple[int, int]:
    """Height and width of the frames that go in, before the crop."""
    return spec.resize, round(spec.resize * _WIDTH_OVER_HEIGHT)


def clip_size(spec: BackboneSpec) -> tuple[int, int, int]:
    """Frames, height and width that the network sees."""
    height, width = picture(spec) if spec.crop is None else (spec.crop, spec.crop)
    return spec.window, height, width


def random_network(channels: int, width: float) -> InceptionI3D:
    """Weights under which activations keep their size from layer to layer, as in a trained network."""
    model = InceptionI3D(channels, 1, width=width).eval()
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.normal_(module.weight, std=math.sqrt(2 / module.weight[0].numel()))
    return model


def random_windows(spec: BackboneSpec, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Frames and flow of noise."""
    height, width = picture(spec)
    rgb = torch.randint(0, 256, (count, spec.window, height, width, 3), dtype=torch.uint8, device=device)
    return rgb, 3 * torch.randn(count, spec.window, 2, height, width, device=device)


def largest_difference(found: Tensor, expected: Tensor) -> float:
    """Of a row, relative to its length."""
    return float(((found - expected).norm(dim=1) / expected.norm(dim=1)).max())


def describe(ours: Backbone, form: Form, count: int) -> str:
    """Our way in a few words."""
    words = [ours.precision, f"{count} at once"]
    if ours.device.type == "cuda":
        words += ["graphs" if form.graphs else "no graphs"]
        words += [] if form.packed_stem else ["plain first convolution"]
        words += [] if form.merged else ["branches apart"]
    return ", ".join(words)
