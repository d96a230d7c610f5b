"""The data files behind ``wtalkit methods`` agree with the code and with each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wtalkit.catalogue import catalogue
from wtalkit.errors import ConfigError
from wtalkit.methods import METHODS, create
from wtalkit.methods.description import describe_all
from wtalkit.zoo import bundled_dir

CARDS = catalogue()
READY = [name for name, card in CARDS.items() if card.entry.available and card.entry.role != "proposals"]


def test_the_descriptions_are_the_codes() -> None:
    kept = json.loads((bundled_dir() / "methods.json").read_text())
    assert json.loads(json.dumps(describe_all())) == kept, "run python models/describe.py"


def test_parameters_are_the_dossiers() -> None:
    known = {"acrnet": 22_331_434, "co2net": 34_133_015, "delu": 34_133_015}
    for name, expected in known.items():
        description = CARDS[name].description
        assert description is not None
        assert description.parameters == expected


@pytest.mark.parametrize("name", READY)
def test_every_part_named_in_an_ablation_exists(name: str) -> None:
    card = CARDS[name]
    for row in card.ablations:
        model = create(name, num_classes=2, feature_dim=32, without=row.without, base=row.base)
        assert model.parts[name].removed == set(row.without)


def test_every_method_has_a_paper_and_figures_or_says_why_not() -> None:
    for name in METHODS:
        card = CARDS[name]
        assert card.paper is not None
        assert card.headline("THUMOS14") is not None or card.silent, name
        assert all(row.source in card.sources for row in (*card.published, *card.ablations, *card.gains))


def test_averages_are_means_of_their_columns() -> None:
    for card in CARDS.values():
        for row in (*card.published, *card.ablations):
            if row.map.keys() >= {f"0.{tenth}0" for tenth in range(1, 8)} and "0.1:0.7" in row.averages:
                mean = sum(row.map[f"0.{tenth}0"] for tenth in range(1, 8)) / 7
                assert row.averages["0.1:0.7"] == pytest.approx(mean, abs=0.11), row


def test_measured_rows_name_methods() -> None:
    rows = json.loads((bundled_dir() / "measured.json").read_text())["rows"]
    listed = [row for card in CARDS.values() for row in card.measured if row.method == card.name]
    assert len(listed) == len(rows)


def test_a_method_of_ones_own_is_described_by_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTALKIT_MODELS", str(tmp_path))
    card = catalogue()["acrnet"]
    assert card.described is None
    assert card.description == CARDS["acrnet"].description
    assert card.published == card.measured == card.recipes == ()


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTALKIT_MODELS", str(tmp_path))
    (tmp_path / "measured.json").write_text('{"format": 1, "rows": [{"dataset": "samples"}]}')
    with pytest.raises(ConfigError, match=r"measured\.json: is not usable \(rows\.0\.method: Field required\)"):
        catalogue()
