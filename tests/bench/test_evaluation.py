"""Scoring and its form of data frames give the same."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from wtalkit.bench import evaluation
from wtalkit.bench.evaluation import LABELS, THRESHOLDS, apart, measure, simulated
from wtalkit.bench.stages import Case

CPU = Case(torch.device("cpu"), 1, {}, 1)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "VIDEOS", 40)
    monkeypatch.setattr(evaluation, "INSTANCES", 150)
    monkeypatch.setattr(evaluation, "DETECTIONS", 1200)


@pytest.mark.usefixtures("few")
def test_both_give_the_same() -> None:
    pytest.importorskip("pandas")
    predictions, ground_truth = simulated(np.random.default_rng(1))
    assert sum(map(len, predictions["results"].values())) == 1200
    assert apart(predictions, ground_truth) <= 1e-9


@pytest.mark.usefixtures("few")
def test_rows() -> None:
    pytest.importorskip("pandas")
    (row,) = measure(CPU)
    assert row.stage == "evaluation" and row.unit == "detections"
    assert row.ratio is not None and row.ratio > 1
    assert f"1,200 detections of {len(LABELS)} classes in 40 videos, {len(THRESHOLDS)} thresholds" == row.case
    assert list(measure(Case(torch.device("cuda"), 1, {}, 1))) == []


def test_without_pandas(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(evaluation, "find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING, "wtalkit"):
        assert list(measure(CPU)) == []
    assert "pandas is not installed" in caplog.text
