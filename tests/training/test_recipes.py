"""Recipes: layers, changes, and complaints that name the nearest valid key."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wtalkit.errors import ConfigError
from wtalkit.localization import DecoderSettings
from wtalkit.methods import METHODS, create
from wtalkit.training.recipes import default_recipe, load_recipe, parse_assignment
from wtalkit.zoo import bundled_dir


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("steps=10", "steps", 10),
        ("lr = 1e-3", "lr", 0.001),
        ("lr=.5", "lr", 0.5),
        ("sampling=full", "sampling", "full"),
        ('sampling="full"', "sampling", "full"),
        ("clasnet.select=asl", "clasnet.select", "asl"),
        ("decoder.attn_thresholds=[0.1, 0.2]", "decoder.attn_thresholds", [0.1, 0.2]),
        ("acrnet.heads=true", "acrnet.heads", True),
        ("name=a=b", "name", "a=b"),
    ],
)
def test_assignments(text: str, key: str, value: object) -> None:
    found = parse_assignment(text)
    assert found == (key, value)
    assert type(found[1]) is type(value)


@pytest.mark.parametrize("text", ["steps", "=3", "clasnet.=3", ""])
def test_broken_assignments(text: str) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        parse_assignment(text)


def test_plugin_recipe_lies_over_its_base() -> None:
    base = load_recipe("thumos14", "acrnet")
    both = load_recipe("thumos14", "acrnet", ["clasnet"])
    assert (base.settings.length, both.settings.length) == (750, 800)
    assert both.settings.lr == base.settings.lr == 1e-4
    assert base.options == {"acrnet": {}}
    assert both.options["clasnet"]["n_dilated"] == 4


@pytest.mark.parametrize("base", [name for name, entry in METHODS.items() if entry.role == "base" and entry.available])
def test_every_bundled_recipe_of_a_base_builds_it(base: str) -> None:
    recipes = sorted(path.stem for path in (Path(bundled_dir()) / "recipes" / base).glob("*.toml"))
    assert {"samples", "thumos14"} <= set(recipes)
    for name in recipes:
        recipe = load_recipe(name, base)
        with torch.device("meta"):
            model = create(base, num_classes=2, feature_dim=512, **recipe.options[base])
        DecoderSettings.from_dict({**model.decoder_settings(), **recipe.settings.decoder})


@pytest.mark.parametrize("name", ["samples", "thumos14"])
def test_a_plugins_recipe_fits_its_base(name: str) -> None:
    assert load_recipe(name, "acrnet", ["clasnet"]).settings.steps > 0


def test_changes_win_and_may_be_nested() -> None:
    changed = load_recipe(
        "samples", "acrnet", ["clasnet"], ["steps=7", "clasnet.n_dilated=5", "calibration.tolerance=0"]
    )
    assert changed.settings.steps == 7
    assert changed.options["clasnet"]["n_dilated"] == 5
    assert changed.settings.calibration.tolerance == 0
    same = load_recipe("samples", "acrnet", ["clasnet"], {"steps": 7, "clasnet": {"n_dilated": 5}})
    assert same.options == changed.options


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("steps = 3\nbatch_size = 2\nlr = 1\nlength = 9\nsampling = 'full'\n")
    assert load_recipe(str(own), "acrnet").settings.lr == 1.0
    own.write_text("steps = = 3")
    with pytest.raises(ConfigError, match=r"own\.toml: is not TOML"):
        load_recipe(str(own), "acrnet")
    with pytest.raises(ConfigError, match="no such recipe file"):
        load_recipe(str(tmp_path / "absent.toml"), "acrnet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("step=7", "unknown key 'step', did you mean 'steps'"),
        ("clasnett.n_dilated=3", "unknown key 'clasnett', did you mean 'clasnet'"),
        ("calibration.tolerence=0.1", "did you mean 'tolerance'"),
        ("zzz=1", "unknown key 'zzz' .known: steps, batch_size"),
        ("steps=seven", "steps = 'seven': input should be a valid integer"),
        ("steps=1.5", "steps = 1.5"),
        ("steps=true", "steps = True"),
        ("steps=0", "greater than or equal to 1"),
        ("lr=nan", "finite"),
        ("sampling=ful", "'random', 'slots', 'uniform', 'full' or 'proposals'"),
        ("clasnet=3", "clasnet is not a table"),
        ("steps.a=3", "steps"),
    ],
)
def test_wrong_changes_are_named(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_recipe("samples", "acrnet", ["clasnet"], [change])
    assert caught.value.exit_code == 2


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(ConfigError, match=r"(?s)(?=.*batchsize)(?=.*lr = 'fast')"):
        load_recipe("samples", "acrnet", [], ["batchsize=3", "lr=fast"])


def test_unknown_recipes_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="samples, thumos14"):
        load_recipe("thumos", "acrnet")


@pytest.mark.parametrize(
    ("backbone", "dataset", "name"),
    [
        ("i3d-mini", None, "samples"),
        ("i3d-mini", "activitynet1.3", "samples"),
        ("i3d", None, "thumos14"),
        ("x3d_m", "thumos14", "thumos14"),
        ("i3d", "activitynet1.2", "activitynet1.2"),
        ("i3d", "activitynet1.3", "activitynet1.3"),
    ],
)
def test_default_recipe_follows_features_and_labels(backbone: str, dataset: str | None, name: str) -> None:
    assert default_recipe(backbone, dataset) == name
    for base in METHODS:
        load_recipe(name, *([base] if METHODS[base].role != "plugin" else ["co2net", [base]]))
