"""Half precision and compiled networks: as good, the same files, the same resume."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters

from tests.methods.tiny import differences, labels, small, videos
from tests.training.conftest import Project
from tests.training.test_loop import assert_same, interrupt_at
from wtalkit.errors import ConfigError, MachineError
from wtalkit.methods.composition import total_loss
from wtalkit.methods.interface import Batch
from wtalkit.modelfile import load_model
from wtalkit.scoring import evaluate
from wtalkit.training.forward import find_compiler, require_compiler, training_forward

BASES = ("acrnet", "co2net", "delu", "tssam")


def average(project: Project, **changes: Any) -> float:
    """mAP on the test videos after a short training."""
    quick = {"steps": 60, "batch_size": 12, "lr": 2e-3, "log_every": 50, "checkpoint_every": 1000, **changes}
    run = project.train("acrnet", overrides=quick)
    arguments = {"model": str(run.model), "features": project.features, "ground_truth": project.annotations}
    result: float = evaluate(**arguments, tiou=[0.3, 0.5])["average_map"]
    return result


def test_bf16_learns_as_float32_does(make_project: Callable[..., Project]) -> None:
    project = make_project("larger", train=24, test=12)
    full, half = average(project), average(project, precision="bf16")
    assert full > 0.5
    assert half == pytest.approx(full, abs=0.1)


def test_bf16_keeps_everything_saved_in_float32_and_resumes(project: Project) -> None:
    changes = {"precision": "bf16", "ema": 0.9}
    whole = project.train("clasnet", out=project.folder / "whole", overrides=changes)
    with pytest.raises(KeyboardInterrupt):
        project.train("clasnet", overrides=changes, progress=interrupt_at(6))
    assert_same(project.train("clasnet", overrides=changes, resume=True), whole)
    full = project.train("clasnet", out=project.folder / "full")
    saved = {file: {key: x.dtype for key, x in load_file(file).items()} for file in (whole.model, full.model)}
    assert saved[whole.model] == saved[full.model]
    optimizer = [x for key, x in load_file(whole.checkpoint).items() if key.startswith(("optimizer", "average"))]
    assert {x.dtype for x in optimizer} == {torch.float32}


@pytest.mark.parametrize("name", BASES)
def test_the_losses_of_every_base_are_float32(name: str) -> None:
    model = small(name)
    batch = Batch.from_features(videos(), labels(), pairs=((0, 1),))
    model.eval()
    out, auxes = training_forward(model, precision="bf16")(batch)
    exact = model(batch)[0]
    apart = differences(exact, out)
    assert max(apart["attn"], apart["act_scores"]) < 0.05
    assert apart["act_scores"] > 0
    terms = model.losses(out, auxes, batch)
    assert {term.value.dtype for term in terms.values()} == {torch.float32}
    total_loss(terms).backward()
    gradients = [x.grad for x in model.parameters() if x.grad is not None]
    assert gradients and all(x.dtype == torch.float32 and x.isfinite().all() for x in gradients)


def test_an_unknown_precision_is_refused(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"precision = 'fp16'.*'float32' or 'bf16'"):
        project.train(overrides={"precision": "fp16"})


def test_compiling_without_a_compiler_is_one_sentence(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(MachineError, match=r"needs a C\+\+ compiler.*\$CXX.*apt install g\+\+"):
        project.train(overrides={"compile": True})


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' compilers have other names")
@pytest.mark.parametrize(
    ("installed", "variables", "found"),
    [
        ("gcc", {}, {"cuda": "gcc", "cpu": None}),
        ("g++", {}, {"cuda": None, "cpu": "g++"}),
        ("clang", {}, {"cuda": "clang", "cpu": None}),
        ("clang++", {}, {"cuda": None, "cpu": None}),  # Inductor does not look for it
        ("clang++", {"CXX": "clang++"}, {"cuda": None, "cpu": "clang++"}),
        ("g++ ccache", {"CXX": "ccache g++"}, {"cuda": None, "cpu": "ccache"}),
        ("gcc g++", {"CC": "icc", "CXX": "icpc"}, {"cuda": None, "cpu": None}),
    ],
)
def test_each_device_has_its_compiler(
    installed: str,
    variables: dict[str, str],
    found: dict[str, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in installed.split():
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for device, expected in found.items():
        assert find_compiler(device) == (None if expected is None else str(tmp_path / expected))


@pytest.mark.skipif(find_spec("triton") is None, reason="without triton that is what is missing")
def test_cuda_needs_a_c_compiler_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(MachineError, match=r"a C compiler.*\$CC, gcc, clang\. Install one \(Debian: apt install gcc\)"):
        require_compiler("cuda")
    (tmp_path / "gcc").touch(mode=0o755)
    require_compiler("cuda")


@pytest.mark.skipif(find_compiler("cpu") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_training_leaves_the_same_files(project: Project) -> None:
    """A network of a few layers, for compiling takes its time on a CPU; no dropout, whose masks would differ."""
    quick = {"steps": 4, "log_every": 1, "acrnet.hidden": 4, "acrnet.head_dropout": 0.0}
    arguments: dict[str, Any] = {"without": ["mca", "bwa", "refining"]}
    plain = project.train(out=project.folder / "plain", overrides=quick, **arguments)
    quick["compile"], graphs = True, counters["stats"]["unique_graphs"]
    with pytest.raises(KeyboardInterrupt):
        project.train(overrides=quick, progress=interrupt_at(2), **arguments)
    compiled = project.train(overrides=quick, resume=True, **arguments)
    mine, theirs = ({key: (x.shape, x.dtype) for key, x in load_file(run.model).items()} for run in (compiled, plain))
    assert mine == theirs
    assert load_model(compiled.model).header.method == "acrnet"
    totals = [[json.loads(line)["total"] for line in run.metrics.read_text().splitlines()] for run in (compiled, plain)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-3)
    assert counters["stats"]["unique_graphs"] > graphs
