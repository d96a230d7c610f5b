"""Thresholds as people write them."""

from __future__ import annotations

import numpy as np
import pytest

from wtalkit.errors import ConfigError
from wtalkit.evaluation import parse_tiou, tiou_key


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("0.1:0.7:0.1", ["0.10", "0.20", "0.30", "0.40", "0.50", "0.60", "0.70"]),
        ("0.5", ["0.50"]),
        ("0.5,0.75", ["0.50", "0.75"]),
        ("0.3:0.3:0.1", ["0.30"]),
    ],
)
def test_forms(text: str, keys: list[str]) -> None:
    assert [tiou_key(value) for value in parse_tiou(text)] == keys


def test_a_range_is_numpys_linspace() -> None:
    assert parse_tiou("0.5:0.95:0.05") == tuple(np.linspace(0.5, 0.95, 10))
    assert parse_tiou("0.1:0.7:0.1") == tuple(np.linspace(0.1, 0.7, 7))


@pytest.mark.parametrize(
    "text", ["", "x", "0.7:0.1:0.1", "0.1:0.7:0", "0.1:0.7", "0:1:0.1", "0.5,", "1.5", "nan", "0.1:nan:0.1", "0:1:1e-9"]
)
def test_refusals(text: str) -> None:
    with pytest.raises(ConfigError, match=r"0\.1:0\.7:0\.1, 0\.5 or 0\.5,0\.75"):
        parse_tiou(text)
