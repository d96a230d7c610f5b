"""I3D against ``pytorch_i3d.py`` of piergiaj/pytorch-i3d, weights and inputs by the fixtures' rule."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from wtalkit.backbones import InceptionI3D

STEMS = ("i3d",)
pytestmark = pytest.mark.parity


def generator(key: str, seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()) + seed * 2**32))


def weight(stream: str, name: str, shape: list[int], seed: int) -> torch.Tensor:
    g = generator(f"{stream}/{name}", seed)
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith(("running_mean", ".bias")):
        value = 0.1 * g.standard_normal(shape)
    elif name.endswith("running_var"):
        value = 0.5 + g.random(shape)
    elif name.endswith("bn.weight"):
        value = 0.8 + 0.4 * g.random(shape)
    else:
        value = g.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
    return torch.from_numpy(value.astype(np.float32))


def case_input(stream: str, case: dict[str, Any], seed: int) -> np.ndarray:
    x = 2 * generator(f"input/{stream}/{case['T']}", seed).random(case["input_shape"]) - 1
    return x.astype(np.float32)


def first_difference(model: InceptionI3D, x: torch.Tensor, endpoints: dict[str, Any]) -> str:
    """Which end point is the first to differ, for the message of a failure."""
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _module, _args, output, name=name: seen.update({name: output.clone()}))
        for name, module in model.named_children()
    ]
    with torch.inference_mode():
        model.extract_features(x)
    for hook in hooks:
        hook.remove()
    for name, expected in endpoints.items():
        found = seen[name]
        if list(found.shape) != expected["shape"]:
            return f"{name} is the first to differ: shape {list(found.shape)}, reference {expected['shape']}"
        numbers = {"mean": found.double().mean(), "std": found.double().std(correction=0), "max": found.max()}
        for what, value in numbers.items():
            if not math.isclose(float(value), expected[what], rel_tol=1e-4, abs_tol=1e-4):
                return f"{name} is the first to differ: {what} {float(value):.6f}, reference {expected[what]:.6f}"
    return "every end point agrees"


@pytest.fixture(scope="module", params=["rgb", "flow"])
def stream(request: pytest.FixtureRequest, reference: Any) -> Iterator[tuple[str, dict[str, Any], InceptionI3D]]:
    name = request.param
    described = reference.meta["streams"][name]
    model = InceptionI3D(described["in_channels"], reference.meta["num_classes"]).eval()
    seed = reference.meta["seed"]
    model.load_state_dict({p["name"]: weight(name, p["name"], p["shape"], seed) for p in described["parameters"]})
    yield name, described, model.float()


def test_the_weights_follow_the_rule(reference: Any, stream: Any) -> None:
    _, described, model = stream
    state = model.state_dict()
    for parameter in described["parameters"]:
        found = state[parameter["name"]].double()
        assert float(found.abs().sum()) == pytest.approx(parameter["abs_sum"], rel=1e-6), parameter["name"]


def test_outputs(reference: Any, stream: Any) -> None:
    name, described, model = stream
    assert described["cases"], f"{name} has no case"
    for case_name, case in described["cases"].items():
        raw = case_input(name, case, reference.meta["seed"])
        assert raw.ravel()[: len(case["input_first"])] == pytest.approx(case["input_first"], abs=1e-6), case_name
        assert raw.sum(dtype=np.float64) == pytest.approx(case["input_sum"], rel=1e-6, abs=1e-3), case_name
        x = torch.from_numpy(raw)
        with torch.inference_mode():
            found = {"features": model.extract_features(x), "logits": model(x)}
        for what, value in found.items():
            expected = reference.arrays[f"{case_name}_{what}"]
            assert value.shape == expected.shape, f"{case_name}_{what}"
            close = np.allclose(value.numpy(), expected, atol=1e-3, rtol=1e-4)
            assert close, f"{case_name}_{what}: {first_difference(model, x, case['endpoints'])}"


def test_double_precision(reference: Any, stream: Any) -> None:
    name, described, model = stream
    doubled = model.double()
    try:
        for case_name, case in described["cases"].items():
            if f"{case_name}_features64" not in reference.arrays:
                continue
            x = torch.from_numpy(case_input(name, case, reference.meta["seed"])).double()
            with torch.inference_mode():
                found = {"features64": doubled.extract_features(x), "logits64": doubled(x)}
            for what, value in found.items():
                np.testing.assert_allclose(value.numpy(), reference.arrays[f"{case_name}_{what}"], rtol=0, atol=1e-9)
    finally:
        model.float()


def test_end_points(reference: Any, stream: Any) -> None:
    name, described, model = stream
    case_name, case = min(described["cases"].items(), key=lambda item: item[1]["T"])
    x = torch.from_numpy(case_input(name, case, reference.meta["seed"]))
    assert first_difference(model, x, case["endpoints"]) == "every end point agrees", case_name
