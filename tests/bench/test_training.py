"""What is measured, and how it is shown; times themselves are nobody's promise."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch

from wtalkit.bench import tables
from wtalkit.bench.losses import FORMS, targets
from wtalkit.bench.training import MIDDLE, Size, measure_training, random_batch, size_for
from wtalkit.cli import main
from wtalkit.methods import create

SMALL = ["--width", "16", "--length", "12", "--batch", "4", "--classes", "3", "--repeats", "1", "--threads", "1"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("method", FORMS)
def test_every_part_of_a_method_is_measured(method: str) -> None:
    rows = list(measure_training(method, Size(3, 16, 12, 4), device=torch.device("cpu"), repeats=2, variants=("bf16",)))
    assert [(row.part, row.fast, row.slow) for row in rows] == [
        ("losses", "vectorised", "loop"),
        ("iteration", "vectorised", "loop"),
        ("iteration", "bf16", "vectorised"),
    ]
    assert all(row.slow_s > 0 and row.fast_s > 0 and row.ratio > 0 and row.repeats == 2 for row in rows)
    assert [row.network_s is None for row in rows] == [True, False, True]


@pytest.mark.parametrize("method", FORMS)
def test_both_forms_of_an_iteration_see_the_same(method: str) -> None:
    """The loops behind the network give what the trainer's own path gives, on the batch that is measured."""
    size = Size(4, 16, 20, 6)
    model, batch, form = create(method, num_classes=4, feature_dim=16).eval(), random_batch(size), FORMS[method]
    out, auxes = model(batch)
    ours = {name.removeprefix("base."): x.value for name, x in model.losses(out, auxes, batch, MIDDLE).items()}
    loop = form.loop(form.network(model, batch), targets(batch, MIDDLE), model.base.options)
    assert ours.keys() == loop.keys()
    for name, value in loop.items():
        torch.testing.assert_close(
            ours[name], value, atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_pairs_share_a_class() -> None:
    batch = random_batch(Size(20, 8, 5, 10))
    assert len(batch.pairs) == 3
    assert all((batch.targets[one] * batch.targets[other]).any() for one, other in batch.pairs)
    assert batch.is_full


def test_the_authors_sizes() -> None:
    assert size_for("acrnet", 20, 2048) == Size(20, 2048, 750, 32)
    assert size_for("acrnet", 200, 2048) == Size(200, 2048, 80, 128)
    assert size_for("delu", 20, 64, length=100) == Size(20, 64, 100, 10)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "training", *SMALL, "--method", "co2net", "--device", "cpu", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"processor", "cores", "threads", "torch", "gpu"} <= document["machine"].keys()
    assert [row["part"] for row in document["rows"]] == ["losses", "iteration"]
    assert document["rows"][0]["method"] == "co2net"
    assert {key: document["rows"][0][key] for key in ("classes", "width", "length", "batch")} == {
        "classes": 3, "width": 16, "length": 12, "batch": 4,
    }  # fmt: skip


def test_markdown_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "training", *SMALL, "--method", "acrnet", "--device", "cpu", "--markdown"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(tables.TRAINING_HEADER) + 1}
    assert f"torch {torch.__version__}" in shown.err


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    for stray in (["--method", "acrnett"], ["--method", "acrnet", "--variant", "bf17"]):
        assert main(["bench", "training", *SMALL, "--device", "cpu", *stray]) == 2
    shown = capsys.readouterr().err
    assert "Did you mean acrnet?" in shown
    assert "Did you mean bf16?" in shown
