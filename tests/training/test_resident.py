"""Features on the device: the same batches, the same training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import Project
from tests.training.test_batches import batches, data, pointed  # noqa: F401
from wtalkit.errors import ConfigError, MachineError
from wtalkit.training import resident
from wtalkit.training.batches import Batches
from wtalkit.training.data import TrainingSet
from wtalkit.training.resident import Resident, hold, room

CPU = torch.device("cpu")


def both(videos: TrainingSet, **changes: Any) -> tuple[Batches, Batches]:
    plain, held = batches(videos, **changes), batches(videos, **changes)
    held._resident = Resident.of(videos.arrays, CPU)
    return plain, held


@pytest.mark.parametrize("changes", [{}, {"compile": True, "length": 60}, {"sampling": "random", "similar_pairs": 1}])
def test_batches_are_the_same(data: TrainingSet, changes: dict[str, Any]) -> None:  # noqa: F811
    plain, held = both(data, **changes)
    for _ in range(5):
        mine, other = plain.draw(), held.draw()
        assert mine.meta == other.meta and mine.pairs == other.pairs
        for name in ("rgb", "flow", "mask", "labels"):
            one, two = getattr(mine, name), getattr(other, name)
            assert torch.equal(one, two) and one.stride() == two.stride(), name


def test_points_go_with_them(pointed: TrainingSet) -> None:  # noqa: F811
    plain, held = both(pointed)
    mine, other = plain.draw(), held.draw()
    assert mine.points is not None and other.points is not None and torch.equal(mine.points, other.points)


@pytest.mark.parametrize("method", ["acrnet", "pmil"])
def test_a_training_is_the_same(project: Project, method: str) -> None:
    said: list[str] = []
    weights = []
    for place in (False, True):
        run = project.train(method, overrides={"resident": place}, out=project.runs / str(place), announce=said.append)
        weights.append(load_file(run.model))
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert any("batches are cut in memory" in line for line in said)
    assert any("held on cpu, batches are cut there" in line for line in said)


def test_what_does_not_fit(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    said: list[str] = []
    assert hold(data.arrays, CPU, "auto", said.append) is None, "on a CPU they lie in memory anyway"
    assert room(CPU) > 2**20
    monkeypatch.setattr(resident, "room", lambda device: 10)
    assert hold(data.arrays, CPU, False, said.append) is None
    with pytest.raises(MachineError, match="do not fit on cpu"):
        hold(data.arrays, CPU, True, said.append)
    gpu = torch.device("cuda")
    assert hold(data.arrays, gpu, "auto", said.append) is None
    assert "has room for" in said[-1]


def test_the_setting_is_checked(project: Project) -> None:
    with pytest.raises(ConfigError, match="resident"):
        project.train(overrides={"resident": "always"})
