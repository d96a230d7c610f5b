"""The fixtures' rules: weights and inputs are not stored but drawn, each from a generator seeded by its name."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import torch


def generator(*key: object) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32("/".join(map(str, key)).encode())))


def official_weights(meta: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A state dict under the authors' names."""
    state = {}
    for entry in meta["parameters"]:
        drawn = generator(meta["seed"], meta["fixture"], entry["name"]).standard_normal(entry["shape"])
        state[entry["name"]] = torch.from_numpy((drawn * entry["gain"] / math.sqrt(entry["fan"])).astype(np.float32))
    return state


def features(meta: dict[str, Any], video: int) -> torch.Tensor:
    """Features (T, 2048) of one element of the batch."""
    draw, t = generator(meta["seed"], meta["fixture"], "input", video), meta["config"]["T"]
    slow, fast = draw.standard_normal((math.ceil(t / 5), 2048)), draw.standard_normal((t, 2048))
    x = 0.5 * np.maximum(0, slow[np.arange(t) // 5] + 0.4 * fast)
    return torch.from_numpy(x.astype(np.float32))


def check_inputs(meta: dict[str, Any], rgb: torch.Tensor, flow: torch.Tensor) -> None:
    """Compare a batch's streams (B, T, 1024) with the stored probes."""
    probes = meta["input_probe"]
    assert probes
    for name, expected in probes.items():
        row = int(name.removeprefix("input_"))
        x = torch.cat([rgb[row], flow[row]], dim=-1).numpy()
        np.testing.assert_allclose([*x.ravel()[:4], x.sum(dtype=np.float64)], expected, rtol=1e-6)


def check_gradients(arrays: dict[str, np.ndarray], found: dict[str, torch.nn.Parameter]) -> None:
    """Compare the norm and the sum of every parameter's gradient with the stored ones; NaN stands for none."""
    names = [str(name) for name in arrays["grad_names"]]
    assert names
    for name, norm, total in zip(names, arrays["grad_l2"], arrays["grad_sum"], strict=True):
        gradient = found[name].grad if name in found else None
        if math.isnan(norm):
            assert gradient is None, name
            continue
        assert gradient is not None, name
        # A sum of thousands of values of both signs is exact only to a share of their norm; and a difference that is
        # nearly 0 may change its sign under an absolute value with the order in which threads add. In float64 both
        # agree to 2e-6.
        np.testing.assert_allclose(gradient.double().norm().item(), norm, rtol=1e-3, err_msg=name)
        np.testing.assert_allclose(gradient.double().sum().item(), total, rtol=1e-3, atol=3e-2 * norm, err_msg=name)
