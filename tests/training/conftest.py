"""A project of synthetic features: every class adds its own direction to the snippets it happens in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtalkit.features import FeatureRecord, FeatureSpec, write_features

SPEC = FeatureSpec(
    fps=12.5,
    window=16,
    stride=4,
    streams=("rgb", "flow"),
    dim=32,
    backbone="i3d-mini",
    weights_hash="0" * 16,
    flow="dis",
)
CLASSES = ("jump", "sit", "wave")
QUICK = {
    "steps": 12,
    "batch_size": 4,
    "length": 30,
    "log_every": 3,
    "checkpoint_every": 5,
    "acrnet.heads": 2,
    "clasnet.heads": 2,
}


@dataclass(frozen=True)
class Project:
    """A folder with ``feats/`` and ``annotations.json``."""

    folder: Path

    @property
    def features(self) -> Path:
        return self.folder / "feats"

    @property
    def annotations(self) -> Path:
        return self.folder / "annotations.json"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def train(self, method: str = "acrnet", **arguments: Any) -> Any:
        """``wtalkit.train`` on this project, a dozen steps unless told otherwise."""
        from wtalkit.methods import METHODS
        from wtalkit.training import train
        from wtalkit.training.plan import resolve_parts

        entry = METHODS.get(method)
        on_proposals = entry is not None and entry.role == "proposals"
        parts = (
            (method,) if on_proposals else resolve_parts(method, arguments.get("base"), arguments.get("plugins", ()))
        )
        quick = {key: value for key, value in QUICK.items() if "." not in key or key.split(".")[0] in parts}
        overrides = {**quick, **arguments.pop("overrides", {})}
        return train(
            method,
            **{
                "features": self.features,
                "annotations": self.annotations,
                "out": self.runs,
                "device": "cpu",
                "overrides": overrides,
                **arguments,
            },
        )


def write_project(folder: Path, *, train: int = 9, test: int = 6, seed: int = 0) -> Project:
    """Videos of about 30 snippets, each with one or two classes that happen for a few snippets."""
    generator = np.random.default_rng(seed)
    directions = generator.normal(size=(len(CLASSES), SPEC.dim)).astype(np.float32)
    database: dict[str, Any] = {}
    project = Project(folder)
    for index in range(train + test):
        key, subset = f"video {index:02}", "training" if index < train else "testing"
        snippets = int(generator.integers(24, 34))
        array = np.abs(generator.normal(scale=0.3, size=(snippets, SPEC.dim))).astype(np.float32)
        segments = []
        for place, label in enumerate({index % 3, int(generator.integers(3))}):
            first = 2 + place * snippets // 2
            length = int(generator.integers(5, 9))
            array[first : first + length] += directions[label]
            times = (SPEC.timeline.to_seconds(first), SPEC.timeline.to_seconds(first + length))
            segments.append({"label": CLASSES[label], "segment": times})
        frames = (snippets - 1) * SPEC.stride + SPEC.window
        record = FeatureRecord(spec=SPEC, video=f"{key}.mp4", duration_s=frames / SPEC.fps, frames=frames)
        write_features(project.features, key, array, record)
        database[key] = {"subset": subset, "duration": frames / SPEC.fps, "annotations": segments}
    project.annotations.write_text(json.dumps({"version": "test", "database": database}))
    return project


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Write a project into a folder of its own."""

    def make(name: str = "project", **arguments: Any) -> Project:
        return write_project(tmp_path / name, **arguments)

    return make


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors are slower on several threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
