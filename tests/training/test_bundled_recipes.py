"""The recipes that come along: every base has all of them, and every plug-in fits over every one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from wtalkit.localization import DecoderSettings
from wtalkit.methods import METHODS, create
from wtalkit.training.recipes import load_recipe, read_toml
from wtalkit.zoo import bundled_dir

NAMES = ("activitynet1.2", "activitynet1.3", "samples", "thumos14")
FOLDER = Path(bundled_dir()) / "recipes"
BASES = [name for name, entry in METHODS.items() if entry.role == "base" and entry.available]
PLUGINS = [name for name, entry in METHODS.items() if entry.role == "plugin" and entry.available]
CHAINS = [(), *((plugin,) for plugin in PLUGINS), ("fenet", "clasnet")]


def plain(table: dict[str, Any]) -> dict[str, Any]:
    """The top-level settings of a recipe file, without tables."""
    return {key: value for key, value in table.items() if not isinstance(value, dict)}


def test_nothing_else_lies_there() -> None:
    for folder in FOLDER.iterdir():
        assert METHODS[folder.name].available
        assert {path.name for path in folder.iterdir()} <= {f"{name}.toml" for name in NAMES}


@pytest.mark.parametrize("method", [*BASES, *PLUGINS])
@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_every_recipe(method: str, name: str) -> None:
    assert (FOLDER / method / f"{name}.toml").is_file()


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("chain", CHAINS, ids="+".join)
@pytest.mark.parametrize("name", NAMES)
def test_every_combination_builds_from_its_recipe(base: str, chain: tuple[str, ...], name: str) -> None:
    recipe = load_recipe(name, base, chain)
    with torch.device("meta"):
        model = create(base, num_classes=20, feature_dim=64, plugins=chain, **recipe.options)
    DecoderSettings.from_dict({**model.decoder_settings(), **recipe.settings.decoder})
    layers = [read_toml(FOLDER / part / f"{name}.toml") for part in (base, *chain)]
    wanted = {key: value for layer in layers for key, value in plain(layer).items()}
    assert wanted.items() <= recipe.settings.model_dump().items()


def test_the_numbers_of_the_papers() -> None:
    acrnet = load_recipe("activitynet1.2", "acrnet", ["clasnet"])
    assert (acrnet.settings.length, acrnet.settings.batch_size) == (80, 128)
    assert acrnet.options == {"acrnet": {"pool_kernel": 13}, "clasnet": {"n_dilated": 3}}
    assert acrnet.settings.decoder == {"sigma": 0.8}
    thumos = load_recipe("thumos14", "co2net", ["clasnet"])
    assert (thumos.settings.length, thumos.settings.batch_size, thumos.settings.similar_pairs) == (800, 32, 3)
    assert thumos.settings.lr == load_recipe("thumos14", "co2net").settings.lr == 5e-5
